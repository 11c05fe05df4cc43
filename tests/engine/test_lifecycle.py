"""Start, stop, restart, remove: what is answered is what the engine then has."""

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import docker
import httpx
import pytest
from docker.errors import NotFound

from tests.conftest import Service, wait_until

from .support import (
    GRACEFUL,
    SLEEP,
    act,
    assert_problem,
    at_once,
    fetch,
    port_of,
    remove,
    unique,
    wait_for_event,
    wait_for_output,
)

pytestmark = pytest.mark.engine

Inspect = Callable[[str], dict[str, Any]]


def graceful(service: Service, client: docker.DockerClient, **body: Any) -> dict[str, Any]:
    """A container that ends with exit code 7 when it is asked to, once it is ready for that."""
    container = service.created(command=GRACEFUL, **body)
    wait_for_output(client, container["id"], "ready")
    return container


def is_gone(client: docker.DockerClient, container: dict[str, Any]) -> bool:
    try:
        client.api.inspect_container(container["id"])
    except NotFound:
        return True
    return False


# Stop


def test_stop_is_graceful(
    service: Service, docker_client: docker.DockerClient, inspect: Inspect
) -> None:
    container = graceful(service, docker_client)
    stopped = act(service, container["id"], "stop")
    assert stopped["status"] == stopped["state"] == "exited"
    assert stopped["exit_code"] == 7
    assert stopped["ports"] == {}
    assert stopped["url"] is None
    assert stopped["id"] == container["id"]
    assert datetime.fromisoformat(stopped["finished_at"]) > datetime.fromisoformat(
        container["started_at"]
    )
    assert inspect(container["id"])["State"]["ExitCode"] == 7
    assert service.get(f"/containers/{container['id']}") == stopped
    assert stopped["id"] not in [found["id"] for found in service.get("/containers/running")]
    row = service.port_row(port_of(container))
    assert (row["state"], row["since"]) == ("remembered", stopped["finished_at"])


def test_stop_kills_after_its_timeout(service: Service) -> None:
    container = service.created(command=SLEEP, init=False)
    begun = time.monotonic()
    assert act(service, container["id"], "stop", timeout=1)["exit_code"] == 137
    assert 0.9 < time.monotonic() - begun < 9


def test_stop_of_a_stopped_container_changes_nothing(service: Service, inspect: Inspect) -> None:
    container = service.created(command=SLEEP)
    stopped = act(service, container["id"], "stop", timeout=0)
    before = inspect(container["id"])
    assert act(service, container["id"], "stop") == stopped
    assert inspect(container["id"]) == before


def test_stop_of_a_container_that_was_never_started_changes_nothing(
    service: Service, inspect: Inspect
) -> None:
    container = service.created(start=False)
    before = inspect(container["id"])
    assert act(service, container["id"], "stop") == container
    assert inspect(container["id"]) == before


def test_stop_of_a_paused_container_ends_it(
    service: Service, docker_client: docker.DockerClient
) -> None:
    container = service.created(command=SLEEP)
    docker_client.api.pause(container["id"])
    wait_until(lambda: service.get(f"/containers/{container['id']}")["state"] == "paused", 2)
    assert act(service, container["id"], "stop", timeout=1)["state"] == "exited"


def test_stop_ends_a_container_that_restarts_by_itself(
    service: Service, docker_client: docker.DockerClient
) -> None:
    container = service.created(command=["sh", "-c", "exit 3"], restart_policy="always")
    wait_until(lambda: service.get(f"/containers/{container['id']}")["state"] == "restarting", 10)
    assert service.port_row(_own_port(container))["state"] == "in_use"
    stopped = act(service, container["id"], "stop")
    assert stopped["state"] == "exited"
    assert service.port_row(_own_port(container))["state"] == "remembered"


def _own_port(container: dict[str, Any]) -> int:
    return int(container["labels"]["orchestration-api.ports"])


# Start


def test_start_of_a_stopped_container_gives_it_its_port_back(service: Service) -> None:
    container = service.created()
    fetch(port_of(container))
    act(service, container["id"], "stop")
    started = act(service, container["id"], "start")
    assert started["status"] == "running"
    assert started["ports"] == container["ports"]
    assert started["url"] == container["url"]
    assert started["exit_code"] is None
    assert started["finished_at"] is None
    assert started["started_at"] > container["started_at"]
    assert service.get(f"/containers/{container['id']}") == started
    assert service.port_row(port_of(container))["state"] == "in_use"
    assert fetch(port_of(container)).json()["hostname"] == container["id"]


