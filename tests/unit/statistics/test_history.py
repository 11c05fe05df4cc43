"""The bounded history of figures."""

import itertools
import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.statistics.history import Fold, Point, Series, Span

COLUMNS: dict[str, Fold] = {"rate": "mean", "peak": "max", "level": "last"}
FINE, COARSE = Span(20, 1), Span(200, 10)
# A moment takes 8 bytes, the interval and each figure 4.
RECORD = 8 + 4 * (1 + len(COLUMNS))

# Seconds since the sample before: as they come when somebody asks, when nobody does, and after a
# pause. Negative where the clock was set back.
forward = st.floats(0.3, 60).map(lambda seconds: round(seconds, 3))
steps = st.lists(forward, max_size=120)
steps_and_back = st.lists(st.one_of(forward, st.floats(-300, 0)), max_size=120)


def series(fine: Span = FINE, coarse: Span = COARSE) -> Series:
    return Series(COLUMNS, fine, coarse)


def filled(moments: Sequence[float], value: float = 1.0) -> Series:
    """A series with a sample at each moment, whose means are of the time since the one before."""
    found = series()
    before = None
    for at in moments:
        found.add(at, None if before is None else at - before, [value] * len(COLUMNS))
        before = at
    return found


def moments_of(seconds: Sequence[float], begin: float = 1_700_000_000.0) -> list[float]:
    return list(itertools.accumulate(seconds, initial=begin))


def every_second(seconds: int, begin: float = 1_700_000_000.0) -> list[float]:
    return [begin + second for second in range(seconds + 1)]


def times(points: Sequence[Point]) -> list[float]:
    return [point.at for point in points]


# What is kept


def test_nothing_is_known_of_nothing() -> None:
    assert series().points(1_700_000_000, None, None) == []
    assert series().latest is None
    assert series().size == 0


def test_points_are_kept_as_they_came() -> None:
    history = series()
    history.add(100.25, None, [None, 2.0, 3.0])
    history.add(101.25, 1.0, [4.5, 5.0, None])
    assert history.points(102, None, None) == [
        Point(100.25, None, (None, 2.0, 3.0)),
        Point(101.25, 1.0, (4.5, 5.0, None)),
    ]
    assert history.latest == 101.25


def test_figures_have_seven_digits() -> None:
    history = series()
    history.add(1_700_000_000.123456, 1.0, [25_276_502_016, 1234567.0, 0.1])
    (point,) = history.points(1_700_000_001, None, None)
    assert point.at == 1_700_000_000.123456
    assert point.values == pytest.approx((25_276_502_016, 1234567.0, 0.1), rel=1e-7)


@given(steps)
def test_the_fine_part_has_every_sample(seconds: list[float]) -> None:
    moments = moments_of(seconds)
    now = moments[-1]
    kept = times(filled(moments).points(now, None, None))
    fine = [at for at in moments if at >= now - FINE.seconds][-FINE.points :]
    assert kept[-len(fine) :] == fine


@given(steps)
def test_the_long_part_reaches_back_as_far_as_it_should(seconds: list[float]) -> None:
    moments = moments_of(seconds)
    now = moments[-1]
    points = filled(moments).points(now, None, None)
    expected = [at for at in moments if at > now - COARSE.seconds]
    # What is oldest is folded into a point at most `every` seconds later; the border of the two
    # parts may fall into one that is not shown.
    assert points[0].at <= expected[0] + 2 * COARSE.every or points[0].at == expected[-1]
    assert len(points) == len({*times(points)})


@given(steps_and_back)
def test_bounds_hold(seconds: list[float]) -> None:
    moments = moments_of(seconds)
    history = filled(moments)
    now = moments[-1]
    points = history.points(now, None, None)
    assert len(points) <= FINE.points + COARSE.points
    assert all(now - COARSE.seconds <= point.at <= now for point in points)
    assert history.size <= RECORD * (FINE.points + COARSE.points)
    assert history.latest == now


def test_memory_ends_to_grow() -> None:
    history = filled(every_second(1000))
    full = RECORD * (FINE.points + COARSE.points)
    assert history.size == full
    for at in every_second(1000, begin=1_700_002_000.0):
        history.add(at, 1.0, [1.0, 1.0, 1.0])
    assert history.size == full


def test_memory_comes_only_as_it_is_needed() -> None:
    small = Series(COLUMNS, Span(86400, 1), Span(604800, 10))
    small.add(100, 1.0, [1.0, 1.0, 1.0])
    assert small.size < 1000


def test_what_is_old_is_gone_although_nothing_new_came() -> None:
    history = filled(every_second(5))
    end = 1_700_000_005.0
    assert len(history.points(end, None, None)) == 6
    assert history.points(end + FINE.seconds + 1, None, None) == []


# The border of the two parts


@given(steps)
def test_no_time_counts_twice(seconds: list[float]) -> None:
    moments = moments_of(seconds)
    points = filled(moments).points(moments[-1], None, None)
    for before, after in itertools.pairwise(points):
        assert after.at > before.at
        assert after.interval is not None
        assert after.at - after.interval >= before.at - 1e-3


