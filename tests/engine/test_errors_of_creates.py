"""Creates that the engine refuses: the caller is told why, and nothing of them is left."""

from collections.abc import Callable
from typing import Any

import docker
import pytest
from docker.errors import NotFound

from tests.conftest import Service

from .support import SLEEP, assert_problem, nothing_changes, unique

pytestmark = pytest.mark.engine

# Nothing listens there, so a pull fails at once wherever the engine runs.
UNREACHABLE = "localhost:9/orchestration-test/none:1"


@pytest.mark.parametrize("init", [True, False])
def test_a_command_that_does_not_exist_leaves_nothing(
    service: Service, docker_client: docker.DockerClient, init: bool
) -> None:
    name = unique()
    # A file that is not for running, a directory, and a name that no directory of PATH has.
    for command in (["/nope"], ["no-such-program"], ["/etc"], ["/etc/passwd"], ["./nope"], ["etc"]):
        with nothing_changes(service, docker_client):
            answer = service.create(name=name, command=command, init=init)
            problem = assert_problem(answer, 422, "start-refused")
        assert command[0] in problem["detail"]
    # The name is to be had.
    assert service.created(name=name, start=False)["name"] == name


@pytest.mark.parametrize("init", [True, False])
def test_a_failed_create_leaves_no_volume_of_its_own(
    named_volume: str, service: Service, docker_client: docker.DockerClient, init: bool
) -> None:
    volume = [f"{named_volume}:/data"]
    assert_problem(
        service.create(volumes=volume, command=["/nope"], init=init), 422, "start-refused"
    )
    with pytest.raises(NotFound):
        docker_client.volumes.get(named_volume)
    # One that was there before stays, in use or not.
    user = service.created(volumes=volume, start=False)
    assert_problem(
        service.create(volumes=volume, command=["/nope"], init=init), 422, "start-refused"
    )
    assert service.client.delete(f"/containers/{user['id']}").status_code == 200
    assert_problem(
        service.create(volumes=volume, command=["/nope"], init=init), 422, "start-refused"
    )
    assert docker_client.volumes.get(named_volume).name == named_volume


def test_more_cpus_than_there_are_is_refused(
    service: Service, docker_client: docker.DockerClient
) -> None:
    with nothing_changes(service, docker_client):
        answer = service.create(cpus=4000)
        assert_problem(answer, 422, "invalid-request")


def test_a_name_in_use_is_a_conflict(
    service: Service, docker_client: docker.DockerClient, run_outside: Callable[..., Any]
) -> None:
    ours = service.created(start=False)["name"]
    theirs = run_outside(command=SLEEP).name
    for name in (ours, theirs):
        with nothing_changes(service, docker_client):
            problem = assert_problem(service.create(name=name), 409, "name-in-use", name=name)
        assert name in problem["detail"]


@pytest.mark.parametrize("pull", ["missing", "always"])
def test_a_pull_that_fails_is_explained(
    service: Service, docker_client: docker.DockerClient, pull: str
) -> None:
    with nothing_changes(service, docker_client):
        answer = service.create(image=UNREACHABLE, pull=pull)
        problem = assert_problem(answer, 503, "registry-unreachable", image=UNREACHABLE)
    assert UNREACHABLE in problem["detail"]
    assert "got no answer of a registry there" in problem["detail"]


def test_an_image_that_is_there_need_not_be_in_a_registry_unless_it_must(
    service: Service, docker_client: docker.DockerClient, bare_image: str
) -> None:
    local = f"localhost:9/{bare_image}"
    docker_client.images.get(bare_image).tag(local)
    try:
        assert service.created(image=local, command=["/empty"], start=False)["image"] == local
        with nothing_changes(service, docker_client):
            answer = service.create(image=local, pull="always", start=False)
            assert_problem(answer, 503, "registry-unreachable", image=local)
    finally:
        docker_client.images.remove(local, force=True)


def test_a_missing_image_that_may_not_be_pulled_is_not_found(
    service: Service, docker_client: docker.DockerClient
) -> None:
    for image in (UNREACHABLE, "no-such-image", "base-api-server:no-such-tag"):
        with nothing_changes(service, docker_client):
            answer = service.create(image=image, pull="never")
            problem = assert_problem(answer, 404, "image-not-found", image=image)
        assert image in problem["detail"]
