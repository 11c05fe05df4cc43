"""The host, as psutil sees it: its load, and which of its ports processes listen on."""

import asyncio
import os
import socket
import struct
import time
from collections.abc import Callable, Container
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from .models import HostCpu, HostDisk, HostMemory, HostNetwork, HostStats
from .quantities import PortRange, megabytes

# CPU figures are means over an interval; shorter ones are noise, longer ones are history.
SHORTEST_INTERVAL = 0.2
LONGEST_INTERVAL = 10.0
# The state of a socket that listens, in /proc/net/tcp: TCP_LISTEN of linux/net/tcp_states.h.
_LISTEN = "0A"


@dataclass(frozen=True)
class _CpuTimes:
    at: float
    busy: float
    total: float


def _cpu_times() -> _CpuTimes:
    times = psutil.cpu_times()
    # guest time is part of user time on Linux (proc(5), /proc/stat), so it is not added again.
    total = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
    idle = times.idle + getattr(times, "iowait", 0.0)
    return _CpuTimes(time.monotonic(), total - idle, total)


class HostMonitor:
    """Host statistics. Callers at the same time share one CPU measurement."""

    def __init__(self) -> None:
        self._last = _cpu_times()
        self._percent: float | None = None
        self._measuring: asyncio.Task[None] | None = None

    async def read(self) -> HostStats:
        """The figures now; takes at most `SHORTEST_INTERVAL` seconds, mostly none."""
        if self._measuring is None or self._measuring.done():
            self._measuring = asyncio.create_task(self._measure())
        await asyncio.shield(self._measuring)
        memory = psutil.virtual_memory()
        disk = await asyncio.to_thread(psutil.disk_usage, "/")
        network = psutil.net_io_counters()
        used = memory.total - memory.available
        return HostStats(
            hostname=socket.gethostname(),
            cpu=HostCpu(
                percent=self._percent,
                count=psutil.cpu_count() or 1,
                load_average=list(os.getloadavg()),
            ),
            memory=HostMemory(
                total=megabytes(memory.total),
                used=megabytes(used),
                available=megabytes(memory.available),
                percent=memory.percent,
                total_bytes=memory.total,
                used_bytes=used,
                available_bytes=memory.available,
            ),
            disk=HostDisk(
                total=megabytes(disk.total),
                used=megabytes(disk.used),
                free=megabytes(disk.free),
                percent=disk.percent,
                total_bytes=disk.total,
                used_bytes=disk.used,
                free_bytes=disk.free,
            ),
            network=HostNetwork(
                rx=megabytes(network.bytes_recv) if network else None,
                tx=megabytes(network.bytes_sent) if network else None,
                rx_bytes=network.bytes_recv if network else None,
                tx_bytes=network.bytes_sent if network else None,
            ),
            uptime_s=round(time.time() - psutil.boot_time(), 1),
            timestamp=time.time(),
        )

    async def _measure(self) -> None:
        now = _cpu_times()
        age = now.at - self._last.at
        if age < SHORTEST_INTERVAL and self._percent is not None:
            return
        if not SHORTEST_INTERVAL <= age <= LONGEST_INTERVAL:
            self._last = now
            await asyncio.sleep(SHORTEST_INTERVAL)
            now = _cpu_times()
        spent = now.total - self._last.total
        if spent > 0:
            self._percent = round(100 * (now.busy - self._last.busy) / spent, 1)
        self._last = now


class HostPorts:
    """Which ports of the host processes listen on, where this process can see that at all.

    It can where it shares the engine's network namespace; in a container of its own it would see
    its own sockets, which say nothing about the host's.
    """

    def __init__(self, socket_path: str | None) -> None:
        self._socket_path = socket_path

    async def listeners(
        self, ports: PortRange, ignore: Callable[[int], bool]
    ) -> dict[int, str | None] | None:
        """Port -> name of the process that listens on it; None where the host cannot be seen.

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


def listening(table: str) -> set[int]:
    """The ports that somebody listens on, from the text of /proc/net/tcp or tcp6 (proc(5))."""
    rows = (line.split() for line in table.splitlines()[1:])
    return {int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == _LISTEN}


def _listened_ports() -> set[int] | None:
    """What the kernel says about it; None where it has no such table.

    psutil says who listens, too, but for that it looks at all open files of all processes: 0.4 s
    with 999 containers, during which the service answers slowly.
    """
    try:
        ports = listening(Path("/proc/self/net/tcp").read_text())
        with suppress(FileNotFoundError):  # IPv6 may be off
            ports |= listening(Path("/proc/self/net/tcp6").read_text())
    except OSError:
        return None
    return ports


def _listeners(ports: Container[int]) -> dict[int, str | None] | None:
    """Port -> name of the process that listens on it; None where that cannot be known."""
    found: dict[int, str | None] = {}
    try:
        for connection in psutil.net_connections(kind="tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr:
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
    """Whether this process is in the network namespace of the engine behind a Unix socket.

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