def test_at_the_border_less_than_a_thinned_point_is_missing() -> None:
    moments = every_second(150)
    for now in moments[60:]:
        history = filled([at for at in moments if at <= now])
        points = history.points(now, None, None)
        covered = sum(point.interval or 0 for point in points)
        assert now - moments[0] - COARSE.every <= covered <= now - moments[0]


def test_thinned_points_are_folded() -> None:
    history = series()
    for second in range(100):
        history.add(1000.0 + second, 1.0, [second, second, second])
    oldest = history.points(1099, None, None)[0]
    assert oldest == Point(1009.0, 10.0, (4.5, 9.0, 9.0))


# What is asked for


@given(steps, st.floats(-10, 1500))
def test_since_leaves_out_what_is_not_later(seconds: list[float], after: float) -> None:
    moments = moments_of(seconds)
    history, now = filled(moments), moments[-1]
    since = moments[0] + after
    everything = history.points(now, None, None)
    assert history.points(now, since, None) == [each for each in everything if each.at > since]


def test_asking_for_what_came_since_the_last_answer_misses_nothing() -> None:
    history = series()
    seen: list[float] = []
    for at in every_second(60):
        history.add(at, 1.0, [1.0, 1.0, 1.0])
        if int(at) % 7 == 0:
            seen += times(history.points(at, seen[-1] if seen else None, None))
    assert seen == every_second(60)[: len(seen)]


@given(steps, st.sampled_from([1.0, 2.5, 10.0, 60.0, 3600.0]))
def test_a_step_folds_all_there_is(seconds: list[float], step: float) -> None:
    moments = moments_of(seconds)
    history = series()
    for number, (at, interval) in enumerate(zip(moments, [1.0, *seconds], strict=True)):
        history.add(at, interval, [number % 7, number % 5, number % 3])
    now = moments[-1]
    fine, folded = history.points(now, None, None), history.points(now, None, step)
    buckets = [list(each) for _, each in itertools.groupby(fine, lambda point: point.at // step)]
    assert len(folded) == len(buckets)
    for point, bucket in zip(folded, buckets, strict=True):
        weights = [each.interval or 0 for each in bucket]
        values = [[each.values[column] or 0 for each in bucket] for column in range(3)]
        assert point.at == bucket[-1].at
        assert point.interval == pytest.approx(sum(weights))
        mean = sum(map(math.prod, zip(values[0], weights, strict=True))) / sum(weights)
        assert point.values == pytest.approx((mean, max(values[1]), values[2][-1]))


def test_means_are_weighted_by_time() -> None:
    history = series()
    history.add(1001.0, 1.0, [100.0, 1.0, 1.0])
    history.add(1004.0, 3.0, [0.0, 1.0, 1.0])
    (point,) = history.points(1004, None, 100)
    assert point == Point(1004.0, 4.0, (25.0, 1.0, 1.0))


def test_what_is_not_known_does_not_count() -> None:
    history = series()
    history.add(1001.0, None, [None, None, 7.0])
    history.add(1002.0, 1.0, [50.0, 3.0, None])
    history.add(1003.0, 1.0, [None, None, None])
    (point,) = history.points(1003, None, 100)
    assert point == Point(1003.0, 2.0, (50.0, 3.0, 7.0))


def test_what_is_never_known_stays_unknown() -> None:
    history = series()
    for at in (1001.0, 1002.0):
        history.add(at, None, [None, None, None])
    assert history.points(1002, None, 100) == [Point(1002.0, None, (None, None, None))]


def test_means_without_an_interval_are_the_last_one() -> None:
    history = series()
    history.add(1001.0, None, [5.0, 1.0, 1.0])
    history.add(1002.0, None, [6.0, 1.0, 1.0])
    (point,) = history.points(1002, None, 100)
    assert point.values[0] == 6.0


# The clock


@given(steps_and_back)
def test_time_only_goes_forward(seconds: list[float]) -> None:
    moments = moments_of(seconds)
    points = filled(moments).points(moments[-1], None, None)
    assert all(before.at < after.at for before, after in itertools.pairwise(points))


def test_a_clock_that_is_set_back_forgets_what_has_not_happened_yet() -> None:
    moments = every_second(100)
    history = filled(moments)
    history.add(moments[50], 1.0, [7.0, 7.0, 7.0])
    points = history.points(moments[50], None, None)
    assert points[-1] == Point(moments[50], 1.0, (7.0, 7.0, 7.0))
    assert points[-2].at < moments[50]
    assert points[0].at <= moments[10]
    history.add(moments[51], 1.0, [8.0, 8.0, 8.0])
    assert times(history.points(moments[51], None, None))[-2:] == moments[50:52]


def test_two_samples_of_one_moment_are_one() -> None:
    history = series()
    history.add(1000.0, 1.0, [1.0, 1.0, 1.0])
    history.add(1000.0, 1.0, [2.0, 2.0, 2.0])
    assert history.points(1000, None, None) == [Point(1000.0, 1.0, (2.0, 2.0, 2.0))]
