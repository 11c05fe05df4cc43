"""Paths and methods: those that do not exist are refused, reads at the same time are answered."""

import pytest

from tests.conftest import Service

from .support import assert_problem, at_once

pytestmark = pytest.mark.engine


def test_an_unknown_path_is_a_problem(service: Service) -> None:
    assert_problem(service.client.get("/nowhere"), 404, "no-such-endpoint")
    assert_problem(service.client.get("/containers/a/b/c"), 404, "no-such-endpoint")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/containers", "GET"),
        ("PUT", "/containers/create", "POST"),
        ("POST", "/ports", "GET"),
        ("GET", "/containers/some/start", "POST"),
    ],
)
def test_a_wrong_method_is_a_problem(
    service: Service, method: str, path: str, allowed: str
) -> None:
    answer = service.client.request(method, path)
    assert_problem(answer, 405, "method-not-allowed")
    assert allowed in answer.headers["allow"]


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/containers/anything", "DELETE, GET"),
        ("/containers/create", "POST"),
        ("/containers/running", "GET"),
        ("/containers/stats", "GET"),
    ],
)
def test_a_method_that_a_path_does_not_have(service: Service, path: str, allowed: str) -> None:
    answer = service.client.options(path)

    assert answer.status_code == 405
    assert answer.headers["Allow"] == allowed
    assert answer.json()["code"] == "method-not-allowed"


def test_reads_at_the_same_time_are_all_answered(service: Service) -> None:
    service.created(start=False)
    paths = ["/", "/health", "/containers", "/containers/running", "/ports", "/system/stats"]
    answers = at_once([lambda path=path: service.client.get(path) for path in paths * 5])  # type: ignore[misc]
    assert [answer.status_code for answer in answers] == [200] * len(answers)
