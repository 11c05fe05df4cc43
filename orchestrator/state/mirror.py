"""Brings one container after the other into memory, as the engine has it now.

For one container inspections never overlap, and whoever asks gets one that began after the asking:
that is how a caller reads its own writes.
"""

import asyncio

from ..engine import Engine
from ..errors import ContainerNotFound
from ..models import Container
from ..ports import PortAllocator
from .inventory import Inventory
from .written import Written


class Mirror:
    """Holds what the engine has: the containers in `inventory`, their ports in `ports`, and what
    they have written.
    """

    def __init__(self, engine: Engine, inventory: Inventory, ports: PortAllocator) -> None:
        self.inventory = inventory
        self.ports = ports
        self.written = Written(engine, inventory)
        self._engine = engine
        self._queued: dict[str, asyncio.Task[Container | None]] = {}  # not begun yet
        self._running: dict[str, asyncio.Task[Container | None]] = {}

    async def refresh(self, full_id: str) -> Container | None:
        """Inspects a container and brings it into memory; returns it, None when it does not exist
        any more.

        Raises what the engine raises.
        """
        queued = self._queued.get(full_id)
        if queued is None:
            queued = asyncio.create_task(self._inspect(full_id, self._running.get(full_id)))
            self._queued[full_id] = queued
        return await asyncio.shield(queued)

    async def existing(self, full_id: str) -> Container:
        """Does the same for one that must be there; raises ContainerNotFound when somebody has
        removed it.
        """
        container = await self.refresh(full_id)
        if container is None:
            raise removed_meanwhile(full_id)
        return container

    def is_queued(self, full_id: str) -> bool:
        """Whether an inspection is about to begin, which will see all that happened until now."""
        return full_id in self._queued

    async def _inspect(
        self, full_id: str, earlier: asyncio.Task[Container | None] | None
    ) -> Container | None:
        """Inspects, once the inspection that is under way has ended."""
        task = self._queued[full_id]
        if earlier is not None:
            await asyncio.wait({earlier})
        self._running[full_id] = self._queued.pop(full_id)
        try:
            container = await self._engine.containers.inspect(full_id)
        except ContainerNotFound:
            self.inventory.remove(full_id)
            self.ports.forget(full_id)
            return None
        finally:
            if self._running.get(full_id) is task:
                del self._running[full_id]
        self.inventory.put(container)
        self.ports.observe(container)
        return container


def removed_meanwhile(full_id: str) -> ContainerNotFound:
    """Makes the error for a container that was there when a change of it began."""
    return ContainerNotFound(
        f"Container {full_id[:12]} was removed by somebody else meanwhile.", id=full_id[:12]
    )
