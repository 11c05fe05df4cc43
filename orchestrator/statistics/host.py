"""Samples what the host uses, once for all who ask, and keeps a bounded history of it."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ..host import Reading, Traffic, find_reader
from ..models import HostCpu, HostDisk, HostMemory, HostNetwork, HostPoint, HostStats
from ..quantities import megabytes
from ..settings import Settings
from .history import Fold, Point, Series, spans

# Seconds that a sample answers questions for.
FRESH = 1.0
# Seconds that two samples are apart at least: the kernel accounts time in ticks of 10 ms, and
# somebody who asks while the sampler is at it adds no second point.
APART = 0.5
# Seconds between the two readings that the very first sample takes.
FIRST_INTERVAL = 0.2

COLUMNS: dict[str, Fold] = {
    "cpu_percent": "mean",
    "load_1m": "last",
    "memory_used_bytes": "last",
    "memory_max_bytes": "max",
    "memory_available_bytes": "last",
    "disk_used_bytes": "last",
    "network_rx_bytes_per_s": "mean",
    "network_tx_bytes_per_s": "mean",
}


@dataclass(frozen=True)
class HostRates:
    """Holds the means between two readings; None is not known."""

    interval: float  # seconds
    cpu_percent: float | None  # 100 is all CPUs
    network_rx: float | None  # bytes per second
    network_tx: float | None


@dataclass(frozen=True)
class HostSample:
    """Holds a reading of the host, and what happened since the one before it."""

    reading: Reading
    rates: HostRates


class HostMonitor:
    """Takes samples of the host and keeps the last; who asks at the same time shares one."""

    def __init__(self, settings: Settings) -> None:
        self._proc_root = Path(settings.proc_root)
        self._read: Callable[[], Reading] | None = None
        self._last: HostSample | None = None
        self._sampling: asyncio.Task[HostSample] | None = None
        self._series = Series(
            COLUMNS,
            *spans(settings.stats_history, settings.stats_long_history),
        )

    async def read(self) -> HostStats:
        """Returns the last sample if it is fresh, else a new one, which takes a millisecond or two;
        the very first one takes `FIRST_INTERVAL` seconds.
        """
        last = self._last
        if last is None or time.monotonic() - last.reading.clock > FRESH:
            last = await self._shared_sample()
        return host_stats(last, time.monotonic() - last.reading.clock)

    async def sample(self) -> None:
        """Takes a sample and adds it to the history, unless one was taken just before."""
        await self._shared_sample()

    def history(self, now: float, since: float | None, step: float | None) -> list[HostPoint]:
        """Returns what is kept of the samples, the oldest first; see `Series.points`."""
        return [_point(point) for point in self._series.points(now, since, step)]

    async def _shared_sample(self) -> HostSample:
        if self._sampling is None or self._sampling.done():
            self._sampling = asyncio.create_task(self._take())
        return await asyncio.shield(self._sampling)

    async def _take(self) -> HostSample:
        """Takes one sample. The files are read in a thread, for they are long where interfaces are
        many: each container has one on the host.
        """
        if self._read is None:
            self._read = await asyncio.to_thread(find_reader, self._proc_root)
        if self._last is None:
            before = await asyncio.to_thread(self._read)
            await asyncio.sleep(FIRST_INTERVAL)
        elif time.monotonic() - self._last.reading.clock < APART:
            return self._last
        else:
            before = self._last.reading
        reading = await asyncio.to_thread(self._read)
        rates = rates_between(before, reading)
        self._last = HostSample(reading, rates)
        used = reading.memory.total - reading.memory.available
        values = (  # in the order of COLUMNS
            rates.cpu_percent,
            reading.load[0],
            used,
            used,
            reading.memory.available,
            reading.disk.used,
            rates.network_rx,
            rates.network_tx,
        )
        self._series.add(reading.at, rates.interval, values)
        return self._last


def rates_between(before: Reading, after: Reading) -> HostRates:
    """Returns the means between two readings of the host."""
    seconds = after.clock - before.clock
    spent = after.cpu.total - before.cpu.total
    percent = None
    if spent > 0:
        # Time that waits for disks may go backwards (proc(5)).
        percent = min(max(100 * (after.cpu.busy - before.cpu.busy) / spent, 0.0), 100.0)
    carried = [
        Traffic(now.rx - then.rx, now.tx - then.tx)
        for name, now in after.networks.items()
        if (then := before.networks.get(name)) and now.rx >= then.rx and now.tx >= then.tx
    ]
    known = bool(carried) and seconds > 0  # an interface that has come or gone says nothing
    return HostRates(
        interval=seconds,
        cpu_percent=percent,
        network_rx=sum(each.rx for each in carried) / seconds if known else None,
        network_tx=sum(each.tx for each in carried) / seconds if known else None,
    )


def host_stats(sample: HostSample, age: float) -> HostStats:
    """Returns the answer that a sample makes when it is `age` seconds old."""
    reading, rates = sample.reading, sample.rates
    memory, disk, scopes = reading.memory, reading.disk, reading.scopes
    used, networks = memory.total - memory.available, reading.networks.values()
    received = sum(each.rx for each in networks) if networks else None
    sent = sum(each.tx for each in networks) if networks else None
    return HostStats(
        hostname=reading.hostname,
        hostname_scope=scopes.hostname,
        cpu=HostCpu(
            percent=_rounded(rates.cpu_percent, 1),
            count=reading.cpus,
            load_average=list(reading.load),
            scope=scopes.cpu,
        ),
        memory=HostMemory(
            total=megabytes(memory.total),
            used=megabytes(used),
            available=megabytes(memory.available),
            percent=round(100 * used / memory.total, 1),
            total_bytes=memory.total,
            used_bytes=used,
            available_bytes=memory.available,
            scope=scopes.memory,
        ),
        disk=HostDisk(
            path=disk.path,
            total=megabytes(disk.total),
            used=megabytes(disk.used),
            free=megabytes(disk.free),
            percent=disk.percent,
            total_bytes=disk.total,
            used_bytes=disk.used,
            free_bytes=disk.free,
            scope=scopes.disk,
        ),
        network=HostNetwork(
            rx=megabytes(received),
            tx=megabytes(sent),
            rx_bytes=received,
            tx_bytes=sent,
            interfaces=list(reading.networks),
            scope=scopes.network,
        ),
        uptime_s=round(reading.uptime, 1),
        uptime_scope=scopes.uptime,
        timestamp=reading.at,
        age_s=round(age, 3),
        interval_s=round(rates.interval, 3),
    )


def _point(point: Point) -> HostPoint:
    cpu, load, used, most, available, disk, rx, tx = point.values  # in the order of COLUMNS
    return HostPoint(
        at=datetime.fromtimestamp(point.at, UTC),
        interval_s=_rounded(point.interval, 3),
        cpu_percent=_rounded(cpu, 1),
        load_1m=_rounded(load, 2),
        memory_used_bytes=_whole(used),
        memory_max_bytes=_whole(most),
        memory_available_bytes=_whole(available),
        disk_used_bytes=_whole(disk),
        network_rx_bytes_per_s=_rounded(rx, 1),
        network_tx_bytes_per_s=_rounded(tx, 1),
    )


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)
