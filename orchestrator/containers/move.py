"""Moves a stopped container to other ports: makes it once more, from a commit of its files.

The successor has a name of its own until it runs, so that the container stays as it was whatever
fails before; then the container is removed, and the successor takes its name. Two services that
move a container choose the same name for the successor, and the engine lets one of them have it.
From its start on there is only the way forward: what is interrupted then, is finished later, by
`finish_all`, by the next start of either, or by another service. The labels of the successor say
all that takes.
"""

import hashlib
import logging
import uuid
from collections.abc import Collection

from ..engine import Engine
from ..errors import (
    ContainerBusy,
    ContainerNotFound,
    EngineTimeout,
    EngineUnavailable,
    ImageNotFound,
    InvalidRequest,
    NameInUse,
    OrchestratorError,
)
from ..image_references import COMMITTED, MADE_ANEW, MOVED_REPOSITORY
from ..labels import LABEL_CREATE, LABEL_NAME
from ..models import Blueprint, Container
from ..ports import Reservation
from ..quantities import MIB
from ..state import Mirror
from .changes import Changes
from .launch import Launcher, Undo
from .leftovers import Leftovers
from .networks import Networks, home_of

log = logging.getLogger(__name__)

# The engine stacks 125 layers at most.
MOST_LAYERS = 100
# Bytes that earlier moves may have added to an image, which it keeps when they are written anew.
MOST_MOVED = 16 * MIB


