"""Cleans up what a failed or interrupted change left on the engine: at once, when the engine is
back, or after a crash.

A change whose answer was lost may have happened or not. `settle` finds out, by the labels that it
wrote, and only then are its ports released. What a crash left is a *husk*: a container of ours that
was created and never started, although it should have been. It is removed once this service has
seen it for so long that no service can be about to start it. How long, a monotonic clock says: that
of the engine's host may be another than ours, and either may be wrong. Nothing that ever ran is
removed here.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress

from ..engine import Engine
from ..errors import (
    ContainerNotFound,
    EngineTimeout,
    EngineUnavailable,
    OrchestratorError,
    VolumeInUse,
    VolumeNotFound,
    VolumeNotManaged,
)
from ..image_references import MOVED_REPOSITORY
from ..labels import LABEL_CREATE, LABEL_VOLUMES
from ..models import Container
from ..payloads import is_husk, words
from ..ports import Reservation
from ..state import Mirror
from .changes import Changes

log = logging.getLogger(__name__)

# A request that was cut off may still be at work in the engine: it is looked for again after this.
SECOND_LOOK_SECONDS = 2.0
# Waits between attempts, in seconds; the last one stays.
BACKOFF = (0.5, 1.0, 2.0, 5.0)
# Seconds after which a never-started container with the same key is replaced.
YOUNG_SECONDS = 5.0
# Attempts that the engine answers with an error, before it is left to the husks' removal.
ATTEMPTS = 20


class Leftovers:
    """Cleans up after changes. Seconds: a container that never ran is nobody's any more once it has
    been seen for `husk_grace`; `patience` is how long a change waits for the outcome of an earlier
    one.
    """

    def __init__(
        self, engine: Engine, mirror: Mirror, changes: Changes, husk_grace: float, patience: float
    ) -> None:
        self._engine = engine
        self._mirror = mirror
        self._changes = changes
        self._husk_grace = husk_grace
        self._patience = patience
        self._settling: dict[asyncio.Task[None], str | None] = {}  # and the container it is about
        self._unused_since: dict[str, float] = {}  # images of moves -> time.monotonic
        self.in_hand: set[str] = set()  # full ids that a change is about to start or discard

    # At once

    async def discard(self, full_id: str) -> None:
        """Kills and removes a container, with the image and volumes that only it has."""
        known = self._mirror.inventory.peek(full_id)
        with suppress(ContainerNotFound):
            await self._engine.containers.remove(full_id, force=True)
        await self._mirror.refresh(full_id)
        if known is not None:
            await self.discard_traces(known)

    async def discard_traces(self, container: Container) -> None:
        """Removes what a move made for a container that is gone. Others' things stay."""
        if container.moved_image is not None:
            await self.discard_image(container.moved_image)
        for name in words(container.labels, LABEL_VOLUMES):
            await self._attempt(f"Volume {name!r}", self._engine.volumes.remove(name))

    async def discard_volumes_of(self, container: Container) -> list[str]:
        """Removes the volumes of a container that is gone, those that are ours and that nothing
        else uses; their names. One that cannot be removed stays, and the log says why.
        """
        removed = []
        for name in container.volumes:
            try:
                await self._engine.volumes.remove_own(name)
            except (VolumeInUse, VolumeNotFound, VolumeNotManaged):
                continue
            except OrchestratorError as error:
                log.warning("Volume %r stays: %s", name, error)
                continue
            removed.append(name)
        return removed

    async def discard_image(self, name: str) -> None:
        """Removes an image that a move has made, unless a container is made from it."""
        await self._attempt(f"Image {name!r}", self._engine.images.remove(name))

    async def discard_create(self, create_id: str, volumes: Iterable[str]) -> None:
        """Removes the containers that this create made, and those of these volumes that it made:
        not those that were there before.
        """
        for full_id in await self._engine.containers.find(LABEL_CREATE, create_id):
            async with self._changes.lock(full_id):
                await self.discard(full_id)
        await self.discard_volumes(volumes, create_id)

    async def discard_volumes(self, names: Iterable[str], create_id: str) -> None:
        """Removes the named volumes that this create made: not those that were there before."""
        for name in names:
            await self._attempt(
                f"Volume {name!r}",
                self._engine.volumes.remove(name, label=LABEL_CREATE, value=create_id),
            )

    # When the engine is back

    async def undo(
        self,
        error: OrchestratorError,
        reservation: Reservation,
        now: Callable[[], Awaitable[None]],
        later: Callable[[], Awaitable[None]],
        about: str | None = None,
    ) -> None:
        """Takes away what a change has made, after its error: `now`, unless the engine is away; if
        that fails, `later` in the background, with the ports kept reserved.
        """
        if not isinstance(error, EngineUnavailable | EngineTimeout):
            try:
                return await now()
            except OrchestratorError as another:
                log.warning("Not undone yet: %s", another)
        self.settle(later, reservation, about)
        return None

    def settle(
        self,
        work: Callable[[], Awaitable[None]],
        reservation: Reservation,
        about: str | None = None,
    ) -> None:
        """Does `work` in the background until the engine has answered it, and once more a moment
        later; releases the reservation then. `about` is the full id of the container that is
        changed by nobody until then, if there is one.
        """
        reservation.hand_over()

        async def settle() -> None:
            try:
                await self._until_done(work)
                await asyncio.sleep(SECOND_LOOK_SECONDS)
                await self._until_done(work)
            finally:
                reservation.release()

        task = asyncio.create_task(settle())
        self._settling[task] = about
        task.add_done_callback(self._settling.pop)

    async def settled(self, about: str | None = None) -> None:
        """Returns once every outcome is known, or those that are about one container. Raises
        EngineTimeout when that takes too long.
        """
        waiting = [task for task, each in self._settling.items() if about in (None, each)]
        if waiting and (await asyncio.wait(waiting, timeout=self._patience))[1]:
            raise EngineTimeout(
                "What became of an earlier request is not known yet: the Docker engine has not"
                " answered since. Try again later."
            )

    def close(self) -> None:
        for task in self._settling:
            task.cancel()

    # After a crash

    async def remove_husks(self) -> None:
        """Removes the containers that crashes have left before their first start."""
        for container in self._mirror.inventory.all():
            if self.is_abandoned(container):
                async with self._changes.lock(container.full_id):
                    now = await self._mirror.refresh(container.full_id)
                    if now is not None and self.is_abandoned(now):
                        log.warning("Removing %s (%s), which was never started", now.id, now.name)
                        await self.discard(now.full_id)

    async def remove_husk_of(self, owner: str | None, key: str) -> None:
        """Removes what a crash left of an earlier create with this idempotency key, which came
        with the API key of this name.
        """
        inventory = self._mirror.inventory
        husk = inventory.keyed(owner, key)
        if husk is None or not is_husk(husk):
            return
        # A young one may be another service's, which is about to start it.
        young = YOUNG_SECONDS - inventory.known_for(husk.full_id)
        now = await inventory.wait_until(
            husk.full_id, lambda now: not is_husk(now), max(0.0, young)
        )
        if now is not None and is_husk(now):
            async with self._changes.lock(husk.full_id):
                await self.discard(now.full_id)

    def is_abandoned(self, container: Container) -> bool:
        """Whether a container is a husk that no service can be about to start."""
        return (
            is_husk(container) and container.full_id not in self.in_hand and self.is_old(container)
        )

    def is_old(self, container: Container) -> bool:
        """Whether this service has seen a container for longer than others may need to go on."""
        return self._mirror.inventory.known_for(container.full_id) > self._husk_grace

    async def remove_unused_images(self) -> None:
        """Removes the commits of moves that no container is made from any more."""
        used = {container.moved_image for container in self._mirror.inventory.all()}
        unused = [
            each for each in await self._engine.images.of(MOVED_REPOSITORY) if each not in used
        ]
        now, before = time.monotonic(), self._unused_since
        self._unused_since = {name: before.get(name, now) for name in unused}
        for name, since in self._unused_since.items():
            if now - since > self._husk_grace:
                await self.discard_image(name)

    # Within

    async def _until_done(self, work: Callable[[], Awaitable[None]]) -> None:
        answered = failures = 0
        while answered < ATTEMPTS:
            try:
                return await work()
            except (EngineUnavailable, EngineTimeout):
                pass
            except OrchestratorError as error:
                log.warning("Not settled yet: %s", error)
                answered += 1
            await asyncio.sleep(BACKOFF[min(failures, len(BACKOFF) - 1)])
            failures += 1
        log.error("Given up; what is left is removed as a husk if it never ran")
        return None

    async def _attempt(self, what: str, removal: Awaitable[None]) -> None:
        try:
            await removal
        except (EngineUnavailable, EngineTimeout):
            raise
        except OrchestratorError as error:
            log.warning("%s stays for now: %s", what, error)
