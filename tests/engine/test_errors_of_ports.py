"""Ports that cannot be had, or asked for: out of the range, in use, or none left."""

from collections.abc import Callable
from typing import Any

import docker
import psutil
import pytest

from tests.conftest import Service, wait_until

from .support import (
    SLEEP,
    assert_problem,
    listening,
    nothing_changes,
    port_of,
    port_range,
    sees_processes,
    unique,
)

pytestmark = pytest.mark.engine


def test_a_pinned_port_outside_the_range_is_refused(
    service: Service, docker_client: docker.DockerClient
) -> None:
    ports = port_range(service)
    for port in (1, 80, ports[0] - 1, ports[-1] + 1, service.port, 65_535):
        with nothing_changes(service, docker_client):
            problem = assert_problem(
                service.create(port=port),
                422,
                "port-out-of-range",
                port=port,
                first=ports[0],
                last=ports[-1],
            )
        assert f"{ports[0]}-{ports[-1]}" in problem["detail"]


def test_a_pinned_port_of_another_container_is_in_use(
    service: Service, docker_client: docker.DockerClient
) -> None:
    holder = service.created(command=SLEEP)
    port = port_of(holder)
    with nothing_changes(service, docker_client):
        problem = assert_problem(
            service.create(port=port),
            409,
            "port-in-use",
            port=port,
            container_id=holder["id"],
            container_name=holder["name"],
        )
    assert str(port) in problem["detail"]
    assert holder["name"] in problem["detail"]


def test_a_pinned_port_of_a_foreign_container_is_in_use(
    service: Service, docker_client: docker.DockerClient, run_outside: Callable[..., Any]
) -> None:
    port = port_range(service)[40]
    foreign = run_outside(command=SLEEP, ports={"5000/tcp": port})
    wait_until(lambda: service.port_row(port)["state"] == "external", 2)
    with nothing_changes(service, docker_client):
        problem = assert_problem(
            service.create(port=port), 409, "port-in-use", port=port, state="external"
        )
    assert foreign.name in problem["detail"]


@sees_processes
def test_a_pinned_port_of_a_process_is_in_use(
    start_service: Callable[..., Service], docker_client: docker.DockerClient
) -> None:
    service = start_service()
    port = port_range(service)[5]
    with listening(port):
        # The first time the engine refuses; the second time the service knows.
        for _ in range(2):
            before = service.get("/containers", label=service.label)
            problem = assert_problem(service.create(port=port), 409, "port-in-use", port=port)
            assert service.get("/containers", label=service.label) == before == []
            assert not docker_client.api.containers(all=True, filters={"label": service.label})
            assert str(port) in problem["detail"]
            assert f'process "{psutil.Process().name()}"' in problem["detail"]


def test_more_ports_than_there_ever_are_is_no_matter_of_waiting(
    start_service: Callable[..., Service], docker_client: docker.DockerClient
) -> None:
    service = start_service(ports=3)
    with nothing_changes(service, docker_client):
        answer = service.create(container_ports=[1, 2, 3, 4])
        problem = assert_problem(answer, 422, "invalid-request", wanted=4, total=3)
    assert "container_ports" in problem["detail"]
    assert "retry-after" not in answer.headers


def test_a_full_range_is_said_to_be_full(
    start_service: Callable[..., Service], docker_client: docker.DockerClient
) -> None:
    service = start_service(ports=3)
    for _ in range(3):
        service.created(command=SLEEP)
    with nothing_changes(service, docker_client):
        answer = service.create(name=unique())
        problem = assert_problem(
            answer, 503, "ports-exhausted", total=3, available=0, in_use=3, wanted=1
        )
    assert int(answer.headers["retry-after"]) > 0
    assert "PORT_RANGE" in problem["detail"]


@pytest.mark.parametrize("port", [0, 1, 70_000, 10**20, -1])
def test_a_port_outside_the_range_is_not_found(service: Service, port: int) -> None:
    assert_problem(service.client.get(f"/ports/{port}"), 404, "port-not-found", port=port)


@pytest.mark.parametrize("port", ["abc", "1.5", "%20", "0x50"])
def test_a_port_that_is_no_number_is_refused(service: Service, port: str) -> None:
    assert_problem(service.client.get(f"/ports/{port}"), 422, "invalid-request")
