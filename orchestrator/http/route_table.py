"""The table of routes tells which one a request is meant for before the router has seen it.

Middleware refuses requests before they are routed, and has to know what they ask for: the audit
what to call it, the limit of streams whether it is one, the door whether a key is needed. All of it
is read from the routes, so that a new route is named in none of these places. The table finds what
the router will find: the same patterns in the same order.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from fastapi.sse import EventSourceResponse
from starlette.routing import BaseRoute, Mount, Route

from .asgi import Message, path_of

_Endpoint = TypeVar("_Endpoint", bound=Callable[..., Any])

_WITHOUT_KEY = "answers_without_key"
_ALWAYS = "answers_always"
_TAGGED = "answers_with_etag"
_SECRETS = "holds_secrets"
# Where a request's scope keeps what was found, for the next one who asks.
_FOUND = "orchestrator.found"


def without_key(endpoint: _Endpoint) -> _Endpoint:
    """Marks a route's function as one that everybody may call, keys or no keys."""
    setattr(endpoint, _WITHOUT_KEY, True)
    return endpoint


def always_answered(endpoint: _Endpoint) -> _Endpoint:
    """Marks a route's function as one that is called however many requests are under way."""
    setattr(endpoint, _ALWAYS, True)
    return endpoint


def tagged(endpoint: _Endpoint) -> _Endpoint:
    """Marks a route's function as one whose answers have an ETag, see `conditional`."""
    setattr(endpoint, _TAGGED, True)
    return endpoint


def holds_secrets(endpoint: _Endpoint) -> _Endpoint:
    """Marks a route's function as one whose answers are not compressed, see `compression`."""
    setattr(endpoint, _SECRETS, True)
    return endpoint


@dataclass(frozen=True)
class KnownRoute:
    """What middleware may know of a route: `name` is its function's, `path` has `{id}` in it."""

    name: str
    path: str
    methods: frozenset[str]
    stream: bool
    without_key: bool
    always_answered: bool
    tagged: bool
    secrets: bool
    pattern: re.Pattern[str]

    @classmethod
    def of(cls, route: Route) -> "KnownRoute":
        """Reads one of the framework's routes; a stream is known by its response class."""
        answers_with = getattr(route, "response_class", None)
        return cls(
            name=route.name,
            path=route.path,
            methods=frozenset(route.methods or ()),
            stream=isinstance(answers_with, type) and issubclass(answers_with, EventSourceResponse),
            without_key=getattr(route.endpoint, _WITHOUT_KEY, False),
            always_answered=getattr(route.endpoint, _ALWAYS, False),
            tagged=getattr(route.endpoint, _TAGGED, False),
            secrets=getattr(route.endpoint, _SECRETS, False),
            pattern=route.path_regex,
        )


@dataclass(frozen=True)
class Found:
    """The route that a request is meant for, and what stands in its path for `{id}`, if that is
    in it. Where `allowed` is false, the path is the route's and the method is not.
    """

    route: KnownRoute
    allowed: bool
    id: str | None


class RouteTable:
    """The table holds what is known of each route, in the order of the router; and where files are,
    which is all that is mounted.
    """

    def __init__(self, routes: Iterable[BaseRoute]) -> None:
        routes = list(routes)
        self._routes = tuple(KnownRoute.of(route) for route in routes if isinstance(route, Route))
        self._files = tuple(f"{route.path}/" for route in routes if isinstance(route, Mount))

    def __iter__(self) -> Iterator[KnownRoute]:
        return iter(self._routes)

    def find(self, scope: Message) -> Found | None:
        """Returns the route that a request is meant for, None where nothing is at its path. Looks
        once for a request.
        """
        if _FOUND not in scope:
            scope[_FOUND] = self._look(scope["method"], path_of(scope))
        found: Found | None = scope[_FOUND]
        return found

    def forget(self, scope: Message) -> None:
        """Lets a copy of a request's scope be looked up for itself."""
        scope.pop(_FOUND, None)

    def methods_at(self, scope: Message) -> list[str]:
        """Lists what can be done at the path of a request, in order; nothing where nothing is.

        At /containers/running it is what that route can do, and not what can be done with a
        container, for none of this service has such a name. At `*` it is all that can be done.
        """
        path = path_of(scope)
        at_the_path = [route for route in self._routes if path == "*" or route.pattern.match(path)]
        named = [route for route in at_the_path if route.path == path] or at_the_path
        methods = {method for route in named for method in route.methods}
        if path.startswith(self._files):
            methods.add("GET")
        if "GET" in methods and not (named and all(route.stream for route in named)):
            methods.add("HEAD")
        return sorted({*methods, "OPTIONS"}) if methods else []

    def words_beside(self, path: str) -> frozenset[str]:
        """Returns the words that stand where a route's path, such as /containers/{id}, ends in a
        caller's text: what has one of them for its name could not be reached there.
        """
        before, _, _ = path.rpartition("/")
        below = [
            route.path.removeprefix(f"{before}/").partition("/")[0]
            for route in self._routes
            if route.path.startswith(f"{before}/")
        ]
        return frozenset(word for word in below if not word.startswith("{"))

    def _look(self, method: str, path: str) -> Found | None:
        at_the_path: Found | None = None
        for route in self._routes:
            if at_the_path is not None and method not in route.methods:
                continue
            if match := route.pattern.match(path):
                found = Found(route, method in route.methods, match.groupdict().get("id"))
                if found.allowed:
                    return found
                at_the_path = found
        return at_the_path
