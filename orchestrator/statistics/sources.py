"""Takes samples of containers from the kernel's files where it can, else from the engine.

That is chosen for each container by itself, each time: what cannot be read completely is asked of
the engine. What samples cost of this process's CPU time is counted on the way.
"""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from ..engine import Engine
from ..errors import OrchestratorError
from ..host import CgroupReader, allow_more_files
from ..models import Container, Sample, Source
from ..settings import Settings
from .pace import Interest

T = TypeVar("T")


def _zeros() -> defaultdict[Source, float]:
    return defaultdict(float)


@dataclass
class SamplerCounts:
    """Counters of the sampler's own work, shown in /metrics: since the start, by source."""

    samples: Counter[Source] = field(default_factory=Counter)
    failures: Counter[Source] = field(default_factory=Counter)
    cpu_seconds: defaultdict[Source, float] = field(default_factory=_zeros)  # of this process
    seconds: defaultdict[Source, float] = field(default_factory=_zeros)
    stretch: float = 1.0  # how much longer than wanted intervals are, for the budget's sake
    streams: int = 0  # open at the moment

    def copy(self) -> "SamplerCounts":
        """Returns them as they are at this moment."""
        return deepcopy(self)


class Sources:
    """Takes samples, counts them in `counts`, and tells `interest` what they cost."""

    def __init__(self, engine: Engine, settings: Settings, interest: Interest) -> None:
        allow_more_files()
        self._engine = engine
        self._interest = interest
        self.counts = SamplerCounts()
        self._held: set[str] = set()  # whose files the reader may have open
        self._reader = CgroupReader(Path(settings.cgroup_root), Path(settings.proc_root))
        # The reader's only thread: the files are open there, and are read one after the other.
        self._thread = ThreadPoolExecutor(1, "cgroups")

    async def read(self, containers: Sequence[Container]) -> list[Sample | None]:
        """Reads samples from the kernel's files; None for a container where they cannot be read."""

        def read() -> tuple[list[Sample | None], float]:
            began = time.thread_time()
            return self._reader.read(containers), time.thread_time() - began

        if self._reader.version is None:
            return [None] * len(containers)
        began = time.monotonic()
        self._held.update(container.full_id for container in containers)
        samples, cpu = await self._run(read)
        read_ones = [sample for sample in samples if sample is not None]
        if read_ones:
            source = read_ones[0].source
            self._count(source, len(read_ones), cpu, time.monotonic() - began)
        return samples

    async def ask(self, container: Container) -> Sample | None:
        """Asks the engine for a sample; None if the container does not run any more. Takes up to a
        second on engines that answer when they next look at the container by themselves (20.10).
        """
        began = time.monotonic()
        try:
            sample, cpu = await self._engine.containers.stats(container.full_id)
        except OrchestratorError:
            self.counts.failures["engine"] += 1
            raise
        self._count("engine", 1, cpu, time.monotonic() - began)
        return sample

    async def keep(self, ids: Collection[str]) -> None:
        """Closes the files of all containers but these, by full id."""
        if not self._held.issubset(ids):
            self._held.intersection_update(ids)
            await self._run(lambda: self._reader.keep(ids))

    def close(self) -> None:
        """Closes all files, and ends the thread that reads them."""
        self._thread.submit(self._reader.close)
        self._thread.shutdown(wait=True)

    async def _run(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    def _count(self, source: Source, samples: int, cpu: float, seconds: float) -> None:
        self.counts.samples[source] += samples
        self.counts.cpu_seconds[source] += cpu
        self.counts.seconds[source] += seconds
        self._interest.cost(source, samples, cpu)
