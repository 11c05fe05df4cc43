"""Keeps inventory and ports equal to the engine: list, watch, list again.

What is held in memory comes from inspections alone (see `mirror`). A listing and an event only say
which containers to inspect, so that neither their order, nor a repetition, nor a listing that lags
behind can make memory wrong.

The engine drops events silently, and a stream of them may be dead without an end, so everything is
listed again every few seconds. A change that a listing finds and no event tells of means that the
stream is dead; another file in place of the engine's socket means that the engine is another one.
Both end the connection. When it is lost, memory stays as it was, `connected` is false, and the
watcher comes back by itself.
"""

import asyncio
import logging
import math
import time
from collections import deque
from collections.abc import AsyncIterator, Coroutine
from contextlib import aclosing, suppress
from typing import Any

from ..engine import Engine
from ..errors import EngineFailed, EngineUnavailable, OrchestratorError
from ..host import HostPorts
from ..models import Container, EngineInfo
from .mirror import Mirror

log = logging.getLogger(__name__)

# Seconds between listings: the shortest and the longest. In between, as many times as long as one
# takes, so that they use no more than a fiftieth of the engine's time. What one takes is the least
# of the last three: a single one may have waited for something else, or for a frozen engine.
RELIST_SECONDS = (5.0, 30.0)
RELIST_FACTOR = 50
# How late a listing may be before memory counts as out of date, in seconds.
LATE_SECONDS = 2.0
# Seconds between looks at the host's listening sockets. With hundreds of them one takes 60 ms of
# this process's time.
HOST_SECONDS = 30.0
# Seconds that an event may come after a listing that shows what it tells of. Listings of engine
# 20.10 lag behind events, so one may have come before.
EVENT_SECONDS = 2.0
# States that a container comes into without an event.
UNTOLD_STATES = ("removing", "dead")
# Seconds between looks at the file of the engine's socket.
SOCKET_SECONDS = 1.0
# Waits between attempts to reconnect, in seconds; the last one stays.
BACKOFF = (0.1, 0.2, 0.5, 1.0)


