"""Keeps a bounded history of figures: fine points for a while, then thinned ones. Pure.

A point is a moment and some figures of it, each of which knows how several are folded into one:
what is a rate is averaged over time, of a peak the highest counts, of a level the last. Points are
kept as 32-bit floats (seven digits), in rings that are bounded from the start: a moment takes 8
bytes, each figure 4, and nothing is shown for longer than it is said to be.
"""

import math
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

Fold = Literal["mean", "max", "last"]

_NAN = math.nan
_MOMENT = struct.Struct("<d")


class Point(NamedTuple):
    """Holds the figures of one moment."""

    at: float  # seconds since 1970
    interval: float | None  # seconds that the means are of; None where there are none
    values: tuple[float | None, ...]  # in the order of the columns; None is not known


@dataclass(frozen=True)
class Span:
    """Says how long points are kept, and how far apart: seconds."""

    seconds: float
    every: float

    @property
    def points(self) -> int:
        """How many points that are at most."""
        return math.ceil(self.seconds / self.every)


def spans(seconds: float, long_seconds: float) -> tuple[Span, Span]:
    """Returns the two spans of a history here: at the pace of the sampler, then thinned."""
    return Span(seconds, 1.0), Span(long_seconds, 10.0)


class Series:
    """Keeps the history of one thing, a container or the host.

    `columns` says how each figure is folded; `fine` points are kept as they come, and folded into
    `coarse` ones for longer.
    """

    def __init__(self, columns: Mapping[str, Fold], fine: Span, coarse: Span) -> None:
        self._folds = tuple(columns.values())
        self._fine_span, self._coarse_span = fine, coarse
        self._fine = _Ring(len(columns), fine.points)
        self._coarse = _Ring(len(columns), coarse.points)
        self._pending: list[Point] = []  # of the coarse point that is not complete

    @property
    def latest(self) -> float | None:
        """When the last point was taken: seconds since 1970."""
        return self._fine.latest

    @property
    def size(self) -> int:
        """Bytes that the points take."""
        return self._fine.size + self._coarse.size

    def add(self, at: float, interval: float | None, values: Sequence[float | None]) -> None:
        """Adds a point. One that is not later than the last, after the clock was set back, makes
        what came after it forgotten: two points never stand for one moment.
        """
        if self.latest is not None and at <= self.latest:
            self._fine.forget_from(at)
            self._coarse.forget_from(at)
            self._pending = [point for point in self._pending if point.at < at]
        point = Point(at, interval, tuple(values))
        self._fine.append(point)
        every = self._coarse_span.every
        if self._pending and at // every != self._pending[0].at // every:
            self._coarse.append(_fold(self._pending, self._folds))
            self._pending.clear()
        self._pending.append(point)

    def points(self, now: float, since: float | None, step: float | None) -> list[Point]:
        """Returns what is kept, the oldest first: of the last `fine.seconds` every point, before
        that the coarse ones. `since` (seconds since 1970) leaves out what is not later; with
        `step`, the points of so many seconds each are folded into one, at the time of the last.
        """
        after = -math.inf if since is None else since
        fine = list(self._fine.after(max(after, now - self._fine_span.seconds)))
        until = fine[0].at if fine else math.inf
        # A coarse point whose last moment is within the fine ones would be counted twice.
        coarse = self._coarse.after(max(after, now - self._coarse_span.seconds))
        found = [*(point for point in coarse if point.at < until), *fine]
        if step is None:
            return found
        return [_fold(points, self._folds) for points in _buckets(found, step)]


class _Ring:
    """Holds so many points at most; the memory grows with them."""

    def __init__(self, columns: int, capacity: int) -> None:
        self._record = struct.Struct(f"<d{columns + 1}f")
        self._capacity = capacity
        self._bytes = bytearray()
        self._first = 0  # of the ring, in points, once it is full
        self._count = 0
        self.latest: float | None = None

    @property
    def size(self) -> int:
        return len(self._bytes)

    def append(self, point: Point) -> None:
        numbers = (_NAN if value is None else value for value in (point.interval, *point.values))
        if self._count < self._capacity:
            if self._count * self._record.size == len(self._bytes):
                more = min(max(8, self._count // 2), self._capacity - self._count)
                self._bytes += bytes(more * self._record.size)
            place = self._count
            self._count += 1
        else:
            place = self._first
            self._first = (self._first + 1) % self._capacity
        self._record.pack_into(self._bytes, place * self._record.size, point.at, *numbers)
        self.latest = point.at

    def forget_from(self, at: float) -> None:
        kept = [point for point in self if point.at < at]
        self._first = self._count = 0
        self._bytes.clear()
        self.latest = None
        for point in kept:
            self.append(point)

    def after(self, at: float) -> Iterator[Point]:
        """Returns the points later than that, the oldest first. Looks at no others, for who polls
        wants the last one or two of a thousand.
        """
        first = self._count
        while first and self._at(first - 1) > at:
            first -= 1
        return (self._point(number) for number in range(first, self._count))

    def __iter__(self) -> Iterator[Point]:
        return self.after(-math.inf)

    def _place(self, number: int) -> int:
        return (self._first + number) % self._capacity * self._record.size

    def _at(self, number: int) -> float:
        at: float = _MOMENT.unpack_from(self._bytes, self._place(number))[0]
        return at

    def _point(self, number: int) -> Point:
        at, *numbers = self._record.unpack_from(self._bytes, self._place(number))
        interval, *values = (None if math.isnan(value) else value for value in numbers)
        return Point(at, interval, tuple(values))


def _buckets(points: Iterable[Point], step: float) -> Iterator[list[Point]]:
    bucket: list[Point] = []
    for point in points:
        if bucket and point.at // step != bucket[0].at // step:
            yield bucket
            bucket = []
        bucket.append(point)
    if bucket:
        yield bucket


def _fold(points: Sequence[Point], folds: Sequence[Fold]) -> Point:
    if len(points) == 1:
        return points[0]
    interval = sum(point.interval or 0 for point in points)
    values = tuple(
        _fold_column([(point.values[column], point.interval) for point in points], fold)
        for column, fold in enumerate(folds)
    )
    return Point(points[-1].at, interval or None, values)


def _fold_column(values: Sequence[tuple[float | None, float | None]], fold: Fold) -> float | None:
    known = [(value, interval) for value, interval in values if value is not None]
    if not known:
        return None
    if fold == "last":
        return known[-1][0]
    if fold == "max":
        return max(value for value, _ in known)
    weight = sum(interval or 0 for _, interval in known)
    if weight == 0:
        return known[-1][0]
    return sum(value * (interval or 0) for value, interval in known) / weight
