"""Makes the engine's call that counts what containers have written.

The engine walks through all files of each container for it, so it costs as much as there are files,
and goes on when nobody waits any more. It has threads of its own, lest it hold up other calls.
"""

from ..errors import ContainerNotFound
from ..labels import LABEL_MANAGED
from ..payloads import written_of
from .connection import Connection
from .translate import understood

# Seconds that the engine may take for all containers.
ALL_SECONDS = 600.0


class SizeCalls:
    """Counts the bytes in the own layers of containers: not in their images, nor in volumes."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def all(self) -> dict[str, int]:
        """Counts for all that have our label, in one call, by full id; those of which the engine
        cannot tell are left out.
        """
        wanted = {"label": f"{LABEL_MANAGED}=true"}
        found = await self._ask("sizes", "all_sizes", wanted, ALL_SECONDS)
        return {full_id: size for full_id, size in found.items() if size is not None}

    async def one(self, full_id: str) -> int | None:
        """Counts for one container; None where the engine cannot tell. Raises ContainerNotFound."""
        found = await self._ask("size", "sizes", {"id": full_id})
        if full_id not in found:
            raise ContainerNotFound(f"Container {full_id[:12]} does not exist any more.")
        return found[full_id]

    async def _ask(
        self, name: str, pool: str, wanted: dict[str, str], seconds: float | None = None
    ) -> dict[str, int | None]:
        entries = await self._connection.call(
            name,
            pool,
            lambda client: client.containers(all=True, size=True, filters=wanted),
            seconds,
        )
        with understood("what containers have written"):
            return {str(entry["Id"]): written_of(entry) for entry in entries}
