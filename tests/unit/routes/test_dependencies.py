"""No answer goes through a thread, in which the framework calls each plain `def`."""

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi import APIRouter, Depends
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Route

from main import create_app
from orchestrator.settings import Settings


def calls(dependant: Dependant) -> Iterator[Callable[..., Any]]:
    if dependant.call is not None:
        yield dependant.call
    for needed in dependant.dependencies:
        yield from calls(needed)


def plain(routes: list[BaseRoute]) -> list[str]:
    """The functions that answer, or give what an answer needs, and are no `async def`."""
    found = [
        call
        for route in routes
        if isinstance(route, Route)
        for call in (calls(route.dependant) if isinstance(route, APIRoute) else [route.endpoint])
    ]
    assert found
    return [
        call.__name__
        for call in found
        if not (inspect.iscoroutinefunction(call) or inspect.isasyncgenfunction(call))
    ]


def test_no_route_and_no_dependency_is_a_plain_def() -> None:
    assert plain(create_app(Settings()).routes) == []


@pytest.mark.parametrize("deep", [False, True])
def test_one_would_be_found(deep: bool) -> None:
    def given() -> int:
        return 1

    async def between(_: int = Depends(given)) -> int:
        return 1

    async def answer(_: int = Depends(between if deep else given)) -> int:
        return 1

    def plain_answer() -> int:
        return 1

    router = APIRouter()
    router.get("/one")(answer)
    router.get("/two")(plain_answer)
    assert plain(router.routes) == ["given", "plain_answer"]