class Watcher:
    """Follows the engine for as long as `run` does; says how that goes in its attributes."""

    def __init__(self, engine: Engine, mirror: Mirror, host_ports: HostPorts) -> None:
        self._engine = engine
        self._mirror = mirror
        self._inventory = mirror.inventory
        self._ports = mirror.ports
        self._host_ports = host_ports
        self._attempted = asyncio.Event()
        self._heard: dict[str, float] = {}  # full id -> when its last event came
        self._took: deque[float] = deque(maxlen=3)  # seconds, of the last listings
        self._period = RELIST_SECONDS[0]
        self._listing_due = -math.inf  # when the next one begins, if all is well
        self._host_due = -math.inf
        self.connected = False
        self.connections = self.events = self.repaired_ports = 0  # since the start
        self.info: EngineInfo | None = None
        self.problem: OrchestratorError | None = None  # why it is not connected

    @property
    def up_to_date(self) -> bool:
        """Whether memory may be relied on: connected, and the listings come when they are due.

        False too while the engine leaves a listing unanswered: it hangs, and sends no events.
        """
        return self.connected and time.monotonic() < self._listing_due + LATE_SECONDS

    async def run(self) -> None:
        """Watches until it is cancelled."""
        failures = 0
        while True:
            try:
                await self.run_once()
            except OrchestratorError as error:
                failures = 0 if self.connected else failures
                if failures == 0:
                    log.warning("Not connected to %s: %s", self._engine.address, error)
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
        """Connects, subscribes, lists, and follows events until the connection is lost, or until
        another engine has come in its place.

        Always ends with an OrchestratorError that says why.
        """
        await _until_one_ends(self._notice_another_socket(), self._watch())

    async def list_once(self) -> list[str]:
        """Lists everything and inspects what differs from memory, so that the two are equal.

        Returns the containers of which an event tells, unless it has told already.
        """
        asked = time.monotonic()
        entries = await self._engine.containers.list()
        self._took.append(time.monotonic() - asked)
        shortest, longest = RELIST_SECONDS
        self._period = min(max(RELIST_FACTOR * min(self._took), shortest), longest)
        listed = {entry.full_id for entry in entries}
        differing = [container for container in self._inventory.ids() if container not in listed]
        for entry in entries:
            container = self._inventory.peek(entry.full_id)
            if container is None or not entry.agrees(container):
                differing.append(entry.full_id)
        before = {full_id: self._inventory.peek(full_id) for full_id in differing}
        outcomes = await asyncio.gather(
            *map(self._mirror.refresh, differing), return_exceptions=True
        )
        for outcome in outcomes:
            # One container that the engine fails to describe must not hide all others.
            if isinstance(outcome, BaseException) and not isinstance(outcome, EngineFailed):
                raise outcome
        for port in self._ports.repair(listed):
            self.repaired_ports += 1
            log.warning("Port %d was held for a container that does not exist; freed", port)
        await self._look_at_host()
        self._inventory.confirm()
        self._listing_due = time.monotonic() + self._period
        self._heard = {
            full_id: at for full_id, at in self._heard.items() if at > asked - EVENT_SECONDS
        }
        return [
            full_id
            for full_id, outcome in zip(differing, outcomes, strict=True)
            if not isinstance(outcome, BaseException)
            and _is_told(before[full_id], outcome)
            and full_id not in self._heard
        ]

    async def attempted(self, seconds: float) -> None:
        """Returns once the first attempt to connect and list has ended, well or not."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._attempted.wait()

    async def _watch(self) -> None:
        self.info = await self._engine.connect()
        async with aclosing(self._engine.events()) as events:
            await anext(events)  # subscribed: what happens from now on will be told
            self._host_due = -math.inf
            await self.list_once()
            self.connected, self.problem = True, None
            self.connections += 1
            self._attempted.set()
            log.info(
                "Connected to engine %s at %s, API %s: %d containers",
                self.info.version,
                self._engine.address,
                self.info.api_version,
                len(list(self._inventory.ids())),
            )
            if missing := self._engine.capabilities.missing:
                log.warning(
                    "This engine does not apply limits of %s: containers may use all there is. A"
                    " rootless one does with control groups v2 that are delegated to its user",
                    ", ".join(missing),
                )
            await _until_one_ends(self._relist(), self._follow(events))

    async def _follow(self, events: AsyncIterator[str]) -> None:
        async for container_id in events:
            self._heard[container_id] = time.monotonic()
            self.events += 1
            if not self._mirror.is_queued(container_id):
                task = asyncio.create_task(self._mirror.refresh(container_id))
                task.add_done_callback(_log_failure)
        raise EngineUnavailable("The Docker engine closed the stream of events.")

    async def _relist(self) -> None:
        untold: list[str] = []
        while True:
            await asyncio.sleep(EVENT_SECONDS)
            if silent := [full_id for full_id in untold if full_id not in self._heard]:
                # At worst a false alarm, which costs a new connection once in a period.
                raise EngineUnavailable(
                    f"The Docker engine's events do not come any more: {len(silent)} containers"
                    " have changed and none told. The service subscribes again."
                )
            await asyncio.sleep(self._period - EVENT_SECONDS)
            untold = await self.list_once()

    async def _look_at_host(self) -> None:
        """Holds the ports that processes of the host listen on, if it is time to look again."""
        if time.monotonic() < self._host_due:
            return
        self._host_due = time.monotonic() + HOST_SECONDS
        listeners = await self._host_ports.listeners(self._ports.range, self._ports.is_claimed)
        if listeners is not None:
            self._ports.hold_exactly(listeners)

    async def _notice_another_socket(self) -> None:
        """Ends when the engine's socket is not the file any more that it was.

        A file that is gone is no reason to give up a connection that works.
        """
        at_first = self._engine.socket_file()
        while True:
            await asyncio.sleep(SOCKET_SECONDS)
            now = self._engine.socket_file()
            if at_first is not None and now is not None and now != at_first:
                raise EngineUnavailable(
                    "The socket of the Docker engine was replaced. The service connects to the new"
                    " one."
                )
            at_first = at_first or now


def _log_failure(task: "asyncio.Task[Container | None]") -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        # Not lost: the container is inspected again by the next listing.
        log.warning("An event could not be followed up: %s", error)


def _is_told(before: Container | None, after: Container | None) -> bool:
    """Whether there is an event for what has changed between two looks at a container."""
    if before is None or after is None:
        return before is not after
    return after.state not in UNTOLD_STATES and (
        (before.name, before.state, before.started_at)
        != (after.name, after.state, after.started_at)
    )


async def _until_one_ends(*works: Coroutine[Any, Any, None]) -> None:
    """Runs all until the first one ends, and raises what that one raised."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    for task in tasks:
        if not task.cancelled():
            task.result()
