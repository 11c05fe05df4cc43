"""An engine that dies, hangs, dawdles, mumbles, falls silent, is replaced, or has no room left."""

import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.conftest import IMAGE, Service, wait_until
from tests.engine.support import at_once, port_of

from .consistency import consistent, differences, published
from .private_engine import PrivateEngine
from .proxy import Action, Proxy, When, cut, delay, swallow, truncate
from .steps import (
    InBackground,
    assert_done_or_not_now,
    assert_not_now,
    managed,
    only_these_stay,
    only_these_stay_and_all_agrees,
)

pytestmark = pytest.mark.engine

Note = Callable[[str, object], None]

# Containers that only exist cost a tenth of those that run.
LIGHT = {"start": False}


def test_an_engine_that_dies_during_creates(
    engine: PrivateEngine, proxy: Proxy, service: Service, note: Note
) -> None:
    creates = [InBackground(service.create) for _ in range(20)]
    started = proxy.on("POST", "/start", when="answer", do=lambda _: None, times=None)
    # Of eight that have been started, four at most are still being looked at, and then are undone.
    wait_until(lambda: started.hits >= 8, 30, "some containers have been started")
    engine.kill()
    time.sleep(0.5)
    note("seconds until the engine was back", engine.start())
    back = time.monotonic()
    answers = [create.result for create in creates]

    created = {answer.json()["id"] for answer in answers if assert_done_or_not_now(answer)}
    note("201 of 20", len(created))
    assert len(created) >= 4
    note("seconds until service and engine agreed", consistent(service, engine))
    only_these_stay_and_all_agrees(service, engine, created)
    note("seconds until nothing was left of the others", time.monotonic() - back)
    assert service.create().status_code == 201


def test_a_socket_that_is_gone_is_no_reason_to_give_up_connections_that_work(
    engine: PrivateEngine, proxy: Proxy, service: Service, tmp_path: Path
) -> None:
    socket = Path(proxy.address.removeprefix("unix://"))
    # Several at once leave it with as many connections: new ones cannot be had for what it does
    # beside the questions of this test.
    at_once([lambda: service.created(**LIGHT)] * 4)
    socket.rename(tmp_path / "elsewhere.sock")
    end = time.monotonic() + 4
    while time.monotonic() < end:
        answer = service.client.get("/health")
        assert answer.status_code == 200, answer.text
        time.sleep(0.2)
    (tmp_path / "elsewhere.sock").rename(socket)
    assert service.create(**LIGHT).status_code == 201


def test_an_engine_that_dies_and_comes_back_is_noticed_at_once(
    engine: PrivateEngine, service: Service, note: Note
) -> None:
    containers = [service.created(**LIGHT)["id"] for _ in range(3)]
    engine.kill()
    wait_until(lambda: service.client.get("/health").status_code == 503, 5, "it is noticed")
    assert_not_now(service.create())
    assert "x-inventory-age" in service.client.get("/containers").headers
    assert {each["id"] for each in service.get("/containers")} == set(containers)
    engine.start()
    wait_until(lambda: service.client.get("/health").status_code == 200, 10, "it is back")
    note("seconds until it agreed", consistent(service, engine))
    assert "x-inventory-age" not in service.client.get("/containers").headers


def test_a_frozen_engine(
    engine: PrivateEngine, proxy: Proxy, impatient_service: Service, note: Note, tmp_path: Path
) -> None:
    service = impatient_service
    running, stopped = service.created()["id"], service.created(**LIGHT)["id"]
    table = service.get("/ports")
    # Frozen when the request is on its way, so that the engine does it when nobody listens.
    frozen = proxy.on("POST", "/containers/create", when="request", do=lambda _: engine.freeze())
    began = time.monotonic()

    def timed(method: str, path: str) -> tuple[httpx.Response, float]:
        begun = time.monotonic()
        answer = service.client.request(method, path)
        return answer, time.monotonic() - begun

    lost = InBackground(lambda: timed("POST", "/containers/create"))
    assert frozen.hit.wait(10)
    mutations = [
        InBackground(lambda path=path, method=method: timed(method, path))  # type: ignore[misc]
        for method, path in (
            ("POST", f"/containers/{running}/stop?timeout=0"),
            ("POST", f"/containers/{stopped}/start"),
            ("POST", "/containers/create"),
        )
    ]
    slowest = 0.0
    while time.monotonic() - began < 14:
        for path in ("/containers", f"/containers/{running}", "/ports", "/health/live"):
            answer, seconds = timed("GET", path)
            assert answer.status_code == 200
            slowest = max(slowest, seconds)
        time.sleep(0.1)
    assert service.get("/ports")["in_use"] == table["in_use"]
    note("slowest read while frozen", slowest)
    assert slowest < 2
    unhealthy = service.client.get("/health")
    assert unhealthy.status_code == 503
    assert "not answer" in unhealthy.json()["docker"]["problem"]
    for path in ("/containers", "/ports"):
        answer = service.client.get(path)
        assert answer.status_code == 200
        assert float(answer.headers["x-inventory-age"]) > 0, "the reads do not say how old they are"
    for mutation in (lost, *mutations):
        answer, seconds = mutation.result
        assert answer.status_code == 504, answer.text
        assert_not_now(answer)
        note("seconds until 504", seconds)
        assert seconds < 13  # two calls of the engine, 5 s each, and some patience

    engine.thaw()
    note("seconds until it agreed", consistent(service, engine, 20))
    only_these_stay_and_all_agrees(service, engine, {running, stopped})
    assert service.created()["state"] == "running"


