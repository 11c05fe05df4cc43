"""How containers come to an end: the time that they have for it, and what is told of it."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import docker
import pytest
from docker.errors import NotFound

from tests.conftest import IMAGE, Service, wait_until

from .support import SLEEP, act, ask, assert_problem, nothing_changes, unique

pytestmark = pytest.mark.engine

Make = Callable[..., str]

# Ends with exit code 7, but only eleven seconds after it was asked to.
SLOW = ["python3", "-c",
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: (time.sleep(11), sys.exit(7)))\n"
        "print('ready', flush=True)\n"
        "time.sleep(300)"]  # fmt: skip
HUNGRY = ["python3", "-c", "bytearray(200 << 20)"]


@pytest.fixture
def make(docker_client: docker.DockerClient) -> Iterator[Make]:
    """Makes containers as somebody else would, with whatever an engine takes; their names."""
    made: list[str] = []

    def make(*, start: bool = True, host: dict[str, Any] | None = None, **config: Any) -> str:
        name = unique("theirs")
        body = {"Image": IMAGE, "Cmd": SLEEP, "HostConfig": host or {}, **config}
        docker_client.api.create_container_from_config(body, name)  # type: ignore[no-untyped-call]
        made.append(name)
        if start:
            docker_client.api.start(name)
        return name

    yield make
    for name in made:
        with suppress(NotFound):
            docker_client.api.remove_container(name, force=True, v=True)


@pytest.fixture
def unlocked(start_service: Callable[..., Service]) -> Service:
    """A service that may change containers of others, too."""
    return start_service(ALLOW_UNMANAGED="true")


def known(service: Service, name: str, state: str = "running") -> str:
    """A container that the service has heard of, in its state."""

    def look() -> bool:
        answer = service.client.get(f"/containers/{name}")
        return answer.status_code == 200 and answer.json()["state"] == state

    wait_until(look, 10, f"{name} is {state}")
    return name


def seconds_of(service: Service, name: str, verb: str, **query: Any) -> float:
    began = time.monotonic()
    act(service, name, verb, **query)
    return time.monotonic() - began


# The time to end


@pytest.mark.parametrize("verb", ["stop", "restart", "delete"])
def test_a_container_has_the_time_that_it_was_created_with(
    verb: str, unlocked: Service, make: Make
) -> None:
    """As process 1, `sleep` does not hear the stop signal."""
    name = known(unlocked, make(StopTimeout=2))
    assert 1.9 < seconds_of(unlocked, name, verb) < 8


@pytest.mark.parametrize("verb", ["stop", "restart", "delete"])
def test_it_has_another_one_where_somebody_says_so(
    verb: str, unlocked: Service, make: Make
) -> None:
    name = known(unlocked, make(StopTimeout=30))
    assert seconds_of(unlocked, name, verb, timeout=0) < 8


@pytest.mark.parametrize("verb", ["stop", "restart", "delete"])
def test_it_has_ten_seconds_where_nobody_has_said_anything(verb: str, service: Service) -> None:
    container = service.created(command=SLEEP, init=False)
    assert 9.9 < seconds_of(service, container["id"], verb) < 18


def test_one_that_asks_never_to_be_killed_is_waited_for(
    unlocked: Service, make: Make, docker_client: docker.DockerClient
) -> None:
    name = known(unlocked, make(StopTimeout=-1, Cmd=SLOW))
    slow = docker_client.containers.get(name)
    wait_until(lambda: b"ready" in slow.logs(), 20, "its handler is set")
    assert act(unlocked, name, "stop")["exit_code"] == 7


# Why it has ended


def ended(service: Service, key: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        found: dict[str, Any] = service.get(f"/containers/{key}")
        return found if found["state"] == "exited" else None

    found: dict[str, Any] = wait_until(look, 20, "it has ended")
    return found


@pytest.mark.parametrize(
    ("body", "exit_code", "reason", "oom_killed"),
    [
        ({"command": ["sh", "-c", "exit 3"]}, 3, "exited", False),
        ({"command": HUNGRY, "memory": "32m"}, 137, "oom", True),
        ({"command": HUNGRY, "memory": "32m", "init": False}, 137, "oom", True),
        (
            {"command": ["sh", "-c", f"python3 -c '{HUNGRY[2]}'; exit 3"], "memory": "32m"},
            3, "exited", True,
        ),
        ({"command": ["sh", "-c", "kill -9 $$"]}, 137, "killed", False),
        ({"command": ["sh", "-c", "kill -USR1 $$"]}, 138, "signal", False),
    ],
)  # fmt: skip
def test_why_a_container_has_ended(
    service: Service, body: dict[str, Any], exit_code: int, reason: str, oom_killed: bool
) -> None:
    found = ended(service, service.created(**body)["id"])
    told = (found["exit_code"], found["reason"], found["oom_killed"], found["restart_count"])
    assert told == (exit_code, reason, oom_killed, 0)


def test_how_one_has_ended_that_was_stopped(service: Service) -> None:
    running = service.created(command=SLEEP)
    assert (running["reason"], running["oom_killed"], running["restart_count"]) == (None, None, 0)
    stopped = act(service, running["id"], "stop")
    assert (stopped["exit_code"], stopped["reason"]) == (143, "signal")
    again = act(service, running["id"], "start")
    assert (again["exit_code"], again["reason"], again["oom_killed"]) == (None, None, None)
    act(service, running["id"], "stop", timeout=0)
    assert service.get(f"/containers/{running['id']}")["reason"] in ("killed", "signal")


def test_one_that_the_engine_could_not_start_was_refused(unlocked: Service, make: Make) -> None:
    name = known(unlocked, make(start=False, Cmd=["/none"]), "created")
    assert service_reason(unlocked, name) is None
    assert_problem(ask(unlocked, name, "start"), 422, "start-refused")
    assert service_reason(unlocked, name) == "refused"


def service_reason(service: Service, name: str) -> str | None:
    reason: str | None = service.get(f"/containers/{name}")["reason"]
    return reason


@pytest.mark.parametrize(
    ("body", "exit_code", "reason", "oom_killed"),
    [
        ({"command": ["sh", "-c", "exit 3"]}, 3, "exited", False),
        ({"command": HUNGRY, "memory": "32m"}, 137, "oom", True),
    ],
)
def test_one_that_is_restarted_says_how_it_has_ended_last(
    service: Service, body: dict[str, Any], exit_code: int, reason: str, oom_killed: bool
) -> None:
    key = service.created(restart_policy="always", **body)["id"]

    def between() -> dict[str, Any] | None:
        found: dict[str, Any] = service.get(f"/containers/{key}")
        if found["state"] == "running":
            assert (found["exit_code"], found["reason"]) == (None, None)
        return found if found["state"] == "restarting" and found["restart_count"] > 1 else None

    found = wait_until(between, 30, "it waits to be restarted")
    told = (found["exit_code"], found["reason"], found["oom_killed"])
    assert told == (exit_code, reason, oom_killed)
    assert found["finished_at"] is not None


def test_restarts_are_counted(service: Service) -> None:
    body = {"command": ["sh", "-c", "exit 3"], "restart_policy": "on-failure:2"}
    key = service.created(**body)["id"]
    wait_until(lambda: service.get(f"/containers/{key}")["restart_count"] == 2, 20)
    found = ended(service, key)
    assert (found["exit_code"], found["reason"], found["restart_count"]) == (3, "exited", 2)


# What is said of another container


@pytest.mark.parametrize("mode", ["NetworkMode", "IpcMode", "PidMode"])
@pytest.mark.parametrize("verb", ["start", "restart"])
def test_one_that_shares_anothers_namespace_says_that_it_needs_it(
    mode: str,
    verb: str,
    unlocked: Service,
    make: Make,
    docker_client: docker.DockerClient,
) -> None:
    owner = make(host={"IpcMode": "shareable"})
    full_id = docker_client.api.inspect_container(owner)["Id"]
    mine = known(unlocked, make(start=False, host={mode: f"container:{full_id}"}), "created")
    docker_client.api.stop(owner, timeout=0)
    known(unlocked, owner, "exited")
    for what in ("Start that one first", "Create it anew"):
        with nothing_changes(unlocked, docker_client):
            answer = ask(unlocked, mine, verb)
            problem = assert_problem(answer, 409, "dependency-not-running")
        assert what in problem["detail"]
        assert unlocked.get(f"/containers/{mine}")["name"] == mine, "it is still there"
        with suppress(NotFound):
            docker_client.api.remove_container(owner, force=True)
        wait_until(lambda: unlocked.client.get(f"/containers/{owner}").status_code == 404, 10)


def test_one_that_is_linked_to_another_says_that_it_needs_it(
    unlocked: Service, make: Make, docker_client: docker.DockerClient
) -> None:
    owner = make()
    mine = known(unlocked, make(start=False, host={"Links": [f"{owner}:other"]}), "created")
    docker_client.api.stop(owner, timeout=0)
    with nothing_changes(unlocked, docker_client):
        assert_problem(ask(unlocked, mine, "start"), 409, "dependency-not-running")


def test_a_volume_that_cannot_be_mounted_is_said_to_be_why(
    unlocked: Service, make: Make, docker_client: docker.DockerClient
) -> None:
    share = {"type": "none", "o": "bind", "device": "/nowhere/at/all"}
    volume = docker_client.volumes.create(unique("share"), driver_opts=share)
    try:
        mount = {"Type": "volume", "Source": volume.name, "Target": "/data"}
        name = known(unlocked, make(start=False, host={"Mounts": [mount]}), "created")
        problem = assert_problem(ask(unlocked, name, "start"), 503, "engine-failed")
        assert "cannot mount a volume" in problem["detail"]
        assert "/nowhere" not in problem["detail"]
        docker_client.api.remove_container(name, force=True)
    finally:
        volume.remove(force=True)
