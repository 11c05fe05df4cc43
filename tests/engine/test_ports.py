"""Which port a container gets, who holds the others, and that none is given twice or lost."""

import signal
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import docker
import psutil
import pytest

from tests.conftest import Service, wait_until

from .support import (
    SAY_HOSTNAME,
    SLEEP,
    act,
    assert_problem,
    at_once,
    counts,
    fetch,
    listening,
    nothing_changes,
    port_of,
    port_range,
    remove,
    sees_processes,
    unique,
)

pytestmark = pytest.mark.engine

# Listening sockets are looked for every 30 seconds.
LISTING_SECONDS = 40


def state(service: Service, port: int) -> str:
    found: str = service.port_row(port)["state"]
    return found


# The table


def test_the_table_of_a_fresh_service_is_empty(start_service: Callable[..., Service]) -> None:
    service = start_service(ports=5)
    ports = port_range(service)
    assert service.get("/ports") == {
        "range": {"first": ports[0], "last": ports[-1]},
        "api_port": service.port,
        "total": 5,
        "available": 5,
        "in_use": 0,
        "reserved": 0,
        "remembered": 0,
        "external": 0,
        "ports": [],
    }
    free = service.port_row(ports[2])
    assert (free["port"], free["state"]) == (ports[2], "free")
    assert {value for name, value in free.items() if name not in ("port", "state")} == {None}


def test_the_table_has_a_row_for_each_port_that_is_not_free(
    start_service: Callable[..., Service], run_outside: Callable[..., Any]
) -> None:
    service = start_service(ports=6)
    ports = port_range(service)
    running = service.created(command=SLEEP)
    stopped = service.created(command=SLEEP)
    act(service, stopped["id"], "stop", timeout=0)
    foreign = run_outside(command=SLEEP, ports={"5000/tcp": ports[4]})
    wait_until(lambda: state(service, ports[4]) == "external", 2)
    table = service.get("/ports")
    fields = ("port", "state", "container_id", "container_name", "container_port")
    assert [tuple(row[field] for field in fields) for row in table["ports"]] == [
        (ports[0], "in_use", running["id"], running["name"], "5000/tcp"),
        (ports[1], "remembered", stopped["id"], stopped["name"], "5000/tcp"),
        (ports[4], "external", foreign.id[:12], foreign.name, "5000/tcp"),
    ]
    assert all(row["since"].endswith("Z") for row in table["ports"])
    assert foreign.name in table["ports"][2]["held_by"]
    assert counts(service) == {
        "total": 6,
        "available": 4,
        "in_use": 1,
        "reserved": 0,
        "remembered": 1,
        "external": 1,
    }
    for row in table["ports"]:
        assert service.port_row(row["port"]) == row


# Which one is given


def test_ports_go_upward_and_a_released_one_rests(start_service: Callable[..., Service]) -> None:
    service = start_service(ports=4)
    ports = port_range(service)
    first = service.created(command=SLEEP)
    second = service.created(command=SLEEP)
    assert [port_of(first), port_of(second)] == [ports[0], ports[1]]
    remove(service, first["id"])
    assert state(service, ports[0]) == "free"
    third = service.created(command=SLEEP)
    fourth = service.created(command=SLEEP)
    fifth = service.created(command=SLEEP)
    assert [port_of(found) for found in (third, fourth, fifth)] == [ports[2], ports[3], ports[0]]


def test_a_successor_of_the_same_name_gets_the_same_ports(service: Service) -> None:
    name = unique()
    service.created(command=SLEEP)
    first = service.created(name=name, command=SLEEP, container_ports=[5000, 5001])
    remove(service, first["id"])
    service.created(command=SLEEP)
    again = service.created(name=name, command=SLEEP, container_ports=[5001, 5000])
    assert again["ports"] == first["ports"]
    assert again["id"] != first["id"]


def test_a_successor_of_the_same_name_gets_another_port_if_its_own_is_taken(
    service: Service,
) -> None:
    name = unique()
    first = service.created(name=name, command=SLEEP)
    remove(service, first["id"])
    holder = service.created(port=port_of(first), command=SLEEP)
    again = service.created(name=name, command=SLEEP)
    assert port_of(holder) == port_of(first) != port_of(again)


