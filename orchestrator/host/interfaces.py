"""Recognises requests from our own containers by the subnets of their bridges.

What a container sends to an address of its host arrives with the container's own address: the
engine puts the host's in its place only where a packet leaves the host. Where the service runs in
a container itself, there are no such interfaces, and the engine lets nothing through to it.
"""

import ipaddress
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import psutil

# The name of a network's interface on the host goes on with the network's number.
BRIDGE_PREFIX = "br-orch-api-"
# How long the interfaces are taken to be as they were; listing a thousand takes milliseconds.
KEPT_SECONDS = 0.5

# As psutil.net_if_addrs() tells them: name -> addresses, each with its family and netmask.
Interfaces = Mapping[str, Sequence[Any]]


class OwnBridges:
    """Knows the subnets of our bridges, from `interfaces`, and looks again when they may be old.

    `clock` counts seconds and never goes back.
    """

    def __init__(
        self,
        interfaces: Callable[[], Interfaces] = psutil.net_if_addrs,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._interfaces = interfaces
        self._clock = clock
        self._subnets: list[ipaddress.IPv4Network] = []
        self._until = clock()

    def have(self, peer: str) -> bool:
        """Tells whether an address is a container's on a network of ours, or its bridge's."""
        if (address := _on_a_bridge(peer)) is None:
            return False
        now = self._clock()
        if now >= self._until:
            self._subnets = subnets(self._interfaces())
            self._until = now + KEPT_SECONDS
        return any(address in subnet for subnet in self._subnets)


@lru_cache(maxsize=1024)  # parsing takes longer than all else here
def _on_a_bridge(peer: str) -> ipaddress.IPv4Address | None:
    """Returns an address that may be a container's of ours; None for what never is."""
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:  # a Unix socket has none
        return None
    if isinstance(address, ipaddress.IPv6Address):  # IPv4 on a socket for both
        if address.ipv4_mapped is None:
            return None  # networks of ours have no IPv6
        address = address.ipv4_mapped
    return None if address.is_loopback else address


def subnets(interfaces: Interfaces) -> list[ipaddress.IPv4Network]:
    """Returns the subnets of the bridges that the engine has made for networks of ours."""
    return [
        ipaddress.IPv4Network((each.address, each.netmask), strict=False)
        for name, addresses in interfaces.items()
        if name.startswith(BRIDGE_PREFIX)
        for each in addresses
        if each.family == socket.AF_INET and each.netmask
    ]
