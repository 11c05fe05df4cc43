"""Takes samples of containers and of the host when they are due, and answers who asks for figures.

Of each container that runs there is always a sample in memory, and the figures that it makes with
the one before; who asks is answered from there. Those of which nobody may know what they use (see
`policy.access`) are never sampled. A beat a second takes the samples that are due (see `pace`), and
who asks for one that is too old, or the first, has it taken at once, together with all who ask
meanwhile. Who follows is answered by `streams`.
"""

import asyncio
import logging
import math
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from operator import itemgetter

from ..errors import ContainerNotRunning
from ..models import (
    Container,
    ContainerStats,
    HostPoint,
    HostStats,
    Sample,
    StatsPoint,
)
from ..policy import Access
from ..settings import Settings
from ..state import Inventory
from .history import spans
from .host import HostMonitor
from .pace import EVERYTHING, HOT, Beats, Interest
from .samples import Latest, Samples
from .sources import Sources

log = logging.getLogger(__name__)

# The least time between two samples of a container, in seconds: the kernel accounts the host's CPU
# time in ticks of 10 ms, which over this time makes an error of 5%.
SHORTEST_INTERVAL = 0.1
# Older than so many seconds, a sample is taken anew for whoever asks. More than a beat, so that
# what is sampled at every beat is answered from memory.
FRESH_SECONDS = 1.5
# Who asks waits so long for that new sample, and is answered with the old one otherwise.
PATIENCE_SECONDS = 0.2
# An old one is an answer for so many seconds; after that, what is wrong is said.
STALE_SECONDS = 30.0
# How early a sample may be, in seconds, so that a beat that comes a little late changes nothing.
EARLY_SECONDS = 0.1
# Containers whose files are read in one go, so that nothing waits for long; 2 ms.
SLICE = 32
# How many containers the engine is asked about at once.
ENGINE_AT_ONCE = 16

# Stands for the host among the containers' ids.
_HOST = "host"


