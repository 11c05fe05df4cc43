"""The table finds what the router will find, and says of it what middleware has to know."""

from typing import Any

import pytest

from main import create_app
from orchestrator.http import RouteTable
from orchestrator.settings import Settings

TABLE = RouteTable(create_app(Settings()).routes)


def scope(method: str, path: str, root_path: str = "") -> dict[str, Any]:
    return {"type": "http", "method": method, "path": path, "root_path": root_path, "headers": []}


@pytest.mark.parametrize(
    ("method", "path", "name", "allowed", "key"),
    [
        ("POST", "/containers/create", "create", True, None),
        ("GET", "/containers/stats", "all_stats", True, None),
        ("GET", "/containers/running", "running", True, None),
        ("GET", "/containers/web-1", "container", True, "web-1"),
        ("DELETE", "/containers/web-1", "remove", True, "web-1"),
        ("POST", "/containers/web-1/stop", "stop", True, "web-1"),
        # Whatever has such a name.
        ("DELETE", "/containers/create", "remove", True, "create"),
        # The path is known and the method is not: the first of that path.
        ("PUT", "/containers/create", "create", False, None),
        ("PATCH", "/containers/web-1", "container", False, "web-1"),
        ("HEAD", "/health/live", "live", False, None),
    ],
)
def test_what_a_request_is_meant_for(
    method: str, path: str, name: str, allowed: bool, key: str | None
) -> None:
    found = TABLE.find(scope(method, path))
    assert found is not None
    assert (found.route.name, found.allowed, found.id) == (name, allowed, key)


@pytest.mark.parametrize("path", ["", "/nowhere", "/containers/", "/containers/web-1/", "/Health"])
def test_nothing_is_at_other_paths(path: str) -> None:
    assert TABLE.find(scope("GET", path)) is None


def test_what_a_proxy_puts_before_all_paths_does_not_count() -> None:
    for path in ("/api/health/live", "/health/live"):
        found = TABLE.find(scope("GET", path, "/api"))
        assert found is not None
        assert found.route.path == "/health/live"
    assert TABLE.find(scope("GET", "/apihealth/live", "/api")) is None


def test_streams_are_known() -> None:
    assert {route.path for route in TABLE if route.stream} == {
        "/containers/stats/stream",
        "/containers/{id}/stats/stream",
    }


def test_what_answers_without_a_key_and_under_any_load() -> None:
    live = {"/health/live", "/livez"}
    assert {route.path for route in TABLE if route.without_key} == {*live, "/favicon.ico"}
    assert {route.path for route in TABLE if route.always_answered} == live
