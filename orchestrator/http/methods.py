"""Answers HEAD wherever GET is answered, and OPTIONS with what a path can do (RFC 9110, 9.3).

Routes name neither. A stream has no HEAD: it would not end.
"""

from .asgi import App, Message, Receive, Send
from .route_table import RouteTable


class Methods:
    """ASGI middleware, within what refuses requests: has a HEAD routed as a GET, and drops the
    answer's body.
    """

    def __init__(self, app: App, table: RouteTable) -> None:
        self._app = app
        self._table = table

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        method = scope["method"] if scope["type"] == "http" else ""
        if method == "HEAD":
            await self._head(scope, receive, send)
        elif method == "OPTIONS" and (allowed := self._table.methods_at(scope)):
            headers = [(b"allow", ", ".join(allowed).encode())]
            await send({"type": "http.response.start", "status": 204, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
        else:
            await self._app(scope, receive, send)

    async def _head(self, scope: Message, receive: Receive, send: Send) -> None:
        # The server goes by the method of its own scope, which therefore stays as it is.
        got = {**scope, "method": "GET"}
        self._table.forget(got)
        found = self._table.find(got)
        if found is not None and (not found.allowed or found.route.stream):
            await self._app(scope, receive, send)
            return

        async def send_head(message: Message) -> None:
            if message["type"] == "http.response.start":
                scope["route"] = got.get("route")  # for what is counted outside of this
                await send(message)
            elif not message.get("more_body", False):
                await send({"type": "http.response.body", "body": b""})

        await self._app(got, receive, send_head)
