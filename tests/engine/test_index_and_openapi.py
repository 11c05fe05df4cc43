"""The index and the OpenAPI schema: every endpoint is there, with examples and its problems."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import Service

pytestmark = pytest.mark.engine

CONTRACT = {
    ("GET", "/"),
    ("GET", "/health"),
    ("GET", "/health/live"),
    ("GET", "/health/ready"),
    ("POST", "/containers/create"),
    ("GET", "/containers"),
    ("GET", "/containers/running"),
    ("GET", "/containers/{id}"),
    ("POST", "/containers/{id}/start"),
    ("POST", "/containers/{id}/stop"),
    ("POST", "/containers/{id}/restart"),
    ("DELETE", "/containers/{id}"),
    ("GET", "/containers/{id}/stats"),
    ("GET", "/system/stats"),
    ("GET", "/system/stats/history"),
    ("GET", "/ports"),
    ("GET", "/ports/{port}"),
    ("GET", "/volumes"),
    ("DELETE", "/volumes/{name}"),
}


def operations(schema: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for part in value.values():
            yield from references(part)
    elif isinstance(value, list):
        for part in value:
            yield from references(part)


def resolve(schema: dict[str, Any], reference: str) -> Any:
    assert reference.startswith("#/")
    found: Any = schema
    for part in reference[2:].split("/"):
        found = found[part]
    return found


def test_index_lists_every_endpoint_that_openapi_has(service: Service) -> None:
    index = service.get("/")
    schema = service.get("/openapi.json")
    assert index.keys() == {"name", "version", "links", "endpoints"}
    assert index["name"] == "Docker Orchestration API"
    assert index["version"] == schema["info"]["version"]
    listed = {(entry["method"], entry["path"]): entry["summary"] for entry in index["endpoints"]}
    assert len(listed) == len(index["endpoints"])
    assert listed == {
        (method, path): operation["summary"] for method, path, operation in operations(schema)
    }
    assert listed.keys() >= CONTRACT
    assert all(listed.values())


def test_index_links_lead_somewhere(service: Service) -> None:
    links = service.get("/")["links"]
    assert links.keys() >= {"docs", "redoc", "openapi"}
    for link in links.values():
        assert service.client.get(link).status_code == 200


def test_openapi_describes_each_operation(service: Service) -> None:
    schema = service.get("/openapi.json")
    tags = {tag["name"] for tag in schema["tags"]}
    for method, path, operation in operations(schema):
        assert operation["summary"], (method, path)
        assert operation["description"], (method, path)
        assert set(operation["tags"]) <= tags, (method, path)
        assert operation["tags"], (method, path)
    for reference in set(references(schema)):
        assert resolve(schema, reference)


def test_openapi_has_an_example_for_each_operation(service: Service) -> None:
    schema = service.get("/openapi.json")

    def has_example(part: dict[str, Any]) -> bool:
        if "$ref" in part:
            part = resolve(schema, part["$ref"])
        parts = [part["items"]] if "items" in part else part.get("anyOf", [])[:1]
        return "example" in part or "examples" in part or any(map(has_example, parts))

    without = []
    for method, path, operation in operations(schema):
        responses = operation["responses"]
        (content,) = responses.get("200", responses.get("201"))["content"].values()
        answer = content.get("schema")
        if answer is None:  # a stream: what each event is
            answer = content["itemSchema"]["properties"]["data"]["contentSchema"]
        if not (has_example(content) or has_example(answer)):
            without.append(f"{method} {path}")
    assert without == []


def test_openapi_names_the_problems_of_each_operation(service: Service) -> None:
    schema = service.get("/openapi.json")
    problems = {
        (method, path): {
            status
            for status, response in operation["responses"].items()
            if "application/problem+json" in response.get("content", {})
        }
        for method, path, operation in operations(schema)
    }
    assert problems["POST", "/containers/create"] >= {"404", "409", "422", "503", "504"}
    assert problems["GET", "/containers"] >= {"422", "503"}
    assert problems["GET", "/containers/{id}"] >= {"404", "409"}
    for verb in ("start", "stop", "restart"):
        assert problems["POST", f"/containers/{{id}}/{verb}"] >= {"403", "404", "409", "503"}
    assert problems["DELETE", "/containers/{id}"] >= {"403", "404", "409", "503"}
    assert problems["GET", "/containers/{id}/stats"] >= {"404", "409"}
    assert problems["GET", "/ports/{port}"] >= {"404", "422"}
