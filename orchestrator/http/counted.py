"""Counts and times each request that is answered, and calls back with what it has found.

Who keeps the numbers is nothing to this module: it is given a function.
"""

import time
from collections.abc import Callable

from .asgi import App, Message, Receive, Send, route_of

# Told the method, the path's template, the status that was sent, and the seconds until then.
Answered = Callable[[str, str, int, float], None]


class MeteredRequests:
    """ASGI middleware, outside of all that answers: calls `answered` once for each request."""

    def __init__(self, app: App, answered: Answered) -> None:
        self._app = app
        self._answered = answered

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, counted = time.perf_counter(), False

        def count(status: int) -> None:
            nonlocal counted
            counted = True
            seconds = time.perf_counter() - began
            self._answered(scope["method"], route_of(scope), status, seconds)

        async def send_counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                count(message["status"])
            await send(message)

        try:
            await self._app(scope, receive, send_counted)
        except Exception:
            if not counted:
                count(500)  # which is answered outside of all middleware
            raise
