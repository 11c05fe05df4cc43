"""Reads the values of a container's environment from the engine, for the one answer.

Values may be secrets: memory holds names only, no log line has a value, and only who may change
containers gets to see them.
"""

from ..callers import Caller
from ..engine import Engine
from ..models import ContainerEnv
from ..policy import Access, require_write_scope
from ..state import Inventory


class Environments:
    """Answers with environments, of containers whose values the caller may see."""

    def __init__(self, engine: Engine, inventory: Inventory, access: Access) -> None:
        self._engine = engine
        self._inventory = inventory
        self._access = access

    async def read(self, key: str, caller: Caller) -> ContainerEnv:
        """Reads what a container's processes start with: the image's variables and those of its
        create.

        Raises InsufficientScope, before anything is looked up; NotManaged, ContainerNotFound, and
        what the engine raises.
        """
        require_write_scope(caller)
        container = self._inventory.get(key)
        self._access.require_values(container)
        env = await self._engine.containers.environment(container.full_id)
        return ContainerEnv(container_id=container.id, name=container.name, env=env)
