"""Who listens on which port of this host."""

import socket
from collections.abc import Callable

import psutil
import pytest

from orchestrator.host import HostPorts
from orchestrator.host import listeners as module
from orchestrator.host.listeners import listening
from orchestrator.quantities import PortRange

pytestmark = pytest.mark.anyio

TABLE = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F41 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 346539 1
   1: 00000000:2327 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 771430 1
   2: 0100007F:1F42 0100007F:98CD 01 00000000:00000000 00:00000000 00000000     0        0 346540 1
   3: 00000000000000000000000000000000:1F43 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0
"""


def test_the_kernels_table_is_read() -> None:
    assert listening(TABLE) == {8001, 8999, 8003}


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Callable[[], HostPorts]:
    """A HostPorts that shares the network namespace of its engine."""
    monkeypatch.setattr(module, "_shares_network_with", lambda _: True)
    return lambda: HostPorts("/nowhere")


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
async def test_a_listener_is_named(
    seen: Callable[[], HostPorts], family: socket.AddressFamily
) -> None:
    with socket.socket(family) as listener:
        listener.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        found = await seen().listeners(PortRange(port, port), lambda _: False)
    assert found == {port: psutil.Process().name()}


async def test_processes_are_not_searched_for_ports_that_are_explained(
    seen: Callable[[], HostPorts], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(psutil, "net_connections", lambda kind: pytest.fail("they were"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert await seen().listeners(PortRange(port, port), lambda _: True) == {}


async def test_nothing_is_known_where_the_host_is_out_of_sight() -> None:
    assert await HostPorts(None).listeners(PortRange(1, 65535), lambda _: False) is None


DATAGRAMS = """\
   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
 2048: 00000000:1F44 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 2 2 0 0
 2049: 0100007F:1F45 0100007F:0035 01 00000000:00000000 00:00000000 00000000     0        0 3 2 0 0
"""


def test_of_datagrams_those_without_a_peer_count() -> None:
    assert listening(DATAGRAMS, "udp") == {8004}


async def test_who_has_a_port_by_udp_is_named_too(seen: Callable[[], HostPorts]) -> None:
    with (
        socket.socket(type=socket.SOCK_DGRAM) as bound,
        socket.socket(type=socket.SOCK_DGRAM) as asks,
    ):
        bound.bind(("127.0.0.1", 0))
        asks.connect(bound.getsockname())
        port, other = bound.getsockname()[1], asks.getsockname()[1]
        found = await seen().listeners(
            PortRange(min(port, other), max(port, other)), lambda _: False
        )
    assert found is not None
    assert found[port] == psutil.Process().name()
    assert other not in found
