"""The door lets a request in or refuses it, by who asks and from where, before it is routed.

Refused are a request with two lengths, a container of this service, a Host that is not this
service's (DNS rebinding), a page of another origin that would change something, a missing or wrong
key, and a body that is not JSON.
"""

import base64
import binascii
import ipaddress
import re
from collections.abc import Sequence
from functools import partial
from urllib.parse import urlsplit

from .. import callers, errors
from ..callers import Caller
from ..host import OwnBridges
from ..settings import Settings, is_loopback
from .asgi import (
    CALLED_HOST,
    FORWARDED_HOST,
    SAFE_METHODS,
    WITH_KEY,
    App,
    Message,
    Receive,
    Send,
    values,
)
from .keys import Keyring
from .request_forms import check_length
from .route_table import RouteTable

REALM = "docker-orchestration-api"

# A name or an address, and a port, which does not matter.
_HOST = re.compile(r"(\[[0-9a-fA-F:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(?::[0-9]{1,5})?")
_JSON = re.compile(r"application/(?:[a-z0-9.!#$&^_-]+\+)?json")


class Door:
    """ASGI middleware that refuses what is not let in, and says in `callers.current` who is."""

    def __init__(self, app: App, settings: Settings, keyring: Keyring, table: RouteTable) -> None:
        self._app = app
        self._table = table
        self._keyring = keyring
        self._anonymous = settings.allow_anonymous
        self._own_host = settings.host.lower()
        self._hosts = settings.allowed_hosts
        self._origins = settings.cors_origins
        self._bridges = None if settings.allow_from_containers else OwnBridges()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            check_length(scope)
            self._check_peer(scope)
            host = self._check_host(scope)
            if scope["method"] not in SAFE_METHODS:
                self._check_origin(scope, host)
            caller = self._caller(scope)
            callers.current.set(caller)
            scope[WITH_KEY] = caller.name is not None
            if scope["method"] not in SAFE_METHODS:
                check_content_type(scope)
        await self._app(scope, receive, send)

    def _check_peer(self, scope: Message) -> None:
        if self._bridges is not None and self._bridges.have(_peer(scope)):
            raise errors.FromContainer(
                "This service does not answer to the containers it has made. The setting"
                " ALLOW_FROM_CONTAINERS lets them in."
            )

    def _check_host(self, scope: Message) -> str:
        """Returns the Host header, "" where HTTP/1.0 has none; raises HostNotAllowed. Notes which
        host was called: what a trusted proxy says, or this one.
        """
        hosts = values(scope, b"host")
        bound = bound_address(scope)
        forwarded = named_host(scope.get(FORWARDED_HOST, ""))
        if not hosts and scope["http_version"] == "1.0":
            unspecified = bound in (None, "", "0.0.0.0", "::")
            scope[CALLED_HOST] = forwarded or ("localhost" if unspecified else bound)
            return ""
        name = named_host(hosts[0]) if len(hosts) == 1 else None
        if name is None:
            raise errors.HostNotAllowed("Send one Host header, with the name that you call.")
        scope[CALLED_HOST] = forwarded or name
        if (
            name == "localhost"
            or name.endswith(".localhost")
            or is_loopback(name)
            or (name in (self._own_host, bound) and name not in ("0.0.0.0", "::"))
            or any(host_matches(name, pattern) for pattern in self._hosts)
        ):
            return hosts[0]
        raise errors.HostNotAllowed(
            "This service does not answer to that name in the Host header. Call it by its address,"
            " or add the name to the setting ALLOWED_HOSTS."
        )

    def _check_origin(self, scope: Message, host: str) -> None:
        """Raises CrossOrigin if a browser says that a page of another origin asks. What says
        nothing is no browser.
        """
        origins, sites = values(scope, b"origin"), values(scope, b"sec-fetch-site")
        if len(origins) == 1 and origins[0].lower() in self._origins:
            return
        if sites:
            own = all(site in ("same-origin", "none") for site in sites)
        else:
            own = all(same_host(origin, host) for origin in origins)
        if not own:
            raise errors.CrossOrigin(
                "A page of another origin may not change anything here. The setting CORS_ORIGINS"
                " lets origins in."
            )

    def _caller(self, scope: Message) -> Caller:
        """Returns who asks; raises Unauthenticated and InsufficientScope."""
        peer = _peer(scope)
        found = self._table.find(scope)
        if found is not None and found.route.without_key:
            return Caller(None, "read", peer)
        if not self._keyring.configured:
            bound = bound_address(scope)
            if bound is not None and not is_loopback(bound) and not self._anonymous:
                raise errors.Unauthenticated(
                    "Without keys this service answers on loopback addresses only. Set API_KEY or"
                    " API_KEY_FILE, or ALLOW_ANONYMOUS=true where all who reach it may do all."
                )
            return Caller(None, "write", peer)
        headers = values(scope, b"authorization")
        if not headers:
            raise errors.Unauthenticated(
                "A key is needed. Send it as Authorization: Bearer KEY, or to a browser as the"
                " password."
            )
        presented = presented_key(headers[0]) if len(headers) == 1 else None
        key = None if presented is None else self._keyring.find(presented)
        if key is None:
            raise errors.Unauthenticated(
                "There is no such key here. Send one as Authorization: Bearer KEY.",
                reason="invalid_token",
            )
        if key.scope == "read" and scope["method"] not in SAFE_METHODS:
            raise errors.InsufficientScope(
                f'The key "{key.name}" may only read. Use one with the scope write.'
            )
        return Caller(key.name, key.scope, peer, key.containers, partial(self._keyring.has, key))


