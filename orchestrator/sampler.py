"""One sampler for all who ask for statistics.

A CPU figure needs two samples. The last one of each container is kept for that, so that only the
first question about a container takes two; questions at the same time share one answer.
"""

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass

from .engine import Engine
from .errors import ContainerNotRunning
from .models import Container, ContainerStats
from .stats import Sample, follows, parse_engine_stats, summarise

# The CPU figure is the mean over an interval: at least this long, since the kernel accounts the
# host's time in ticks of 10 ms, and at most that long, since nobody asks for history.
SHORTEST_INTERVAL = 0.25
LONGEST_INTERVAL = 10.0


@dataclass(frozen=True)
class _Latest:
    taken: float  # by the clock of this process, which need not agree with the engine's
    sample: Sample
    answer: ContainerStats


class Sampler:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._latest: OrderedDict[str, _Latest] = OrderedDict()
        self._asking: dict[str, asyncio.Task[ContainerStats]] = {}

    async def stats(self, container: Container) -> ContainerStats:
        """What a container uses now; at most `SHORTEST_INTERVAL` seconds old.

        Raises ContainerNotRunning, and what the engine raises.
        """
        if not container.runs:
            raise _not_running(container)
        task = self._asking.get(container.full_id)
        if task is None:
            task = asyncio.create_task(self._sample(container))
            self._asking[container.full_id] = task
            task.add_done_callback(lambda _: self._asking.pop(container.full_id, None))
        return await asyncio.shield(task)

    async def _sample(self, container: Container) -> ContainerStats:
        self._drop_old()
        latest = self._latest.get(container.full_id)
        if latest is not None and time.monotonic() - latest.taken < SHORTEST_INTERVAL:
            return latest.answer
        earlier = None if latest is None else latest.sample
        taken, sample = await self._take(container)
        if earlier is None or not follows(earlier, sample):
            # Nothing to compare with: it was never asked about, or was restarted since.
            earlier = sample
            await asyncio.sleep(SHORTEST_INTERVAL)
            taken, sample = await self._take(container)
        answer = summarise(container, earlier if follows(earlier, sample) else None, sample)
        self._latest.pop(container.full_id, None)
        self._latest[container.full_id] = _Latest(taken, sample, answer)
        return answer

    async def _take(self, container: Container) -> tuple[float, Sample]:
        sample = parse_engine_stats(await self._engine.stats(container.full_id))
        if sample is None:
            raise _not_running(container)
        return time.monotonic(), sample

    def _drop_old(self) -> None:
        oldest = time.monotonic() - LONGEST_INTERVAL
        while self._latest and next(iter(self._latest.values())).taken < oldest:
            self._latest.popitem(last=False)


def _not_running(container: Container) -> ContainerNotRunning:
    return ContainerNotRunning(
        f'Container "{container.name}" does not run, so it uses nothing. Start it first.',
        id=container.id,
        name=container.name,
        status=container.status,
    )
