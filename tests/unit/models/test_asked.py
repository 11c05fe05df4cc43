"""What every body and query has in common: null means left out, and nothing unknown is taken."""

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

import main
from orchestrator.models import Asked, CreateRequest
from orchestrator.settings import Settings
from orchestrator.statistics import StatsSelection


def kinds(of: type[Asked]) -> Iterator[type[Asked]]:
    for child in of.__subclasses__():
        yield child
        yield from kinds(child)


ASKED = sorted({*kinds(Asked)}, key=lambda kind: kind.__name__)
OPTIONAL = [
    (kind, name)
    for kind in ASKED
    for name, field in kind.model_fields.items()
    if not field.is_required()
]
REQUIRED = [
    (kind, name)
    for kind in ASKED
    for name, field in kind.model_fields.items()
    if field.is_required()
]


def minimal(kind: type[Asked]) -> dict[str, Any]:
    return {name: 1 for name, field in kind.model_fields.items() if field.is_required()}


@pytest.mark.parametrize(("kind", "name"), OPTIONAL)
def test_null_means_left_out(kind: type[Asked], name: str) -> None:
    without = minimal(kind)
    assert kind.model_validate(without | {name: None}) == kind.model_validate(without)


@pytest.mark.parametrize(("kind", "name"), OPTIONAL)
def test_the_description_says_that_null_will_do(kind: type[Asked], name: str) -> None:
    schema = kind.model_json_schema()["properties"][name]
    assert {"type": "null"} in schema["anyOf"]


@pytest.mark.parametrize(("kind", "name"), REQUIRED)
def test_what_must_be_there_is_not_null(kind: type[Asked], name: str) -> None:
    with pytest.raises(ValidationError):
        kind.model_validate(minimal(kind) | {name: None})
    assert "anyOf" not in kind.model_json_schema()["properties"][name]


@pytest.mark.parametrize("kind", ASKED)
def test_an_unknown_field_is_refused_also_when_it_is_null(kind: type[Asked]) -> None:
    with pytest.raises(ValidationError):
        kind.model_validate(minimal(kind) | {"nope": None})


def bodies_and_queries() -> set[type[BaseModel]]:
    """The models that routes take, by their signatures."""
    app = main.create_app(Settings())
    found: set[type[BaseModel]] = set()
    for route in app.routes:
        dependant = getattr(route, "dependant", None)
        if dependant is None:
            continue
        for field in (*dependant.body_params, *dependant.query_params):
            kind = field.field_info.annotation
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                found.add(kind)
    return found


def test_whatever_a_route_takes_is_asked() -> None:
    found = bodies_and_queries()
    assert {CreateRequest, StatsSelection} <= found
    assert not [kind for kind in found if not issubclass(kind, Asked)]


def test_the_description_of_the_api_says_that_null_will_do() -> None:
    schemas = main.create_app(Settings()).openapi()["components"]["schemas"]
    for name, field in schemas["CreateRequest"]["properties"].items():
        assert {"type": "null"} in field["anyOf"], name
    for name in ("HealthCheck", "Ulimits"):
        for each, field in schemas[name]["properties"].items():
            assert {"type": "null"} in field["anyOf"], (name, each)
