"""The use cases: create, start, stop, restart, remove.

Each ends in the state that it reports, or leaves nothing behind. Mutations of one container never
overlap; those of different containers do. Once begun, a mutation is finished even when its caller
has gone away, and what it did is in memory before the answer goes out.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

from ..engine import Engine
from ..errors import (
    ContainerNotFound,
    ContainerPaused,
    EngineTimeout,
    EngineUnavailable,
    OrchestratorError,
    PortGivenAway,
    PortInUse,
    PortRefused,
)
from ..host import HostPorts
from ..inside import Programs, program_of
from ..models import Container, CreateRequest, RemovedContainer
from ..policy import Access
from ..ports import PortAllocator, RefusedPorts, port_in_use
from ..settings import Settings
from ..state import Inventory
from .changes import Mutations
from .create import Creates
from .leftovers import Leftovers
from .move import Moves
from .networks import Networks, home_of

log = logging.getLogger(__name__)

HOUSEKEEPING_SECONDS = 30.0


class Lifecycle:
    """`refresh` inspects a container, brings it into memory and returns it (None: it is gone)."""

    def __init__(
        self,
        engine: Engine,
        inventory: Inventory,
        ports: PortAllocator,
        host_ports: HostPorts,
        networks: Networks,
        refresh: Callable[[str], Awaitable[Container | None]],
        access: Access,
        settings: Settings,
    ) -> None:
        self._engine = engine
        self._inventory = inventory
        self._ports = ports
        self._networks = networks
        self._refresh = refresh
        self._access = access
        self._settings = settings
        self._refused_ports = RefusedPorts(ports, host_ports)
        self._mutations = Mutations(settings.mutation_queue)
        self._leftovers = Leftovers(
            engine, inventory, refresh, self._mutations, timedelta(seconds=settings.husk_grace)
        )
        shared = (
            engine,
            inventory,
            ports,
            self._refused_ports,
            networks,
            refresh,
            self._mutations,
            self._leftovers,
        )
        self._programs = Programs(engine)
        self._creates = Creates(*shared, self._programs, settings)
        self._moves = Moves(*shared)

    async def create(self, request: CreateRequest, key: str | None = None) -> Container:
        """Clones a container and, unless `start` is false, starts it on ports of its own; waits
        until it is healthy if asked to. An idempotency key goes into its labels.
        """
        container = await self._mutations.run(self._creates.create, request, key)
        if request.wait and container.health == "starting":
            return _existing(
                await self._inventory.wait_until(
                    container.full_id,
                    lambda now: now.health != "starting" or not now.runs,
                    request.wait,
                ),
                container.id,
            )
        return container

    async def start(self, key: str) -> Container:
        """Starts a container on its own ports, or moves it to others if it cannot have those. One
        that runs is returned as it is.
        """
        return await self._mutations.run(self._start, key)

    async def stop(self, key: str, grace: int) -> Container:
        """Stops a container, killing it after `grace` seconds. One that is stopped is a no-op."""
        return await self._mutations.run(self._stop, key, grace)

    async def restart(self, key: str, grace: int) -> Container:
        """Stops a container as `stop` does, and starts it as `start` does."""
        return await self._mutations.run(self._restart, key, grace)

    async def remove(self, key: str, grace: int, *, force: bool) -> RemovedContainer:
        """Stops a container as `stop` does, or kills it with `force`, and removes it."""
        return await self._mutations.run(self._remove, key, grace, force)

    async def keep_house(self) -> None:
        """Takes away what crashes left, again and again, until it is cancelled."""
        while True:
            await asyncio.sleep(min(HOUSEKEEPING_SECONDS, self._settings.husk_grace))
            for work in (
                self._moves.finish_all,
                self._leftovers.remove_husks,
                self._leftovers.remove_unused_images,
            ):
                try:
                    await work()
                except OrchestratorError as error:
                    log.warning("Housekeeping has to wait: %s", error)

    def refuse(self) -> None:
        """From now on no mutation begins. Safe to call from a signal handler."""
        self._mutations.refuse()

    async def close(self, seconds: float) -> None:
        """Waits for the mutations under way, `seconds` at most."""
        await self._mutations.close(seconds)
        self._leftovers.close()

    # The use cases

    async def _start(self, key: str) -> Container:
        async with self._managed(key) as container:
            if container.state == "paused":
                raise ContainerPaused(
                    f'Container "{container.name}" is paused, which this API does not undo.'
                    " Restart it, or run `docker unpause`.",
                    id=container.id,
                )
            if container.runs:
                return container
            await self._check_program(container)
            return await self._run(container, lambda: self._start_in_turn(container))

    async def _start_in_turn(self, container: Container) -> None:
        async with self._mutations.turn("start"):
            await self._networks.start(container.full_id, home_of(container))

    async def _stop(self, key: str, grace: int) -> Container:
        async with self._managed(key) as container:
            if container.runs:
                await self._engine.stop(container.full_id, grace)
            return _existing(await self._refresh(container.full_id), container.id)

    async def _restart(self, key: str, grace: int) -> Container:
        async with self._managed(key) as container:
            await self._check_program(container)
            return await self._run(
                container,
                lambda: self._networks.start(
                    container.full_id,
                    home_of(container),
                    lambda: self._engine.restart(container.full_id, grace),
                ),
            )

    async def _remove(self, key: str, grace: int, force: bool) -> RemovedContainer:
        async with self._managed(key) as container:
            released = self._ports.ports_of(container.full_id)
            if container.runs and not force:
                await self._engine.stop(container.full_id, grace)
            with suppress(ContainerNotFound):  # one with --rm goes by itself when it stops
                await self._engine.remove(container.full_id, force=force)
            await self._refresh(container.full_id)
            with suppress(OrchestratorError):  # the container is gone; housekeeping has the rest
                await self._leftovers.discard_traces(container)
            return RemovedContainer(id=container.id, name=container.name, released_ports=released)

    # What they share

    @asynccontextmanager
    async def _managed(self, key: str) -> AsyncIterator[Container]:
        """The container that `key` names, locked, if this service may change it; the successor
        of one that has moved meanwhile.
        """
        while True:
            key = full_id = self._inventory.get(key).full_id
            await self._leftovers.settled(self._settings.engine_timeout, full_id)
            async with self._mutations.lock(full_id):
                container = self._inventory.get(full_id)  # as the mutation before this one left it
                if container.full_id != full_id:
                    continue
                self._access.require_change(container)
                if container.managed and await self._moves.resume(container):
                    continue
                yield container
                return

    async def _run(self, container: Container, start: Callable[[], Awaitable[None]]) -> Container:
        """Makes the call that ends with the container running on its own ports, which are
        reserved meanwhile, so that nobody is given them between a stop and a start. A container
        that cannot have its ports back is moved.
        """
        try:
            reservation = self._ports.reserve_own(container)
        except PortGivenAway:
            if not container.managed:
                raise
            return await self._moves.move(container)
        with reservation:
            try:
                await start()
            except PortRefused as refused:
                await self._refused_ports.hold(refused, reservation)
                reservation.release()
                now = _existing(await self._refresh(container.full_id), container.id)
                if not container.managed:
                    raise self._in_use(container, refused.port) from refused
                return await self._moves.move(now, {refused.port} if refused.port else ())
            except (EngineUnavailable, EngineTimeout):
                self._leftovers.settle(
                    lambda: self._look_at(container), reservation, container.full_id
                )
                raise
            except OrchestratorError:
                await self._refresh(container.full_id)
                raise
            reservation.commit(container.full_id, container.name)
        return _existing(await self._refresh(container.full_id), container.id)

    async def _look_at(self, container: Container) -> None:
        await self._refresh(container.full_id)

    async def _check_program(self, container: Container) -> None:
        """Raises StartRefused for one that never ran, and has an init process but no program."""
        if container.state == "created":
            payload = await self._engine.inspect(container.full_id)
            if (payload.get("HostConfig") or {}).get("Init"):
                program = program_of(payload.get("Config") or {})
                await self._programs.require(container.full_id, program, None)

    def _in_use(self, container: Container, port: int | None) -> PortInUse:
        """The error for the port of an existing container that the engine refused."""
        ours = [own for own in container.own_ports if own in self._ports.range]
        if ours and (port in ours or port is None):
            return port_in_use(self._ports.row(port or ours[0]))
        return PortInUse(
            f'Port {port or ""} of "{container.name}" is held by somebody else on the host. Free'
            " it, or create the container anew to get another port.",
            port=port,
        )


def _existing(container: Container | None, container_id: str) -> Container:
    if container is None:
        raise ContainerNotFound(
            f"Container {container_id[:12]} was removed by somebody else meanwhile.",
            id=container_id[:12],
        )
    return container