def test_the_port_of_a_stopped_container_is_given_last(
    start_service: Callable[..., Service], docker_client: docker.DockerClient
) -> None:
    service = start_service(ports=3)
    ports = port_range(service)
    stopped = service.created(command=SLEEP)
    act(service, stopped["id"], "stop", timeout=0)
    assert state(service, ports[0]) == "remembered"
    assert counts(service)["available"] == 3
    others = [service.created(command=SLEEP) for _ in range(2)]
    assert [port_of(other) for other in others] == [ports[1], ports[2]]
    assert counts(service)["available"] == 1
    heir = service.created(command=SLEEP)
    assert port_of(heir) == ports[0]

    for verb in ("start", "restart"):  # there is nowhere to move to
        with nothing_changes(service, docker_client):
            answer = service.client.post(f"/containers/{stopped['id']}/{verb}")
            assert_problem(answer, 503, "ports-exhausted", wanted=1, in_use=3)


def test_a_port_that_was_given_away_is_remembered_again_when_its_heir_has_gone(
    start_service: Callable[..., Service],
) -> None:
    service = start_service(ports=2)
    stopped = service.created(command=SLEEP)
    act(service, stopped["id"], "stop", timeout=0)
    service.created(command=SLEEP)
    heir = service.created(command=SLEEP)
    port = port_of(stopped)
    assert port_of(heir) == port
    remove(service, heir["id"])

    # As a service sees it that was started just now and knows nothing but the engine.
    now = service.get("/ports")
    service.stop()
    service.start()
    fresh = service.get("/ports")
    row = next(row for row in fresh["ports"] if row["port"] == port)
    assert (row["state"], row["container_id"]) == ("remembered", stopped["id"])
    assert now == fresh
    started = service.client.post(f"/containers/{stopped['id']}/start")
    assert (started.status_code, port_of(started.json())) == (200, port)


def test_remembered_ports_are_given_in_the_order_of_their_release(
    start_service: Callable[..., Service],
) -> None:
    service = start_service(ports=3)
    ports = port_range(service)
    containers = [service.created(command=SLEEP) for _ in range(3)]
    for index in (1, 2, 0):
        act(service, containers[index]["id"], "stop", timeout=0)
    heirs = [service.created(command=SLEEP) for _ in range(3)]
    assert [port_of(heir) for heir in heirs] == [ports[1], ports[2], ports[0]]


def test_what_a_removed_container_had_lost_is_not_released(
    start_service: Callable[..., Service],
) -> None:
    service = start_service(ports=2)
    stopped = service.created(command=SLEEP)
    act(service, stopped["id"], "stop", timeout=0)
    service.created(command=SLEEP)
    heir = service.created(command=SLEEP)
    assert port_of(heir) == port_of(stopped)
    removed = service.client.delete(f"/containers/{stopped['id']}").json()
    assert state(service, port_of(heir)) == "in_use"
    assert removed["released_ports"] == []


def test_a_full_range_gets_room_by_a_removal(
    start_service: Callable[..., Service], docker_client: docker.DockerClient
) -> None:
    service = start_service(ports=3)
    containers = [service.created(command=SLEEP) for _ in range(3)]
    with nothing_changes(service, docker_client):
        assert_problem(service.create(command=SLEEP), 503, "ports-exhausted")
    remove(service, containers[1]["id"])
    assert port_of(service.created(command=SLEEP)) == port_of(containers[1])


def test_several_ports_are_given_all_or_none(
    start_service: Callable[..., Service], docker_client: docker.DockerClient
) -> None:
    service = start_service(ports=4)
    service.created(command=SLEEP, container_ports=[5000, 5001])
    with nothing_changes(service, docker_client):
        assert_problem(
            service.create(command=SLEEP, container_ports=[1, 2, 3]),
            503,
            "ports-exhausted",
            wanted=3,
            available=2,
        )
    both = service.created(command=SLEEP, container_ports=[1, 2])
    assert {port_of(both, "1/tcp"), port_of(both, "2/tcp")} == set(port_range(service)[2:])


def test_the_apis_own_port_is_never_given(start_service: Callable[..., Service]) -> None:
    service = start_service()
    service.stop()
    own = service.port
    service.environment["PORT_RANGE"] = f"{own}-{own + 2}"
    service.start()
    row = service.port_row(own)
    assert (row["state"], row["held_by"]) == ("external", "this API")
    assert counts(service)["available"] == 2
    assert_problem(service.create(port=own), 409, "port-in-use", port=own)
    assert port_of(service.created(command=SLEEP)) == own + 1


def test_thirty_creates_at_once_get_thirty_ports(service: Service) -> None:
    containers = at_once([lambda: service.created(command=SAY_HOSTNAME)] * 30)
    ports = [port_of(container) for container in containers]
    assert len(set(ports)) == 30
    assert set(ports) <= set(port_range(service))
    answers = at_once([lambda port=port: fetch(port, seconds=60) for port in ports])  # type: ignore[misc]
    assert [answer.text for answer in answers] == [container["id"] for container in containers]
    rows = {row["port"]: row["container_id"] for row in service.get("/ports")["ports"]}
    assert rows == {
        port: container["id"] for port, container in zip(ports, containers, strict=True)
    }
    assert counts(service)["in_use"] == 30


