"""A trusted proxy says who asks, which host was called, and what stands before all paths there.

Everybody may send such headers, so they count from the addresses of TRUSTED_PROXIES alone. A proxy
either takes away what it puts before all paths, or passes it on: within this, both look the same.
"""

import ipaddress
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import urlsplit

from starlette.routing import BaseRoute

from .. import addresses
from ..settings import Settings
from .asgi import FORWARDED_HOST, App, Message, Receive, Send, path_of, root_of, values


class Forwarded:
    """ASGI middleware, the outermost but one. Of what comes several times in a header, the
    last counts, which the proxy itself has written; what is no address, host or path is left alone.
    """

    def __init__(self, app: App, settings: Settings, routes: Iterable[BaseRoute]) -> None:
        self._app = app
        self._root = settings.root_path
        self._own_parts = {_first_part(getattr(route, "path", "")) for route in routes} - {""}
        self._networks = [ipaddress.ip_network(each) for each in settings.trusted_proxies]
        self._trusts = lru_cache(maxsize=1024)(self._is_trusted)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        client = scope.get("client")
        trusted = bool(self._networks) and self._trusts(client[0] if client else "")
        root = self._root or root_of(scope).rstrip("/")
        if trusted:
            if hosts := _last(scope, b"x-forwarded-host"):
                scope[FORWARDED_HOST] = hosts
            root = _prefix(scope, root)
            if (scheme := _last(scope, b"x-forwarded-proto").lower()) in ("http", "https"):
                scope["scheme"] = scheme
            if (asker := self._asker(scope)) is not None:
                scope["client"] = asker
        self._settle_path(scope, root)

        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] in (307, 308):
                message["headers"] = [_within_here(*each) for each in message["headers"]]
            await send(message)

        await self._app(scope, receive, send_on)

    def _asker(self, scope: Message) -> tuple[str, int] | None:
        """Returns who asks, as the proxies say: the last that is no trusted proxy, or the first of
        all. None where there is no such header, or anything but an address stands at that place:
        then nobody knows, and the peer's own address counts.
        """
        found: tuple[str, int] | None = None
        for text in reversed(",".join(values(scope, b"x-forwarded-for")).split(",")):
            found = addresses.address_of(text)
            if found is None or not self._trusts(found[0]):
                break
        return found

    def _settle_path(self, scope: Message, root: str) -> None:
        """Has a path begin with the root once, whoever put it there, the proxy, the server or none.

        A root that begins as paths of this service do is never looked for in what comes: of
        /containers/x nobody could tell which of both it means.
        """
        path = path_of(scope) or "/"
        if (
            root
            and _first_part(root) not in self._own_parts
            and (path == root or path.startswith(f"{root}/"))
        ):
            path = path.removeprefix(root) or "/"
        scope["root_path"], scope["path"] = root, root + path

    def _is_trusted(self, peer: str) -> bool:
        try:
            address = ipaddress.ip_address(peer)
        except ValueError:
            return False
        return any(address in network for network in self._networks)


def _first_part(path: str) -> str:
    return path.split("/")[1] if path.startswith("/") else ""


def _last(scope: Message, name: bytes) -> str:
    """Returns the last of what is in a request's headers of that name."""
    return ",".join(values(scope, name)).rpartition(",")[2].strip()


def _prefix(scope: Message, otherwise: str) -> str:
    """Returns what a proxy puts before all paths: nothing, if it says "/"."""
    given = _last(scope, b"x-forwarded-prefix")
    if not given:
        return otherwise
    try:
        return addresses.root_path(given.rstrip("/")) if given.strip("/") else ""
    except ValueError:
        return otherwise


def _within_here(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    """Makes a path of where a redirect leads: the framework writes the Host that a proxy has called
    before it.
    """
    if name.lower() != b"location":
        return name, value
    url = urlsplit(value.decode("latin-1"))
    return name, url._replace(scheme="", netloc="").geturl().encode("latin-1")
