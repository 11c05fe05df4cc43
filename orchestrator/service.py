"""How the parts are put together, and how long they live. No logic of its own."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from .engine import Engine
from .idempotency import IdempotentCreates
from .inventory import Inventory
from .lifecycle import Lifecycle
from .networks import Networks
from .ports import PortAllocator
from .sampler import Sampler
from .settings import Settings
from .system import HostMonitor, HostPorts
from .watcher import Watcher

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
    sampler: Sampler
    host: HostMonitor
    started: float = field(default_factory=time.monotonic)

    @classmethod
    def build(cls, settings: Settings) -> "Service":
        engine, inventory = Engine(settings), Inventory()
        ports = PortAllocator(settings.port_range, settings.port)
        host_ports = HostPorts(engine.socket_path)
        watcher = Watcher(engine, inventory, ports, host_ports)
        networks = Networks(engine, inventory)
        lifecycle = Lifecycle(
            engine, inventory, ports, host_ports, networks, watcher.refresh, settings
        )
        return cls(
            settings=settings,
            engine=engine,
            inventory=inventory,
            ports=ports,
            watcher=watcher,
            lifecycle=lifecycle,
            creates=IdempotentCreates(inventory, lifecycle.create),
            sampler=Sampler(engine),
            host=HostMonitor(),
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serves from the first full listing on; without an engine, it says so in each answer."""
        tasks = [
            asyncio.create_task(self.watcher.run()),
            asyncio.create_task(self.lifecycle.keep_house()),
        ]
        await self.watcher.attempted(self.settings.engine_timeout)
        try:
            yield
        finally:
            await self.lifecycle.close(MUTATIONS_SECONDS)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            self.engine.close()
