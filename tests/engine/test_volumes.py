"""Volumes of the service: listed, removed by name, removed with their container."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress

import docker
import pytest
from docker.errors import NotFound

from tests.conftest import Service, wait_until

from .support import SLEEP, act, assert_problem, nothing_changes, unique

pytestmark = pytest.mark.engine

Name = Callable[[], str]


@pytest.fixture
def volume(docker_client: docker.DockerClient) -> Iterator[Name]:
    """Gives names; asked for before `service`, it removes the volumes after their containers."""
    prefix = f"orchestration-test-{uuid.uuid4().hex[:12]}"
    names: list[str] = []

    def name() -> str:
        names.append(f"{prefix}-{len(names)}")
        return names[-1]

    yield name
    for each in names:
        with suppress(NotFound):
            docker_client.volumes.get(each).remove()


def exists(client: docker.DockerClient, name: str) -> bool:
    try:
        client.volumes.get(name)
    except NotFound:
        return False
    return True


def listed(service: Service, *names: str) -> dict[str, list[str]]:
    """Of these volumes, which are shown, and with which containers."""
    found = {each["name"]: each for each in service.get("/volumes")}
    assert list(found) == sorted(found)
    assert all(each["created"].endswith("Z") for each in found.values())
    return {name: found[name]["containers"] for name in names if name in found}


def test_volumes_of_ours_are_listed_with_those_who_use_them(
    volume: Name, service: Service, docker_client: docker.DockerClient
) -> None:
    ours, shared, theirs = volume(), volume(), volume()
    docker_client.volumes.create(theirs)
    one = service.created(
        volumes=[f"{ours}:/one", f"{shared}:/two"], command=SLEEP, name=unique("a")
    )
    two = service.created(volumes=[f"{shared}:/two:ro"], start=False, name=unique("b"))
    assert listed(service, ours, shared, theirs) == {
        ours: [one["name"]],
        shared: [one["name"], two["name"]],
    }
    act(service, one["id"], "delete", force=True)
    assert listed(service, ours, shared) == {ours: [], shared: [two["name"]]}


def test_a_volume_that_nothing_uses_is_removed(
    volume: Name, service: Service, docker_client: docker.DockerClient
) -> None:
    name = volume()
    container = service.created(volumes=[f"{name}:/data"], start=False)
    with nothing_changes(service, docker_client):
        answer = service.client.delete(f"/volumes/{name}")
        problem = assert_problem(answer, 409, "volume-in-use", name=name)
    assert name in problem["detail"]
    act(service, container["id"], "delete")
    answer = service.client.delete(f"/volumes/{name}")
    assert (answer.status_code, answer.json()) == (200, {"name": name, "removed": True})
    assert not exists(docker_client, name)
    assert_problem(service.client.delete(f"/volumes/{name}"), 404, "volume-not-found", name=name)

    def audited() -> bool:
        lines = [line for line in service.log().splitlines() if '"remove_volume"' in line]
        return len([line for line in lines if f'"name": "{name}"' in line]) == 3

    wait_until(audited, what="the audit names the volume each time")


@pytest.mark.parametrize("allow", ["false", "true"])
def test_volumes_of_others_stay(
    allow: str,
    volume: Name,
    start_service: Callable[..., Service],
    docker_client: docker.DockerClient,
) -> None:
    service = start_service(ALLOW_UNMANAGED=allow)
    plain, share = volume(), volume()
    docker_client.volumes.create(plain)
    docker_client.volumes.create(
        share, driver_opts={"type": "none", "o": "bind", "device": "/"},
        labels={"orchestration-api.managed": "true"},
    )  # fmt: skip
    for name in (plain, share):
        answer = service.client.delete(f"/volumes/{name}")
        assert_problem(answer, 403, "volume-not-managed", name=name)
        assert exists(docker_client, name)
    if allow == "true":
        container = service.created(volumes=[f"{plain}:/data"], start=False)
        assert act(service, container["id"], "delete", volumes=True)["removed_volumes"] == []
        assert exists(docker_client, plain)


@pytest.mark.parametrize("name", ["-", ".", "..", "a b", "ä", "a" * 256, "%2e%2e", "a%2Fb"])
def test_what_is_no_name_of_a_volume_leads_to_none(name: str, service: Service) -> None:
    answer = service.client.delete(f"/volumes/{name}")
    assert answer.status_code in (404, 405, 422), answer.text


def test_a_container_goes_with_its_volumes_where_that_is_asked_for(
    volume: Name, service: Service, docker_client: docker.DockerClient
) -> None:
    own, shared = volume(), volume()
    first = service.created(volumes=[f"{own}:/own", f"{shared}:/shared"], command=SLEEP)
    second = service.created(volumes=[f"{shared}:/shared"], start=False)
    removed = act(service, first["id"], "delete", force=True, volumes=True)
    assert removed["removed_volumes"] == [own]
    assert not exists(docker_client, own)
    assert exists(docker_client, shared)
    third = service.created(volumes=[f"{own}:/own"], start=False)
    assert act(service, third["id"], "delete")["removed_volumes"] == []
    assert exists(docker_client, own)
    removed = act(service, second["id"], "delete", volumes=True)
    assert removed["removed_volumes"] == [shared]
