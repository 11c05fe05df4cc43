"""Compresses big answers for those who ask for it (Accept-Encoding: gzip; RFC 9110, 12.5.3).

Who sees the lengths of compressed answers on the way (TLS hides none) can guess a secret in them,
if he can also have text of his own put beside it. So the answer of a route that `holds_secrets` is
never compressed: that is a container's environment, which holds values besides a name and variables
that others have chosen. In all other answers there is nothing that one who may ask for them may
not know, or hardly more than what the caller sent (problems, answers to changes), which is never
compressed. Streams are not either, nor pages, whose policy names their scripts (see `headers`).
"""

import re
from collections.abc import Iterable

from starlette.middleware.gzip import DEFAULT_EXCLUDED_CONTENT_TYPES, GZipResponder

from .asgi import App, Message, Receive, Send, values
from .conditional import weak
from .route_table import RouteTable

# Bytes of an answer, from which on it is compressed, and from which on in a thread: so many take
# half a millisecond, and a listing of 999 containers 8, while nobody else would be answered.
LEAST = 1024
LEAST_IN_A_THREAD = 32 * 1024
# The next one takes three times as long for one hundredth less.
LEVEL = 5
NEVER = (*DEFAULT_EXCLUDED_CONTENT_TYPES, "text/html", "application/problem+json")

_QUALITY = re.compile(r"q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)", re.IGNORECASE)


class Compression:
    """ASGI middleware that compresses what is read, with a responder of the framework's."""

    def __init__(self, app: App, table: RouteTable) -> None:
        self._app = app
        self._table = table

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET" or not self._may_be(scope):
            await self._app(scope, receive, send)
            return

        async def send_described(message: Message) -> None:
            if message["type"] == "http.response.start":
                describe(message)
            await send(message)

        app: App = self._app
        if accepts_gzip(values(scope, b"accept-encoding")):
            app = GZipResponder(
                self._app,
                LEAST,
                LEVEL,
                thread_minimum_size=LEAST_IN_A_THREAD,
                exclude_content_types=NEVER,
            )
        await app(scope, receive, send_described)

    def _may_be(self, scope: Message) -> bool:
        found = self._table.find(scope)
        return found is None or not (found.route.stream or found.route.secrets)


def describe(start: Message) -> None:
    """Says of an answer that another one may be given to who accepts other encodings, and of a
    compressed one, that its ETag is that of another sequence of bytes.
    """
    vary: list[bytes] = []
    kept: list[tuple[bytes, bytes]] = []
    compressed = any(name.lower() == b"content-encoding" for name, _ in start["headers"])
    for name, value in start["headers"]:
        match name.lower():
            case b"vary":
                vary += (each.strip() for each in value.split(b","))
            case b"accept-ranges":  # see `request_forms`
                pass
            case b"etag" if compressed:
                kept.append((name, weak(value.decode("latin-1")).encode("latin-1")))
            case _:
                kept.append((name, value))
    others = [each for each in vary if each.lower() not in (b"", b"accept-encoding")]
    kept.append((b"vary", b", ".join([*others, b"Accept-Encoding"])))
    start["headers"] = kept


def accepts_gzip(headers: Iterable[str]) -> bool:
    """Whether gzip is asked for, and the plain answer is not liked better."""
    wanted: dict[str, float] = {}
    for each in ",".join(headers).split(","):
        coding, _, parameter = (part.strip().lower() for part in each.partition(";"))
        match = _QUALITY.fullmatch(parameter)
        if coding and (match or not parameter):
            wanted[coding] = float(match[1]) if match else 1.0
    gzip = wanted.get("gzip", wanted.get("x-gzip", wanted.get("*", 0.0)))
    return gzip > 0 and gzip >= wanted.get("identity", 0.0)
