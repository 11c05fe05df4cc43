"""A service that is killed at any moment. The next one must find everything as it was, or as it was
asked to be, or a husk, which it recognises and removes; and it never removes what once ran.
"""

import json
import random
import re
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import httpx
import pytest

from tests.conftest import IMAGE, Service, wait_until
from tests.engine.support import at_once

from .consistency import consistent, is_managed, told
from .private_engine import PrivateEngine
from .proxy import Proxy, When
from .steps import (
    GROWING,
    InBackground,
    assert_done_or_not_now,
    is_husk,
    kill,
    killing,
    managed,
    only_these_stay_and_all_agrees,
)

pytestmark = pytest.mark.engine

Note = Callable[[str, object], None]

LABEL_KEY = "orchestration-api.idempotency-key"

# A husk goes when it is older than HUSK_GRACE, 2 s here, and the house is kept.
HUSK_SECONDS = 15.0
# Each start adds a line to a file: what it holds says whose file system a container has.
MARKING = [
    "/bin/sh",
    "-c",
    "echo started >> /mark; trap 'exit 7' TERM; while :; do sleep 3600 & wait; done",
]


@dataclass
class Operation:
    """Something to be interrupted. `prepare` makes what it is about and returns its id or name."""

    prepare: Callable[[Service], str]
    run: Callable[[Service, str], httpx.Response]
    # The states in which the container may be found; "gone" when there is none.
    may_be: set[str]


def _nothing(_: Service) -> str:
    return f"made-{uuid.uuid4().hex[:8]}"


def _running(service: Service) -> str:
    return str(service.created(name=_nothing(service))["name"])


def _stopped(service: Service) -> str:
    name = _running(service)
    service.client.post(f"/containers/{name}/stop").raise_for_status()
    return name


def _post(verb: str) -> Callable[[Service, str], httpx.Response]:
    return lambda service, name: service.client.post(f"/containers/{name}/{verb}")


def _delete(force: str) -> Callable[[Service, str], httpx.Response]:
    return lambda service, name: service.client.delete(f"/containers/{name}?force={force}")


OPERATIONS = {
    "create": Operation(_nothing, lambda s, name: s.create(name=name), {"running", "gone"}),
    "create without start": Operation(
        _nothing, lambda s, name: s.create(name=name, start=False), {"created", "gone"}
    ),
    "start": Operation(_stopped, _post("start"), {"exited", "running"}),
    "stop": Operation(_running, _post("stop"), {"exited", "running"}),
    "restart": Operation(_running, _post("restart"), {"exited", "running"}),
    "remove": Operation(_running, _delete("false"), {"exited", "running", "gone"}),
    "remove by force": Operation(_running, _delete("true"), {"running", "gone"}),
}


@dataclass
class Step:
    """The `nth` call of a kind, counted from 0, that an operation made in a dry run."""

    call: str
    nth: int
    when: When


def steps_of(operation: Operation, service: Service, proxy: Proxy) -> list[Step]:
    """Every moment before and after each call of the engine that the operation makes."""
    name = operation.prepare(service)
    time.sleep(0.2)  # the events of the preparation have been followed up
    with proxy.recorded() as calls:
        answer = operation.run(service, name)
        time.sleep(0.2)
    assert answer.is_success, answer.text
    return [
        Step(call, calls[:index].count(call), when)
        for index, call in enumerate(calls)
        for when in ("request", "answer")
    ]


def crash_at(
    step: Step,
    operation: Operation,
    service: Service,
    proxy: Proxy,
    name: str,
    fewer: tuple[str, ...] = ("GET",),
) -> bool:
    """Runs the operation and kills the service at a step of it; whether the step was reached.

    Of the calls that begin like `fewer` there may be fewer than in the dry run, as of inspections,
    which follow events; the others are made.
    """
    rule = proxy.at(step.call, nth=step.nth, when=step.when, do=killing(service))
    try:
        answer = operation.run(service, name)
    except httpx.TransportError:
        answer = None
    if answer is not None:
        rule.hit.wait(0.3)
        assert answer.is_success, answer.text
        assert rule.hits or step.call.startswith(fewer), f"{step} was not reached"
    if not rule.hits:
        kill(service)
    proxy.clear()
    return bool(rule.hits)


def state_of(engine: PrivateEngine, name: str) -> str:
    """Its state, or `gone`; what the engine was told to do before the crash, it does to its end."""
    ending = time.monotonic() + 10
    while True:
        states = [each["State"] for each in engine.containers() if f"/{name}" in each["Names"]]
        if states != ["removing"] or time.monotonic() > ending:
            return str(states[0]) if states else "gone"
        time.sleep(0.1)


