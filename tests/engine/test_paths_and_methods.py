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
        ("/containers/anything", "DELETE, GET, HEAD, OPTIONS"),
        ("/containers/create", "OPTIONS, POST"),
        ("/containers/running", "GET, HEAD, OPTIONS"),
        ("/containers/stats", "GET, HEAD, OPTIONS"),
        ("/containers/stats/stream", "GET, OPTIONS"),
    ],
)
def test_what_a_path_can_do_is_said(service: Service, path: str, allowed: str) -> None:
    answer = service.client.options(path)
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["Allow"] == allowed
    answer = service.client.patch(path)
    assert answer.headers["Allow"] == allowed
    assert_problem(answer, 405, "method-not-allowed")


@pytest.mark.parametrize(
    "path",
    ["/", "/health", "/health/live", "/containers", "/containers?state=nonsense", "/ports",
     "/metrics", "/docs", "/openapi.json", "/containers/nobody", "/nowhere", "/healthz"],
)  # fmt: skip
def test_a_head_is_a_get_without_its_body(service: Service, path: str) -> None:
    got, head = service.client.get(path), service.client.head(path)
    assert (head.status_code, head.content) == (got.status_code, b"")
    assert head.headers["content-type"] == got.headers["content-type"]
    if path in ("/", "/containers/nobody"):
        assert head.headers["content-length"] == got.headers["content-length"]
    after = service.client.get("/health/live")  # on the same connection: nothing is left on it
    assert after.json() == {"status": "alive"}


def test_a_stream_has_no_head(service: Service) -> None:
    assert service.client.head("/containers/stats/stream").status_code == 405


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz"])
def test_health_has_the_names_that_kubernetes_made_usual(service: Service, path: str) -> None:
    usual = {"/healthz": "/health", "/livez": "/health/live", "/readyz": "/health/ready"}[path]
    found, same = service.get(path), service.get(usual)
    assert found.keys() == same.keys()
    assert found["status"] == same["status"]
    assert path not in service.get("/openapi.json")["paths"]


def test_containers_are_created_at_their_collection_too(service: Service) -> None:
    label, _, value = service.label.partition("=")
    answer = service.client.post("/containers", json={"start": False, "labels": {label: value}})
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/containers/{answer.json()['id']}"


def test_a_browsers_icon_is_no_error(service: Service) -> None:
    assert service.client.get("/favicon.ico").status_code == 204


def test_reads_at_the_same_time_are_all_answered(service: Service) -> None:
    service.created(start=False)
    paths = ["/", "/health", "/containers", "/containers/running", "/ports", "/system/stats"]
    answers = at_once([lambda path=path: service.client.get(path) for path in paths * 5])  # type: ignore[misc]
    assert [answer.status_code for answer in answers] == [200] * len(answers)