def test_a_slow_engine(engine: PrivateEngine, proxy: Proxy, service: Service, note: Note) -> None:
    proxy.on("*", "", when="request", do=delay(0.5), times=None)
    began = time.monotonic()
    answers = at_once([service.create] * 4)
    note("seconds for 4 creates with 0.5 s before each call", time.monotonic() - began)
    assert [answer.status_code for answer in answers] == [201] * 4
    container = answers[0].json()["id"]
    for path in (f"/containers/{container}/{verb}" for verb in ("stop", "start", "restart")):
        assert service.client.post(path, params={"timeout": 0}).status_code == 200
    assert service.client.delete(f"/containers/{container}?force=true").status_code == 200
    proxy.clear()
    only_these_stay_and_all_agrees(service, engine, {a.json()["id"] for a in answers[1:]})


# What may happen to a call: it does not arrive; or it is done, and nobody hears all of the answer.
FAULTS: dict[str, tuple[When, Action]] = {
    "cut before the request": ("request", cut),
    "cut after the answer": ("answer", cut),
    "answer cut in its head": ("answer", truncate(20)),
    "answer cut in its body": ("answer", truncate(170)),
}
# The calls of each operation that may be hit.
CALLS = [
    ("create", "GET", "/images/"),
    ("create", "POST", "/containers/create"),
    ("create", "POST", "/start"),
    ("create", "GET", r"/containers/\w{64}/json"),
    ("start", "POST", "/start"),
    ("start", "GET", r"/containers/\w{64}/json"),
    ("stop", "POST", "/stop"),
    ("stop", "GET", r"/containers/\w{64}/json"),
    ("restart", "POST", "/restart"),
    ("remove", "DELETE", "/containers/"),
    ("remove", "GET", r"/containers/\w{64}/json"),
]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_connection_that_is_lost(
    fault: str, engine: PrivateEngine, proxy: Proxy, service: Service, note: Note
) -> None:
    when, action = FAULTS[fault]
    outcomes = []
    wanted: set[str] = set()
    for operation, method, path in CALLS:
        container = ""
        if operation != "create":
            container = service.created(start=operation != "start")["id"]
        rule = proxy.on(method, path, when=when, do=action)
        if operation == "create":
            answer = service.create()
        elif operation == "remove":
            answer = service.client.delete(f"/containers/{container}?force=true")
        else:
            answer = service.client.post(f"/containers/{container}/{operation}?timeout=0")
        proxy.clear()
        assert rule.hits, f"{operation}: {method} {path} was not called"
        done = assert_done_or_not_now(answer)
        outcomes.append(f"{operation} {method} {path}: {answer.status_code}")
        if operation == "create" and done:
            wanted.add(answer.json()["id"])
        elif operation == "remove":
            # Done or not, it can be asked for again, and is gone then.
            assert service.client.delete(f"/containers/{container}?force=true").status_code in (
                (404,) if done else (200, 404)
            )
        elif operation != "create":
            wanted.add(container)
            repeated = service.client.post(f"/containers/{container}/{operation}?timeout=0")
            assert repeated.status_code == 200, repeated.text
            assert repeated.json()["state"] == ("exited" if operation == "stop" else "running")
    note(fault, outcomes)
    only_these_stay_and_all_agrees(service, engine, wanted)


def test_an_answer_that_never_comes(
    engine: PrivateEngine, proxy: Proxy, impatient_service: Service, note: Note
) -> None:
    service = impatient_service
    for path in ("/containers/create", "/start"):
        proxy.on("POST", path, when="answer", do=swallow)
    began = time.monotonic()
    answers = at_once([service.create] * 3)
    note("seconds until all had an answer", time.monotonic() - began)
    created = {answer.json()["id"] for answer in answers if assert_done_or_not_now(answer)}
    assert len(created) == 1
    only_these_stay_and_all_agrees(service, engine, created)


def test_every_connection_is_cut_again_and_again(
    engine: PrivateEngine, proxy: Proxy, service: Service, note: Note
) -> None:
    creates = [InBackground(service.create) for _ in range(12)]
    for _ in range(3):
        time.sleep(0.7)
        proxy.cut_all()
    answers = [create.result for create in creates]
    created = {answer.json()["id"] for answer in answers if assert_done_or_not_now(answer)}
    note("201 of 12", len(created))
    note("seconds until it agreed", consistent(service, engine))
    only_these_stay_and_all_agrees(service, engine, created)