@pytest.mark.parametrize("what", OPERATIONS)
def test_killed_at_every_step(
    what: str, engine: PrivateEngine, proxy: Proxy, service: Service, note: Note
) -> None:
    operation = OPERATIONS[what]
    service.created()  # the network is there, so that each create makes the same calls
    service.stop()  # as after each crash, nothing is remembered
    service.start()
    steps = steps_of(operation, service, proxy)
    engine.clear()
    outcomes: list[str] = []
    husks: list[str] = []
    for step in steps:
        name = operation.prepare(service)
        time.sleep(0.1)
        reached = crash_at(step, operation, service, proxy, name)
        service.start()
        state = state_of(engine, name)
        consistent(service, engine)
        outcomes.append(f"{step.when} of {step.call} #{step.nth}{'' if reached else ' (not)'}")
        outcomes[-1] += f": {state}"
        if state == "created" and "created" not in operation.may_be:
            husks.append(name)
        else:
            assert state in operation.may_be, outcomes
    note(f"killed at {len(steps)} moments", outcomes)
    began = time.monotonic()
    kept = {each["Id"][:12] for each in engine.containers() if each["Names"][0][1:] not in husks}
    only_these_stay_and_all_agrees(service, engine, kept, HUSK_SECONDS)
    if husks:
        note(f"seconds until {len(husks)} husks were gone", time.monotonic() - began)
    for name in husks:  # nothing speaks against another attempt
        assert service.create(name=name, start=False).status_code == 201
    consistent(service, engine)


def test_a_look_at_who_an_image_runs_as_killed_at_every_step(
    engine: PrivateEngine, proxy: Proxy, service: Service
) -> None:
    """A container is created for it, before the one that was asked for: it never stays."""
    operation = Operation(
        _nothing,
        lambda s, name: s.create(name=name, image="named:1", profile="restricted"),
        {"running", "gone"},
    )
    named = {"user": "toor", "passwd": "toor:x:0:0::/:/bin/sh"}  # which nobody remembers
    engine.load_image("named:1", **named)
    service.created()
    service.stop()
    service.start()
    steps = steps_of(operation, service, proxy)
    engine.clear()
    engine.load_image("named:1", **named)
    looks = [
        step
        for step in steps
        if step.nth == 0 and ("archive" in step.call or step.call.startswith(("POST", "DELETE")))
    ]
    assert any("archive" in step.call for step in looks)
    for step in looks:
        name = operation.prepare(service)
        crash_at(step, operation, service, proxy, name, ("GET", "HEAD", "POST", "DELETE"))
        service.start()
        consistent(service, engine)
        wait_until(
            lambda: all(entry["State"] == "running" for entry in engine.containers()),
            HUSK_SECONDS,
            f"what was created is gone, after {step}",
        )
        if state_of(engine, name) != "gone":
            assert engine.inspect(name)["Config"]["User"] == "65534:65534"
    consistent(service, engine)


# Volumes


def _volume_of(name: str) -> str:
    return f"volume-of-{name}"


def _with_volume(service: Service) -> str:
    """One that runs, with a volume of its own."""
    name = _nothing(service)
    service.created(name=name, volumes=[f"{_volume_of(name)}:/data"])
    return name


def _whose_container_is_gone(service: Service) -> str:
    name = _with_volume(service)
    service.client.delete(f"/containers/{name}?force=true").raise_for_status()
    return name


def _volumes(engine: PrivateEngine) -> set[str]:
    return {each["Name"] for each in engine.call("GET", "/volumes")["Volumes"] or ()}


REMOVALS = {
    "a container with its volumes": Operation(
        _with_volume,
        lambda s, name: s.client.delete(f"/containers/{name}?volumes=true"),
        {"exited", "running", "gone"},
    ),
    "a container with its volumes, by force": Operation(
        _with_volume,
        lambda s, name: s.client.delete(f"/containers/{name}?volumes=true&force=true"),
        {"running", "gone"},
    ),
    "a volume": Operation(
        _whose_container_is_gone,
        lambda s, name: s.client.delete(f"/volumes/{_volume_of(name)}"),
        {"gone"},
    ),
}


