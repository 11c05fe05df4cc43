import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from orchestrator import errors
from orchestrator.errors import OrchestratorError
from orchestrator.http.problems import document, explain_validation, retry_after, status_of
from orchestrator.models import ContainerFilter, CreateRequest


def children(kind: type[OrchestratorError]) -> Iterator[type[OrchestratorError]]:
    for child in kind.__subclasses__():
        yield child
        yield from children(child)


KINDS = {
    errors.InvalidError: 422,
    errors.MissingError: 404,
    errors.ConflictError: 409,
    errors.ForbiddenError: 403,
    errors.CallerError: 401,
    errors.ContentError: 415,
    errors.LimitError: 400,
    errors.UpstreamError: 502,
    errors.UnavailableError: 503,
    errors.DeadlineError: 504,
    errors.StorageError: 507,
}
RAISED = [kind for kind in children(OrchestratorError) if kind not in KINDS]

# The contract: programs match on these.
CODES = {
    "invalid-request": 422, "idempotency-key-reused": 422, "port-out-of-range": 422,
    "start-refused": 422,
    "container-not-found": 404, "image-not-found": 404, "port-not-found": 404,
    "ambiguous-id": 409, "name-in-use": 409, "port-in-use": 409, "port-given-away": 409,
    "container-not-running": 409, "container-paused": 409, "container-busy": 409,
    "insufficient-scope": 403, "host-not-allowed": 403, "cross-origin": 403, "from-container": 403,
    "unauthenticated": 401, "unsupported-media-type": 415,
    "over-limit": 403, "quota-exceeded": 403,
    "port-refused": 409, "not-managed": 403, "volume-not-managed": 403, "image-not-allowed": 403,
    "too-many-changes": 429, "too-busy": 503, "audit-unavailable": 503, "shutting-down": 503,
    "ports-exhausted": 503, "engine-unavailable": 503, "engine-failed": 503,
    "network-missing": 409, "network-full": 503,
    "malformed-request": 400, "request-too-slow": 408, "precondition-failed": 412,
    "body-too-large": 413,
    "url-too-long": 414, "too-many-streams": 429, "headers-too-large": 431,
    "overloaded": 503, "too-many-connections": 503,
    "image-pull-denied": 403, "image-platform": 422, "image-broken": 502, "registry-failed": 502,
    "registry-limit": 503, "registry-unreachable": 503, "image-in-use": 409,
    "volume-not-found": 404, "volume-in-use": 409, "dependency-not-running": 409,
    "image-pull-failed": 503, "engine-timeout": 504,
    "disk-limit-unsupported": 422, "disk-low": 507,
}  # fmt: skip


def explained(body: Any) -> errors.InvalidRequest:
    """What the framework and then problems.py make of a body."""
    with pytest.raises(ValidationError) as error:
        CreateRequest.model_validate(body)
    found = error.value.errors()
    return explain_validation([{**each, "loc": ("body", *each["loc"])} for each in found])


def test_every_error_has_the_code_and_status_of_the_contract() -> None:
    assert {kind.code: status_of(kind) for kind in RAISED} == CODES


@pytest.mark.parametrize("kind", RAISED, ids=lambda kind: kind.code)
def test_every_error_is_of_one_kind(kind: type[OrchestratorError]) -> None:
    assert sum(issubclass(kind, parent) for parent in KINDS) == 1
    if issubclass(kind, errors.LimitError):  # which have statuses of their own; see CODES
        return
    assert status_of(kind) == next(KINDS[parent] for parent in KINDS if issubclass(kind, parent))


@pytest.mark.parametrize("kind", RAISED, ids=lambda kind: kind.code)
def test_trying_again_is_advised_where_it_can_help(kind: type[OrchestratorError]) -> None:
    error = kind("x", None) if kind is errors.PortRefused else kind("x")
    seconds = retry_after(error)
    assert (seconds is not None) == (status_of(kind) in (503, 504, 507))
    assert seconds is None or seconds > 0


def test_what_is_of_no_kind_is_a_500() -> None:
    assert status_of(OrchestratorError) == 500


def test_a_document_is_that_of_rfc_9457_with_the_fields_of_the_case() -> None:
    assert document(
        status=409,
        code="port-in-use",
        title="The port is in use",
        detail="Port 8001 is in use.",
        request_id="abc",
        fields={"port": 8001},
    ) == {
        "type": "urn:docker-orchestration-api:port-in-use",
        "title": "The port is in use",
        "status": 409,
        "detail": "Port 8001 is in use.",
        "code": "port-in-use",
        "request_id": "abc",
        "port": 8001,
    }


