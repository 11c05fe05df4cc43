"""The audit notes who asked for what change and what became of it: a JSON line for each request
that is not a read.

Refused ones too. Nothing of a body is in it but the container's name and image, and what a caller
wrote is cut: a line has at most a few kilobytes. Requests that never came to the app (see
`connections`) have no line, for it is not known what they asked for.
"""

import contextlib
import json
import logging
import time
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from .. import callers
from ..errors import AuditUnavailable, OrchestratorError
from ..models import Container
from . import request_ids
from .asgi import UNMATCHED, App, Message, Receive, Send
from .route_table import Found, RouteTable
from .trail import Trail

log = logging.getLogger("orchestrator.audit")

UNSAFE = frozenset(("POST", "PUT", "PATCH", "DELETE"))
# Characters of what a caller sent.
LONGEST = 256
# Bytes of an answer that are kept to see what it is about; those of changes have about 1,000.
_MOST_OF_ANSWER = 256 * 1024

_asked: ContextVar[dict[str, str | None] | None] = ContextVar("audit_asked", default=None)


def asked_for(name: str | None, image: str | None) -> None:
    """Notes what the request under way wants made; for its line, should it fail."""
    if (asked := _asked.get()) is not None:
        asked.update(name=name, image=image)


class Audit:
    """ASGI middleware that writes the lines; it stands outside of what refuses requests. `find`
    looks a container up by what a caller calls it, and returns None where there is none, or not one
    alone.
    """

    def __init__(
        self, app: App, table: RouteTable, find: Callable[[str], Container | None]
    ) -> None:
        self._app = app
        self._table = table
        self._find = find

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in UNSAFE:
            await self._app(scope, receive, send)
            return
        began, status, body = time.monotonic(), 0, bytearray()
        asked: dict[str, str | None] = {}
        _asked.set(asked)
        # As it is before: afterwards it may be gone.
        found = self._table.find(scope)
        key = found.id if found is not None else None
        before = self._find(key) if key is not None else None

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            elif len(body) < _MOST_OF_ANSWER:
                body.extend(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, note)
        except Exception:
            status = status or 500  # which is answered outside of all middleware
            raise
        finally:
            line = {
                "time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                "request_id": request_ids.current.get(),
                **_caller(scope),
                "verb": _verb(scope["method"], found),
                **_container(before, asked, key, _members(body)),
                "outcome": _outcome(status, _members(body)),
                "status": status or None,
                "seconds": round(time.monotonic() - began, 3),
            }
            log.info("%s", json.dumps(line))


class AuditRequired:
    """ASGI middleware that refuses changes while they would leave no line; it stands where it is
    known that the caller may make them.
    """

    def __init__(self, app: App, table: RouteTable, trail: Trail) -> None:
        self._app = app
        self._table = table
        self._trail = trail

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] in UNSAFE:
            found = self._table.find(scope)
            if found is not None and found.allowed and self._trail.check() is not None:
                raise AuditUnavailable(
                    "No change is made while the audit cannot be written. The operator finds the"
                    " reason in GET /health and in the log; try again when it is gone."
                )
        await self._app(scope, receive, send)


def configure(path: str | None, told: Callable[[bool, int], None] = lambda _, __: None) -> Trail:
    """Sends the lines to standard error, or appends them to a file. Raises OSError if that cannot
    be used. What is returned, and `told` at each change, says whether lines can be written.
    """
    handler = Trail(path, told)
    for old in list(log.handlers):
        log.removeHandler(old)
        old.close()
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    return handler


def _verb(method: str, found: Found | None) -> str:
    """From the path: a request refused by the middleware has not been routed."""
    if found is None:
        return UNMATCHED
    return found.route.name if found.allowed else f"{method} {found.route.path}"


def _caller(scope: Message) -> dict[str, str | None]:
    caller, client = callers.current.get(), scope.get("client")
    peer = caller.peer if caller.peer != "-" or not client else str(client[0])
    return {"key": caller.name, "peer": peer}


def _members(body: bytes | bytearray) -> dict[str, Any]:
    with contextlib.suppress(ValueError):
        found = json.loads(bytes(body))
        if isinstance(found, dict):
            return found
    return {}


def _container(
    before: Container | None,
    asked: dict[str, str | None],
    key: str | None,
    answer: dict[str, Any],
) -> dict[str, Any]:
    """Describes a container as the answer does, else as it was, else as the caller called it."""
    known: dict[str, Any] = {"id": None, "name": asked.get("name"), "image": asked.get("image")}
    known["ports"] = None
    if before is not None:
        known = before.model_dump(include={"id", "name", "image", "ports"})
    elif key is not None:
        known["name"] = key
    if "code" not in answer:
        known |= {name: answer[name] for name in known if answer.get(name) is not None}
    return {
        "container": _cut(known["id"]),
        "name": _cut(known["name"]),
        "image": _cut(known["image"]),
        "ports": known["ports"],
    }


def _outcome(status: int, answer: dict[str, Any]) -> str:
    if not status:
        return "disconnected"  # the caller went away before its request was here
    if status < 400:
        return "ok"
    return str(answer.get("code", OrchestratorError.code))


def _cut(text: object) -> str | None:
    return None if text is None else str(text)[:LONGEST]