@pytest.mark.parametrize("what", REMOVALS)
def test_a_removal_with_volumes_killed_at_every_step(
    what: str, engine: PrivateEngine, proxy: Proxy, service: Service, note: Note
) -> None:
    """A volume never goes before its container, and what is left can be removed by its name."""
    operation = REMOVALS[what]
    service.created()  # the network is there, so that each create makes the same calls
    service.stop()  # as after each crash, nothing is remembered
    service.start()
    steps = steps_of(operation, service, proxy)
    assert any("/volumes/" in step.call for step in steps)
    engine.clear()
    outcomes: list[str] = []
    for step in steps:
        name = operation.prepare(service)
        time.sleep(0.1)
        reached = crash_at(step, operation, service, proxy, name)
        service.start()
        state = state_of(engine, name)
        consistent(service, engine)
        stays = _volume_of(name) in _volumes(engine)
        outcomes.append(f"{step} reached={reached}: {state}, volume {stays}")
        assert state in operation.may_be, outcomes
        assert stays or state == "gone", outcomes
        shown = {each["name"]: each["containers"] for each in service.get("/volumes")}
        assert (_volume_of(name) in shown) == stays, outcomes
        if stays:
            assert shown[_volume_of(name)] == ([] if state == "gone" else [name]), outcomes
        # The same again, or what is left of it.
        if state != "gone":
            answer = service.client.delete(f"/containers/{name}?volumes=true&force=true")
            assert answer.json()["removed_volumes"] == [_volume_of(name)], outcomes
        elif stays:
            answer = service.client.delete(f"/volumes/{_volume_of(name)}")
            assert answer.status_code == 200, outcomes
        assert _volume_of(name) not in _volumes(engine), outcomes
        consistent(service, engine)
    note(f"killed at {len(steps)} moments", outcomes)


# Moves: a stopped container whose port was given away is rebuilt on another one when it is started.


def _whose_port_is_given_away(service: Service) -> str:
    # Without an init process: a start ends when the program runs, which can mark it then before it
    # is stopped.
    mine = service.created(name=_nothing(service), command=MARKING, init=False)
    port = int(mine["ports"]["5000/tcp"].rpartition(":")[2])
    service.client.post(f"/containers/{mine['id']}/stop").raise_for_status()
    service.created(name=f"{mine['name']}-successor", port=port)
    return str(mine["name"])


def _whose_image_has_grown(service: Service) -> str:
    """The same of a container that has moved before, with more than a move lets an image keep."""
    command = ["/bin/sh", "-c", f"{GROWING}; {MARKING[2]}"]
    mine = service.created(name=_nothing(service), command=command, init=False)
    for successor in ("first", "second"):
        port = int(mine["ports"]["5000/tcp"].rpartition(":")[2])
        # It hears nothing before its trap is set, which it is once the file is written.
        service.client.post(f"/containers/{mine['name']}/stop?timeout=5").raise_for_status()
        if successor == "second":
            service.created(name=f"{mine['name']}-successor", port=port)
            break
        blocker = service.created(port=port)
        mine = service.client.post(f"/containers/{mine['name']}/start").json()
        service.client.delete(f"/containers/{blocker['id']}?force=true").raise_for_status()
    return str(mine["name"])


MOVE = Operation(_whose_port_is_given_away, _post("start"), {"exited", "running"})
FLATTENING = Operation(_whose_image_has_grown, _post("start"), {"exited", "running"})


def _marks(engine: PrivateEngine, name: str) -> int:
    """How often the file system of a container has seen a start."""
    archive = engine.http.get(f"/containers/{name}/archive", params={"path": "/mark"}).content
    return archive.count(b"started\n")


