"""Decides how often each container is sampled: every second while somebody asks, rarer otherwise,
within a CPU budget.

What is asked for again and again, or followed by a stream, is sampled every second. All else is
sampled every few seconds as long as anybody asks for anything, and half as often when nobody has
for a while: so there is always a sample to answer with, and a history. When samples cost more than
the budget, all intervals grow by the same factor.
"""

import asyncio
import math
from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

# Seconds between samples: of what is asked for often, of the rest, and when nobody looks.
HOT, WARM, IDLE = 1.0, 5.0, 10.0
# Two questions at most so many seconds apart are often, for as long after the second one.
OFTEN_SECONDS = 5.0
# Somebody looks until so many seconds after the last question.
LOOKING_SECONDS = 60.0
# How much the latest cost counts in the mean cost of a sample.
_WEIGHT = 0.1

EVERYTHING = ""


class Interest:
    """Remembers who asks for what, and fits the time between samples to it.

    `budget` is the share of one CPU that samples may cost, 0 to 1. Keys are containers' full ids,
    or EVERYTHING for a question about all. Nothing here knows the time; it is told.
    """

    def __init__(self, budget: float) -> None:
        self._budget = budget
        self._asked: OrderedDict[str, float] = OrderedDict()  # the last question
        self._hot_until: dict[str, float] = {}
        self._followed: Counter[str] = Counter()
        self._last = -math.inf
        self._cost: dict[str, float] = {}  # seconds of CPU of one sample, by source
        self.stretch = 1.0  # the factor by which intervals are longer than wanted

    def asked(self, key: str, now: float) -> None:
        """Notes that somebody has asked for the figures of `key`."""
        if now - self._asked.get(key, -math.inf) <= OFTEN_SECONDS:
            self._hot_until[key] = now + OFTEN_SECONDS
        self._asked[key] = self._last = now
        self._asked.move_to_end(key)
        while now - next(iter(self._asked.values())) > OFTEN_SECONDS:
            forgotten, _ = self._asked.popitem(last=False)
            self._hot_until.pop(forgotten, None)

    @contextmanager
    def following(self, key: str) -> Iterator[None]:
        """Notes that somebody follows the figures of `key`, as long as the block lasts."""
        self._followed[key] += 1
        try:
            yield
        finally:
            self._followed[key] -= 1
            self._followed += Counter()  # forgets those that are zero

    def interval(self, key: str, now: float) -> float:
        """Returns the seconds that two samples of `key` should be apart, the budget aside."""
        for each in (key, EVERYTHING):
            if self._followed[each] or now < self._hot_until.get(each, -math.inf):
                return HOT
        return WARM if self._followed or now - self._last <= LOOKING_SECONDS else IDLE

    def cost(self, source: str, samples: int, seconds: float) -> None:
        """Notes that so many samples have cost so many seconds of CPU time."""
        if samples:
            each = seconds / samples
            mean = self._cost.get(source, each)
            self._cost[source] = mean + _WEIGHT * (each - mean)

    def fit(self, rates: Mapping[str, float]) -> None:
        """Fits the intervals to the budget: `rates` is how many samples a second are wanted of
        each source.
        """
        wanted = sum(rate * self._cost.get(source, 0.0) for source, rate in rates.items())
        self.stretch = max(1.0, wanted / self._budget)


class Beats:
    """Counts the beats of the sampler, and lets streams wait for one of them."""

    def __init__(self) -> None:
        self.number = 0
        self.ended = False
        self._bell = asyncio.Event()

    def ring(self) -> None:
        """Makes it one beat more, and wakes all who wait."""
        self.number += 1
        bell, self._bell = self._bell, asyncio.Event()
        bell.set()

    def end(self) -> None:
        """Ends all waits, now and from now on. Safe to call from a signal handler."""
        self.ended = True
        self.ring()

    async def reached(self, number: int) -> None:
        """Returns at that beat, or when the service ends."""
        while self.number < number and not self.ended:
            await self._bell.wait()
