"""A container is found by its name, its id or the beginning of it; else 404, or 409 if several."""

from collections.abc import Callable
from typing import Any

import docker
import pytest

from tests.conftest import Service

from .support import ask, assert_problem, at_once, nothing_changes, unique

pytestmark = pytest.mark.engine

VERBS = ("get", "stats", "delete", "start", "stop", "restart")


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("key", ["no-such-container", "f" * 64, "x" * 5_120, "%20", "%ff", "é"])
def test_an_unknown_container_is_not_found(
    service: Service, docker_client: docker.DockerClient, verb: str, key: str
) -> None:
    with nothing_changes(service, docker_client):
        assert_problem(ask(service, key, verb), 404, "container-not-found")


def test_an_ambiguous_beginning_of_ids_is_a_conflict(
    service: Service, docker_client: docker.DockerClient
) -> None:
    # Sixteen hexadecimal digits, so two of seventeen begin with the same one.
    answers = at_once([lambda: service.created(start=False)] * 17)
    ids = [answer["id"] for answer in answers]
    digit = next(mine[0] for mine in ids if sum(other[0] == mine[0] for other in ids) > 1)
    for verb in VERBS:
        with nothing_changes(service, docker_client):
            problem = assert_problem(ask(service, digit, verb), 409, "ambiguous-id")
        assert len(problem["matches"]) > 1
        assert all(match[0] == digit for match in problem["matches"])
        if len(problem["matches"]) < 20:
            assert {mine for mine in ids if mine[0] == digit} <= set(problem["matches"])


def test_a_container_is_found_by_name_id_and_beginning_of_its_id(
    service: Service, inspect: Callable[[str], dict[str, Any]]
) -> None:
    container = service.created(start=False)
    full_id = inspect(container["id"])["Id"]
    for key in (container["id"], full_id, full_id[:20], container["name"]):
        assert service.get(f"/containers/{key}") == container
    # A name goes before the beginning of an id; see tests/security/test_identity for longer ones.
    namesake = service.created(start=False, name=full_id[:5])
    assert service.get(f"/containers/{full_id[:5]}") == namesake
    # The beginning of a name is not enough.
    name = service.created(start=False, name=unique())["name"]
    assert_problem(service.client.get(f"/containers/{name[:-1]}"), 404, "container-not-found")