def test_start_of_a_running_container_changes_nothing(service: Service, inspect: Inspect) -> None:
    container = service.created(command=SLEEP)
    before = inspect(container["id"])
    assert act(service, container["id"], "start") == container
    assert inspect(container["id"])["State"] == before["State"]


def test_a_container_is_addressed_by_its_name_too(service: Service) -> None:
    name = unique()
    container = service.created(name=name, command=SLEEP)
    for verb, state in (("stop?timeout=0", "exited"), ("start", "running")):
        answer = service.client.post(f"/containers/{name}/{verb}")
        assert (answer.status_code, answer.json()["state"]) == (200, state)
    assert service.client.delete(f"/containers/{name}?force=true").json()["id"] == container["id"]


# Restart


def test_restart_is_graceful_and_keeps_the_port(
    service: Service, docker_client: docker.DockerClient, inspect: Inspect
) -> None:
    container = graceful(service, docker_client)
    before = inspect(container["id"])["State"]
    restarted = act(service, container["id"], "restart")
    after = inspect(container["id"])["State"]
    assert restarted["state"] == "running"
    assert restarted["ports"] == container["ports"]
    assert restarted["started_at"] > container["started_at"]
    assert after["Pid"] != before["Pid"]
    died = wait_for_event(docker_client, container["id"], "die")
    assert died["Actor"]["Attributes"]["exitCode"] == "7"
    assert service.get(f"/containers/{container['id']}") == restarted


def test_restart_of_a_stopped_container_starts_it(service: Service) -> None:
    container = service.created(command=SLEEP)
    act(service, container["id"], "stop", timeout=0)
    restarted = act(service, container["id"], "restart")
    assert (restarted["state"], restarted["ports"]) == ("running", container["ports"])


def test_restart_of_a_paused_container_makes_it_run(
    service: Service, docker_client: docker.DockerClient
) -> None:
    container = service.created(command=SLEEP)
    docker_client.api.pause(container["id"])
    wait_until(lambda: service.get(f"/containers/{container['id']}")["state"] == "paused", 2)
    restarted = act(service, container["id"], "restart", timeout=1)
    assert (restarted["state"], restarted["ports"]) == ("running", container["ports"])


# Remove


def test_remove_stops_gracefully_and_says_what_it_released(
    service: Service, docker_client: docker.DockerClient
) -> None:
    container = graceful(service, docker_client, container_ports=[5000, "5001/udp"])
    ports = sorted(port_of(container, key) for key in ("5000/tcp", "5001/udp"))
    since = int(time.time()) - 60
    assert act(service, container["id"], "delete") == {
        "id": container["id"],
        "name": container["name"],
        "removed": True,
        "released_ports": ports,
        "removed_volumes": [],
    }
    assert is_gone(docker_client, container)
    assert_problem(service.client.get(f"/containers/{container['id']}"), 404, "container-not-found")
    assert [service.port_row(port)["state"] for port in ports] == ["free", "free"]
    [died] = docker_client.api.events(
        since=since,
        until=int(time.time()) + 1,
        decode=True,
        filters={"event": "die", "container": container["id"]},
    )
    assert died["Actor"]["Attributes"]["exitCode"] == "7"


def test_remove_with_force_kills(service: Service, docker_client: docker.DockerClient) -> None:
    container = service.created(command=SLEEP)
    begun = time.monotonic()
    removed = act(service, container["id"], "delete", force=True, timeout=60)
    assert time.monotonic() - begun < 30
    assert removed["released_ports"] == [port_of(container)]
    assert is_gone(docker_client, container)


@pytest.mark.parametrize("state", ["created", "exited", "paused"])
def test_remove_in_any_state(
    service: Service, docker_client: docker.DockerClient, state: str
) -> None:
    container = service.created(command=SLEEP, start=state != "created")
    if state == "exited":
        act(service, container["id"], "stop", timeout=0)
    elif state == "paused":
        docker_client.api.pause(container["id"])
        wait_until(lambda: service.get(f"/containers/{container['id']}")["state"] == "paused", 2)
    port = _own_port(container)
    removed = act(service, container["id"], "delete", timeout=1)
    assert removed["released_ports"] == [port]
    assert is_gone(docker_client, container)
    assert service.port_row(port)["state"] == "free"


