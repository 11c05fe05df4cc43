"""Creates and starts containers: on one port after another until the engine agrees, or leaves
nothing.
"""

import math
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from ..engine import Engine
from ..errors import (
    EngineTimeout,
    EngineUnavailable,
    OrchestratorError,
    PortRefused,
    PortsExhausted,
    StartRefused,
)
from ..inside import Programs
from ..labels import LABEL_CREATE
from ..models import Container, Program, Spec
from ..payloads import about_spec
from ..ports import RefusedPorts, Reservation, port_in_use
from ..state import Mirror
from .changes import Changes
from .leftovers import Leftovers
from .networks import Networks, home_of

T = TypeVar("T")

# Other ports are tried until either is used up.
MAX_TRIES = 50
TRY_SECONDS = 60.0


@dataclass(frozen=True)
class Undo:
    """Says how what a try has made is taken away: `now`, or `later` in the background, while the
    container with the full id `about`, if there is one, is changed by nobody.
    """

    now: Callable[[], Awaitable[None]]
    later: Callable[[], Awaitable[None]]
    about: str | None = None


class Launcher:
    """Creates and starts what a Spec says, and starts what exists already."""

    def __init__(
        self,
        engine: Engine,
        mirror: Mirror,
        refused_ports: RefusedPorts,
        networks: Networks,
        changes: Changes,
        leftovers: Leftovers,
    ) -> None:
        self._engine = engine
        self._mirror = mirror
        self._ports = mirror.ports
        self._refused_ports = refused_ports
        self._networks = networks
        self._changes = changes
        self._leftovers = leftovers
        self._programs = Programs(engine)

    async def launch(self, spec: Spec, trying: Callable[[str], None]) -> Container:
        """Makes the container of a Spec, running unless `start` is false; or an error, and nothing
        is left of it. `trying` is told the id of each create, before it is made.
        """
        pinned = spec.asked.port

        async def attempt(reservation: Reservation) -> Container:
            create_id = uuid.uuid4().hex
            trying(create_id)
            return await self._try(spec, create_id, reservation)

        return await self.on_ports(
            lambda _: self._ports.reserve(spec.container_ports, name=spec.name, pinned=pinned),
            attempt,
            pinned=pinned,
            seconds=TRY_SECONDS,
        )

    async def on_ports(
        self,
        reserve: Callable[[set[int]], Reservation],
        attempt: Callable[[Reservation], Awaitable[T]],
        *,
        pinned: int | None = None,
        seconds: float = math.inf,
    ) -> T:
        """Tries one set of ports after another, and returns what `attempt` returns with the first
        that the engine does not refuse.

        `reserve` reserves ports; it is told which the engine has refused so far. Raises PortInUse
        for a `pinned` one, of which there is no other, and PortsExhausted after MAX_TRIES tries or
        `seconds`.
        """
        refused: set[int] = set()
        give_up = time.monotonic() + seconds
        for _ in range(MAX_TRIES):
            with reserve(refused) as reservation:
                try:
                    return await attempt(reservation)
                except PortRefused as refusal:
                    if refusal.port is not None:
                        refused.add(refusal.port)
                    await self._refused_ports.hold(refusal, reservation)
            if pinned is not None:
                raise port_in_use(self._ports.row(pinned))
            if time.monotonic() > give_up:
                break
        raise PortsExhausted(
            "The engine refused one port after the other: other programs of the host hold them."
            " Try again, or set PORT_RANGE to ports that are free.",
            **self._ports.summary().model_dump(),
        )

    @asynccontextmanager
    async def undoing(
        self, reservation: Reservation, undo: Undo
    ) -> AsyncIterator[Callable[[str], None]]:
        """Undoes one try if it fails: what it made is gone afterwards, or will be, see Leftovers.
        It says the full id of what it made, which nobody else then takes for a husk.
        """
        made: set[str] = set()

        def hold(full_id: str) -> None:
            made.add(full_id)
            self._leftovers.in_hand.add(full_id)

        try:
            yield hold
        except OrchestratorError as error:
            await self._leftovers.undo(error, reservation, undo.now, undo.later, undo.about)
            raise
        finally:
            self._leftovers.in_hand.difference_update(made)

    async def start(self, container: Container, reservation: Reservation) -> Container:
        """Starts a container that exists, on its own ports, which are reserved for it.

        Raises PortRefused, once it is noted who has the port, and what the engine raises.
        """

        async def start() -> None:
            async with self._changes.turn("start"):
                await self._networks.start(container.full_id, home_of(container))

        return await self._run(container, reservation, start)

    async def restart(
        self, container: Container, reservation: Reservation, grace: int
    ) -> Container:
        """Restarts a container on its own ports, which are reserved for it, so that nobody is
        given them between its stop and its start. Raises as `start` does.
        """

        async def restart() -> None:
            await self._networks.start(
                container.full_id,
                home_of(container),
                lambda: self._engine.containers.restart(container.full_id, grace),
            )

        return await self._run(container, reservation, restart)

    async def check_program(self, container: Container) -> None:
        """Raises StartRefused for one that never ran, and has an init process but no program."""
        if container.state == "created":
            program = await self._engine.containers.program(container.full_id)
            await self._programs.require(container.full_id, program, None)

    # Within

    async def _try(self, spec: Spec, create_id: str, reservation: Reservation) -> Container:
        async def undo() -> None:
            await self._leftovers.discard_create(create_id, spec.volumes)

        async with (
            _told_of(spec),
            self.undoing(reservation, Undo(undo, undo)) as hold,
            self._networks.place() as network,
        ):
            full_id = await self._created(spec, create_id, reservation, network)
            hold(full_id)
            async with self._changes.lock(full_id):
                if spec.asked.start:
                    await self._require_program(spec, full_id)
                    await self._networks.start(full_id, network)
                    reservation.commit(full_id, reservation.name or full_id[:12])
                return await self._mirror.existing(full_id)

    async def _created(
        self, spec: Spec, create_id: str, reservation: Reservation, network: str
    ) -> str:
        """The full id of the new container, also if the engine's answer was lost."""
        try:
            return await self._engine.containers.create(
                spec, ports=reservation.ports, network=network, create_id=create_id
            )
        except EngineUnavailable:
            found = await self._engine.containers.find(LABEL_CREATE, create_id)
            if not found:
                raise
            return found[0]

    async def _require_program(self, spec: Spec, full_id: str) -> None:
        """Raises StartRefused where an init process would hide from us that there is no program."""
        if spec.confinement.init:
            program: Program | None = spec.program
            await self._programs.require(full_id, program, None if spec.volumes else spec.image.id)

    async def _run(
        self, container: Container, reservation: Reservation, start: Callable[[], Awaitable[None]]
    ) -> Container:
        try:
            await start()
        except PortRefused as refusal:
            await self._refused_ports.hold(refusal, reservation)
            raise
        except (EngineUnavailable, EngineTimeout):

            async def look() -> None:
                await self._mirror.refresh(container.full_id)

            self._leftovers.settle(look, reservation, container.full_id)
            raise
        except OrchestratorError:
            await self._mirror.refresh(container.full_id)
            raise
        reservation.commit(container.full_id, container.name)
        return await self._mirror.existing(container.full_id)


@asynccontextmanager
async def _told_of(spec: Spec) -> AsyncIterator[None]:
    """Has a refusal that is about a path name what was asked for there."""
    try:
        yield
    except StartRefused as error:
        told = about_spec(error, spec)
        if told is error:
            raise
        raise told from error
