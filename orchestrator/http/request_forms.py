"""HTTP has several forms for one request; each is brought into the usual one before all else.

    GET http://host/path   as a proxy is asked: it means the same, and the host counts that is in it
    OPTIONS http://host    is `OPTIONS *`, which asks what the server can do as a whole
    Range                  is ignored, as it may be: every answer is whole
    two lengths            (Content-Length and Transfer-Encoding), or chunks in HTTP/1.0: servers
                           that a request has passed may have seen another end of it, so it is
                           refused by the door, and nothing is read behind it

RFC 9112, 3.2 and 6.1; RFC 9110, 14.2.
"""

import re
from urllib.parse import unquote_to_bytes

from ..errors import MalformedRequest
from .asgi import App, Message, Receive, Send

_ABSOLUTE = re.compile(rb"https?://([^/]*)(/.*)?", re.IGNORECASE | re.DOTALL)


class RequestForms:
    """ASGI middleware, the outermost: what it changes in a request's scope, all others see so."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        make_usual(scope)

        async def send_the_last(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"connection", b"close")]
            await send(message)

        await self._app(scope, receive, send_the_last if _two_ends(scope) else send)


def check_length(scope: Message) -> None:
    """Raises MalformedRequest for a request of which two servers may see two ends."""
    if _two_ends(scope):
        raise MalformedRequest(
            "The request has Transfer-Encoding beside Content-Length, or in HTTP/1.0, so nobody can"
            " be sure where it ends. The connection is closed. Send one of the two headers."
        )


def _two_ends(scope: Message) -> bool:
    names = {name for name, _ in scope["headers"]}
    return b"transfer-encoding" in names and (
        b"content-length" in names or scope["http_version"] == "1.0"
    )


def make_usual(scope: Message) -> None:
    """Puts path and Host in the place of an absolute target, and leaves Range out."""
    headers = [each for each in scope["headers"] if each[0] not in (b"range", b"if-range")]
    before = scope.get("root_path", "").encode()
    target = (scope.get("raw_path") or b"").removeprefix(before)
    if absolute := _ABSOLUTE.fullmatch(target):
        host, path = absolute.groups()
        path = path or (b"*" if scope["method"] == "OPTIONS" else b"/")
        scope["raw_path"] = before + path
        scope["path"] = scope.get("root_path", "") + unquote_to_bytes(path).decode(errors="replace")
        headers = [each for each in headers if each[0] != b"host"] + [(b"host", host)]
    scope["headers"] = headers
