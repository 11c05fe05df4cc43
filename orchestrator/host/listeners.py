"""Finds the ports of the host that processes have, by TCP or UDP, as far as this process can see
them.
"""

import asyncio
import socket
import struct
from collections.abc import Callable, Container
from contextlib import suppress
from pathlib import Path

import psutil

from ..quantities import PortRange

# The state of a socket that takes what comes, in /proc/net/tcp and in /proc/net/udp: TCP_LISTEN
# and, of one without a peer, TCP_CLOSE of linux/net/tcp_states.h.
_STATES = {"tcp": "0A", "udp": "07"}


class HostPorts:
    """Looks for ports of the host that processes listen on, where they can be seen at all.

    They can where this process shares the engine's network namespace; in a container of its own
    it would see its own sockets, which say nothing about the host's.
    """

    def __init__(self, socket_path: str | None) -> None:
        self._socket_path = socket_path

    async def listeners(
        self, ports: PortRange, ignore: Callable[[int], bool]
    ) -> dict[int, str | None] | None:
        """Returns port -> name of the process that listens on it; None if the host cannot be seen.

        A name is None where the process belongs to somebody else and may not be looked up. Left
        out are the ports for which `ignore` is true when the sockets have been read, and those of
        Docker's own proxies, which stand for containers.
        """
        if not await asyncio.to_thread(_shares_network_with, self._socket_path):
            return None
        wanted: Container[int] = ports
        if (listened := await asyncio.to_thread(_listened_ports)) is not None:
            wanted = {port for port in listened if port in ports and not ignore(port)}
            if not wanted:
                return {}
        found = await asyncio.to_thread(_listeners, wanted)
        if found is None:
            return None
        return {
            port: name
            for port, name in found.items()
            if name not in ("docker-proxy", "rootlesskit") and not ignore(port)
        }


def listening(table: str, protocol: str = "tcp") -> set[int]:
    """Returns the ports listened on, from the text of /proc/net/tcp, tcp6, udp or udp6, proc(5)."""
    state = _STATES[protocol]
    rows = (line.split() for line in table.splitlines()[1:])
    return {int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == state}


def _listened_ports() -> set[int] | None:
    """Asks the kernel for the ports listened on; None where it has no such table.

    psutil says who listens, too, but for that it looks at all open files of all processes: 0.4 s
    with 999 containers, during which the service answers slowly.
    """
    try:
        ports: set[int] = set()
        for protocol in _STATES:
            ports |= listening(Path(f"/proc/self/net/{protocol}").read_text(), protocol)
            with suppress(FileNotFoundError):  # IPv6 may be off
                ports |= listening(Path(f"/proc/self/net/{protocol}6").read_text(), protocol)
    except OSError:
        return None
    return ports


def _listeners(ports: Container[int]) -> dict[int, str | None] | None:
    """Returns port -> name of the process that listens on it; None if that cannot be known."""
    found: dict[int, str | None] = {}
    try:
        for connection in psutil.net_connections(kind="inet"):
            takes = (
                connection.status == psutil.CONN_LISTEN
                if connection.type == socket.SOCK_STREAM
                else not connection.raddr
            )
            if takes and connection.laddr:
                port = connection.laddr.port
                if port in ports and not found.get(port):
                    found[port] = _process_name(connection.pid)
    except psutil.Error:  # macOS tells root only
        return None
    return found


def _process_name(pid: int | None) -> str | None:
    if pid is None:
        return None
    try:
        return psutil.Process(pid).name()
    except psutil.Error:
        return None


def _shares_network_with(socket_path: str | None) -> bool:
    """Tells whether this process is in the network namespace of the engine behind a Unix socket.

    The engine's process is the peer of the socket (SO_PEERCRED, unix(7)); in a container of its own
    process namespace the peer is 0. Where its namespace may not be read (not root), a local
    socket and no container around us are taken as a yes.
    """
    if socket_path is None:
        return False
    try:
        with socket.socket(socket.AF_UNIX) as peer:
            peer.settimeout(1)
            peer.connect(socket_path)
            credentials = peer.getsockopt(
                socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")
            )
        pid = struct.unpack("3i", credentials)[0]
        if pid == 0:
            return False
        return Path(f"/proc/{pid}/ns/net").readlink() == Path("/proc/self/ns/net").readlink()
    except PermissionError:
        return not Path("/.dockerenv").exists() and not Path("/run/.containerenv").exists()
    except (OSError, AttributeError):  # no such peer any more; no SO_PEERCRED on this system
        return False