# Others' ports


@sees_processes
@pytest.mark.parametrize("address", ["0.0.0.0", "127.0.0.1", "::"])
def test_a_port_that_a_process_took_is_avoided(
    start_service: Callable[..., Service], docker_client: docker.DockerClient, address: str
) -> None:
    service = start_service(ports=4)
    ports = port_range(service)
    with listening(ports[0], address):
        container = service.created()
        assert port_of(container) == ports[1]
        row = service.port_row(ports[0])
        assert row["state"] == "external"
        assert row["container_id"] is None
        assert row["held_by"] == f'process "{psutil.Process().name()}"'
        assert counts(service)["external"] == 1
        assert counts(service)["available"] == 2
        with nothing_changes(service, docker_client):
            problem = assert_problem(
                service.create(port=ports[0], command=SLEEP), 409, "port-in-use", port=ports[0]
            )
        assert row["held_by"] in problem["detail"]
        assert fetch(ports[1]).status_code == 200
    # No husk of the try that failed.
    mine = docker_client.api.containers(all=True, filters={"label": service.label})
    assert [entry["Id"][:12] for entry in mine] == [container["id"]]


@sees_processes
def test_a_fresh_service_knows_what_processes_hold_and_sees_it_go(
    start_service: Callable[..., Service], docker_client: docker.DockerClient
) -> None:
    service = start_service(ports=5)
    ports = port_range(service)
    service.stop()
    with ExitStack() as listeners:
        for port, address in zip(ports[:3], ("0.0.0.0", "127.0.0.1", "::"), strict=True):
            listeners.enter_context(listening(port, address))
        service.start()
        assert [state(service, port) for port in ports] == ["external"] * 3 + ["free"] * 2
        assert counts(service)["available"] == 2
        assert port_of(service.created(command=SLEEP, container_ports=[5000])) == ports[3]
        service.created(command=SLEEP)
        assert_problem(service.create(command=SLEEP), 503, "ports-exhausted", external=3)
    wait_until(lambda: counts(service)["external"] == 0, LISTING_SECONDS)
    assert counts(service)["available"] == 3
    assert {port_of(service.created(command=SLEEP)) for _ in range(3)} == set(ports[:3])


def test_one_try_finds_its_way_past_many_processes(
    start_service: Callable[..., Service], docker_client: docker.DockerClient
) -> None:
    service = start_service(ports=8)
    ports = port_range(service)
    with ExitStack() as listeners:
        for port in ports[:5]:
            listeners.enter_context(listening(port))
        container = service.created(command=SLEEP, container_ports=[5000, 5001])
        assert set(map(int, (port_of(container), port_of(container, "5001/tcp")))) <= set(ports[5:])
    mine = docker_client.api.containers(all=True, filters={"label": service.label})
    assert len(mine) == 1


@sees_processes
def test_a_port_that_a_process_took_while_its_container_was_stopped(
    start_service: Callable[..., Service],
) -> None:
    service = start_service()
    container = service.created(command=SLEEP)
    port = port_of(container)
    act(service, container["id"], "stop", timeout=0)
    with listening(port):
        started = service.client.post(f"/containers/{container['id']}/start").json()
        assert (started["state"], started["port_changed"]) == ("running", True)
        assert started["previous_ports"] == container["ports"]
        row = service.port_row(port)
        assert (row["state"], row["held_by"]) == (
            "external",
            f'process "{psutil.Process().name()}"',
        )


def test_a_port_of_a_foreign_container_is_external_and_comes_back(
    service: Service, docker_client: docker.DockerClient, run_outside: Callable[..., Any]
) -> None:
    port = port_range(service)[50]
    foreign = run_outside(command=SLEEP, name=unique(), ports={"5000/tcp": port})
    row = wait_until(lambda: (row := service.port_row(port))["state"] == "external" and row, 2)
    assert row["container_name"] == foreign.name
    assert row["container_id"] == foreign.id[:12]
    assert row["container_port"] == "5000/tcp"
    assert row["held_by"] == f'container "{foreign.name}"'
    with nothing_changes(service, docker_client):
        problem = assert_problem(service.create(port=port), 409, "port-in-use", port=port)
    assert foreign.name in problem["detail"]
    foreign.kill()
    wait_until(lambda: state(service, port) == "free", 2)
    foreign.start()
    wait_until(lambda: state(service, port) == "external", 2)
    foreign.remove(force=True)
    wait_until(lambda: state(service, port) == "free", 2)
    assert port_of(service.created(port=port, command=SLEEP)) == port


