"""What a container's state does not allow: statistics of a stopped one, start of a paused one."""

import docker
import pytest

from tests.conftest import Service, wait_until

from .support import SLEEP, ask, assert_problem, nothing_changes

pytestmark = pytest.mark.engine


def test_statistics_of_a_container_that_does_not_run_are_a_conflict(service: Service) -> None:
    created = service.created(start=False)
    stopped = service.created(command=SLEEP)
    assert service.client.post(f"/containers/{stopped['id']}/stop?timeout=0").status_code == 200
    for container in (created, stopped):
        problem = assert_problem(
            ask(service, container["name"], "stats"),
            409,
            "container-not-running",
            id=container["id"],
            name=container["name"],
        )
        assert container["name"] in problem["detail"]


def test_the_start_of_a_paused_container_is_a_conflict(
    service: Service, docker_client: docker.DockerClient
) -> None:
    container = service.created(command=SLEEP)
    docker_client.api.pause(container["id"])
    wait_until(lambda: service.get(f"/containers/{container['id']}")["state"] == "paused", 2)
    with nothing_changes(service, docker_client):
        problem = assert_problem(ask(service, container["id"], "start"), 409, "container-paused")
    assert container["name"] in problem["detail"]
