"""How the parts are put together, and how long they live. No logic of its own."""

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
from .containers import IdempotentCreates, Lifecycle, Networks
from .engine import Engine
from .host import HostPorts, own_container_id
from .inside import Environments
from .policy import Access
from .ports import PortAllocator
from .settings import Settings
from .state import Inventory, Watcher
from .statistics import (
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
    """The parts, as one running service holds them."""

    settings: Settings
    engine: Engine
    inventory: Inventory
    ports: PortAllocator
    watcher: Watcher
    lifecycle: Lifecycle
    creates: IdempotentCreates
    environments: Environments
    sampler: Sampler
    streams: Streams
    host: HostMonitor
    metrics: Metrics
    started: float = field(default_factory=time.monotonic)

    @classmethod
    def build(cls, settings: Settings, meters: Meters) -> "Service":
        engine, inventory = Engine(settings, meters.engine_called), Inventory()
        ports = PortAllocator(settings.port_range, settings.port)
        host_ports = HostPorts(engine.socket_path)
        watcher = Watcher(engine, inventory, ports, host_ports)
        networks = Networks(engine, inventory, allow_icc=settings.allow_icc)
        access = Access(settings.allow_unmanaged, own_container_id())
        lifecycle = Lifecycle(
            engine, inventory, ports, host_ports, networks, watcher.refresh, access, settings
        )
        interest = Interest(settings.stats_cpu_percent / 100)
        host = HostMonitor(settings)
        sources = Sources(engine, settings, interest)
        sampler = Sampler(sources, host, inventory, access, interest, settings)
        return cls(
            settings=settings,
            engine=engine,
            inventory=inventory,
            ports=ports,
            watcher=watcher,
            lifecycle=lifecycle,
            creates=IdempotentCreates(engine, inventory, watcher.refresh, lifecycle.create),
            environments=Environments(engine, inventory, access),
            sampler=sampler,
            streams=Streams(sampler, inventory, access, interest),
            host=host,
            metrics=Metrics(meters, inventory, ports, watcher, sampler, __version__),
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serves from the first full listing on; without an engine, it says so in each answer."""
        log.info("The engine is expected at %s", self.engine.address)
        tasks = [
            asyncio.create_task(self.watcher.run()),
            asyncio.create_task(self.lifecycle.keep_house()),
            asyncio.create_task(self.sampler.run()),
        ]
        await self.watcher.attempted(self.settings.engine_timeout)
        try:
            with _hearing_of_the_end(self._end):
                yield
        finally:
            await self.lifecycle.close(MUTATIONS_SECONDS)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            self.sampler.close()
            self.engine.close()

    def _end(self) -> None:
        """The process is told to end: nothing new begins, and streams end."""
        self.lifecycle.refuse()
        self.streams.end()


@contextmanager
def _hearing_of_the_end(ending: Callable[[], None]) -> Iterator[None]:
    """Calls `ending` as soon as the process is told to end, before the server does what it does
    then: it waits for open requests first, and those for their turn.
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
