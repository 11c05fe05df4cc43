"""The host's load, as psutil sees it."""

import asyncio
import os
import socket
import time
from dataclasses import dataclass

import psutil

from .models import HostCpu, HostDisk, HostMemory, HostNetwork, HostStats
from .quantities import megabytes

# CPU figures are means over an interval; shorter ones are noise, longer ones are history.
SHORTEST_INTERVAL = 0.2
LONGEST_INTERVAL = 10.0


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
