"""Each answer that shows a container says where it answers, for the one who asks.

What is in memory is the same for everybody. An address is put in here, as an answer goes out: the
name that the asker has called this service by leads to the containers' ports as well, unless they
are published elsewhere, or the operator has said what leads there.
"""

import ipaddress
import weakref
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Annotated

from fastapi import Depends, Request, Response

from ..addresses import UrlTemplate, bracketed
from ..http import called_host
from ..models import Container, Published
from ..service import Service
from ..settings import Settings, is_loopback
from .dependencies import ListedService

# What a port is published on that is published on all addresses: of IPv4, of IPv6, or of both.
_ALL_IPV4, _ALL_IPV6 = frozenset(("0.0.0.0", "")), frozenset(("::", ""))


@dataclass
class _Shown:
    """How a container is shown, None for one that is shown as it is, and the JSON of that: it takes
    most of the time of a long list to make them.
    """

    container: Container | None
    json: bytes | None = None


class Addresses:
    """Tells one asker where containers answer. `host` is what leads to ports that are published on
    all addresses: the host that was called, or the engine's where that is another one.
    """

    def __init__(self, settings: Settings, host: str) -> None:
        self._public_host = settings.public_host
        self._public_url = settings.public_url
        self._of_operator = frozenset((*_ALL_IPV4, *_ALL_IPV6, *settings.publish_address))
        self._host = host
        # By the identity of a container in memory, which a change makes another one of; each goes
        # with it.
        self._shown: dict[int, _Shown] = {}
        # The loopback address of the other version, where the host is one of this.
        loopback = is_loopback(host)
        self._if_no_ipv4 = "::1" if loopback and _version(host) == 4 else host
        self._if_no_ipv6 = "127.0.0.1" if loopback and _version(host) == 6 else host

    def show(self, container: Container) -> Container:
        """Returns a container with its address; one that publishes no TCP port has none."""
        return self._keep(container).container or container

    def answer(self, response: Response, found: Container | Iterable[Container]) -> Response:
        """Returns the answer with a container, or with a list of them, each with its address, as
        the framework would make it, with the headers that `response` has already.
        """
        if isinstance(found, Container):
            body = self._json(found)
        else:
            body = b"[" + b",".join([self._json(each) for each in found]) + b"]"
        return Response(body, headers=dict(response.headers), media_type="application/json")

    def _json(self, container: Container) -> bytes:
        kept = self._keep(container)
        if kept.json is None:
            kept.json = (kept.container or container).model_dump_json().encode()
        return kept.json

    def _keep(self, container: Container) -> _Shown:
        key = id(container)
        if (kept := self._shown.get(key)) is None:
            kept = self._shown[key] = _Shown(self._with_address(container))
            weakref.finalize(container, self._shown.pop, key, None).atexit = False
        return kept

    def _with_address(self, container: Container) -> Container | None:
        if (at := container.published) is None:
            return None
        host, url = self._host_of(at), None
        if self._public_url is not None and self._is_public(at):
            url = self._public_url.of(name=container.name, port=at.port, id=container.id)
            host = self._public_host or _host_in(self._public_url, container, at.port) or host
        return container.model_copy(
            update={
                "url": url or f"http://{bracketed(host)}:{at.port}",
                "host": host,
                "port": at.port,
            }
        )

    def _is_public(self, at: Published) -> bool:
        """Whether what the operator says of addresses is about this one: not about a port that
        somebody else has published on one address, such as 127.0.0.1.
        """
        return not self._of_operator.isdisjoint(at.addresses)

    def _host_of(self, at: Published) -> str:
        if self._public_host is not None and self._is_public(at):
            return self._public_host
        ipv4, ipv6 = not _ALL_IPV4.isdisjoint(at.addresses), not _ALL_IPV6.isdisjoint(at.addresses)
        if not (ipv4 or ipv6):
            return self._host if self._host in at.addresses else at.addresses[0]
        if not ipv4:
            return self._if_no_ipv4
        return self._host if ipv6 else self._if_no_ipv6


def _host_in(template: UrlTemplate, container: Container, port: int) -> str | None:
    """The host of a public URL, where it leads to the published port itself, and to no proxy."""
    url = template.split(name=container.name, port=port, id=container.id)
    return url.hostname if url.port == port else None


def _version(host: str) -> int | None:
    """Of an address, 4 or 6; None for a name."""
    try:
        return ipaddress.ip_address(host).version
    except ValueError:
        return None


def engine_elsewhere(service: Service) -> str | None:
    """Returns the host of an engine that is on another one than this service, as DOCKER_HOST has
    it. None also where it is reached over the network and runs this service's own container.
    """
    host = service.engine.host
    own = service.own_container
    if host is None or is_loopback(host) or (own and service.inventory.peek(own) is not None):
        return None
    return host


class AddressBook:
    """Keeps the addresses as seen from the hosts that were called last."""

    def __init__(self, settings: Settings) -> None:
        self.seen_from = lru_cache(maxsize=4)(partial(Addresses, settings))


async def get_addresses(service: ListedService, request: Request) -> Addresses:
    """Returns what tells the one who makes a request where containers answer."""
    book: AddressBook = request.app.state.address_book
    return book.seen_from(engine_elsewhere(service) or called_host(request.scope))


Shown = Annotated[Addresses, Depends(get_addresses)]
