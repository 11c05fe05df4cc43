"""Times of calls, and tables of them."""

import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from statistics import median
from typing import Any


def timed(call: Callable[[], Any]) -> float:
    """Seconds that a call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def in_turns(calls: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """The seconds of each call, `rounds` of each, one after the other in every round."""
    for call in calls.values():
        call()  # the first call of anything opens connections and fills caches
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            seconds[name].append(timed(call))
    return seconds


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least `percent` of all are not above (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def show_times(
    title: str, seconds: Mapping[str, Sequence[float]], compared_with: str | None = None
) -> None:
    """A row for each, in milliseconds; the ratio is that of the medians, below 1 is faster."""
    base = median(seconds[compared_with]) if compared_with is not None else None
    rows = [
        (
            name,
            str(len(values)),
            f"{median(values) * 1000:.2f}",
            f"{percentile(values, 99) * 1000:.2f}",
            f"{median(values) / base:.3f}" if base else "",
        )
        for name, values in seconds.items()
    ]
    ratio = f"ratio to {compared_with}" if base else ""
    table(title, ("", "times", "median ms", "p99 ms", ratio), rows)


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    print(f"\n{title}")
    for row in (head, *rows):
        first, *rest = (
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        print("  ".join([first, *rest]).rstrip())
    sys.stdout.flush()


@contextmanager
def step(what: str) -> Iterator[None]:
    """Says on stderr what is being done, and how long it took."""
    _say(f"{what} …", end="")
    began = time.monotonic()
    yield
    _say(f" {time.monotonic() - began:.1f} s")


def _say(text: str, end: str = "\n") -> None:
    """Nobody may read it any more, as with `2>&1 | head`; that must not keep a clear-up from going
    on.
    """
    with suppress(BrokenPipeError):
        print(text, end=end, file=sys.stderr, flush=True)


def wait_until(holds: Callable[[], Any], seconds: float, what: str, every: float = 0.01) -> float:
    """Seconds until `holds` was true; ends the program when it is not within `seconds`."""
    began = time.monotonic()
    while not holds():
        if time.monotonic() - began > seconds:
            sys.exit(f"not within {seconds:g} s: {what}")
        time.sleep(every)
    return time.monotonic() - began
