"""Bounds the size of a request, how long its body may take, and how many requests there may be.

ASGI middleware that raises; `problems.AnswerRefusals` makes answers of that. What goes wrong before
there is a request (slow or broken headers, too many connections) is the business of `connections`.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from .. import callers
from ..errors import (
    BodyTooLarge,
    HeadersTooLarge,
    Overloaded,
    RequestTooSlow,
    TooManyChanges,
    TooManyStreams,
    UrlTooLong,
)
from ..settings import Settings
from .asgi import SAFE_METHODS, App, Message, Receive, Send
from .route_table import RouteTable

# Bytes, and a number.
MAX_URL = 8192
MAX_HEADERS_SIZE = 32 * 1024
MAX_HEADERS = 100


def too_slow(seconds: float) -> RequestTooSlow:
    """Returns the error of a request that was not here in full within so many seconds."""
    return RequestTooSlow(
        f"The request was not here in full within {seconds:g} seconds. Send it again in one go."
    )


def headers_too_large() -> HeadersTooLarge:
    """Returns the error of a request with too many headers, or too long ones."""
    return HeadersTooLarge(
        f"The request has more than {MAX_HEADERS} headers, or more than {MAX_HEADERS_SIZE} bytes of"
        " them. Leave out what is not needed."
    )


class RequestLimits:
    """ASGI middleware that refuses what is too large, too slow, or too much at once.

    The body is here in full, and of a size that is taken, before anything else looks at the
    request: a refused one has changed nothing. A request counts as under way from then on, so that
    slow senders take nobody's place.
    """

    def __init__(self, app: App, settings: Settings, table: RouteTable) -> None:
        self._app = app
        self._table = table
        self._max_body = settings.max_body
        self._max_requests = settings.max_requests
        self._seconds = settings.request_timeout
        self._under_way = 0

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        _check_head(scope)
        headers = dict(scope["headers"])
        if b"content-length" in headers or b"transfer-encoding" in headers:
            body = await self._read(headers.get(b"content-length", b""), receive)
            if body is None:
                return  # the caller has gone away
            receive = _replay(body, receive)
        found = self._table.find(scope)
        if found is not None and found.route.always_answered:
            await self._app(scope, receive, send)
            return
        if self._under_way >= self._max_requests:
            raise Overloaded(
                f"{self._max_requests} requests are under way, and no more are taken. Try again in"
                " a few seconds, or raise MAX_REQUESTS."
            )
        self._under_way += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._under_way -= 1

    async def _read(self, length: bytes, receive: Receive) -> bytes | None:
        """Returns the whole body; None if the caller goes away before its end."""
        # As digits alone, for thousands of them make no number.
        digits = length.lstrip(b"0")
        if len(digits) > 18 or (digits and int(digits) > self._max_body):
            raise self._too_large()
        body = bytearray()
        try:
            async with asyncio.timeout(self._seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return None
                    body += message.get("body", b"")
                    if len(body) > self._max_body:
                        raise self._too_large()
                    if not message.get("more_body", False):
                        return bytes(body)
        except TimeoutError:
            raise too_slow(self._seconds) from None

    def _too_large(self) -> BodyTooLarge:
        return BodyTooLarge(
            f"The body is larger than {self._max_body} bytes. Send less, or raise MAX_BODY."
        )


class CallerLimits:
    """ASGI middleware that refuses a caller one stream more than MAX_STREAMS, and one change more
    than MAX_CHANGES; stands where it is known who calls.

    A change counts until its answer has gone out, the time included that it waits for others, or
    for a container's health. So no one caller takes all places that there are.
    """

    def __init__(self, app: App, settings: Settings, table: RouteTable) -> None:
        self._app = app
        self._table = table
        self._streams = _Places(settings.max_streams)
        self._changes = _Places(settings.max_changes)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        found = self._table.find(scope) if scope["type"] == "http" else None
        caller = callers.current.get().identity
        if found is not None and found.route.stream:
            if not self._streams.free_for(caller):
                raise TooManyStreams(
                    f"{self._streams.most} streams of yours are open, and no more are given. Close"
                    " one, or raise MAX_STREAMS."
                )
            with self._streams.taken(caller):
                await self._app(scope, receive, send)
        elif found is not None and found.allowed and scope["method"] not in SAFE_METHODS:
            if not self._changes.free_for(caller):
                raise TooManyChanges(
                    f"{self._changes.most} changes of yours are under way or waiting, and no more"
                    " are taken. Wait for some to end, or raise MAX_CHANGES."
                )
            with self._changes.taken(caller):
                await self._app(scope, receive, send)
        else:
            await self._app(scope, receive, send)


class _Places:
    """Counts, for each caller, what is under way."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._taken: Counter[str] = Counter()

    def free_for(self, caller: str) -> bool:
        return self._taken[caller] < self.most

    @contextmanager
    def taken(self, caller: str) -> Iterator[None]:
        self._taken[caller] += 1
        try:
            yield
        finally:
            self._taken[caller] -= 1
            if not self._taken[caller]:
                del self._taken[caller]


def _check_head(scope: Message) -> None:
    raw_path = scope.get("raw_path") or scope["path"].encode()
    if len(raw_path) + len(scope["query_string"]) > MAX_URL:
        raise UrlTooLong(f"The URL is longer than {MAX_URL} bytes. Shorten the path or the query.")
    headers = scope["headers"]
    size = sum(len(name) + len(value) for name, value in headers)
    if len(headers) > MAX_HEADERS or size > MAX_HEADERS_SIZE:
        raise headers_too_large()


def _replay(body: bytes, receive: Receive) -> Receive:
    """Returns a `receive` that gives the body, and then what the server has to say."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
