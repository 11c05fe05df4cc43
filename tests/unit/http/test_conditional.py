"""A caller who has the answer already is told so, by the rules of RFC 9110."""

from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI, Response

from main import create_app
from orchestrator.http import AnswerRefusals, Compression, Conditional, Methods, RouteTable, tagged
from orchestrator.http.conditional import is_among
from orchestrator.settings import Settings

pytestmark = pytest.mark.anyio
TAG = 'W/"abc"'

router = APIRouter()
STATE = {"text": "x" * 5000}
CHANGES: list[str] = []


@router.get("/list")
@tagged
async def listed(response: Response) -> dict[str, str]:
    response.headers["X-Inventory-Age"] = "3.0"
    return STATE


@router.get("/refused")
@tagged
async def refused() -> Response:
    return Response("no", 409)


@router.get("/other")
async def other() -> dict[str, str]:
    return STATE


@router.delete("/list")
async def change() -> None:
    CHANGES.append("list")


def app() -> FastAPI:
    app = FastAPI()
    app.router.routes.extend(router.routes)
    app.state.table = table = RouteTable(app.routes)
    app.add_middleware(Conditional, table=table)
    app.add_middleware(Compression, table=table)
    app.add_middleware(Methods, table=table)
    app.add_middleware(AnswerRefusals)
    return app


async def ask(path: str, method: str = "GET", **headers: str) -> httpx.Response:
    transport = httpx.ASGITransport(app())
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await client.request(method, path, headers=named)


@pytest.mark.parametrize(
    ("known", "hit"),
    [
        ([], False),
        ([""], False),
        (['W/"abc"'], True),
        (['"abc"'], True),  # the comparison is the weak one
        (['"x", W/"abc"'], True),
        (['"x"', '"y" , "abc"'], True),
        (["*"], True),
        ([" * "], True),
        (["abc"], False),
        (['w/"abc"'], True),  # which is no tag, but its end is
        (['"ABC"'], False),
        (['"a", "b"'], False),
        (['"*"'], False),
        (['"x,y","abc"'], True),
        (['"abc'], False),
    ],
)
async def test_what_is_known_is_found_in_any_list(known: list[str], hit: bool) -> None:
    assert is_among(TAG, known) is hit


async def test_nothing_new_is_a_304_without_a_body() -> None:
    first = await ask("/list")
    tag = first.headers["etag"]
    for known in (tag, tag.removeprefix("W/"), f'"other", {tag}', "*"):
        for method in ("GET", "HEAD"):
            for coding in ("gzip", "identity"):
                answer = await ask("/list", method, If_None_Match=known, Accept_Encoding=coding)
                assert (answer.status_code, answer.content) == (304, b"")
                assert answer.headers["etag"] == tag
                assert answer.headers["vary"] == "Accept-Encoding"
                assert answer.headers["cache-control"] == "no-store"
                assert answer.headers["x-inventory-age"] == "3.0"
                assert not {"content-length", "content-type"} & answer.headers.keys()


async def test_what_has_changed_is_told_with_a_tag_of_its_own() -> None:
    tag = (await ask("/list")).headers["etag"]
    STATE["more"] = "y"
    answer = await ask("/list", If_None_Match=tag)
    assert (answer.status_code, answer.json()) == (200, STATE)
    assert answer.headers["etag"] != tag
    del STATE["more"]
    assert (await ask("/list", If_None_Match=tag)).status_code == 304


@pytest.mark.parametrize("headers", [{}, {"If_None_Match": "*"}])
async def test_other_answers_have_no_tag(headers: dict[str, str]) -> None:
    for path, status in (("/refused", 409), ("/other", 200), ("/nowhere", 404)):
        answer = await ask(path, **headers)
        assert (answer.status_code, "etag" in answer.headers) == (status, False)


async def test_a_range_or_a_date_is_no_condition_here() -> None:
    date = "Thu, 01 Jan 2099 00:00:00 GMT"
    for headers in ({"Range": "bytes=0-3"}, {"If_Modified_Since": date}, {"If_Range": '"x"'}):
        answer = await ask("/list", **headers)
        assert (answer.status_code, answer.json()) == (200, STATE)


async def test_a_change_under_a_condition_that_cannot_hold_is_not_made() -> None:
    tag = (await ask("/list")).headers["etag"]
    for method, path in (("DELETE", "/list"), ("GET", "/list"), ("GET", "/other")):
        answer = await ask(path, method, If_Match=tag)
        assert (answer.status_code, answer.json()["code"]) == (412, "precondition-failed")
    assert CHANGES == []
    assert (await ask("/list", "DELETE", If_Match="*")).status_code == 200
    assert CHANGES.pop() == "list"
    assert (await ask("/nowhere", If_Match=tag)).status_code == 404


async def test_lists_ports_and_the_description_have_tags() -> None:
    app = create_app(Settings())
    found: set[Any] = {route.path for route in RouteTable(app.routes) if route.tagged}
    wanted = {"/containers", "/containers/running", "/containers/{id}", "/ports", "/ports/{port}"}
    wanted |= {"/volumes"}
    assert found == {*wanted, "/openapi.json", "/static-offline-docs/redoc.standalone.js"}
    for path in wanted:
        assert "304" in app.openapi()["paths"][path]["get"]["responses"]
