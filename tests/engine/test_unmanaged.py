"""Containers of others: what is told of them, and what is done to them, by ALLOW_UNMANAGED."""

from collections.abc import Callable
from typing import Any

import docker
import pytest

from tests.conftest import Service, wait_until

from .support import SLEEP, ask, assert_problem, nothing_changes, port_of, port_range

pytestmark = pytest.mark.engine

STATISTICS = ("stats", "stats/history", "stats/stream?limit=1")


def shown(service: Service, name: str) -> dict[str, Any]:
    """A container that the service has heard of from the engine."""

    def find() -> dict[str, Any] | None:
        found = [each for each in service.get("/containers", name=name) if each["name"] == name]
        return found[0] if found and found[0]["state"] == "running" else None

    container: dict[str, Any] = wait_until(find, 5, f"{name} is shown")
    return container


def names_of_all(service: Service) -> set[str]:
    return {each["name"] for each in service.get("/containers/stats")["containers"]}


def test_by_default_only_the_list_tells_of_them(
    service: Service, run_outside: Callable[..., Any], docker_client: docker.DockerClient
) -> None:
    theirs = run_outside(command=SLEEP, environment={"PASSWORD": "hunter2"})
    found = shown(service, theirs.name)
    assert (found["managed"], found["env"]) == (False, [])
    ours = service.created(command=SLEEP)
    with nothing_changes(service, docker_client):
        for what in (*STATISTICS, "env"):
            answer = service.client.get(f"/containers/{theirs.name}/{what}")
            problem = assert_problem(answer, 403, "not-managed", name=theirs.name)
            assert theirs.name in problem["detail"]
            assert "hunter2" not in answer.text
    assert ours["name"] in names_of_all(service)
    assert theirs.name not in names_of_all(service)
    text = service.client.get("/metrics").text
    assert f'name="{ours["name"]}"' in text
    assert theirs.name not in text
    with service.client.stream("GET", "/containers/stats/stream?limit=1") as answer:
        answer.read()
    assert ours["name"] in answer.text
    assert theirs.name not in answer.text
    counts = service.get("/health")["containers"]
    assert counts["total"] > counts["managed"]


def test_of_one_that_does_not_run_no_more_is_told(
    service: Service, run_outside: Callable[..., Any]
) -> None:
    theirs = run_outside(command=SLEEP)
    shown(service, theirs.name)
    theirs.kill()
    for what in STATISTICS:
        answer = service.client.get(f"/containers/{theirs.name}/{what}")
        assert_problem(answer, 403, "not-managed")


def test_their_statistics_may_be_read_and_nothing_else(
    start_service: Callable[..., Service],
    run_outside: Callable[..., Any],
    docker_client: docker.DockerClient,
) -> None:
    service = start_service(ALLOW_UNMANAGED="read")
    theirs = run_outside(command=SLEEP, environment={"PASSWORD": "hunter2"})
    path = f"/containers/{shown(service, theirs.name)['id']}"
    assert service.get(f"{path}/stats")["memory_usage_bytes"] > 0
    assert service.get(f"{path}/stats/history")["points"]
    with service.client.stream("GET", f"{path}/stats/stream?limit=1") as answer:
        answer.read()
    assert theirs.name in answer.text
    assert theirs.name in names_of_all(service)
    assert f'name="{theirs.name}"' in service.client.get("/metrics").text
    with nothing_changes(service, docker_client):
        for verb in ("start", "stop", "restart"):
            answer = service.client.post(f"{path}/{verb}")
            assert_problem(answer, 403, "not-managed")
        assert_problem(service.client.delete(f"{path}?force=true"), 403, "not-managed")
        assert_problem(service.client.get(f"{path}/env"), 403, "not-managed")
    theirs.reload()
    assert theirs.status == "running"


def test_what_may_be_changed_may_be_read(
    start_service: Callable[..., Service], run_outside: Callable[..., Any]
) -> None:
    service = start_service(ALLOW_UNMANAGED="true")
    theirs = run_outside(command=SLEEP, environment={"PASSWORD": "hunter2"})
    path = f"/containers/{shown(service, theirs.name)['id']}"
    assert service.get(f"{path}/stats")["memory_usage_bytes"] > 0
    assert_problem(service.client.get(f"{path}/env"), 403, "not-managed")
    assert service.client.post(f"{path}/stop?timeout=0").status_code == 200


@pytest.mark.parametrize("verb", ["start", "stop", "restart", "delete"])
@pytest.mark.parametrize("state", ["running", "exited"])
def test_a_container_of_somebody_else_is_left_alone(
    service: Service,
    docker_client: docker.DockerClient,
    run_outside: Callable[..., Any],
    inspect: Callable[[str], dict[str, Any]],
    verb: str,
    state: str,
) -> None:
    port = port_range(service)[42]
    foreign = run_outside(command=SLEEP, ports={"5000/tcp": port})
    if state == "exited":
        foreign.kill()
    found = wait_until(
        lambda: next(
            (now for now in service.get("/containers", state=state) if now["name"] == foreign.name),
            None,
        ),
        2,
    )
    assert found["managed"] is False
    before = inspect(foreign.id)
    with nothing_changes(service, docker_client):
        problem = assert_problem(
            ask(service, foreign.name, verb),
            403,
            "not-managed",
            id=foreign.id[:12],
            name=foreign.name,
        )
    assert foreign.name in problem["detail"]
    after = inspect(foreign.id)
    assert after["State"] == before["State"]
    assert after["HostConfig"] == before["HostConfig"]


def test_the_operator_may_allow_it(
    start_service: Callable[..., Service], run_outside: Callable[..., Any]
) -> None:
    service = start_service(ALLOW_UNMANAGED="true")
    port = port_range(service)[3]
    foreign = run_outside(command=SLEEP, ports={"5000/tcp": port})
    wait_until(lambda: service.port_row(port)["state"] == "external", 2)
    stopped = service.client.post(f"/containers/{foreign.name}/stop?timeout=0")
    assert (stopped.status_code, stopped.json()["state"]) == (200, "exited")
    assert service.port_row(port)["state"] == "free"
    started = service.client.post(f"/containers/{foreign.name}/start")
    assert (started.status_code, port_of(started.json())) == (200, port)
    assert service.port_row(port)["state"] == "external"
    assert service.client.delete(f"/containers/{foreign.name}?force=true").status_code == 200
    assert service.port_row(port)["state"] == "free"
