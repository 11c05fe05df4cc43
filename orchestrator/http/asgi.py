"""Middleware names its types and reads a request's scope with what is here."""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

SAFE_METHODS = frozenset(("GET", "HEAD", "OPTIONS"))
UNMATCHED = "unmatched"

# Where a request's scope keeps what a trusted proxy says was called, as it said it, and the host
# that was called, once the door has looked at it.
FORWARDED_HOST = "orchestrator.forwarded_host"
# Whether a request was let in by a key; the server's connection reads it, too.
WITH_KEY = "orchestrator.with_key"
CALLED_HOST = "orchestrator.called_host"


def route_of(scope: Mapping[str, Any]) -> str:
    """Returns the template of a routed request's path, such as /containers/{id}, or UNMATCHED:
    never what a caller has sent.
    """
    path = getattr(scope.get("route"), "path", None)
    return path if isinstance(path, str) else UNMATCHED


def path_of(scope: Mapping[str, Any]) -> str:
    """Returns the path that the router goes by: without what a proxy puts before all paths. Where
    files are mounted, the router counts the path of those among it.
    """
    path, before = str(scope["path"]), str(scope.get("app_root_path", scope.get("root_path", "")))
    return path.removeprefix(before) if path == before or path.startswith(f"{before}/") else path


def root_of(scope: Mapping[str, Any]) -> str:
    """Returns what stands before all paths for whoever asks, such as /docker; mostly nothing."""
    return str(scope.get("root_path", ""))


def called_host(scope: Mapping[str, Any]) -> str:
    """Returns the name or address that a request was made to, without brackets and port."""
    return str(scope.get(CALLED_HOST, "localhost"))


def values(scope: Message, name: bytes) -> list[str]:
    """Returns what a request's headers of that name hold, each without blanks around it."""
    return [value.decode("latin-1").strip() for key, value in scope["headers"] if key == name]
