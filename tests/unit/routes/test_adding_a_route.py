"""A route is added in one place: what else there is to know of it follows from the route."""

import asyncio
import json
from collections.abc import AsyncIterable, AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from fastapi.sse import EventSourceResponse

import main
from orchestrator.callers import digest
from orchestrator.http import always_answered, audit, without_key
from orchestrator.routes.dependencies import AnyCaller, ContainerKey
from orchestrator.settings import Settings
from orchestrator.state import Inventory

pytestmark = pytest.mark.anyio
KEY = "k" * 32

router = APIRouter(tags=["containers"])


class Weather:
    thaw: asyncio.Event  # of each test its own, for it belongs to a loop


@router.get("/containers/frozen", summary="The frozen containers")
async def frozen(caller: AnyCaller) -> dict[str, Any]:
    return {"asked by": caller.name}


@router.post("/containers/{id}/freeze", summary="Freeze a container")
async def freeze(key: ContainerKey) -> dict[str, Any]:
    return {"id": key}


@router.get("/frost/follow", response_class=EventSourceResponse, summary="Frost as it comes")
async def frost() -> AsyncIterable[dict[str, Any]]:
    yield {"degrees": -1}
    await Weather.thaw.wait()


@router.get("/frost", summary="Whether there is frost")
@always_answered
@without_key
async def is_frost() -> bool:
    return True


@pytest.fixture(autouse=True)
async def with_the_router(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    monkeypatch.setattr(main, "ROUTERS", (router, *main.ROUTERS))
    Weather.thaw = asyncio.Event()
    yield
    audit.configure(None)


def app_with(settings: Settings) -> FastAPI:
    app = main.create_app(settings)
    app.state.service = SimpleNamespace(inventory=Inventory(), settings=settings)
    return app


def client_of(app: FastAPI, **headers: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://localhost", headers=headers
    )


async def test_get_lists_it() -> None:
    async with client_of(app_with(Settings())) as client:
        endpoints = (await client.get("/")).json()["endpoints"]
    assert {
        "method": "POST",
        "path": "/containers/{id}/freeze",
        "summary": "Freeze a container",
    } in endpoints


async def test_the_audit_has_its_function_as_the_verb(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    async with client_of(app_with(Settings(audit_log=str(path)))) as client:
        await client.post("/containers/web-1/freeze")
        refused = await client.post("/containers/web-1/freeze", headers={"Host": "evil.example"})
        assert refused.status_code == 403
        await client.post("/containers/frozen")
        await client.post("/containers/web-1/melt")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(line["verb"], line["name"]) for line in lines] == [
        ("freeze", "web-1"),
        ("freeze", "web-1"),
        ("POST /containers/frozen", None),
        ("unmatched", None),
    ]


async def test_a_stream_of_it_counts_among_the_callers_streams() -> None:
    async with client_of(app_with(Settings(max_streams=1))) as client, asyncio.TaskGroup() as group:
        first = group.create_task(client.get("/frost/follow"))
        await asyncio.sleep(0.05)
        assert (await client.get("/frost")).status_code == 200
        second = await client.get("/frost/follow")
        assert (second.status_code, second.json()["code"]) == (429, "too-many-streams")
        Weather.thaw.set()
        assert (await first).status_code == 200
        assert (await client.get("/frost/follow")).status_code == 200


async def test_what_is_not_possible_there_is_told_with_what_is() -> None:
    async with client_of(app_with(Settings())) as client:
        for path, methods in (
            ("/containers/web-1/freeze", "OPTIONS, POST"),
            ("/containers/frozen", "GET, HEAD, OPTIONS"),
            ("/containers/web-1", "DELETE, GET, HEAD, OPTIONS"),
        ):
            answer = await client.put(path)
            assert (answer.status_code, answer.headers["Allow"]) == (405, methods)


async def test_a_key_is_needed_unless_it_says_not() -> None:
    app = app_with(Settings(api_key=digest(KEY)))
    async with client_of(app) as client:
        assert (await client.get("/containers/frozen")).status_code == 401
        assert (await client.get("/frost")).status_code == 200
        key = {"Authorization": f"Bearer {KEY}"}
        answer = await client.get("/containers/frozen", headers=key)
    assert answer.json() == {"asked by": "default"}
    paths = app.openapi()["paths"]
    assert "security" not in paths["/containers/frozen"]["get"]
    assert paths["/frost"]["get"]["security"] == []


async def test_it_is_answered_under_any_load_if_it_says_so() -> None:
    app = app_with(Settings(max_requests=1))
    async with client_of(app) as client, asyncio.TaskGroup() as group:
        group.create_task(client.get("/frost/follow"))
        await asyncio.sleep(0.05)
        assert (await client.get("/frost")).status_code == 200
        assert (await client.get("/containers/frozen")).json()["code"] == "overloaded"
        Weather.thaw.set()


async def test_the_description_has_what_the_middleware_refuses() -> None:
    answers = main.create_app(Settings()).openapi()["paths"]["/containers/frozen"]["get"]
    examples = answers["responses"]["401"]["content"]["application/problem+json"]["examples"]
    assert "unauthenticated" in examples


async def test_no_container_can_be_named_like_its_path() -> None:
    app = app_with(Settings())
    app.state.service = SimpleNamespace(
        inventory=SimpleNamespace(age=0.0, peek=lambda _: None),
        engine=SimpleNamespace(host=None),
        own_container=None,
        watcher=SimpleNamespace(up_to_date=True),
        settings=Settings(),
    )
    async with client_of(app) as client:
        for word in ("create", "running", "stats", "frozen"):
            answer = await client.post("/containers/create", json={"name": word})
            told = answer.json()
            assert (answer.status_code, told["code"]) == (422, "invalid-request")
            assert told["detail"].startswith(f'name: "{word}" is part of the API\'s own paths')
            assert [each["field"] for each in told["errors"]] == ["name"]
    name = app.openapi()["components"]["schemas"]["CreateRequest"]["properties"]["name"]
    assert name["anyOf"][0]["not"] == {"enum": ["create", "frozen", "running", "stats"]}
