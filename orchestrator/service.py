"""Puts the parts together, and ends them in order. No logic of its own."""

import asyncio
import logging
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from types import FrameType

from . import __version__
from .containers import (
    Changes,
    Claims,
    Creator,
    KeyedCreates,
    Launcher,
    Leftovers,
    Lifecycle,
    Mover,
    Networks,
    Starter,
    Volumes,
)
from .engine import Engine
from .host import HostPorts, own_container_id
from .housekeeping import Housekeeping
from .inside import Environments
from .policy import Access, DiskRules
from .ports import PortAllocator, RefusedPorts
from .settings import Settings
from .state import Inventory, Mirror, Watcher, Written
from .statistics import (
    DiskSampler,
    HostMonitor,
    Interest,
    Meters,
    Metrics,
    Sampler,
    Sources,
    Streams,
)

log = logging.getLogger(__name__)

# Seconds that a shutdown waits for mutations whose caller has gone.
MUTATIONS_SECONDS = 3


@dataclass
class Service:
    """Holds the parts of one running service."""

    settings: Settings
    engine: Engine
    inventory: Inventory
    ports: PortAllocator
    watcher: Watcher
    changes: Changes
    leftovers: Leftovers
    creator: Creator
    keyed_creates: KeyedCreates
    lifecycle: Lifecycle
    volumes: Volumes
    networks: Networks
    housekeeping: Housekeeping
    environments: Environments
    sampler: Sampler
    streams: Streams
    host: HostMonitor
    metrics: Metrics
    access: Access
    disk: DiskRules
    disk_sampler: DiskSampler
    written: Written
    own_container: str | None  # full id of the one that this process is in, if it is in one
    started: float = field(default_factory=time.monotonic)

    @classmethod
    def build(cls, settings: Settings, meters: Meters) -> "Service":
        """Puts the parts together. Nothing runs before `running`."""
        engine, inventory = Engine(settings, meters.engine_called), Inventory()
        ports = PortAllocator(settings.port_range, settings.port)
        host_ports, mirror = HostPorts(engine.socket_path), Mirror(engine, inventory, ports)
        watcher = Watcher(engine, mirror, host_ports)
        own_container = own_container_id()
        access = Access(settings.allow_unmanaged, own_container)

        changes = Changes(settings.mutation_queue)
        leftovers = Leftovers(engine, mirror, changes, settings.husk_grace, settings.engine_timeout)
        networks = Networks(engine, inventory, allow_icc=settings.allow_icc)
        refused_ports = RefusedPorts(ports, host_ports)
        launcher = Launcher(engine, mirror, refused_ports, networks, changes, leftovers)
        mover = Mover(engine, mirror, launcher, networks, changes, leftovers)
        creator = Creator(engine, mirror, changes, leftovers, launcher, settings)
        claims = Claims(mirror, changes, leftovers, mover, access)
        starter = Starter(mirror, launcher, mover)

        interest = Interest(settings.stats_cpu_percent / 100)
        host = HostMonitor(settings)
        sources = Sources(engine, settings, interest)
        sampler = Sampler(sources, host, inventory, access, interest, settings)
        disk_sampler = DiskSampler(mirror.written, settings)
        return cls(
            settings=settings,
            engine=engine,
            inventory=inventory,
            ports=ports,
            watcher=watcher,
            changes=changes,
            leftovers=leftovers,
            creator=creator,
            keyed_creates=KeyedCreates(engine, mirror, creator),
            lifecycle=Lifecycle(engine, mirror, changes, claims, starter, leftovers),
            volumes=Volumes(engine, inventory, changes),
            networks=networks,
            housekeeping=Housekeeping(mover, leftovers, networks, settings.husk_grace),
            environments=Environments(engine, inventory, access),
            sampler=sampler,
            streams=Streams(sampler, inventory, access, interest),
            host=host,
            metrics=Metrics(meters, mirror, watcher, sampler, disk_sampler, __version__),
            access=access,
            disk=creator.disk,
            disk_sampler=disk_sampler,
            written=mirror.written,
            own_container=own_container,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serves from the first full listing on; without an engine, it says so in each answer."""
        log.info("The engine is expected at %s", self.engine.address)
        tasks = [
            asyncio.create_task(self.watcher.run()),
            asyncio.create_task(self.housekeeping.run()),
            asyncio.create_task(self.sampler.run()),
            asyncio.create_task(self.disk_sampler.run()),
        ]
        await self.watcher.attempted(self.settings.engine_timeout)
        try:
            with _hearing_of_the_end(self._end):
                yield
        finally:
            await self.changes.close(MUTATIONS_SECONDS)
            self.leftovers.close()
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            self.sampler.close()
            self.engine.close()

    def _end(self) -> None:
        """The process is told to end: nothing new begins, and streams end."""
        self.changes.refuse()
        self.streams.end()


@contextmanager
def _hearing_of_the_end(ending: Callable[[], None]) -> Iterator[None]:
    """Calls `ending` on SIGTERM or SIGINT, before uvicorn's own handler, which would wait for open
    requests first.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals belong to the main thread; somebody else runs the show
        return
    before = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)}

    def handle(number: int, frame: FrameType | None) -> None:
        ending()
        handler = before[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)

    for each, handler in before.items():
        if callable(handler):
            signal.signal(each, handle)
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
