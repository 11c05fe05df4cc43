"""Callers that are containers on networks of ours, told by the interfaces of the host."""

import socket
from typing import Any, NamedTuple

import pytest

from orchestrator.host import OwnBridges
from orchestrator.host.interfaces import KEPT_SECONDS


class Address(NamedTuple):
    family: int
    address: str
    netmask: str | None


def bridge(address: str, netmask: str | None = "255.255.0.0") -> list[Any]:
    return [Address(socket.AF_INET, address, netmask), Address(socket.AF_INET6, "fe80::1", None)]


INTERFACES: dict[str, list[Any]] = {
    "lo": bridge("127.0.0.1", "255.0.0.0"),
    "eth0": bridge("192.168.7.5", "255.255.255.0"),
    "docker0": bridge("172.17.0.1"),
    "br-orch-api-1": bridge("172.18.0.1"),
    "br-orch-api-12": bridge("192.168.32.1", "255.255.240.0"),
    "br-orch-api-13": [Address(socket.AF_PACKET, "02:42:00:00:00:01", None)],
}


@pytest.mark.parametrize(
    "peer",
    ["172.18.0.2", "172.18.255.254", "172.18.0.1", "192.168.47.254", "::ffff:172.18.0.2"],
)
def test_containers_of_ours(peer: str) -> None:
    assert OwnBridges(lambda: INTERFACES).have(peer)


@pytest.mark.parametrize(
    "peer",
    [
        "127.0.0.1",
        "::1",
        "192.168.7.9",
        "172.17.0.2",
        "172.19.0.2",
        "192.168.48.1",
        "fe80::1",
        "-",
        "testclient",
        "fe80::1%br-orch-api-1",
        "::ffff:127.0.0.1",
    ],
)
def test_others(peer: str) -> None:
    assert not OwnBridges(lambda: INTERFACES).have(peer)


def test_interfaces_are_listed_again_after_a_while_and_never_for_callers_on_this_machine() -> None:
    now, listed = 100.0, 0
    interfaces: dict[str, list[Any]] = {}

    def listing() -> dict[str, list[Any]]:
        nonlocal listed
        listed += 1
        return interfaces

    bridges = OwnBridges(listing, clock=lambda: now)
    assert not bridges.have("127.0.0.1")
    assert listed == 0
    assert not bridges.have("172.18.0.2")
    interfaces = INTERFACES
    assert not bridges.have("172.18.0.2")
    assert listed == 1
    now += KEPT_SECONDS
    assert bridges.have("172.18.0.2")
    assert listed == 2
