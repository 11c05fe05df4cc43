"""Which addresses may be attacked: those of this machine and of private networks.

A name is looked up once, and all connections go to the address that was found then.
"""

import ipaddress
import socket
from pathlib import Path

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Not `is_private`, which takes in whatever is not for the public: 169.254.169.254 for example,
# where clouds tell machines their secrets.
PRIVATE = [
    ipaddress.ip_network(each)
    for each in ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128",
                 "fc00::/7")
]  # fmt: skip


class NotYours(Exception):
    """The address is neither of this machine nor of a private network."""


def resolve(host: str, port: int, *, anywhere: bool = False) -> str:
    """Returns the address to connect to; raises NotYours, or OSError for a name that is none.

    One address outside is enough to refuse a name.
    """
    found = [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    for each in found:
        if not (anywhere or may_be_attacked(each)):
            raise NotYours(
                f"{host} is {each}, which is neither an address of this machine nor of a private"
                " network. Say --i-run-this-service if it is yours to attack."
            )
    return found[0]


def may_be_attacked(text: str) -> bool:
    address = _plain(text)
    return any(address in network for network in PRIVATE) or is_own(text)


def is_own(text: str) -> bool:
    """Whether it is an address of this machine: only to those a socket can be bound."""
    address = _plain(text)
    if address.is_multicast or address.is_unspecified or address == _BROADCAST:
        return False
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    if not address.is_loopback and _binds_to_any(address.version):
        return False
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind((str(address), 0))
    except OSError:
        return False
    return True


def _binds_to_any(version: int) -> bool:
    """Whether this machine binds to addresses of others too, so that nobody can tell."""
    switch = Path(f"/proc/sys/net/ipv{version}/ip_nonlocal_bind")
    try:
        return switch.read_text().strip() != "0"
    except OSError:
        return False


_BROADCAST = ipaddress.IPv4Address("255.255.255.255")


def _plain(text: str) -> Address:
    """Without a zone; an IPv4 address that is written as one of IPv6 as what it is."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
