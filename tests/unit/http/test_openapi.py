"""The OpenAPI document: what a reader of /docs and a generator of clients find in it."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from main import create_app
from orchestrator.models import CreateRequest
from orchestrator.settings import Settings

DOCUMENT: dict[str, Any] = create_app(Settings()).openapi()
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]
PROBLEM = {"$ref": "#/components/schemas/Problem"}


class Operation(NamedTuple):
    method: str
    path: str
    entry: dict[str, Any]

    @property
    def by_id(self) -> bool:
        return "{id}" in self.path

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    def codes(self) -> set[str]:
        """The codes of the problems it documents."""
        return {
            code
            for answer in self.entry["responses"].values()
            for code in answer.get("content", {})
            .get("application/problem+json", {})
            .get("examples", {})
        }


OPERATIONS = [
    Operation(method.upper(), path, entry)
    for path, methods in DOCUMENT["paths"].items()
    for method, entry in methods.items()
]
each_operation = pytest.mark.parametrize(
    "operation", OPERATIONS, ids=[operation.name for operation in OPERATIONS]
)


def resolve(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema that a reference names; of alternatives, the one that is not null."""
    if "$ref" in schema:
        return resolve(SCHEMAS[schema["$ref"].rpartition("/")[2]])
    if "anyOf" in schema:
        return resolve(next(one for one in schema["anyOf"] if one.get("type") != "null"))
    return schema


def example_of(media: dict[str, Any]) -> Any:
    """The example that a documentation page shows for a body; None when it has to invent one."""
    if "example" in media:
        return media["example"]
    if media.get("examples"):
        return next(iter(media["examples"].values()))["value"]
    schema = resolve(media["schema"])
    if schema.get("type") == "array":
        item = example_of({"schema": schema["items"]})
        return None if item is None else [item]
    return schema["examples"][0] if schema.get("examples") else schema.get("example")


def unlike(example: Any, schema: dict[str, Any], where: str = "") -> Iterator[str]:
    """How an example differs from an answer of that schema: in its fields and their order."""
    schema = resolve(schema)
    if isinstance(example, list):
        for item in example:
            yield from unlike(item, schema["items"], f"{where}[]")
    elif isinstance(example, dict) and "properties" in schema:
        if list(example) != list(schema["properties"]):
            yield f"{where or 'the example'} has {list(example)}, not {list(schema['properties'])}"
        for name in example.keys() & schema["properties"].keys():
            yield from unlike(example[name], schema["properties"][name], f"{where}.{name}")


def success_of(operation: Operation) -> dict[str, Any]:
    """The JSON of the 2xx answer; of several, the one that says most."""
    answer = max(
        (status, answer)
        for status, answer in operation.entry["responses"].items()
        if status.startswith("2")
    )[1]
    content: dict[str, Any] = answer["content"]
    if "text/event-stream" in content:  # of a stream, the JSON in each event
        event = content["text/event-stream"]["itemSchema"]["properties"]
        return {"schema": event["data"]["contentSchema"]}
    (media,) = content.values()
    found: dict[str, Any] = media
    return found


@each_operation
def test_an_operation_says_what_it_does(operation: Operation) -> None:
    assert operation.entry["summary"]
    assert operation.entry["description"].rstrip().endswith(".")
    (tag,) = operation.entry["tags"]
    assert tag in {declared["name"] for declared in DOCUMENT["tags"]}


def test_every_tag_is_described_and_used() -> None:
    assert all(tag["description"] for tag in DOCUMENT["tags"])
    used = {tag for operation in OPERATIONS for tag in operation.entry["tags"]}
    assert used == {tag["name"] for tag in DOCUMENT["tags"]}


def test_operation_ids_are_names_that_a_person_would_give_a_method() -> None:
    names = [operation.entry["operationId"] for operation in OPERATIONS]
    assert [name for name, count in Counter(names).items() if count > 1] == []
    # A verb and its object; the framework's own would have the path and the method in it.
    assert [name for name in names if not re.fullmatch("[a-z]+(_[a-z]+){1,3}", name)] == []
    verbs = {"create", "get", "list", "remove", "restart", "start", "stop", "stream"}
    assert {name.partition("_")[0] for name in names} <= verbs
    assert {"create_container", "list_containers", "get_container", "stop_container"} <= {*names}


@each_operation
def test_the_answer_has_an_example_that_looks_like_an_answer(operation: Operation) -> None:
    media = success_of(operation)
    example = example_of(media)
    assert example is not None
    assert list(unlike(example, media["schema"])) == []