def test_an_event_stream_that_falls_silent(
    engine: PrivateEngine, proxy: Proxy, impatient_service: Service, note: Note
) -> None:
    service = impatient_service
    container = service.created()["id"]
    assert proxy.silence_streams() == 1
    engine.call("POST", f"/containers/{container}/kill")
    outside = engine.run(port=8777)[:12]
    began = time.monotonic()
    consistent(service, engine, 12)
    note("seconds until the silence was noticed", time.monotonic() - began)
    assert service.get(f"/containers/{container}")["state"] == "exited"
    assert service.port_row(8777)["container_id"] == outside
    # From now on, what happens is told again.
    engine.remove_container(outside)
    began = time.monotonic()
    wait_until(lambda: not differences(service, engine), 3, "events are followed again")
    note("seconds until the next change was known", time.monotonic() - began)


def test_a_socket_that_is_made_anew(
    engine: PrivateEngine,
    proxy: Proxy,
    service: Service,
    start_proxy: Callable[..., Proxy],
    note: Note,
) -> None:
    container = service.created(**LIGHT)["id"]
    path = Path(proxy.address.removeprefix("unix://"))
    proxy.close()
    wait_until(lambda: service.client.get("/health").status_code == 503, 5, "it is noticed")
    engine.remove_container(container)
    outside = engine.run(port=8002)
    start_proxy(engine, path)
    note("seconds until it agreed", consistent(service, engine))
    assert [each["id"] for each in service.get("/containers")] == [outside[:12]]
    assert port_of(service.created()) not in (8002,)
    consistent(service, engine)


def test_another_engine_behind_the_same_socket(
    engine: PrivateEngine,
    proxy: Proxy,
    service: Service,
    start_engine: Callable[..., PrivateEngine],
    start_proxy: Callable[..., Proxy],
    note: Note,
) -> None:
    here = [service.created()["id"] for _ in range(2)]
    other = start_engine(apart=True)
    there = other.run(port=8003)[:12]
    path = Path(proxy.address.removeprefix("unix://"))
    proxy.close()
    start_proxy(other, path)
    note("seconds until it agreed with the other engine", consistent(service, other))
    assert [each["id"] for each in service.get("/containers")] == [there]
    assert port_of(service.created()) not in (8003,)
    consistent(service, other)
    assert set(managed(engine).values()) == {"running"}
    assert managed(engine).keys() == set(here)  # those of the engine that is not there are left


def test_a_full_disk(
    start_engine: Callable[..., PrivateEngine],
    start_proxy: Callable[..., Proxy],
    proxy: Proxy,
    service: Service,
    note: Note,
) -> None:
    small = start_engine(disk_mb=64, apart=True)
    path = Path(proxy.address.removeprefix("unix://"))
    proxy.close()
    before = start_proxy(small, path)
    # Both are empty, so that they agree says nothing yet.
    wait_until(
        lambda: any(each.step == "GET /containers/json" for each in before.exchanges),
        15,
        "the service has found the other engine",
    )
    consistent(service, small)
    container = service.created()["id"]
    filler = small.data / "filler"

    def fill(_: object = None) -> None:
        with filler.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(65536))
            except OSError:
                pass

    fill()
    answer = service.create()
    note("create on a full disk", f"{answer.status_code} {answer.text}")
    assert_not_now(answer)
    assert service.get(f"/containers/{container}")["state"] == "running"
    only_these_stay_and_all_agrees(service, small, {container})
    filler.unlink()
    second = service.created()["id"]

    # It may also become full in the middle of a create.
    before.on("POST", "/containers/create", when="answer", do=fill)
    answer = service.create()
    note("start on a full disk", f"{answer.status_code} {answer.text}")
    wanted = {container, second}
    if assert_done_or_not_now(answer):
        wanted.add(answer.json()["id"])
    filler.unlink()
    only_these_stay_and_all_agrees(service, small, wanted)
    assert service.created()["state"] == "running"
    consistent(service, small)


def test_ports_taken_behind_the_service_s_back(
    engine: PrivateEngine, proxy: Proxy, service: Service
) -> None:
    """Somebody takes the very port between the create and the start of a container for it."""
    taken: list[str] = []

    def take(_: object) -> None:
        taken.append(engine.run(port=8001))

    proxy.on("POST", "/containers/create", when="answer", do=take)
    container = service.created()
    assert port_of(container) != 8001
    only_these_stay(service, engine, {container["id"]})
    foreign = next(each for each in engine.containers() if each["Id"] == taken[0])
    assert published(foreign) == {8001}
    assert foreign["Image"] == IMAGE
    consistent(service, engine)