class Mover:
    """Moves containers, and finishes the moves that were interrupted."""

    def __init__(
        self,
        engine: Engine,
        mirror: Mirror,
        launcher: Launcher,
        networks: Networks,
        changes: Changes,
        leftovers: Leftovers,
    ) -> None:
        self._engine = engine
        self._mirror = mirror
        self._inventory = mirror.inventory
        self._launcher = launcher
        self._networks = networks
        self._changes = changes
        self._leftovers = leftovers

    async def move(self, container: Container, refused: Collection[int] = ()) -> Container:
        """Returns the successor of a stopped container, running on other ports under the same name.

        The caller holds the container's lock; `refused` are ports of it that the engine has just
        refused. Whatever is raised, the container is as it was, unless its successor runs already.
        """
        image = f"{MOVED_REPOSITORY}:{uuid.uuid4().hex}"
        blueprint = await self._engine.containers.blueprint(container.full_id)
        if blueprint.running:
            raise ContainerBusy(
                f'Container "{container.name}" was started by somebody else meanwhile.',
                id=container.id,
                name=container.name,
            )
        try:
            full_id = await self._start_elsewhere(blueprint, image, refused)
        except OrchestratorError as error:
            if not isinstance(error, EngineUnavailable | EngineTimeout):
                await self._leftovers.discard_image(image)
            raise
        successor = await self._finish(container.full_id, full_id)
        log.info("%s moved: %s is %s now", container.name, container.id, successor.id)
        return successor.model_copy(update={"port_changed": True})

    def unfinished(self, container: Container) -> Container | None:
        """Finds the successor that an interrupted move of this container has left behind."""
        successors = self._inventory.successors(container.full_id)
        return successors[0] if successors else None

    async def resume(self, container: Container) -> Container | None:
        """Finishes an interrupted move of a container whose lock the caller holds; its successor,
        or None when there is none and the container is still itself.

        Raises ContainerBusy while somebody else may be moving it.
        """
        successor = self.unfinished(container)
        if successor is None:
            return None
        if successor.started_at is not None:
            return await self._finish(container.full_id, successor.full_id)
        if not self._leftovers.is_abandoned(successor):
            raise _being_moved(container)
        async with self._changes.lock(successor.full_id):
            await self._leftovers.discard(successor.full_id)
        return None

    async def finish_all(self) -> None:
        """Finishes the moves that were interrupted after the successor's start."""
        for successor in self._inventory.all():
            if (
                successor.earlier_ids
                and successor.started_at is not None
                and successor.full_id not in self._leftovers.in_hand
                and self._leftovers.is_old(successor)
                and self._is_unfinished(successor)
            ):
                log.warning("Finishing the move of %s (%s)", successor.id, successor.name)
                earlier = successor.earlier_ids[-1]
                async with self._changes.lock(earlier):
                    await self._finish(earlier, successor.full_id)

    def _is_unfinished(self, successor: Container) -> bool:
        moved = self._inventory.peek(successor.earlier_ids[-1])
        if moved is not None:
            return moved.managed  # never one of others, whatever a label says
        return _has_name_meanwhile(successor)

    async def _start_elsewhere(
        self, blueprint: Blueprint, image: str, refused: Collection[int]
    ) -> str:
        """The full id of the successor, which runs."""
        container, committed = blueprint.container, False

        def reserve(refused_since: set[int]) -> Reservation:
            return self._mirror.ports.reserve_for_move(container, {*refused, *refused_since})

        async def attempt(reservation: Reservation) -> str:
            nonlocal committed
            if not committed:
                await self._save_files(blueprint, image)
                committed = True
            return await self._try(blueprint, image, reservation)

        return await self._launcher.on_ports(reserve, attempt)

    async def _save_files(self, blueprint: Blueprint, image: str) -> None:
        """Makes an image of what is in a container. With each commit an image gets a layer more,
        and keeps what earlier ones had; so one that has grown is made anew instead.
        """
        full_id = blueprint.container.full_id
        if await self._has_grown(blueprint.image_id):
            log.info("The image of %s is made anew in one layer", blueprint.container.id)
            await self._engine.containers.flatten(full_id, image, MADE_ANEW)
        else:
            await self._engine.containers.commit(full_id, image, COMMITTED)

    async def _has_grown(self, image_id: str) -> bool:
        """Whether an image is to be made anew rather than get one more layer."""
        try:
            if (await self._engine.images.inspect(image_id)).layers >= MOST_LAYERS:
                return True
            history = await self._engine.images.history(image_id)
        except ImageNotFound:  # nothing can be added to it
            return True
        return sum(layer.size for layer in history if layer.comment == COMMITTED) > MOST_MOVED

    async def _try(self, blueprint: Blueprint, image: str, reservation: Reservation) -> str:
        """One try: the full id of the successor. If it does not come to run, it goes again."""
        container, create_id = blueprint.container, uuid.uuid4().hex
        undo = Undo(
            now=lambda: self._undo(container, create_id),
            later=lambda: self._undo_later(container, create_id),
            about=container.full_id,
        )
        async with self._launcher.undoing(reservation, undo) as hold:
            try:
                full_id = await self._engine.containers.create_again(
                    blueprint,
                    name=_name_of_successor(container),
                    image=image,
                    ports=reservation.ports,
                    create_id=create_id,
                )
            except NameInUse as error:
                raise _being_moved(container) from error
            hold(full_id)
            async with self._changes.lock(full_id):
                for network in blueprint.networks:
                    await self._engine.networks.connect(network, full_id, blueprint)
                await self._networks.start(full_id, home_of(container))
        reservation.commit(full_id, container.name)
        return full_id

    async def _undo(self, container: Container, create_id: str) -> None:
        """Discards the successor that this create made, or goes on if it was started after all."""
        for full_id in await self._engine.containers.find(LABEL_CREATE, create_id):
            successor = await self._mirror.refresh(full_id)
            if successor is not None and successor.started_at is not None:
                await self._finish(container.full_id, successor.full_id)
            elif successor is not None:
                await self._leftovers.discard(successor.full_id)

    async def _undo_later(self, container: Container, create_id: str) -> None:
        async with self._changes.lock(container.full_id):
            await self._undo(container, create_id)

    async def _finish(self, earlier: str, full_id: str) -> Container:
        """Removes the container that has moved, and gives its name to the successor, which it
        returns. Whatever of this has happened already is left out.
        """
        async with self._changes.lock(full_id):
            successor = await self._mirror.existing(full_id)
            moved = self._inventory.peek(earlier)
            try:
                await self._engine.containers.remove(earlier, volumes=False)
            except ContainerNotFound:
                pass
            except ContainerBusy:  # it runs; or another service, which finishes this, removes it
                now = await self._mirror.refresh(earlier)
                if now is not None and now.state != "removing":
                    raise
            await self._mirror.refresh(earlier)
            if moved is not None and moved.moved_image is not None:
                await self._leftovers.discard_image(moved.moved_image)
            if _has_name_meanwhile(successor):
                try:
                    await self._engine.containers.rename(full_id, successor.labels[LABEL_NAME])
                except (NameInUse, InvalidRequest) as error:  # or it has the name by now
                    log.warning("%s was not renamed: %s", successor.name, error.__cause__)
            return await self._mirror.refresh(full_id) or successor


def _name_of_successor(container: Container) -> str:
    """The name that a successor has until its move is finished. Callers may not ask for one like
    it, and nobody comes upon it by chance, as by the id.
    """
    made = f"{container.full_id} {container.labels.get(LABEL_CREATE)}"
    return f"{container.name}.moving.{hashlib.sha256(made.encode()).hexdigest()[:16]}"


def _has_name_meanwhile(successor: Container) -> bool:
    """Whether a successor has not taken its name yet. Those of earlier versions end in an id."""
    return successor.name.startswith(f"{successor.labels.get(LABEL_NAME)}.moving.")


def _being_moved(container: Container) -> ContainerBusy:
    return ContainerBusy(
        f'Container "{container.name}" is being moved to another port, or was when a service'
        " crashed. Try again in a moment; after a crash it takes some minutes.",
        id=container.id,
        name=container.name,
    )
