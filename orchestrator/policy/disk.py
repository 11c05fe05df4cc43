"""Says what containers may write, and whether the engine's disk has room for another one.

A limit for one container is the engine's to hold, and few kinds of storage can. One that is asked
for is refused where it would not be held; the operator's default is left out there, which /health
says. The room on the engine's disk is seen only where it is a disk of this machine.
"""

import asyncio
import socket

from ..engine import Engine
from ..errors import DiskLimitUnsupported, DiskLow
from ..host import free_bytes, own_container_id
from ..models import CreateRequest, Limits
from ..quantities import megabytes
from ..settings import Settings
from ..state import Inventory

# A container's own root is on the engine's disk, where its files are kept in directories.
_OWN_ROOT = "/"


class DiskRules:
    """Holds creates to what they may write, where the engine can, and to MIN_FREE_DISK."""

    def __init__(self, engine: Engine, inventory: Inventory, settings: Settings) -> None:
        self._engine = engine
        self._inventory = inventory
        self._settings = settings
        self._own_container = own_container_id()

    def held(self, request: CreateRequest, limits: Limits) -> Limits:
        """Returns limits of which the disk's is held. Raises DiskLimitUnsupported where the request
        asks for one that is not.
        """
        if limits.disk is None or self._engine.capabilities.disk:
            return limits
        if request.disk is not None:
            raise DiskLimitUnsupported(
                f"This engine's storage{self._storage} cannot limit what a container writes;"
                " overlay2 on XFS with the mount option pquota, btrfs and zfs can. Leave `disk`"
                " out."
            )
        return limits.model_copy(update={"disk": None})

    async def require_room(self) -> None:
        """Raises DiskLow where the engine's disk has less left than it is to keep."""
        least = self._settings.min_free_disk
        free = await self._free() if least else None
        if free is not None and free < least:
            raise DiskLow(
                f"The disk of the Docker engine has {megabytes(free)} left, and MIN_FREE_DISK keeps"
                f" {megabytes(least)} free. Remove containers, images or volumes that nobody needs"
                " (`docker system df` shows what takes the space), or have the operator lower"
                " MIN_FREE_DISK.",
                free=free,
                least=least,
            )

    async def problems(self) -> list[str]:
        """Says which of the settings are not held on this engine, and what to do."""
        found = []
        settings = self._settings
        given = [
            f"{kind}_DISK"
            for kind, value in (("DEFAULT", settings.default_disk), ("MAX", settings.max_disk))
            if value
        ]
        if given and not self._engine.capabilities.disk:
            found.append(
                f"What a container writes is not limited: the engine's storage{self._storage}"
                f" cannot do it, so {' and '.join(given)} {'are' if given[1:] else 'is'} not held."
                " Put the engine's data on XFS with the mount option pquota (overlay2), on btrfs or"
                " zfs, or set TOTAL_DISK and MIN_FREE_DISK."
            )
        if settings.min_free_disk and await self._free() is None:
            found.append(
                "The room on the engine's disk cannot be seen from here, so MIN_FREE_DISK is not"
                " held. Run the service on the engine's host, or in a container of that engine."
            )
        return found

    @property
    def _storage(self) -> str:
        storage = self._engine.capabilities.storage
        return f" ({storage})" if storage else ""

    async def _free(self) -> int | None:
        """The bytes left on the engine's disk; None where that is not known."""
        path = self._place()
        return None if path is None else await asyncio.to_thread(free_bytes, path)

    def _place(self) -> str | None:
        """A path on the engine's disk, which is this machine's if the engine is: it is reached by a
        socket file and has the same host name, or this process is in one of its containers.
        """
        capabilities = self._engine.capabilities
        if self._engine.socket_path is None:
            return None
        if self._own_container is not None:
            seen = self._inventory.peek(self._own_container) is not None
            return _OWN_ROOT if seen else None
        if capabilities.host_name not in (None, socket.gethostname()):
            return None
        return capabilities.data_root
