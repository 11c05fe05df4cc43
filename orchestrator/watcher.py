"""Keeps inventory and ports equal to the engine: list, watch, list again.

What is held in memory comes from inspections alone. A listing and an event only say which
containers to inspect, so that neither their order, nor a repetition, nor a listing that lags
behind can make memory wrong. For one container, inspections never overlap, and whoever asks
gets one that began after the asking: that is how a caller reads its own writes.

The engine drops events silently, so everything is listed again every `RELIST_SECONDS`. When the
connection is lost, memory stays as it was, `connected` is false, and the watcher comes back by
itself.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress

from .engine import Engine, EngineInfo
from .errors import ContainerNotFound, EngineUnavailable, OrchestratorError
from .inventory import Inventory
from .models import Container
from .payloads import agrees, parse_container
from .ports import PortAllocator
from .system import HostPorts

log = logging.getLogger(__name__)

RELIST_SECONDS = 30.0
# Waits between attempts to reconnect, in seconds; the last one stays.
BACKOFF = (0.1, 0.2, 0.5, 1.0)


class Watcher:
    def __init__(
        self,
        engine: Engine,
        inventory: Inventory,
        ports: PortAllocator,
        host_ports: HostPorts,
    ) -> None:
        self._engine = engine
        self._inventory = inventory
        self._ports = ports
        self._host_ports = host_ports
        self._queued: dict[str, asyncio.Task[Container | None]] = {}
        self._running: dict[str, asyncio.Task[Container | None]] = {}
        self._attempted = asyncio.Event()
        self.connected = False
        self.info: EngineInfo | None = None
        self.problem: OrchestratorError | None = None  # why it is not connected

    async def run(self) -> None:
        """Watches until it is cancelled."""
        failures = 0
        while True:
            try:
                await self.run_once()
            except OrchestratorError as error:
                failures = 0 if self.connected else failures
                if failures == 0:
                    log.warning("No connection to %s: %s", self._engine.address, error)
                self.problem = error
            except Exception:
                # A bug must not end the watching; it shows in the log and in /health.
                log.exception("The watcher failed")
                self.problem = EngineUnavailable("The service failed to follow the engine.")
            self.connected = False
            self._attempted.set()
            await asyncio.sleep(BACKOFF[min(failures, len(BACKOFF) - 1)])
            failures += 1

    async def run_once(self) -> None:
        """Connects, subscribes, lists, and follows events until the connection is lost.

        Always ends with an OrchestratorError that says why.
        """
        self.info = await self._engine.connect()
        async with aclosing(self._engine.events()) as events:
            await anext(events)  # subscribed: what happens from now on will be told
            await self.list_once()
            self.connected, self.problem = True, None
            self._attempted.set()
            log.info(
                "Connected to engine %s at %s, API %s: %d containers",
                self.info.version,
                self._engine.address,
                self.info.api_version,
                len(list(self._inventory.ids())),
            )
            relisting = asyncio.create_task(self._relist())
            following = asyncio.create_task(self._follow(events))
            try:
                await asyncio.wait({relisting, following}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                relisting.cancel()
                following.cancel()
                await asyncio.wait({relisting, following})
            for task in (following, relisting):
                if not task.cancelled():
                    task.result()
        raise EngineUnavailable("The Docker engine closed the stream of events.")

    async def list_once(self) -> None:
        """Lists everything and inspects what differs from memory, so that the two are equal."""
        summaries = await self._engine.list()
        listed = {str(summary["Id"]) for summary in summaries}
        differing = [container for container in self._inventory.ids() if container not in listed]
        for summary in summaries:
            container = self._inventory.peek(summary["Id"])
            if container is None or not agrees(summary, container):
                differing.append(summary["Id"])
        await asyncio.gather(*(self.refresh(container) for container in differing))
        for port in self._ports.repair(listed):
            log.warning("Port %d was held for a container that does not exist; freed", port)
        listeners = await self._host_ports.listeners(self._ports.range, self._ports.is_claimed)
        if listeners is not None:
            self._ports.hold_exactly(listeners)
        self._inventory.confirm()

    async def refresh(self, container_id: str) -> Container | None:
        """The container as it is now, in memory too; None when it does not exist any more.

        `container_id` is a full id. Raises what the engine raises.
        """
        queued = self._queued.get(container_id)
        if queued is None:
            queued = asyncio.create_task(
                self._inspect(container_id, self._running.get(container_id))
            )
            self._queued[container_id] = queued
        return await asyncio.shield(queued)

    async def attempted(self, seconds: float) -> None:
        """Returns once the first attempt to connect and list has ended, well or not."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._attempted.wait()

    async def _follow(self, events: AsyncIterator[str]) -> None:
        async for container_id in events:
            if container_id not in self._queued:
                task = asyncio.create_task(self.refresh(container_id))
                task.add_done_callback(_log_failure)

    async def _relist(self) -> None:
        while True:
            await asyncio.sleep(RELIST_SECONDS)
            await self.list_once()

    async def _inspect(
        self, container_id: str, earlier: asyncio.Task[Container | None] | None
    ) -> Container | None:
        """Inspects, once the inspection that is under way has ended."""
        task = self._queued[container_id]
        if earlier is not None:
            await asyncio.wait({earlier})
        self._running[container_id] = self._queued.pop(container_id)
        try:
            container = parse_container(await self._engine.inspect(container_id))
        except ContainerNotFound:
            self._inventory.remove(container_id)
            self._ports.forget(container_id)
            return None
        finally:
            if self._running.get(container_id) is task:
                del self._running[container_id]
        self._inventory.put(container)
        self._ports.observe(container)
        return container


def _log_failure(task: "asyncio.Task[Container | None]") -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        # Not lost: the container is inspected again by the next listing.
        log.warning("An event could not be followed up: %s", error)
