"""What must not stay: taken away at once, when the engine is back, or after a crash.

A change whose answer was lost may have happened or not. `settle` finds out, by the labels that it
wrote, and only then are its ports released. What a crash left is a *husk*: a container of ours that
was created and never started, although it should have been. It is removed once it is so old that
no service can be about to start it. Nothing that ever ran is removed here.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from ..engine import Engine
from ..errors import (
    ContainerNotFound,
    EngineTimeout,
    EngineUnavailable,
    OrchestratorError,
)
from ..labels import LABEL_CREATE, LABEL_VOLUMES
from ..models import Container
from ..payloads import is_husk, words
from ..ports import Reservation
from ..state import Inventory
from .changes import Mutations

log = logging.getLogger(__name__)

# A request that was cut off may still be at work in the engine: it is looked for again after this.
SECOND_LOOK_SECONDS = 2.0
# Waits between attempts, in seconds; the last one stays.
BACKOFF = (0.5, 1.0, 2.0, 5.0)
# Attempts that the engine answers with an error, before it is left to the husks' removal.
ATTEMPTS = 20
# The repository of the images that moves commit; the tag says which move.
MOVED_REPOSITORY = "orchestration-api-moved"


class Leftovers:
    """`refresh` inspects a container, brings it into memory and returns it (None: it is gone)."""

    def __init__(
        self,
        engine: Engine,
        inventory: Inventory,
        refresh: Callable[[str], Awaitable[Container | None]],
        mutations: Mutations,
        husk_grace: timedelta,
    ) -> None:
        self._engine = engine
        self._inventory = inventory
        self._refresh = refresh
        self._mutations = mutations
        self._husk_grace = husk_grace
        self._settling: dict[asyncio.Task[None], str | None] = {}  # and the container it is about
        self.in_hand: set[str] = set()  # full ids that a change is about to start or discard

    # At once

    async def discard(self, container: Container | str) -> None:
        """Kills and removes a container, with the image and volumes that only it has."""
        full_id = container if isinstance(container, str) else container.full_id
        known = self._inventory.peek(full_id)
        with suppress(ContainerNotFound):
            await self._engine.remove(full_id, force=True)
        await self._refresh(full_id)
        if known is not None:
            await self.discard_traces(known)

    async def discard_traces(self, container: Container) -> None:
        """Removes what a move made for a container that is gone. Others' things stay."""
        if container.moved_image is not None:
            await self.discard_image(container.moved_image)
        for name in words(container.labels, LABEL_VOLUMES):
            await self._attempt(f"Volume {name!r}", self._engine.remove_volume(name))

    async def discard_image(self, name: str) -> None:
        """Removes an image that a move has made, unless a container is made from it."""
        await self._attempt(f"Image {name!r}", self._engine.remove_image(name))

    async def discard_create(self, create_id: str, volumes: Iterable[str]) -> None:
        """Removes the containers that this create made, and those of these volumes that it made:
        not those that were there before.
        """
        for summary in await self._engine.find(LABEL_CREATE, create_id):
            async with self._mutations.lock(summary["Id"]):
                await self.discard(summary["Id"])
        await self.discard_volumes(volumes, create_id)

    async def discard_volumes(self, names: Iterable[str], create_id: str) -> None:
        """Removes the named volumes that this create made: not those that were there before."""
        for name in names:
            await self._attempt(
                f"Volume {name!r}",
                self._engine.remove_volume(name, label=LABEL_CREATE, value=create_id),
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
        """After the error of a change, takes away what the change has made: `now`, unless the
        engine is away; if that fails, `later` in the background, with the ports kept reserved.
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

    async def settled(self, seconds: float, about: str | None = None) -> None:
        """Returns once every outcome is known, or those that are about one container. Raises
        EngineTimeout after `seconds`.
        """
        waiting = [task for task, each in self._settling.items() if about in (None, each)]
        if waiting and (await asyncio.wait(waiting, timeout=seconds))[1]:
            raise EngineTimeout(
                "What became of an earlier request is not known yet: the Docker engine has not"
                " answered since. Try again later."
            )

    def close(self) -> None:
        for task in self._settling:
            task.cancel()

    # After a crash

    async def remove_husks(self) -> None:
        for container in self._inventory.all():
            if self.is_abandoned(container):
                async with self._mutations.lock(container.full_id):
                    now = await self._refresh(container.full_id)
                    if now is not None and self.is_abandoned(now):
                        log.warning("Removing %s (%s), which was never started", now.id, now.name)
                        await self.discard(now)

    def is_abandoned(self, container: Container) -> bool:
        """Whether a container is a husk that no service can be about to start."""
        return (
            is_husk(container)
            and container.full_id not in self.in_hand
            and self.is_old(container.created)
        )

    def is_old(self, created: datetime) -> bool:
        return created < datetime.now(UTC) - self._husk_grace

    async def remove_unused_images(self) -> None:
        """Removes the commits of moves that no container is made from any more."""
        used = {container.moved_image for container in self._inventory.all()}
        for name, created in await self._engine.images_of(MOVED_REPOSITORY):
            if name not in used and self.is_old(created):
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
