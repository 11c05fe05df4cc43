"""Each request gets an id, which answers have in X-Request-ID, and log lines and problems too."""

import re
import uuid
from contextvars import ContextVar

from .asgi import App, Message, Receive, Send

_HEADER = b"x-request-id"
_USABLE = re.compile(rb"[A-Za-z0-9._-]{1,64}")

current: ContextVar[str] = ContextVar("request_id", default="-")


class RequestIds:
    """ASGI middleware that gives the ids. A caller's own is kept where it is short and plain."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = dict(scope["headers"]).get(_HEADER, b"")
        request_id = given.decode() if _USABLE.fullmatch(given) else uuid.uuid4().hex
        current.set(request_id)

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (_HEADER, request_id.encode())]
            await send(message)

        await self._app(scope, receive, send_with_id)