@pytest.mark.parametrize(
    ("move", "starts", "only"),
    [
        pytest.param(MOVE, 1, "", id="plain"),
        # Its other steps are those of a plain one.
        pytest.param(FLATTENING, 2, "/export|/history|/images/create", id="flattening"),
    ],
)
def test_a_move_killed_at_every_step(
    move: Operation,
    starts: int,  # before the move
    only: str,  # the calls at which it is killed
    engine: PrivateEngine,
    proxy: Proxy,
    service: Service,
    note: Note,
) -> None:
    steps = [step for step in steps_of(move, service, proxy) if re.search(only, step.call)]
    assert len(steps) >= 6
    engine.clear()
    outcomes: list[str] = []
    wanted: set[str] = set()
    for step in steps:
        name = move.prepare(service)
        before = service.get(f"/containers/{name}")["id"]
        time.sleep(0.1)
        reached = crash_at(step, move, service, proxy, name)
        left = sorted((each["Names"][0], each["State"]) for each in engine.containers())
        outcomes.append(f"{step} reached={reached}: {left}")
        service.start()
        consistent(service, engine)
        # The container is there under its name, or will be again at once, with what was in it.
        began = time.monotonic()
        wanted |= {f"/{name}", f"/{name}-successor"}
        while {each["Names"][0] for each in engine.containers()} != wanted:
            assert time.monotonic() - began < HUSK_SECONDS, outcomes
            time.sleep(0.05)
        consistent(service, engine)
        state = state_of(engine, name)
        assert state in move.may_be, outcomes
        # It runs, but may not have come to the mark yet.
        expected = starts + 1 if state == "running" else starts
        wait_until(lambda: _marks(engine, name) >= expected, 10, outcomes[-1])  # noqa: B023
        assert _marks(engine, name) == expected, outcomes
        if state != "running":
            moved = service.client.post(f"/containers/{name}/start")
            assert moved.status_code == 200, moved.text
            wait_until(lambda: _marks(engine, name) > starts, 10, outcomes[-1])  # noqa: B023
            assert _marks(engine, name) == starts + 1, outcomes
        assert service.get(f"/containers/{before}")["name"] == name, "the old id is forgotten"
        consistent(service, engine)
    note(f"killed at {len(steps)} moments", outcomes)

    def unused() -> list[Any]:
        used = {engine.inspect(each["Id"])["Image"] for each in engine.containers()}
        images = engine.call("GET", "/images/json")
        return [each for each in images if each["Id"] not in used and IMAGE not in each["RepoTags"]]

    # That of a move that a crash cut off goes as a husk does.
    wait_until(lambda: not unused(), 2 * HUSK_SECONDS, "no image of a move is left")


# Random moments of a mixed load


@dataclass
class Worker:
    """A client with containers of its own, one request at a time, until the service is gone."""

    service: Service
    random: random.Random
    states: dict[str, str] = field(default_factory=dict)  # as last answered
    removed: list[str] = field(default_factory=list)  # those that it asked to be removed
    doing: tuple[Literal["create", "start", "stop", "remove", ""], str] = ("", "")

    def run(self) -> None:
        try:
            while True:
                self._one()
        except httpx.TransportError:
            pass

    def _one(self) -> None:
        known = list(self.states)
        if len(known) < 2 or self.random.random() < 0.4:
            self.doing = ("create", "")
            answer = self._request(
                "POST", "/containers/create", {"start": self.random.random() < 0.5}
            )
            self.states[answer["id"]] = answer["state"]
        else:
            container = self.random.choice(known)
            if self.random.random() < 0.4:
                self.doing = ("remove", container)
                self.removed.append(container)
                self._request("DELETE", f"/containers/{container}?force=true")
                del self.states[container]
            else:
                verb: Literal["start", "stop"] = (
                    "stop" if self.states[container] == "running" else "start"
                )
                self.doing = (verb, container)
                answer = self._request("POST", f"/containers/{container}/{verb}")
                self.states[container] = answer["state"]
        self.doing = ("", "")

    def _request(self, method: str, path: str, body: Any = None) -> Any:
        with httpx.Client(base_url=self.service.url, timeout=30, trust_env=False) as client:
            answer = client.request(method, path, json=body)
        assert answer.is_success, answer.text
        return answer.json()


def _ran(engine: PrivateEngine, since: float) -> set[str]:
    """The containers that the engine says to have started since then."""
    wanted = {
        "since": f"{since:.3f}",
        "until": f"{time.time():.3f}",
        "filters": json.dumps({"type": ["container"], "event": ["start"]}),
    }
    lines = engine.http.get("/events", params=wanted).text.splitlines()
    return {json.loads(line)["Actor"]["ID"][:12] for line in lines if line.strip()}


def test_killed_at_random_moments_of_a_mixed_load(
    engine: PrivateEngine, service: Service, note: Note
) -> None:
    seed = random.randrange(1 << 32)
    note("seed", seed)
    chance = random.Random(seed)
    rounds, slowest, removals = 10, 0.0, 0
    for _ in range(rounds):
        began = time.time()
        workers = [Worker(service, random.Random(chance.random())) for _ in range(6)]
        threads = [threading.Thread(target=worker.run, daemon=True) for worker in workers]
        for thread in threads:
            thread.start()
        time.sleep(chance.uniform(0.1, 1.5))
        kill(service)
        for thread in threads:
            thread.join(30)
            assert not thread.is_alive()
        again = time.monotonic()
        service.start()
        slowest = max(slowest, time.monotonic() - again)
        consistent(service, engine)

        states = managed(engine)
        trace = "\n".join([f"seed {seed}", *told(service)])
        for worker in workers:
            verb, disturbed = worker.doing
            for key, state in worker.states.items():
                if (verb, disturbed) != ("remove", key):
                    assert key in states, f"{key} is lost\n{trace}"
                if key != disturbed:
                    assert states[key] == state, trace
        asked = {key for worker in workers for key in worker.removed}
        ran = _ran(engine, began)
        assert ran - states.keys() <= asked, f"these ran and were removed\n{trace}"
        removals += len(asked)
        # Husks stay until the end, so that their clean-up is waited for once.
        for entry in engine.containers():
            if not is_husk(entry):
                engine.remove_container(entry["Id"])
        consistent(service, engine)
    note("crashes", rounds)
    note("removals", removals)
    note("husks", len(managed(engine)))
    note("slowest start of the next service", slowest)
    only_these_stay_and_all_agrees(service, engine, set(), HUSK_SECONDS)


