"""Adds the headers that tell browsers what they may do with an answer."""

import base64
import hashlib
import re
from collections.abc import Mapping

from .asgi import App, Message, Receive, Send, route_of

_INLINE_SCRIPT = re.compile(rb"<script(?:\s+type=[^>]*)?>(.*?)</script>", re.DOTALL)

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not no-referrer: browsers would then write `Origin: null` on some requests of our own pages.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}

_ENCODED = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]

# Swagger UI and ReDoc: pictures are written into their styles.
_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'{hashes}; style-src 'self'{styles};"
    " img-src 'self' data:; font-src 'self'; connect-src 'self'; worker-src blob:;"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class SecurityHeaders:
    """ASGI middleware that adds `HEADERS` to every answer, and `no-store` to JSON.

    `pages` are the routes whose answers, where they are HTML, have inline scripts of this service's
    own, each with what its styles may be beside files from here. Their policy names each script by
    its hash, for which the first part of the body is awaited.
    """

    def __init__(self, app: App, pages: Mapping[str, str]) -> None:
        self._app = app
        self._pages = pages

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        page: Message | None = None

        async def send_with_headers(message: Message) -> None:
            nonlocal page
            if message["type"] == "http.response.start":
                add_headers(message)
                if route_of(scope) in self._pages and is_html(message):
                    page = message
                    return
            elif page is not None:
                policy = page_policy(message.get("body", b""), self._pages[route_of(scope)])
                set_header(page, "Content-Security-Policy", policy)
                await send(page)
                page = None
            await send(message)

        await self._app(scope, receive, send_with_headers)


def is_html(start: Message) -> bool:
    """Whether the start of an answer says that HTML follows."""
    return any(
        name.lower() == b"content-type" and value.startswith(b"text/html")
        for name, value in start["headers"]
    )


def page_policy(body: bytes, styles: str) -> str:
    """Returns the Content-Security-Policy of a page: scripts from here, and those written into it;
    styles from here, and what `styles` adds.
    """
    hashes = [
        " 'sha256-" + base64.b64encode(hashlib.sha256(script).digest()).decode() + "'"
        for script in _INLINE_SCRIPT.findall(body)
    ]
    return _PAGE_POLICY.format(hashes="".join(hashes), styles=styles)


def add_headers(start: Message) -> None:
    """Adds HEADERS to the start of an answer, but for those it has."""
    start["headers"] = list(start["headers"])
    present = {name.lower(): value for name, value in start["headers"]}
    start["headers"] += (each for each in _ENCODED if each[0] not in present)
    kind = present.get(b"content-type", b"").partition(b";")[0]
    if kind.endswith((b"/json", b"+json")) and b"cache-control" not in present:
        start["headers"].append((b"cache-control", b"no-store"))


def set_header(start: Message, name: str, value: str) -> None:
    """Puts one header into the start of an answer, in place of any of that name."""
    key = name.lower().encode()
    kept = [each for each in start["headers"] if each[0].lower() != key]
    start["headers"] = [*kept, (key, value.encode())]
