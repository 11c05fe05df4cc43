"""A stopped container moves to other ports: it is made once more, from a commit of its files.

The successor has a name of its own until it runs, so that the container stays as it was whatever
fails before; then the container is removed, and the successor takes its name. From its start on
there is only the way forward: what is interrupted then, is finished later, by `finish_all`, by
the next start of either, or by another service. The labels of the successor say all that takes.
"""

import logging
import uuid
from collections.abc import Awaitable, Callable, Collection
from typing import Any

from ..engine import Engine
from ..errors import (
    ContainerBusy,
    ContainerNotFound,
    EngineTimeout,
    EngineUnavailable,
    InvalidRequest,
    NameInUse,
    OrchestratorError,
    PortRefused,
    PortsExhausted,
)
from ..labels import LABEL_CREATE, LABEL_NAME
from ..models import Container
from ..payloads import endpoints, rebuilt_body
from ..ports import PortAllocator, RefusedPorts, Reservation
from ..state import Inventory
from .changes import Mutations
from .leftovers import MOVED_REPOSITORY, Leftovers
from .networks import Networks, home_of

log = logging.getLogger(__name__)

MAX_TRIES = 50


class Moves:
    """`refresh` inspects a container, brings it into memory and returns it (None: it is gone)."""

    def __init__(
        self,
        engine: Engine,
        inventory: Inventory,
        ports: PortAllocator,
        refused_ports: RefusedPorts,
        networks: Networks,
        refresh: Callable[[str], Awaitable[Container | None]],
        mutations: Mutations,
        leftovers: Leftovers,
    ) -> None:
        self._engine = engine
        self._inventory = inventory
        self._ports = ports
        self._refused_ports = refused_ports
        self._networks = networks
        self._refresh = refresh
        self._mutations = mutations
        self._leftovers = leftovers

    async def move(self, container: Container, refused: Collection[int] = ()) -> Container:
        """The successor of a stopped container, running on other ports under the same name.

        The caller holds the container's lock; `refused` are ports of it that the engine has just
        refused. Whatever is raised, the container is as it was, unless its successor runs already.
        """
        image = f"{MOVED_REPOSITORY}:{uuid.uuid4().hex}"
        payload = await self._engine.inspect(container.full_id)
        if payload["State"]["Running"]:
            raise ContainerBusy(
                f'Container "{container.name}" was started by somebody else meanwhile.',
                id=container.id,
                name=container.name,
            )
        try:
            full_id = await self._start_elsewhere(container, payload, image, refused)
        except OrchestratorError as error:
            if not isinstance(error, EngineUnavailable | EngineTimeout):
                await self._leftovers.discard_image(image)
            raise
        successor = await self._finish(container.full_id, full_id)
        log.info("%s moved: %s is %s now", container.name, container.id, successor.id)
        return successor.model_copy(update={"port_changed": True})

    def unfinished(self, container: Container) -> Container | None:
        """The successor that an interrupted move of this container has left behind."""
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
        async with self._mutations.lock(successor.full_id):
            await self._leftovers.discard(successor)
        return None

    async def finish_all(self) -> None:
        """Finishes the moves that were interrupted after the successor's start."""
        for successor in self._inventory.all():
            if (
                successor.earlier_ids
                and successor.started_at is not None
                and successor.full_id not in self._leftovers.in_hand
                and self._leftovers.is_old(successor.created)
                and self._is_unfinished(successor)
            ):
                log.warning("Finishing the move of %s (%s)", successor.id, successor.name)
                earlier = successor.earlier_ids[-1]
                async with self._mutations.lock(earlier):
                    await self._finish(earlier, successor.full_id)

    def _is_unfinished(self, successor: Container) -> bool:
        moved = self._inventory.peek(successor.earlier_ids[-1])
        if moved is not None:
            return moved.managed  # never one of others, whatever a label says
        return successor.name == _name_meanwhile(successor)

    async def _start_elsewhere(
        self,
        container: Container,
        payload: dict[str, Any],
        image: str,
        refused: Collection[int],
    ) -> str:
        """The full id of the successor, which runs."""
        refused = set(refused)
        for attempt in range(MAX_TRIES):
            with self._ports.reserve_for_move(container, refused) as reservation:
                if attempt == 0:
                    await self._engine.commit(container.full_id, image)
                try:
                    return await self._try(container, payload, image, reservation)
                except PortRefused as error:
                    if error.port is not None:
                        refused.add(error.port)
                    await self._refused_ports.hold(error, reservation)
        raise PortsExhausted(
            "The engine refused one port after the other: other programs of the host hold them."
            " Try again, or set PORT_RANGE to ports that are free.",
            **self._ports.summary().model_dump(),
        )

    async def _try(
        self,
        container: Container,
        payload: dict[str, Any],
        image: str,
        reservation: Reservation,
    ) -> str:
        """One try: the full id of the successor. If it does not come to run, it goes again."""
        create_id = uuid.uuid4().hex
        body = rebuilt_body(
            payload, container, image=image, ports=reservation.ports, create_id=create_id
        )
        full_id: str | None = None
        try:
            full_id = await self._engine.create(body, _name_of_successor(container))
            self._leftovers.in_hand.add(full_id)
            async with self._mutations.lock(full_id):
                for network, endpoint in endpoints(payload).items():
                    if network not in body["NetworkingConfig"]["EndpointsConfig"]:
                        await self._engine.connect_network(network, full_id, endpoint)
                await self._networks.start(full_id, home_of(container))
        except NameInUse as error:
            raise _being_moved(container) from error
        except OrchestratorError as error:
            await self._leftovers.undo(
                error,
                reservation,
                now=lambda: self._undo(container, create_id),
                later=lambda: self._undo_later(container, create_id),
                about=container.full_id,
            )
            raise
        finally:
            self._leftovers.in_hand.discard(full_id or "")
        reservation.commit(full_id, container.name)
        return full_id

    async def _undo(self, container: Container, create_id: str) -> None:
        """Discards the successor that this create made, or goes on if it was started after all."""
        for summary in await self._engine.find(LABEL_CREATE, create_id):
            successor = await self._refresh(summary["Id"])
            if successor is not None and successor.started_at is not None:
                await self._finish(container.full_id, successor.full_id)
            elif successor is not None:
                await self._leftovers.discard(successor)

    async def _undo_later(self, container: Container, create_id: str) -> None:
        async with self._mutations.lock(container.full_id):
            await self._undo(container, create_id)

    async def _finish(self, earlier: str, full_id: str) -> Container:
        """Removes the container that has moved, and gives its name to the successor, which it
        returns. Whatever of this has happened already is left out.
        """
        async with self._mutations.lock(full_id):
            successor = await self._refresh(full_id)
            if successor is None:
                raise ContainerNotFound(
                    f"Container {full_id[:12]} was removed by somebody else meanwhile.",
                    id=full_id[:12],
                )
            moved = self._inventory.peek(earlier)
            try:
                await self._engine.remove(earlier, volumes=False)
            except ContainerNotFound:
                pass
            except ContainerBusy:  # it runs; or another service, which finishes this, removes it
                now = await self._refresh(earlier)
                if now is not None and now.state != "removing":
                    raise
            await self._refresh(earlier)
            if moved is not None and moved.moved_image is not None:
                await self._leftovers.discard_image(moved.moved_image)
            if successor.name == _name_meanwhile(successor):
                try:
                    await self._engine.rename(full_id, successor.labels[LABEL_NAME])
                except (NameInUse, InvalidRequest) as error:  # or it has the name by now
                    log.warning("%s was not renamed: %s", successor.name, error.__cause__)
            return await self._refresh(full_id) or successor


def _name_of_successor(container: Container) -> str:
    return f"{container.name}.moving.{container.id}"


def _name_meanwhile(successor: Container) -> str:
    """The name that a successor has until its move is finished."""
    return f"{successor.labels.get(LABEL_NAME)}.moving.{successor.earlier_ids[-1][:12]}"


def _being_moved(container: Container) -> ContainerBusy:
    return ContainerBusy(
        f'Container "{container.name}" is being moved to another port, or was when a service'
        " crashed. Try again in a moment; after a crash it takes some minutes.",
        id=container.id,
        name=container.name,
    )
