"""What is counted as it happens, and told to Prometheus."""

from collections.abc import Iterator
from typing import Any

import pytest

from orchestrator.http import MeteredRequests
from orchestrator.statistics import Meters

from .told import state, told

pytestmark = pytest.mark.anyio


def test_calls_of_the_engine_are_timed_and_their_errors_kept_by_kind() -> None:
    meters = Meters()
    meters.engine_called("create", 0.3, None)
    meters.engine_called("create", 0.02, "name-in-use")
    found = told(state(), meters.registry)
    assert found["orchestration_api_engine_call_seconds_count", "create"] == 2
    assert found["orchestration_api_engine_call_seconds_sum", "create"] == pytest.approx(0.32)
    assert found["orchestration_api_engine_call_errors_total", "create,name-in-use"] == 1
    assert not any(name.endswith("_created") for name, _ in found)


def test_there_is_a_registry_for_each_app() -> None:
    first, second = Meters(), Meters()
    first.engine_called("ping", 0.1, None)
    assert ("orchestration_api_engine_call_seconds_count", "ping") not in told(
        state(), second.registry
    )


class Route:
    path = "/containers/{id}"


async def answer(meters: Meters, status: int | None, method: str = "GET", **scope: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["route"] = Route()
        if status is None:
            raise RuntimeError("a bug")
        await send({"type": "http.response.start", "status": status})
        await send({"type": "http.response.body", "more_body": True})
        await send({"type": "http.response.body"})

    async def nothing(*_: Any) -> Any: ...

    asked = {"type": "http", "method": method, "path": "/containers/web"} | scope
    await MeteredRequests(app, meters.requested)(asked, nothing, nothing)


def requests(meters: Meters) -> Iterator[tuple[str, float]]:
    for (name, labels), value in told(state(), meters.registry).items():
        if name == "orchestration_api_http_requests_total":
            yield labels, value


async def test_requests_are_counted_by_the_template_of_their_path() -> None:
    meters = Meters()
    await answer(meters, 200)
    await answer(meters, 200)
    await answer(meters, 404)
    await answer(meters, 405, method="X" * 1000)
    with pytest.raises(RuntimeError):
        await answer(meters, None)
    await answer(meters, 200, type="lifespan")
    assert dict(requests(meters)) == {
        "GET,/containers/{id},200": 2,
        "GET,/containers/{id},404": 1,
        "other,/containers/{id},405": 1,
        "GET,/containers/{id},500": 1,
    }
