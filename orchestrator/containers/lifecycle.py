"""Starts, stops, restarts and removes containers.

Each ends in the state that it reports, or leaves nothing behind. Once begun, it is finished even
when its caller has gone away, and what it did is in memory before the answer goes out.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from ..engine import Engine
from ..errors import ContainerNotFound, ContainerPaused, OrchestratorError
from ..models import Container, RemovedContainer
from ..state import Mirror
from .changes import Changes
from .claim import Claims
from .leftovers import Leftovers
from .start import Starter
from .waits import Left, while_there


class Lifecycle:
    """Changes containers that exist, each as a caller names it: by id, beginning of an id, or name.

    Every change raises what `Claims.of` raises, TooBusy, ShuttingDown, and what the engine raises.
    """

    def __init__(
        self,
        engine: Engine,
        mirror: Mirror,
        changes: Changes,
        claims: Claims,
        starter: Starter,
        leftovers: Leftovers,
    ) -> None:
        self._engine = engine
        self._mirror = mirror
        self._changes = changes
        self._claims = claims
        self._starter = starter
        self._leftovers = leftovers
        # What was last asked of a container, where others may share it, and what comes of it.
        self._shared: dict[str, tuple[object, asyncio.Task[Container]]] = {}

    async def start(self, key: str) -> Container:
        """Starts a container on its own ports, or moves it to others if it cannot have those. One
        that runs is returned as it is.
        """
        full_id = self._asked_of(key)
        return await self._changes.run_on(full_id, self._start, full_id)

    async def stop(self, key: str, grace: int | None, left: Left) -> Container:
        """Stops a container, killing it after `grace` seconds, by default those that it was created
        with. One that is stopped is a no-op.

        While it is being stopped, and nothing else was asked of it since, further stops wait for
        that one and share its outcome, each until its caller has `left`.
        """
        return await self._share("stop", key, left, self._stop, grace)

    async def restart(self, key: str, grace: int | None, left: Left) -> Container:
        """Stops a container as `stop` does, and starts it as `start` does.

        While it has not begun, and nothing else was asked of the container since, further restarts
        with the same `grace` wait for that one and share its outcome, as stops do.
        """
        return await self._share(("restart", grace), key, left, self._restart, grace)

    async def remove(
        self, key: str, grace: int | None, *, force: bool, volumes: bool
    ) -> RemovedContainer:
        """Stops a container as `stop` does, or kills it with `force`, and removes it; with
        `volumes` also those of its volumes that are ours and that nothing else uses.
        """
        full_id = self._asked_of(key)
        return await self._changes.run_on(full_id, self._remove, full_id, grace, force, volumes)

    def _asked_of(self, key: str) -> str:
        """Returns the full id of what a caller names, for a change after which a stop or restart is
        a new one. Raises ContainerNotFound and AmbiguousId.
        """
        full_id = self._mirror.inventory.get(key).full_id
        self._shared.pop(full_id, None)
        return full_id

    async def _share(
        self,
        asked: object,
        key: str,
        left: Left,
        work: Callable[[str, int | None], Coroutine[Any, Any, Container]],
        grace: int | None,
    ) -> Container:
        """Runs a change of a container, or waits for the one that was last asked of it, if that is
        the same, until the caller has `left`.
        """
        full_id = self._mirror.inventory.get(key).full_id
        last, task = self._shared.get(full_id, (None, None))
        if task is not None and last == asked:
            return await while_there(asyncio.shield(task), left)
        task = asyncio.create_task(self._changes.run_on(full_id, work, full_id, grace))
        self._shared[full_id] = asked, task
        task.add_done_callback(lambda done: self._ended(full_id, done))
        return await asyncio.shield(task)

    def _ended(self, full_id: str, task: asyncio.Task[Container]) -> None:
        if self._shared.get(full_id, (None, None))[1] is task:
            del self._shared[full_id]
        if not task.cancelled():
            task.exception()  # retrieved, also when its callers have gone

    async def _start(self, key: str) -> Container:
        async with self._claims.of(key) as container:
            if container.state == "paused":
                raise ContainerPaused(
                    f'Container "{container.name}" is paused, which this API does not undo.'
                    " Restart it, or run `docker unpause`.",
                    id=container.id,
                )
            if container.runs:
                return container
            return await self._starter.start(container)

    async def _stop(self, key: str, grace: int | None) -> Container:
        async with self._claims.of(key) as container:
            if container.runs:
                await self._engine.containers.stop(container.full_id, _grace(container, grace))
            return await self._mirror.existing(container.full_id)

    async def _restart(self, key: str, grace: int | None) -> Container:
        async with self._claims.of(key) as container:
            last, _ = self._shared.get(container.full_id, (None, None))
            if last == ("restart", grace):  # from here on, a restart is a new one
                del self._shared[container.full_id]
            return await self._starter.restart(container, _grace(container, grace))

    async def _remove(
        self, key: str, grace: int | None, force: bool, all_of_it: bool
    ) -> RemovedContainer:
        async with self._claims.of(key) as container:
            released = self._mirror.ports.ports_of(container.full_id)
            if container.runs and not force:
                await self._engine.containers.stop(container.full_id, _grace(container, grace))
            with suppress(ContainerNotFound):  # one with --rm goes by itself when it stops
                await self._engine.containers.remove(container.full_id, force=force)
            await self._mirror.refresh(container.full_id)
            with suppress(OrchestratorError):  # the container is gone; housekeeping has the rest
                await self._leftovers.discard_traces(container)
            volumes = await self._leftovers.discard_volumes_of(container) if all_of_it else []
            return RemovedContainer(
                id=container.id,
                name=container.name,
                released_ports=released,
                removed_volumes=volumes,
            )


def _grace(container: Container, asked: int | None) -> int:
    return container.grace if asked is None else asked
