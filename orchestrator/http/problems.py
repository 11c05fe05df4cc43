"""Problem documents (RFC 9457): how an error looks to a caller. Pure; knows status codes only."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..errors import (
    BodyTooLarge,
    CallerError,
    ConflictError,
    ContentError,
    DeadlineError,
    ForbiddenError,
    HeadersTooLarge,
    InvalidError,
    InvalidRequest,
    LimitError,
    MissingError,
    OrchestratorError,
    RequestTooSlow,
    TooManyStreams,
    UnavailableError,
    UrlTooLong,
)

MEDIA_TYPE = "application/problem+json"

_STATUS: dict[type[OrchestratorError], int] = {
    # HTTP has a status of its own for most limits; these stand before their kind.
    RequestTooSlow: 408,
    BodyTooLarge: 413,
    UrlTooLong: 414,
    TooManyStreams: 429,
    HeadersTooLarge: 431,
    LimitError: 400,
    InvalidError: 422,
    MissingError: 404,
    ConflictError: 409,
    ForbiddenError: 403,
    CallerError: 401,
    ContentError: 415,
    UnavailableError: 503,
    DeadlineError: 504,
}


def status_of(error: type[OrchestratorError]) -> int:
    """The status code of a kind of error; 500 for one that is of no kind."""
    return next((status for kind, status in _STATUS.items() if issubclass(error, kind)), 500)


def retry_after(error: OrchestratorError) -> int | None:
    """Seconds for the Retry-After header, where trying again can help."""
    return getattr(error, "retry_after", None)


def document(
    *,
    status: int,
    code: str,
    title: str,
    detail: str,
    request_id: str,
    fields: Mapping[str, object] | None = None,
) -> dict[str, Any]:
    members: dict[str, Any] = {
        "type": f"urn:docker-orchestration-api:{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": request_id,
    }
    return members | {name: value for name, value in (fields or {}).items() if name not in members}


def explain_validation(errors: Sequence[Mapping[str, Any]]) -> InvalidRequest:
    """One error from pydantic's list: a sentence on the first, and all of them as `errors`.

    What the caller sent is not repeated: it may be long, or a secret.
    """
    found = [_explain(error) for error in errors[:20]]
    first = found[0]
    where = f"{first['field']}: " if first["field"] else ""
    more = f" ({len(errors) - 1} more in `errors`.)" if len(errors) > 1 else ""
    return InvalidRequest(f"{where}{first['message']}.{more}", errors=found)


def _explain(error: Mapping[str, Any]) -> dict[str, str]:
    kind, message = str(error["type"]), str(error["msg"]).removeprefix("Value error, ")
    place = [str(part) for part in error["loc"][1:] if isinstance(part, (str, int))]
    if kind == "json_invalid":
        reason = (error.get("ctx") or {}).get("error", "it cannot be read")
        message = f"The body is not valid JSON at character {place[0] if place else 0}: {reason}"
        place = []
    elif kind in ("model_attributes_type", "dict_type") and not place:
        message = (
            "The body must be a JSON object, sent with the header Content-Type: application/json"
        )
    elif kind == "model_type" or (kind == "list_type" and not place):
        message = "The body must be a JSON object"
    elif kind == "extra_forbidden":
        message = "There is no such field here; GET /docs shows those there are"
    name = ".".join(part if len(part) <= 64 else part[:61] + "..." for part in place)
    return {"field": name, "message": message.rstrip(".")}


def openapi_responses(
    kinds: Iterable[type[OrchestratorError]],
) -> dict[int | str, dict[str, Any]]:
    """The problem answers of a route, for its OpenAPI description."""
    by_status: dict[int | str, dict[str, Any]] = {}
    for kind in kinds:
        status = status_of(kind)
        entry = by_status.setdefault(
            status,
            {
                "description": "",
                "content": {
                    MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": {}}
                },
            },
        )
        titles = [part for part in (entry["description"], f"`{kind.code}`: {kind.title}.") if part]
        entry["description"] = " ".join(titles)
        entry["content"][MEDIA_TYPE]["examples"][kind.code] = {
            "value": document(
                status=status,
                code=kind.code,
                title=kind.title,
                detail=kind.example,
                request_id="5f0c2f8a9d3b4e6f8a1b2c3d4e5f6a7b",
            )
        }
        if status in (503, 504):
            entry["headers"] = {
                "Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}
            }
    return by_status


def add_responses(schema: dict[str, Any], kinds: Iterable[type[OrchestratorError]]) -> None:
    """Adds problem answers to every operation of an OpenAPI description, beside its own.

    A second call with the same kinds changes nothing.
    """
    added = openapi_responses(kinds)
    for operations in schema["paths"].values():
        for operation in operations.values():
            for status, entry in added.items():
                own = operation["responses"].setdefault(str(status), {"description": ""})
                media = own.setdefault("content", {}).setdefault(
                    MEDIA_TYPE, {"schema": entry["content"][MEDIA_TYPE]["schema"], "examples": {}}
                )
                for code, example in entry["content"][MEDIA_TYPE]["examples"].items():
                    if code not in media["examples"]:
                        media["examples"][code] = example
                        sentence = f"`{code}`: {example['value']['title']}."
                        own["description"] = f"{own['description']} {sentence}".strip()
                own.setdefault("headers", {}).update(entry.get("headers", {}))