class Sampler:
    """Keeps the newest samples and their history, and takes new ones.

    `run` takes those that are due; without it, each is taken when it is asked for.
    """

    def __init__(
        self,
        sources: Sources,
        host: HostMonitor,
        inventory: Inventory,
        access: Access,
        interest: Interest,
        settings: Settings,
    ) -> None:
        self.counts = sources.counts
        self.beats = Beats()
        self._sources = sources
        self._host = host
        self._inventory = inventory
        self._access = access
        self._interest = interest
        self._samples = Samples(
            inventory,
            *spans(settings.stats_history, settings.stats_long_history),
        )
        self._tried: dict[str, float] = {}  # when a sample was due last
        self._refreshing: dict[str, asyncio.Task[bool]] = {}

    # What callers ask for

    async def stats(self, container: Container, *, interfaces: bool = False) -> ContainerStats:
        """Returns what a container uses; each of its interfaces too, if asked to. From memory,
        unless what is there is too old or not enough for a CPU figure; then it takes a tenth of a
        second, or as long as the engine does.

        Raises NotManaged, ContainerNotRunning, ContainerNotFound once it is gone, and what the
        engine raises when there is nothing to answer with.
        """
        self._access.require_read(container)
        full_id, renewed = container.full_id, False
        self._interest.asked(full_id, time.monotonic())
        while True:
            container = self._inventory.get(full_id)  # it may have been started again meanwhile
            latest = self._samples.current(container)
            if latest is not None and (renewed or not self._is_late(latest)):
                found = latest.of(container)
                networks = latest.sample.networks
                return found.model_copy(update={"networks": networks}) if interfaces else found
            require_running(container)
            if latest is None:
                if not await self._renew(container):
                    raise _not_running(container)
            elif latest.rates.interval is None:  # the first one, which needs a second
                await asyncio.sleep(max(0.0, SHORTEST_INTERVAL - latest.age))
                renewed = await self._renew(container)
            else:
                renewed = await self._renew(container, latest)

    async def all(self, containers: Iterable[Container]) -> list[ContainerStats]:
        """Returns what each of these uses, if it runs and may be read, in their order. From memory,
        but for those that were not sampled for long; one that has no sample yet, because it has
        just been started or the engine is slow, is left out.
        """
        self._interest.asked(EVERYTHING, time.monotonic())
        running = self._readable(containers)
        late = [each for each in running if self._is_late(self._samples.current(each))]
        if tasks := self._ask_for(await self._read(late)):
            await asyncio.wait(tasks, timeout=PATIENCE_SECONDS)
        found = ((container, self._samples.current(container)) for container in running)
        return [latest.of(container) for container, latest in found if latest is not None]

    async def renew(self) -> None:
        """Samples all that run and were not sampled for long, as far as that needs no engine. It is
        no question that makes samples more frequent.
        """
        running = self._readable(self._inventory.each())
        await self._read([each for each in running if self._is_late(self._samples.current(each))])

    async def host(self) -> HostStats:
        """Returns what the host uses, from memory as well."""
        self._interest.asked(_HOST, time.monotonic())
        return await self._host.read()

    def host_history(self, since: float | None, step: float | None) -> list[HostPoint]:
        """Returns what the host has used, as far as memory goes back."""
        self._interest.asked(_HOST, time.monotonic())
        return self._host.history(time.time(), since, step)

    def history(
        self, container: Container, since: float | None, step: float | None
    ) -> list[StatsPoint]:
        """Returns what a container has used, as far as memory goes back; nothing if it never ran
        since.

        Raises NotManaged.
        """
        self._access.require_read(container)
        self._interest.asked(container.full_id, time.monotonic())
        return self._samples.history(container, since, step)

    def latest(self) -> list[tuple[Container, Sample]]:
        """Returns the newest sample of each container that runs and has one."""
        return [(container, latest.sample) for container, latest in self._samples.all()]

    def oldest_age(self) -> float | None:
        """Returns the age of the oldest of all newest samples, in seconds; None without any."""
        return self._samples.oldest_age()

    # The beat

    async def run(self) -> None:
        """Takes the samples that are due, every second, until it is cancelled."""
        while True:
            began = time.monotonic()
            try:
                await self.run_once()
            except Exception:
                log.exception("A beat of the sampler failed")
            await asyncio.sleep(max(HOT / 10, began + HOT - time.monotonic()))

    async def run_once(self) -> None:
        """Takes the samples that are due now, then lets the streams go on."""
        now = time.monotonic()
        running = {each.full_id: each for each in self._readable(self._inventory.each())}
        self._samples.forget_all_but(running.keys())
        self._tried = {key: at for key, at in self._tried.items() if key in running or key == _HOST}
        await self._sources.keep(running.keys())
        due: list[tuple[float, Container]] = []
        wanted: defaultdict[str, float] = defaultdict(float)
        for full_id, container in running.items():
            latest = self._samples.current(container)
            interval = self._interest.interval(full_id, now)
            if latest is None or latest.rates.interval is None:
                interval = HOT  # there is no CPU figure yet
            wanted[latest.sample.source if latest else ""] += 1 / interval
            taken = latest.taken if latest else -math.inf
            late = now - max(taken, self._tried.get(full_id, -math.inf))
            if late >= interval * self._interest.stretch - EARLY_SECONDS:
                due.append((late / interval, container))
        self._interest.fit(wanted)
        self.counts.stretch = self._interest.stretch
        due.sort(key=itemgetter(0), reverse=True)
        self._ask_for(await self._read([container for _, container in due]))
        self.beats.ring()
        late = now - self._tried.get(_HOST, -math.inf)
        if late >= self._interest.interval(_HOST, now) - EARLY_SECONDS:
            self._tried[_HOST] = now
            await self._host.sample()

    def close(self) -> None:
        """Closes the files that samples are read from."""
        self._sources.close()

    # Taking samples

    def _readable(self, containers: Iterable[Container]) -> list[Container]:
        """Returns those that run, and of which somebody may know what they use."""
        return [each for each in containers if each.runs and self._access.may_read(each)]

    async def _read(self, containers: Sequence[Container]) -> list[Container]:
        """Takes samples from the kernel's files; returns those for which that cannot be done."""
        rest: list[Container] = []
        for first in range(0, len(containers), SLICE):
            some = containers[first : first + SLICE]
            samples = await self._sources.read([self._with_network(each) for each in some])
            for container, sample in zip(some, samples, strict=True):
                if sample is None:
                    rest.append(container)
                else:
                    self._samples.record(container, sample)
        return rest

    def _ask_for(self, containers: Sequence[Container]) -> set[asyncio.Task[bool]]:
        """Begins to ask the engine for samples, the first ones first, and no more at once than is
        good for it.
        """
        tasks: set[asyncio.Task[bool]] = set()
        for container in containers:
            if container.full_id not in self._refreshing:
                if len(self._refreshing) >= ENGINE_AT_ONCE:
                    break
                self._tried[container.full_id] = time.monotonic()
            tasks.add(self._refresh(container))
        return tasks

    async def _renew(self, container: Container, latest: Latest | None = None) -> bool:
        """Takes a sample; false if the container turns out not to run. Where there is one that
        will do, this neither waits for long nor fails.
        """
        task = self._refresh(container)
        if latest is None or latest.age > STALE_SECONDS:
            return await asyncio.shield(task)
        await asyncio.wait({task}, timeout=PATIENCE_SECONDS)
        return True

    def _refresh(self, container: Container) -> "asyncio.Task[bool]":
        """Takes a sample, together with all who ask for one of this container meanwhile."""
        full_id = container.full_id
        task = self._refreshing.get(full_id)
        if task is None:
            task = asyncio.create_task(self._sample(container))
            self._refreshing[full_id] = task
            task.add_done_callback(lambda task: self._refreshed(full_id, task))
        return task

    def _refreshed(self, full_id: str, task: "asyncio.Task[bool]") -> None:
        del self._refreshing[full_id]
        if not task.cancelled() and (error := task.exception()) is not None:
            log.debug("No sample of %s: %s", full_id[:12], error)

    async def _sample(self, container: Container) -> bool:
        (sample,) = await self._sources.read([self._with_network(container)])
        if sample is None:
            sample = await self._sources.ask(container)
        if sample is not None:
            self._samples.record(container, sample)
        return sample is not None

    def _with_network(self, container: Container) -> Container:
        """Gives a container that shares another's network that one's networks."""
        other: Container | None = container
        for _ in range(10):  # that one may share another's, but not for ever
            if other is None or other.network_of is None:
                break
            other = self._inventory.peek(other.network_of)
        if other is None or other is container:
            return container
        return container.model_copy(update={"networks": other.networks})

    def _is_late(self, latest: Latest | None) -> bool:
        """Tells whether a sample is absent, too old to answer with, or has none before it."""
        return (
            latest is None
            or latest.rates.interval is None
            or latest.age > FRESH_SECONDS * self._interest.stretch
        )


def require_running(container: Container) -> None:
    """Raises ContainerNotRunning for a container that does not run."""
    if not container.runs:
        raise _not_running(container)


def _not_running(container: Container) -> ContainerNotRunning:
    return ContainerNotRunning(
        f'Container "{container.name}" does not run, so it uses nothing. Start it first.',
        id=container.id,
        name=container.name,
        status=container.status,
    )