def test_fields_cannot_replace_the_members_of_a_problem() -> None:
    members = {"status": 409, "code": "c", "title": "t", "detail": "d", "request_id": "r"}
    fields = dict.fromkeys((*members, "type"), "other")
    found = document(fields=fields, **members)  # type: ignore[arg-type]
    assert {name: found[name] for name in members} == members
    assert found["type"] == "urn:docker-orchestration-api:c"


# Validation


def test_a_validation_error_names_the_field_and_says_what_would_do() -> None:
    error = explained({"memory": "lots"})
    assert error.message == (
        'memory: memory is a number with a unit, like "512m" or "1g", or bytes.'
    )
    assert error.fields == {
        "errors": [{"field": "memory", "message": error.message.partition(": ")[2].rstrip(".")}]
    }


def test_all_errors_are_listed() -> None:
    error = explained({"memory": "lots", "port": 0, "nmae": "web"})
    found = error.fields["errors"]
    assert isinstance(found, list)
    assert {each["field"] for each in found} == {"memory", "port", "nmae"}
    assert "(2 more in `errors`.)" in error.message


def test_nested_places_are_named() -> None:
    assert explained({"container_ports": [5000, "x"]}).message.startswith("container_ports.1: ")
    assert explained({"env": {"A": 5}}).message.startswith("env.A: ")


def test_thousands_of_errors_make_a_short_answer() -> None:
    error = explained({f"field-{number}" + "x" * 10_000: 1 for number in range(1000)})
    assert len(json.dumps(error.fields)) < 5_000
    assert len(error.message) < 300


@pytest.mark.parametrize("body", [[], "text", 5, None])
def test_a_body_that_is_no_object_is_told_so(body: object) -> None:
    assert "JSON object" in explained(body).message


def test_a_body_that_is_no_json_is_told_so() -> None:
    error = {"type": "json_invalid", "loc": ("body", 7), "msg": "JSON decode error",
             "input": {}, "ctx": {"error": "Expecting value"}}  # fmt: skip
    message = explain_validation([error]).message
    assert "not valid JSON" in message
    assert "Expecting value" in message


SECRET = "s3cr3t-Xq7"


@pytest.mark.parametrize(
    "body",
    [
        {"name": f"{SECRET} "},
        {"image": f"{SECRET} "},
        {"memory": SECRET},
        {"cpus": SECRET},
        {"pids": SECRET},
        {"port": SECRET},
        {"env": {"PASSWORD": [SECRET]}},
        {"env": {"PASSWORD": SECRET + "\x00"}},
        {"env": {f"PASSWORD={SECRET}": ""}},
        {"env": f"PASSWORD={SECRET}"},
        {"env": [SECRET]},
        {"command": f"login '{SECRET}"},
        {"command": ["login", {"password": SECRET}]},
        {"command": {"password": SECRET}},
        {"labels": {"a": [SECRET]}},
        {"volumes": [f"/{SECRET}:/x"]},
        {"restart_policy": SECRET},
        {"pull": SECRET},
        {"start": SECRET},
        {"wait": SECRET},
        {"container_ports": [SECRET]},
        {"password": SECRET},
        {"registry_auth": SECRET},
        {"registry_auth": {SECRET: SECRET}},
        {"registry_auth": {"username": SECRET, "password": [SECRET]}},
        {"registry_auth": {"username": "a", "password": SECRET, "token": SECRET}},
        [SECRET],
        SECRET,
    ],
)
def test_validation_errors_never_repeat_what_was_sent(body: Any) -> None:
    error = explained(body)
    assert SECRET not in error.message + json.dumps(error.fields)


def test_a_bad_query_does_not_repeat_what_was_sent() -> None:
    with pytest.raises(ValidationError) as refused:
        ContainerFilter.model_validate({"state": SECRET, "managed": SECRET})
    error = explain_validation(refused.value.errors())
    assert SECRET not in error.message + json.dumps(error.fields)


@given(st.dictionaries(st.text(st.characters(categories=["Cs", "L", "Cc"])), st.none(), min_size=1))
def test_a_problem_can_always_be_sent(body: dict[str, Any]) -> None:
    """A field's name is the caller's, and JSON can carry half a surrogate pair."""
    error = explained({f"x{name}": value for name, value in body.items()})
    json.dumps({"detail": error.message, **error.fields}, ensure_ascii=False).encode()


def test_a_problem_about_a_key_that_is_no_text_can_be_sent() -> None:
    error = explained({"env": {"\ud800": "x"}})
    json.dumps({"detail": error.message, **error.fields}, ensure_ascii=False).encode()