@each_operation
def test_a_needed_parameter_has_an_example_that_swagger_ui_fills_in(operation: Operation) -> None:
    # Swagger UI takes no notice of `examples` inside a parameter's schema.
    for parameter in operation.entry.get("parameters", []):
        assert parameter.get("description"), parameter["name"]
        if parameter["required"]:
            assert {"example", "examples"} & parameter.keys() or "example" in parameter["schema"]


def test_the_example_of_the_port_lies_in_the_range() -> None:
    for first in (8001, 9001):
        settings = Settings.model_validate({"port_range": f"{first}-{first + 9}"})
        document = create_app(settings).openapi()
        (parameter,) = document["paths"]["/ports/{port}"]["get"]["parameters"]
        example = parameter["schema"].get("example", example_of(parameter))
        assert first <= example <= first + 9


def test_the_example_of_the_create_body_is_a_valid_one() -> None:
    body = DOCUMENT["paths"]["/containers/create"]["post"]["requestBody"]
    example = example_of(body["content"]["application/json"])
    asked = CreateRequest.model_validate(example)
    assert asked.model_fields_set, "an empty example shows nothing"


@each_operation
def test_every_error_answer_is_a_problem_document(operation: Operation) -> None:
    for status, answer in operation.entry["responses"].items():
        if status[0] in "23" or (operation.path, status) == ("/health", "503"):
            continue  # /health says in its own words what is wrong
        assert list(answer["content"]) == ["application/problem+json"], status
        media = answer["content"]["application/problem+json"]
        assert media["schema"] == PROBLEM
        assert media["examples"], status
        for code, example in media["examples"].items():
            problem = example["value"]
            assert (problem["code"], problem["status"]) == (code, int(status))
            assert set(SCHEMAS["Problem"]["required"]) <= problem.keys()
            assert f"`{code}`" in answer["description"]


# The codes that a caller of an operation can meet, besides those that its shape tells.
OWN_CODES = {
    "POST /containers/create": {
        "port-out-of-range",
        "start-refused",
        "image-not-found",
        "name-in-use",
        "idempotency-key-reused",
        "port-in-use",
        "ports-exhausted",
        "network-full",
        "image-pull-denied",
        "image-platform",
        "image-broken",
        "registry-failed",
        "registry-limit",
        "registry-unreachable",
        "image-pull-failed",
        "over-limit",
        "quota-exceeded",
    },
    "POST /containers/{id}/start": {
        "port-given-away",
        "port-in-use",
        "start-refused",
        "network-full",
        "network-missing",
        "dependency-not-running",
    },
    "POST /containers/{id}/restart": {
        "port-given-away",
        "port-in-use",
        "start-refused",
        "network-full",
        "network-missing",
        "dependency-not-running",
    },
    "DELETE /volumes/{name}": {"volume-not-found", "volume-not-managed", "volume-in-use"},
    "GET /containers/{id}/env": {
        "not-managed",
        "insufficient-scope",
        "engine-failed",
        "engine-timeout",
    },
    "GET /containers/{id}/stats": {"container-not-running", "not-managed"},
    "GET /containers/{id}/stats/history": {"not-managed"},
    "GET /containers/{id}/stats/stream": {"container-not-running", "not-managed"},
    "GET /ports/{port}": {"port-not-found"},
}


@each_operation
def test_the_problems_that_a_caller_can_meet_are_documented(operation: Operation) -> None:
    expected = set(OWN_CODES.get(operation.name, ()))
    if operation.by_id:
        expected |= {"container-not-found", "ambiguous-id"}
    if operation.entry.get("parameters") or "requestBody" in operation.entry:
        expected |= {"invalid-request"}
    if operation.path not in ("/", "/health", "/health/live", "/metrics"):
        expected |= {"engine-unavailable"}
    if operation.method != "GET":
        expected |= {"engine-failed", "engine-timeout"}
        if operation.by_id:
            expected |= {"not-managed", "container-busy"}
    assert expected - operation.codes() == set()


def test_nothing_of_the_frameworks_own_validation_error_is_left() -> None:
    assert SCHEMAS.keys() & {"HTTPValidationError", "ValidationError"} == set()
    assert "HTTPValidationError" not in str(DOCUMENT["paths"])


def test_every_reference_resolves() -> None:
    def references(node: Any) -> Iterator[str]:
        if isinstance(node, dict):
            if isinstance(node.get("$ref"), str):
                yield node["$ref"]
            for child in node.values():
                yield from references(child)
        elif isinstance(node, list):
            for child in node:
                yield from references(child)

    known = {f"#/components/schemas/{name}" for name in SCHEMAS}
    assert set(references(DOCUMENT)) <= known
