"""The use cases: create, start, stop, restart, remove.

Each ends in the state that it reports, or leaves nothing behind. Mutations of one container never
overlap; those of different containers do. Once begun, a mutation is finished even when its caller
has gone away, and what it did is in memory before the answer goes out.
"""

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from .create_request import CreateRequest
from .engine import Engine
from .errors import (
    ContainerNotFound,
    ContainerPaused,
    NotManaged,
    OrchestratorError,
    PortInUse,
    PortRefused,
    PortsExhausted,
)
from .images import Images
from .inventory import Inventory
from .models import Container, RemovedContainer
from .networks import Networks, home_of
from .payloads import (
    LABEL_CREATE,
    LABEL_KEY,
    create_body,
    exposed_ports,
    image_labels,
    is_husk,
)
from .port_record import port_in_use
from .ports import PortAllocator, Reservation
from .quantities import PortRange
from .settings import Settings
from .system import HostPorts

log = logging.getLogger(__name__)
T = TypeVar("T")

FALLBACK_CONTAINER_PORT = "5000/tcp"
# A create tries other ports until either is used up.
MAX_TRIES = 50
TRY_SECONDS = 60.0
# How long a container of ours may be about to be started before it counts as left by a crash. Must
# outlast a create of another service on the same engine.
HUSK_GRACE = timedelta(seconds=120)
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
        settings: Settings,
    ) -> None:
        self._engine = engine
        self._inventory = inventory
        self._ports = ports
        self._host_ports = host_ports
        self._networks = networks
        self._refresh = refresh
        self._settings = settings
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._images = Images(engine, settings.default_image)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._creating: set[str] = set()

    async def create(self, request: CreateRequest, key: str | None = None) -> Container:
        """Clones a container and, unless `start` is false, starts it on ports of its own. An
        idempotency key goes into its labels; what a crash left of an earlier call with it goes.
        """
        return await self._finish(self._create(request, key))

    async def start(self, key: str) -> Container:
        """Starts a container on its own ports. One that runs is returned as it is."""
        return await self._finish(self._start(key))

    async def stop(self, key: str, grace: int) -> Container:
        """Stops a container, killing it after `grace` seconds. One that is stopped is a no-op."""
        return await self._finish(self._stop(key, grace))

    async def restart(self, key: str, grace: int) -> Container:
        """Stops a container as `stop` does, starts it on the same ports; starts a stopped one."""
        return await self._finish(self._restart(key, grace))

    async def remove(self, key: str, grace: int, *, force: bool) -> RemovedContainer:
        """Stops a container as `stop` does, or kills it with `force`, and removes it."""
        return await self._finish(self._remove(key, grace, force))

    async def keep_house(self) -> None:
        """Removes husks again and again, until it is cancelled."""
        while True:
            await asyncio.sleep(HOUSEKEEPING_SECONDS)
            try:
                await self.remove_husks()
            except OrchestratorError as error:
                log.warning("Husks could not be removed: %s", error)

    async def remove_husks(self) -> list[str]:
        """Removes the containers that a crash left between create and start; returns their ids."""
        oldest = datetime.now(UTC) - HUSK_GRACE
        husks = [
            container
            for container in self._inventory.all()
            if is_husk(container)
            and container.created < oldest
            and container.full_id not in self._creating
        ]
        for container in husks:
            async with self._lock(container.full_id):
                now = await self._refresh(container.full_id)
                if now is not None and is_husk(now):
                    log.warning("Removing %s (%s), which was never started", now.id, now.name)
                    await self._discard(now.full_id)
        return [container.id for container in husks]

    async def close(self, seconds: float) -> None:
        """Waits for the mutations under way, `seconds` at most."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)

    # The use cases

    async def _create(self, request: CreateRequest, key: str | None) -> Container:
        husk = self._inventory.labelled(LABEL_KEY, key) if key is not None else None
        if husk is not None and is_husk(husk):
            async with self._lock(husk.full_id):
                await self._discard(husk.full_id)
        name = request.image or self._settings.default_image
        image = await self._images.get(name, request.pull)
        container_ports = (
            request.container_ports or exposed_ports(image) or [FALLBACK_CONTAINER_PORT]
        )
        memory = request.memory or self._settings.default_memory
        give_up = time.monotonic() + TRY_SECONDS
        for _ in range(MAX_TRIES):
            with self._ports.reserve(
                container_ports, name=request.name, pinned=request.port
            ) as reservation:
                create_id = uuid.uuid4().hex
                body = create_body(
                    request,
                    image=name,
                    image_labels=image_labels(image),
                    ports=reservation.ports,
                    publish_address=self._settings.publish_address,
                    memory=memory,
                    create_id=create_id,
                    key=key,
                )
                try:
                    return await self._create_on(request, body, reservation)
                except PortRefused as refused:
                    await self._hold_refused(refused, reservation)
                except OrchestratorError:
                    await self._discard_volumes(request, create_id)
                    raise
            await self._discard_volumes(request, create_id)
            if request.port is not None:
                raise port_in_use(self._ports.row(request.port))
            if time.monotonic() > give_up:
                break
        raise PortsExhausted(
            "The engine refused one port after the other: other programs of the host hold them."
            " Try again, or set PORT_RANGE to ports that are free.",
            **self._ports.summary().model_dump(),
        )

    async def _create_on(
        self, request: CreateRequest, body: dict[str, Any], reservation: Reservation
    ) -> Container:
        """One try. Whatever fails, the container of the try is gone afterwards."""
        async with self._networks.place() as network:
            body["HostConfig"]["NetworkMode"] = network
            full_id, container = await self._create_in(network, request, body, reservation)
        if request.wait and container is not None and container.health == "starting":
            container = await self._inventory.wait_until(
                full_id, lambda now: now.health != "starting" or not now.runs, request.wait
            )
        return _existing(container, full_id)

    async def _create_in(
        self, network: str, request: CreateRequest, body: dict[str, Any], reservation: Reservation
    ) -> tuple[str, Container | None]:
        full_id = await self._engine.create(body, request.name)
        self._creating.add(full_id)
        try:
            async with self._lock(full_id):
                if request.start:
                    await self._networks.start(full_id, network)
                    reservation.commit(full_id, request.name or full_id[:12])
                return full_id, await self._refresh(full_id)
        except BaseException:
            await self._discard(full_id)
            raise
        finally:
            self._creating.discard(full_id)

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
            return await self._run(
                container, lambda: self._networks.start(container.full_id, home_of(container))
            )

    async def _stop(self, key: str, grace: int) -> Container:
        async with self._managed(key) as container:
            if container.runs:
                await self._engine.stop(container.full_id, grace)
            return _existing(await self._refresh(container.full_id), container.id)

    async def _restart(self, key: str, grace: int) -> Container:
        async with self._managed(key) as container:
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
            return RemovedContainer(id=container.id, name=container.name, released_ports=released)

    # What they share

    async def _finish(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs a mutation to its end, even if the caller is cancelled."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return await asyncio.shield(task)

    def _lock(self, full_id: str) -> asyncio.Lock:
        lock = self._locks.get(full_id)
        if lock is None:
            lock = self._locks[full_id] = asyncio.Lock()
        return lock

    @asynccontextmanager
    async def _managed(self, key: str) -> AsyncIterator[Container]:
        """The container that `key` names, locked, if this service may change it."""
        full_id = self._inventory.get(key).full_id
        async with self._lock(full_id):
            container = self._inventory.get(full_id)  # as the mutation before this one left it
            if not container.managed and not self._settings.allow_unmanaged:
                raise NotManaged(
                    f'Container "{container.name}" was not created by this service, which leaves'
                    " it alone. Use docker, or set ALLOW_UNMANAGED=true.",
                    id=container.id,
                    name=container.name,
                )
            yield container

    async def _run(self, container: Container, start: Callable[[], Awaitable[None]]) -> Container:
        """Makes the call that ends with the container running on its own ports, which are
        reserved meanwhile, so that nobody is given them between a stop and a start.
        """
        with self._ports.reserve_own(container) as reservation:
            try:
                await start()
            except OrchestratorError as error:
                await self._refresh(container.full_id)
                if isinstance(error, PortRefused):
                    await self._hold_refused(error, reservation)
                    reservation.release()
                    raise self._in_use(container, error.port) from error
                raise
            reservation.commit(container.full_id, container.name)
        return _existing(await self._refresh(container.full_id), container.id)

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

    async def _hold_refused(self, refused: PortRefused, reservation: Reservation) -> None:
        """Marks the port that the engine refused, with who has it, where the host says so."""
        ports = set(reservation.ports.values())
        suspects = {port for port in ports if port == refused.port} or ports
        if not suspects:
            return
        first, last = min(suspects), max(suspects)
        seen = await self._host_ports.listeners(PortRange(first, last), lambda _: False) or {}
        # The engine names the port, mostly; if not, those count that somebody listens on.
        for port in suspects & seen.keys() or suspects:
            name = seen.get(port)
            self._ports.hold(port, f'process "{name}"' if name else None)

    async def _discard_volumes(self, request: CreateRequest, create_id: str) -> None:
        """Removes the named volumes that did not exist before this create."""
        for volume in request.volumes:
            name = volume.partition(":")[0]
            try:
                await self._engine.remove_volume(name, label=LABEL_CREATE, value=create_id)
            except OrchestratorError as error:
                log.warning("Volume %r stays for now: %s", name, error)

    async def _discard(self, full_id: str) -> None:
        """Removes a container that must not stay. If the engine is away, housekeeping will."""
        try:
            await self._engine.remove(full_id, force=True)
        except ContainerNotFound:
            pass
        except OrchestratorError as error:
            log.warning("Container %s stays for now: %s", full_id[:12], error)
        try:
            await self._refresh(full_id)
        except OrchestratorError as error:
            log.warning("Container %s could not be looked at: %s", full_id[:12], error)


def _existing(container: Container | None, container_id: str) -> Container:
    if container is None:
        raise ContainerNotFound(
            f"Container {container_id[:12]} was removed by somebody else meanwhile.",
            id=container_id[:12],
        )
    return container
