"""An error becomes an answer here: a problem document (RFC 9457) with its status and headers.

`answer_problem` is the one error handler of the app, `AnswerRefusals` takes what middleware raises
to it. Whatever goes wrong, the caller is told in one form, and never in the words of a library.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

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
    PreconditionFailed,
    RequestTooSlow,
    ShuttingDown,
    StorageError,
    TooManyChanges,
    TooManyStreams,
    UnavailableError,
    UpstreamError,
    UrlTooLong,
)
from . import headers, request_ids
from .asgi import App, Message, Receive, Send
from .door import challenges

MEDIA_TYPE = "application/problem+json"

_STATUS: dict[type[OrchestratorError], int] = {
    # HTTP has a status of its own for these, which stand before their kind.
    RequestTooSlow: 408,
    PreconditionFailed: 412,
    BodyTooLarge: 413,
    UrlTooLong: 414,
    TooManyStreams: 429,
    TooManyChanges: 429,
    HeadersTooLarge: 431,
    LimitError: 400,
    InvalidError: 422,
    MissingError: 404,
    ConflictError: 409,
    ForbiddenError: 403,
    CallerError: 401,
    ContentError: 415,
    UpstreamError: 502,
    UnavailableError: 503,
    DeadlineError: 504,
    StorageError: 507,
}


def status_of(error: type[OrchestratorError]) -> int:
    """Returns the status code of a kind of error; 500 for one that is of no kind."""
    return next((status for kind, status in _STATUS.items() if issubclass(error, kind)), 500)


def retry_after(error: OrchestratorError) -> int | None:
    """Returns the seconds of the Retry-After header, where trying again can help."""
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
    """Returns a problem document; fields of the case cannot replace its own members."""
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
    """Makes one error of pydantic's list: a sentence on the first, and all of them as `errors`.

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
    elif kind == "value_error" and not place and ": " in message:  # of several fields together
        field, _, message = message.partition(": ")
        place = [field]
    elif kind == "extra_forbidden":
        message = "There is no such field here; GET /docs shows those there are"
    name = ".".join(part if len(part) <= 64 else part[:61] + "..." for part in place)
    return {"field": name, "message": message.rstrip(".")}


async def answer_problem(request: Request, error: Exception) -> JSONResponse:
    """Answers with a problem document, whatever went wrong: the one error handler."""
    extra: dict[str, str] = {}
    if isinstance(error, RequestValidationError):
        error = explain_validation(error.errors())
    if isinstance(error, HTTPException) and error.status_code == 400:  # its one reason for that
        error = InvalidRequest(
            "The body cannot be read: it must be JSON, in UTF-8, and not nested hundreds deep."
        )
    if isinstance(error, HTTPException):  # what the framework refuses before a route is found
        extra |= error.headers or {}
        status, title = error.status_code, str(error.detail)
        if status == 405:
            extra["Allow"] = ", ".join(request.app.state.table.methods_at(request.scope))
        code, detail = {
            404: ("no-such-endpoint", "There is nothing at this path. GET / lists the endpoints."),
            405: (
                "method-not-allowed",
                f"{request.method} is not possible here. GET / lists the endpoints."
                + ("" if request.method.isupper() else " Methods are written in capitals."),
            ),
        }.get(status, ("request-refused", f"{error.detail}."))
        fields = {}
    elif isinstance(error, OrchestratorError):
        status, code, title = status_of(type(error)), error.code, error.title
        detail, fields = error.message, error.fields
        if (seconds := retry_after(error)) is not None:
            extra["Retry-After"] = str(seconds)
    else:
        status, code = 500, OrchestratorError.code
        title, fields = OrchestratorError.title, {}
        detail = "This is a fault of the service; its log has more under this request's id."
        # Answered outside of the middleware that adds it to all other answers.
        extra |= headers.HEADERS | {"X-Request-ID": request_ids.current.get()}
    body = document(
        status=status,
        code=code,
        title=title,
        detail=detail,
        request_id=request_ids.current.get(),
        fields=fields,
    )
    answer = JSONResponse(body, status, extra, MEDIA_TYPE)
    # Each in a header of its own: browsers do not find the second one in a list.
    for challenge in challenges(error, request.headers.get("accept", "")):
        answer.headers.append("WWW-Authenticate", challenge)
    return answer


class AnswerRefusals:
    """ASGI middleware that answers what the middleware within it raises with a problem document.

    A request that the server cancels because it ends is answered so, too.
    """

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        started = False

        async def note(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        error: OrchestratorError
        try:
            await self._app(scope, receive, note)
        except OrchestratorError as refusal:
            if started or scope["type"] != "http":
                raise
            error = refusal
        except asyncio.CancelledError:
            if started or scope["type"] != "http":
                raise
            error = ShuttingDown(
                "The service was stopped while the Docker engine was at work on this. What has"
                " become of it, GET /containers tells once the service is back."
            )
        else:
            return
        answer = await answer_problem(Request(scope), error)
        await answer(scope, receive, send)
