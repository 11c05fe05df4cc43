"""Parameters of a request's address that are refused: filters, `timeout`, `force`."""

from typing import Any

import docker
import pytest

from tests.conftest import Service

from .support import ask, assert_problem, nothing_changes, short_json

pytestmark = pytest.mark.engine


@pytest.mark.parametrize(
    "parameters",
    [
        {"state": "flying"},
        {"managed": "perhaps"},
        {"nmae": "web"},
        {"name": "x" * 5_120},
        {"label": ["x"] * 30},
    ],
    ids=short_json,
)
def test_a_bad_filter_is_refused(service: Service, parameters: dict[str, Any]) -> None:
    answer = service.client.get("/containers", params=parameters)
    problem = assert_problem(answer, 422, "invalid-request")
    assert next(iter(parameters)) in problem["detail"]


@pytest.mark.parametrize("verb", ["stop", "restart", "delete"])
@pytest.mark.parametrize("seconds", ["-1", "301", "soon", "1.5", "1e1", ""])
def test_a_bad_timeout_is_refused(
    service: Service, docker_client: docker.DockerClient, verb: str, seconds: str
) -> None:
    container = service.created(start=False)
    with nothing_changes(service, docker_client):
        answer = ask(service, container["id"], verb, timeout=seconds)
        problem = assert_problem(answer, 422, "invalid-request")
    assert "timeout" in problem["detail"]


def test_a_bad_force_is_refused(service: Service, docker_client: docker.DockerClient) -> None:
    container = service.created(start=False)
    with nothing_changes(service, docker_client):
        answer = ask(service, container["id"], "delete", force="perhaps")
        assert_problem(answer, 422, "invalid-request")
