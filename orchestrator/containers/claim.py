"""Claims the container that a caller names, for one change: locked, allowed, and whole.

Mutations of one container never overlap, and none begins before it is known what became of the
one before it: an outcome that was lost, or a move that was interrupted.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ..models import Container
from ..policy import Access
from ..state import Mirror
from .changes import Changes
from .leftovers import Leftovers
from .move import Mover


class Claims:
    """Hands out containers for changes, each to one change at a time."""

    def __init__(
        self, mirror: Mirror, changes: Changes, leftovers: Leftovers, mover: Mover, access: Access
    ) -> None:
        self._inventory = mirror.inventory
        self._changes = changes
        self._leftovers = leftovers
        self._mover = mover
        self._access = access

    @asynccontextmanager
    async def of(self, key: str) -> AsyncIterator[Container]:
        """Locks and yields the container that `key` names; the successor of one that has moved
        meanwhile.

        Raises ContainerNotFound, AmbiguousId, NotManaged, ContainerBusy while somebody else moves
        it, and EngineTimeout where it does not become known what became of an earlier change.
        """
        while True:
            key = full_id = self._inventory.get(key).full_id
            await self._leftovers.settled(full_id)
            async with self._changes.lock(full_id):
                container = self._inventory.get(full_id)  # as the change before this one left it
                if container.full_id != full_id:
                    continue
                self._access.require_change(container)
                if container.managed and await self._mover.resume(container):
                    continue
                yield container
                return
