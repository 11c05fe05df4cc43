"""What the middleware is made of: ASGI's types, and what a request's scope says."""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

UNMATCHED = "unmatched"


def route_of(scope: Mapping[str, Any]) -> str:
    """The template of the path, such as /containers/{id}: never what a caller has sent."""
    path = getattr(scope.get("route"), "path", None)
    return path if isinstance(path, str) else UNMATCHED


def values(scope: Message, name: bytes) -> list[str]:
    """What a request's headers of that name hold, each without blanks around it."""
    return [value.decode("latin-1").strip() for key, value in scope["headers"] if key == name]
