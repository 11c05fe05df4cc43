"""Who asks for gzip gets it where it is worth it, and where no secret can be guessed from lengths.

By an app with routes of its own, asked without a server in between.
"""

import asyncio
import gzip
import json
import time
from collections.abc import AsyncIterable
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI, Response
from fastapi.sse import EventSourceResponse

from main import create_app
from orchestrator.http import Compression, Conditional, Methods, RouteTable, holds_secrets, tagged
from orchestrator.http.compression import LEAST, accepts_gzip
from orchestrator.settings import Settings

pytestmark = pytest.mark.anyio
BIG = [{"id": f"{number:012x}", "labels": {"a": str(number)}} for number in range(20_000)]

router = APIRouter()


@router.get("/big")
@tagged
async def big() -> list[dict[str, Any]]:
    return BIG


@router.get("/small")
async def small() -> Response:
    return Response("x" * (LEAST - 1))


@router.get("/page")
async def page() -> Response:
    return Response("<!doctype html>" + "x" * LEAST, media_type="text/html")


@router.get("/marked")
async def marked() -> Response:
    return Response("x" * LEAST, headers={"ETag": '"of-these-bytes"', "Vary": "Origin"})


@router.get("/secret")
@holds_secrets
async def secret() -> Response:
    return Response("x" * LEAST)


@router.post("/change")
async def change() -> Response:
    return Response("x" * LEAST)


@router.get("/stream", response_class=EventSourceResponse)
async def stream() -> AsyncIterable[dict[str, str]]:
    yield {"text": "x" * LEAST}


def app() -> FastAPI:
    app = FastAPI()
    app.router.routes.extend(router.routes)
    table = RouteTable(app.routes)
    app.add_middleware(Conditional, table=table)
    app.add_middleware(Compression, table=table)
    app.add_middleware(Methods, table=table)
    return app


async def answer(path: str, accept: str | None = "gzip", method: str = "GET") -> httpx.Response:
    transport = httpx.ASGITransport(app())
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        del client.headers["accept-encoding"]
        headers = {} if accept is None else {"Accept-Encoding": accept}
        return await client.request(method, path, headers=headers)


@pytest.mark.parametrize(
    ("headers", "wanted"),
    [
        ([], False),
        ([""], False),
        (["gzip"], True),
        (["GZip"], True),
        (["deflate, gzip, br"], True),
        (["deflate", "gzip;q=0.5"], True),
        (["gzip;q=0"], False),
        (["gzip; q=0.000"], False),
        (["gzip ; q=0.001"], True),
        (["gzip;Q=1.0"], True),
        (["x-gzip"], True),
        (["*"], True),
        (["*;q=0"], False),
        (["gzip;q=0, *"], False),
        (["identity, gzip;q=0.5"], False),
        (["identity;q=0.5, gzip"], True),
        (["identity;q=0"], False),
        (["not-gzip"], False),
        (["gzip;q=2"], False),
        (["gzip;q=nonsense"], False),
        (["gzip;level=9"], False),
        ([",,;q=1,"], False),
    ],
)
async def test_gzip_is_wanted_by_who_says_so(headers: list[str], wanted: bool) -> None:
    assert accepts_gzip(headers) is wanted


async def test_a_big_answer_is_compressed_for_who_accepts_it() -> None:
    plain, packed = await answer("/big", None), await answer("/big")
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < len(plain.content) / 5
    assert packed.json() == plain.json() == BIG
    assert plain.headers["vary"] == packed.headers["vary"] == "Accept-Encoding"
    assert plain.headers["etag"] == packed.headers["etag"]
    assert plain.headers["etag"].startswith('W/"')


async def test_a_head_tells_what_a_get_would() -> None:
    for accept in (None, "gzip"):
        got, head = await answer("/big", accept), await answer("/big", accept, "HEAD")
        assert dict(head.headers) == dict(got.headers)
        assert head.content == b""


@pytest.mark.parametrize("path", ["/small", "/page", "/secret", "/stream"])
async def test_it_is_not_where_it_is_not_worth_it_or_not_safe(path: str) -> None:
    found = await answer(path)
    assert found.status_code == 200
    assert "content-encoding" not in found.headers


async def test_the_answer_to_a_change_is_not_for_the_audit_reads_it() -> None:
    assert "content-encoding" not in (await answer("/change", "gzip", "POST")).headers


async def test_a_tag_that_is_of_the_plain_bytes_is_a_weak_one_of_the_compressed_ones() -> None:
    plain, packed = await answer("/marked", "gzip;q=0"), await answer("/marked")
    assert (plain.headers["etag"], packed.headers["etag"]) == (
        '"of-these-bytes"', 'W/"of-these-bytes"',
    )  # fmt: skip
    assert packed.headers["vary"] == "Origin, Accept-Encoding"


async def test_the_others_are_answered_while_megabytes_are_compressed() -> None:
    longest, last = 0.0, time.perf_counter()

    async def tick() -> None:
        nonlocal longest, last
        while True:
            await asyncio.sleep(0)
            longest, last = max(longest, time.perf_counter() - last), time.perf_counter()

    body = json.dumps(BIG * 5).encode()  # 5 MB, which take 60 ms and more

    async def megabytes(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def never() -> Any:
        await asyncio.Future()

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/",
        "headers": [(b"accept-encoding", b"gzip")],
    }
    ticking = asyncio.create_task(tick())
    await asyncio.sleep(0.01)
    longest, last = 0.0, time.perf_counter()
    began = time.perf_counter()
    await Compression(megabytes, RouteTable([]))(scope, never, send)
    took = time.perf_counter() - began
    ticking.cancel()
    assert gzip.decompress(sent[1]["body"]) == body
    assert longest < took / 2, (longest, took)


async def test_of_the_services_own_routes_only_the_values_of_variables_are_secrets() -> None:
    table = RouteTable(create_app(Settings()).routes)
    assert {route.path for route in table if route.secrets} == {"/containers/{id}/env"}
