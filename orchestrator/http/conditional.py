"""Answers 304, without a body, where nothing has changed since the answer that the caller has
(ETag and If-None-Match; RFC 9110, 13).

For the answers of the routes that are `tagged`. A tag is made of the answer's bytes before they are
compressed, and is a weak one, for it is that of the compressed answer too.
"""

import hashlib
import re
from collections.abc import Iterable
from typing import Any

from ..errors import PreconditionFailed
from .asgi import App, Message, Receive, Send, values
from .route_table import RouteTable

_TAG = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')
# What a 304 says nothing of (RFC 9110, 15.4.5): it has no content.
_OF_CONTENT = (b"content-length", b"content-type", b"content-encoding", b"last-modified")


class Conditional:
    """ASGI middleware that tags answers, and leaves away the bodies of those that are known."""

    def __init__(self, app: App, table: RouteTable) -> None:
        self._app = app
        self._table = table

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        found = self._table.find(scope) if scope["type"] == "http" else None
        if found is None or not found.allowed:
            await self._app(scope, receive, send)
            return
        if any(each != "*" for each in values(scope, b"if-match")):
            raise PreconditionFailed(
                "If-Match asks for an answer with the same bytes, which no ETag here promises."
                " Leave it out; nothing was changed."
            )
        if scope["method"] != "GET" or not found.route.tagged:
            await self._app(scope, receive, send)
            return
        start: Message | None = None
        body = bytearray()

        async def send_tagged(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start" and message["status"] == 200:
                start = message
            elif start is None or message["type"] != "http.response.body":
                await send(message)
            else:
                body.extend(message.get("body", b""))
                if not message.get("more_body", False):
                    for each in answers(start, bytes(body), values(scope, b"if-none-match")):
                        await send(each)

        await self._app(scope, receive, send_tagged)


def answers(start: Message, body: bytes, known: Iterable[str]) -> tuple[Message, Message]:
    """Returns an answer with its tag, or that it is one of those that the caller has."""
    tag = weak(f'"{hashlib.sha256(body).hexdigest()[:32]}"')
    told = [*start["headers"], (b"etag", tag.encode())]
    end: dict[str, Any] = {"type": "http.response.body", "body": body}
    if not is_among(tag, known):
        return {**start, "headers": told}, end
    # Of JSON nothing is stored on the way, see `headers`, which goes by the type.
    told = [each for each in told if each[0].lower() not in _OF_CONTENT]
    told.append((b"cache-control", b"no-store"))
    return {**start, "status": 304, "headers": told}, end | {"body": b""}


def is_among(tag: str, known: Iterable[str]) -> bool:
    """Whether an If-None-Match has this tag, by the weak comparison (RFC 9110, 8.8.3.2)."""
    text = ", ".join(known)
    return text.strip() == "*" or tag.removeprefix("W/") in _TAG.findall(text)


def weak(tag: str) -> str:
    """Returns a tag as one of answers that mean the same and need not be the same bytes."""
    return tag if tag.startswith("W/") else f"W/{tag}"
