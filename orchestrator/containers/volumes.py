"""Lists the volumes of this service, and removes them; those of others stay as they are.

A volume is ours when a create of this service made it: the engine does that for a name that it does
not have yet, and writes our label on it. Who uses a volume, the engine knows best: it refuses to
remove one that belongs to a container, running or stopped.
"""

from ..engine import Engine
from ..models import RemovedVolume, Volume
from ..state import Inventory
from .changes import Changes


class Volumes:
    """Lists and removes volumes of ours."""

    def __init__(self, engine: Engine, inventory: Inventory, changes: Changes) -> None:
        self._engine = engine
        self._inventory = inventory
        self._changes = changes

    async def list(self) -> list[Volume]:
        """Lists the volumes of ours by name, each with the containers that use it."""
        users: dict[str, list[str]] = {}
        for container in self._inventory.all():
            for name in container.volumes:
                users.setdefault(name, []).append(container.name)
        return [
            Volume(name=name, created=created, containers=sorted(users.get(name, ())))
            for name, created in sorted((await self._engine.volumes.ours()).items())
        ]

    async def remove(self, name: str) -> RemovedVolume:
        """Removes a volume of ours, with what is in it. Raises VolumeNotFound, VolumeNotManaged,
        VolumeInUse, TooBusy, ShuttingDown, and what the engine raises.
        """
        return await self._changes.run(self._remove, name)

    async def _remove(self, name: str) -> RemovedVolume:
        await self._engine.volumes.remove_own(name)
        return RemovedVolume(name=name)