# Keys


def test_a_create_with_a_key_happens_once_whenever_the_service_is_killed(
    engine: PrivateEngine, proxy: Proxy, service: Service, note: Note
) -> None:
    def create(service: Service, key: str) -> httpx.Response:
        return service.client.post("/containers/create", headers={"Idempotency-Key": key})

    operation = Operation(_nothing, create, {"running"})
    service.created()  # the network is there, so that each create makes the same calls
    service.stop()  # as after each crash, nothing is remembered
    service.start()
    steps = steps_of(operation, service, proxy)
    engine.clear()
    outcomes: list[str] = []
    made: set[str] = set()
    for step in steps:
        key = operation.prepare(service)
        # The program of the image is looked for once, and the repetition before has seen it.
        crash_at(step, operation, service, proxy, key, fewer=("GET", "HEAD"))
        found = [
            each["Id"][:12] for each in engine.containers() if each["Labels"].get(LABEL_KEY) == key
        ]
        service.start()
        answers = at_once([lambda key=key: create(service, key)] * 3)  # type: ignore[misc]
        ids = {answer.json()["id"] for answer in answers}
        outcomes.append(f"{step}: {found} -> {[answer.status_code for answer in answers]} {ids}")
        assert {answer.status_code for answer in answers} <= {200, 201}, outcomes
        assert len(ids) == 1, outcomes
        running = [
            each["Id"][:12] for each in engine.containers() if each["Labels"].get(LABEL_KEY) == key
        ]
        assert set(running) == ids, outcomes
        assert managed(engine)[running[0]] == "running"
        made |= ids
    note(f"killed at {len(steps)} moments", outcomes)
    only_these_stay_and_all_agrees(service, engine, made)


def test_a_create_with_a_key_happens_once_though_its_answer_is_lost(
    engine: PrivateEngine, proxy: Proxy, service: Service
) -> None:
    made: set[str] = set()
    for path in ("/containers/create", "/start"):
        for when in ("request", "answer"):
            key = uuid.uuid4().hex
            rule = proxy.on("POST", path, when=when, do=lambda _: proxy.cut_all())

            def create(key: str = key) -> httpx.Response:
                return service.client.post("/containers/create", headers={"Idempotency-Key": key})

            assert_done_or_not_now(create())
            assert rule.hits
            consistent(service, engine)
            repeated = create()
            assert repeated.status_code in (200, 201), repeated.text
            made.add(repeated.json()["id"])
    assert len(made) == 4
    only_these_stay_and_all_agrees(service, engine, made)


def test_a_killed_service_does_not_disturb_another(
    engine: PrivateEngine, start_service: Callable[..., Service], note: Note
) -> None:
    """Two services on one engine and one range: the engine's refusal is the last word."""
    # What one is about to start is no husk to the other, however slow the machine.
    first, second = start_service(HUSK_GRACE="60"), start_service(HUSK_GRACE="60")
    began = time.monotonic()
    answers = at_once([first.create, second.create] * 15)
    note("seconds for 30 creates through two services", time.monotonic() - began)
    assert [answer.status_code for answer in answers] == [201] * 30
    ports = [answer.json()["ports"]["5000/tcp"] for answer in answers]
    assert len(set(ports)) == 30
    consistent(first, engine)
    consistent(second, engine)

    mine, other = answers[0].json()["id"], answers[1].json()["id"]
    assert second.client.post(f"/containers/{mine}/stop").status_code == 200
    assert first.client.post(f"/containers/{mine}/start").status_code == 200
    assert first.client.delete(f"/containers/{other}?force=true").status_code == 200
    consistent(first, engine)
    consistent(second, engine)

    creates = [InBackground(second.create) for _ in range(5)]
    kill(first)
    assert [create.result.status_code for create in creates] == [201] * 5
    assert len([each for each in engine.containers() if is_managed(each)]) == 34
    consistent(second, engine)
