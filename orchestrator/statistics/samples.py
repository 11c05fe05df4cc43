"""Keeps each container's newest sample and a bounded history of its figures.

Everything is kept apart by runs: a container that was started again has nothing to compare its
first sample with. The history goes on over runs, and along with a container that is moved; it stays
while the container exists, for as long as it reaches back.
"""

import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from ..models import Container, ContainerStats, Sample, StatsPoint
from ..state import Inventory
from .figures import Rates, rates, summarise
from .history import Fold, Point, Series, Span

# Of two samples of a run that are closer than so many seconds, the second is dropped: their CPU
# figure would be noise, for the host's CPU time is counted in ticks of 10 ms. They come together
# where the sampler and somebody who asks are at it at once. The second one of a run may come
# sooner, for somebody waits for it.
CLOSEST = 0.5
CLOSEST_FIRST = 0.09

_COLUMNS: Mapping[str, Fold] = {
    "cpu_percent": "mean",
    "cpu_throttled_s_per_s": "mean",
    "memory_usage_bytes": "last",
    "memory_max_bytes": "max",
    "memory_cache_bytes": "last",
    "network_rx_bytes_per_s": "mean",
    "network_tx_bytes_per_s": "mean",
    "block_read_bytes_per_s": "mean",
    "block_write_bytes_per_s": "mean",
    "pids": "last",
}
_WHOLE = frozenset(("memory_usage_bytes", "memory_max_bytes", "memory_cache_bytes", "pids"))


@dataclass(frozen=True, slots=True)
class Latest:
    """Holds the newest sample of a run, and what happened since the one before it."""

    run: datetime | None  # when the run began
    taken: float  # by the clock of this process, which need not agree with the engine's
    sample: Sample
    rates: Rates

    @property
    def age(self) -> float:
        """Seconds since it was taken."""
        return time.monotonic() - self.taken

    def of(self, container: Container) -> ContainerStats:
        """Returns the answer that it makes."""
        return summarise(container, self.rates, self.sample, self.age)


class Samples:
    """Holds what was sampled of containers, as long as they are there."""

    def __init__(self, inventory: Inventory, fine: Span, coarse: Span) -> None:
        self._inventory = inventory
        self._fine, self._coarse = fine, coarse
        self._latest: dict[str, Latest] = {}
        self._series: dict[str, Series] = {}

    def current(self, container: Container) -> Latest | None:
        """Returns the newest sample of the run that a container is in; None without one."""
        latest = self._latest.get(container.full_id)
        if latest is None or not container.runs or latest.run != container.started_at:
            return None
        return latest

    def all(self) -> Iterator[tuple[Container, Latest]]:
        """Yields the newest sample of each container that runs and has one."""
        for container in self._inventory.each():
            if (latest := self.current(container)) is not None:
                yield container, latest

    def oldest_age(self) -> float | None:
        """Returns the age of the oldest of all newest samples, in seconds; None without any."""
        return max((latest.age for latest in self._latest.values()), default=None)

    def record(self, container: Container, sample: Sample) -> None:
        """Keeps a sample of `container` as it was then. One of a run that is over is dropped."""
        now = self._inventory.peek(container.full_id)
        if now is None or now.started_at != container.started_at:
            return
        latest = self.current(container)
        if latest is not None:
            closest = CLOSEST if latest.rates.interval else CLOSEST_FIRST
            if 0 <= sample.at - latest.sample.at < closest:
                return
        since = rates(None if latest is None else latest.sample, sample)
        self._latest[container.full_id] = Latest(
            container.started_at, time.monotonic(), sample, since
        )
        self._series_of(container).add(
            round(sample.at, 6),  # as it is shown, so that `since` leaves out what was seen
            since.interval,
            (
                since.cpu_percent,
                since.throttled,
                sample.memory,
                sample.memory,
                sample.memory_cache,
                since.network_rx,
                since.network_tx,
                since.block_read,
                since.block_write,
                sample.pids,
            ),
        )

    def history(
        self, container: Container, since: float | None, step: float | None
    ) -> list[StatsPoint]:
        """Returns what a container has used, as far as memory goes back: nothing if it never ran
        since.
        """
        series = self._series.get(container.full_id)
        points = [] if series is None else series.points(time.time(), since, step)
        return [_shown(point) for point in points]

    def forget_all_but(self, running: Collection[str]) -> None:
        """Drops the newest samples of all containers but these, by full id; and the history of
        those that are gone, or that is out of date.
        """
        for full_id in self._latest.keys() - running:
            del self._latest[full_id]
        oldest = time.time() - self._coarse.seconds
        for full_id in self._series.keys() - running:
            gone = self._inventory.peek(full_id) is None
            out_of_date = (self._series[full_id].latest or 0) < oldest
            if out_of_date or (gone and not self._inventory.successors(full_id)):
                del self._series[full_id]

    def _series_of(self, container: Container) -> Series:
        series = self._series.get(container.full_id)
        if series is None:
            for earlier in reversed(container.earlier_ids):  # it was moved, with its past
                series = series or self._series.pop(earlier, None)
            series = series or Series(_COLUMNS, self._fine, self._coarse)
            self._series[container.full_id] = series
        return series


def _shown(point: Point) -> StatsPoint:
    values: dict[str, float | None] = dict(zip(_COLUMNS, point.values, strict=True))
    figures = {
        name: value if value is None else int(value) if name in _WHOLE else round(value, 4)
        for name, value in values.items()
    }
    return StatsPoint(
        at=datetime.fromtimestamp(point.at, UTC),
        interval_s=None if point.interval is None else round(point.interval, 3),
        **figures,
    )