def test_a_container_is_removed_once(service: Service) -> None:
    container = service.created(command=SLEEP)
    path = f"/containers/{container['id']}?force=true"
    answers = at_once([lambda: service.client.delete(path)] * 4)
    assert sorted(answer.status_code for answer in answers) == [200, 404, 404, 404]
    assert_problem(service.client.delete(path), 404, "container-not-found")


def test_anonymous_volumes_go_and_named_ones_stay(
    named_volume: str,
    service: Service,
    docker_client: docker.DockerClient,
    build_image: Callable[..., str],
    inspect: Inspect,
) -> None:
    image = build_image("VOLUME /data")
    for force in (False, True):
        container = service.created(image=image, volumes=[f"{named_volume}:/named"], command=SLEEP)
        mounts = {
            mount["Destination"]: mount["Name"] for mount in inspect(container["id"])["Mounts"]
        }
        assert mounts["/named"] == named_volume
        assert docker_client.volumes.get(mounts["/data"])
        act(service, container["id"], "delete", force=force, timeout=0)
        with pytest.raises(NotFound):
            docker_client.volumes.get(mounts["/data"])
        assert docker_client.volumes.get(named_volume)


# Several at once


def test_changes_of_one_container_take_their_turns(service: Service, inspect: Inspect) -> None:
    container = service.created(command=SLEEP)
    verbs = ["stop", "start", "restart", "stop", "restart", "start", "stop", "start"]
    path = f"/containers/{container['id']}"
    answers = at_once(
        [lambda verb=verb: service.client.post(f"{path}/{verb}?timeout=0") for verb in verbs]  # type: ignore[misc]
    )
    for verb, answer in zip(verbs, answers, strict=True):
        assert answer.status_code == 200, answer.text
        assert answer.json()["state"] == ("exited" if verb == "stop" else "running")
    found = service.get(path)
    assert found["state"] == inspect(container["id"])["State"]["Status"]
    expected = "in_use" if found["state"] == "running" else "remembered"
    assert service.port_row(port_of(container))["state"] == expected


def test_changes_of_different_containers_do_not_wait_for_each_other(service: Service) -> None:
    containers = at_once([lambda: service.created(command=SLEEP, init=False)] * 4)
    begun = time.monotonic()
    stopped = at_once(
        [lambda one=one: act(service, one["id"], "stop", timeout=3) for one in containers]  # type: ignore[misc]
    )
    assert time.monotonic() - begun < 9  # one after the other they would take twelve
    assert {found["exit_code"] for found in stopped} == {137}


def test_slow_stops_do_not_hold_up_the_others(service: Service) -> None:
    slow = at_once([lambda: service.created(command=SLEEP, init=False)] * 6)

    def stop_slowly(one: dict[str, Any]) -> float:
        act(service, one["id"], "stop", timeout=4)
        return time.monotonic()

    def create_meanwhile() -> float:
        remove(service, service.created(command=SLEEP)["id"])
        return time.monotonic()

    *stopped, created = at_once(
        [*(lambda one=one: stop_slowly(one) for one in slow), create_meanwhile]
    )
    assert created < min(stopped)


def test_a_change_is_finished_when_its_caller_has_gone(service: Service) -> None:
    container = service.created(command=SLEEP, init=False)
    with pytest.raises(httpx.ReadTimeout):
        service.client.post(f"/containers/{container['id']}/stop?timeout=1", timeout=0.3)
    wait_until(lambda: service.get(f"/containers/{container['id']}")["state"] == "exited", 10)


def test_a_create_is_finished_when_its_caller_has_gone(service: Service) -> None:
    name = unique()
    key, value = service.label.split("=")
    with pytest.raises(httpx.ReadTimeout):
        service.client.post(
            "/containers/create",
            json={"name": name, "command": SLEEP, "labels": {key: value}},
            timeout=0.05,
        )

    def runs() -> bool:
        answer = service.client.get(f"/containers/{name}")
        return answer.status_code == 200 and answer.json()["state"] == "running"

    wait_until(runs, 10)
    table = service.get("/ports")
    assert (table["in_use"], table["reserved"]) == (1, 0)