def named_host(text: str) -> str | None:
    """Returns the name or address in a Host header, without port and brackets; None for a header
    that is none.
    """
    match = _HOST.fullmatch(text)
    if match is None:
        return None
    name = match[1].lower().removesuffix(".")
    if not name.startswith("["):
        return name
    try:
        return str(ipaddress.IPv6Address(name.strip("[]")))
    except ValueError:
        return None


def _peer(scope: Message) -> str:
    """Returns the address that a request came from, "-" where there is none."""
    return (scope["client"][0] if scope.get("client") else "") or "-"


def bound_address(scope: Message) -> str | None:
    """Returns the address that a request came to: None for a Unix socket, "" where unknown."""
    server = scope.get("server")
    if server is None:
        return ""
    return None if server[1] is None else str(server[0]).lower()


def host_matches(name: str, pattern: str) -> bool:
    """Whether a name is meant by a pattern: `*`, `*.example.org` (not example.org), or a name."""
    if pattern.startswith("*."):
        return name.endswith(pattern[1:])
    return pattern in ("*", name)


def same_host(origin: str, host: str) -> bool:
    """Whether an Origin header names the host and port of a Host header. `null` never does."""
    try:
        parts = urlsplit(origin)
        usual = {"http": 80, "https": 443}[parts.scheme]
        called = urlsplit(f"//{host}")
        return bool(host) and (parts.hostname, parts.port or usual) == (
            called.hostname,
            called.port or usual,
        )
    except (ValueError, KeyError):
        return False


def check_content_type(scope: Message) -> None:
    """Raises UnsupportedMediaType unless a body says that it is JSON, which no form of a web page
    can, as it is.
    """
    lengths = values(scope, b"content-length")
    if not values(scope, b"transfer-encoding") and all(set(each) <= {"0"} for each in lengths):
        return
    types = values(scope, b"content-type")
    if len(types) != 1 or not _JSON.fullmatch(types[0].partition(";")[0].strip().lower()):
        raise errors.UnsupportedMediaType(
            "The body must be JSON, sent with the header Content-Type: application/json."
        )
    if any(coding.lower() != "identity" for coding in values(scope, b"content-encoding")):
        raise errors.UnsupportedMediaType("The body must not be compressed. Send it as it is.")


def presented_key(header: str) -> str | None:
    """Returns the key in an Authorization header: a Bearer's token, or the password of Basic."""
    scheme, _, rest = header.partition(" ")
    rest = rest.strip()
    if scheme.lower() == "bearer":
        return rest or None
    if scheme.lower() == "basic":
        try:
            _, colon, password = base64.b64decode(rest, validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            return None
        return password if colon else None
    return None


def challenges(error: Exception, accept: str) -> Sequence[str]:
    """Returns the WWW-Authenticate headers of an error's answer.

    Basic, for which a browser asks its user, is offered where a page is opened, not to scripts.
    """
    bearer = f'Bearer realm="{REALM}"'
    if isinstance(error, errors.InsufficientScope):
        return (f'{bearer}, error="insufficient_scope", scope="write"',)
    if not isinstance(error, errors.Unauthenticated):
        return ()
    if reason := error.fields.get("reason"):
        bearer += f', error="{reason}"'
    if "text/html" in accept.lower():
        return (bearer, f'Basic realm="{REALM}", charset="UTF-8"')
    return (bearer,)