def test_a_foreign_container_that_takes_a_remembered_port_wins(
    service: Service, docker_client: docker.DockerClient, run_outside: Callable[..., Any]
) -> None:
    container = service.created(command=SLEEP)
    port = port_of(container)
    act(service, container["id"], "stop", timeout=0)
    foreign = run_outside(command=SLEEP, name=unique(), ports={"5000/tcp": port})
    wait_until(lambda: state(service, port) == "external", 2)
    moved = service.client.post(f"/containers/{container['id']}/start").json()
    assert moved["port_changed"]
    assert port_of(moved) != port
    assert foreign.attrs["Id"] == docker_client.containers.get(foreign.name).id
    foreign.remove(force=True)
    wait_until(lambda: state(service, port) == "free", 2)


def test_two_services_on_one_engine_share_a_range(
    start_service: Callable[..., Service], docker_client: docker.DockerClient
) -> None:
    one = start_service(ports=12)
    other = start_service(PORT_RANGE=one.environment["PORT_RANGE"])
    containers = at_once(
        [lambda: one.created(command=SLEEP), lambda: other.created(command=SLEEP)] * 5
    )
    assert len({port_of(container) for container in containers}) == 10
    wait_until(lambda: counts(one)["in_use"] == counts(other)["in_use"] == 10, 5)
    mine = [
        entry
        for label in (one.label, other.label)
        for entry in docker_client.api.containers(all=True, filters={"label": label})
    ]
    assert len(mine) == 10


# Restart of the service


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["stop", "kill -9"])
def test_a_restarted_service_knows_what_it_knew(
    start_service: Callable[..., Service],
    docker_client: docker.DockerClient,
    run_outside: Callable[..., Any],
    how: signal.Signals,
) -> None:
    service = start_service(ports=8)
    ports = port_range(service)
    running = service.created(name=unique(), container_ports=[5000, 5001])
    stopped = service.created(name=unique(), command=SLEEP)
    paused = service.created(name=unique(), command=SLEEP)
    created = service.created(name=unique(), start=False)
    act(service, stopped["id"], "stop", timeout=0)
    docker_client.api.pause(paused["id"])
    foreign = run_outside(command=SLEEP, ports={"5000/tcp": ports[7]})
    wait_until(lambda: state(service, ports[7]) == "external", 2)
    wait_until(lambda: service.get(f"/containers/{paused['id']}")["state"] == "paused", 2)
    service.client.get(f"/containers/{running['id']}")

    def known() -> tuple[Any, Any]:
        containers = service.get("/containers", label=service.label)
        for container in containers:
            container.pop("health")  # goes on by itself
        return containers, service.get("/ports")

    before = known()
    assert len(before[0]) == 4
    assert service.get(f"/containers/{foreign.id}")["managed"] is False
    service.stop(how)
    service.start()
    assert known() == before

    assert port_of(service.created(command=SLEEP)) in ports
    for container in (stopped, created):
        answer = service.client.post(f"/containers/{container['id']}/start")
        assert answer.status_code == 200, answer.text
    assert service.get(f"/containers/{stopped['name']}")["ports"] == stopped["ports"]
    assert fetch(port_of(running)).status_code == 200


def test_a_restarted_service_sees_what_happened_meanwhile(
    start_service: Callable[..., Service], docker_client: docker.DockerClient
) -> None:
    service = start_service(ports=6)
    removed = service.created(command=SLEEP)
    stopped = service.created(command=SLEEP)
    started = service.created(command=SLEEP, start=False)
    renamed = service.created(command=SLEEP)
    service.stop(signal.SIGKILL)
    new_name = unique()
    docker_client.api.remove_container(removed["id"], force=True)
    docker_client.api.kill(stopped["id"])
    docker_client.api.start(started["id"])
    docker_client.api.rename(renamed["id"], new_name)
    service.start()
    assert_problem(service.client.get(f"/containers/{removed['id']}"), 404, "container-not-found")
    assert state(service, port_of(removed)) == "free"
    assert service.get(f"/containers/{stopped['id']}")["exit_code"] == 137
    assert state(service, port_of(stopped)) == "remembered"
    now = service.get(f"/containers/{started['id']}")
    assert state(service, port_of(now)) == "in_use"
    assert service.get(f"/containers/{new_name}")["id"] == renamed["id"]
    assert service.port_row(port_of(renamed))["container_name"] == new_name
    assert counts(service)["in_use"] == 2
