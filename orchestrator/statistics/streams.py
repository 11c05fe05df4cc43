"""Streams statistics to those who follow a container, or all of them, at every beat of the sampler.

A stream holds no queue: a reader that comes back from sending gets what is newest then, and has
missed what it was too slow for. While somebody follows, samples are taken every second.
"""

from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

from ..errors import OrchestratorError
from ..models import Container, ContainerStats, End
from ..policy import Access
from ..state import Inventory
from .pace import EVERYTHING, Interest
from .sampler import Sampler, require_running

# Seconds that a stream waits for a container that has stopped to be gone: it was removed then.
GOING_SECONDS = 0.5


class Streams:
    """Gives each reader a stream of its own, and ends all of them with the service."""

    def __init__(
        self, sampler: Sampler, inventory: Inventory, access: Access, interest: Interest
    ) -> None:
        self._sampler = sampler
        self._inventory = inventory
        self._access = access
        self._interest = interest
        self._beats = sampler.beats
        self._counts = sampler.counts

    def require_stream(self, container: Container) -> None:
        """Raises what keeps a container from being followed: NotManaged, ContainerNotRunning."""
        self._access.require_read(container)
        require_running(container)

    async def follow(self, full_id: str, every: int) -> AsyncGenerator[ContainerStats, None]:
        """Yields a container's figures at every so many beats, until it does not run any more, or
        the service ends.
        """
        sent = None
        with self._followed(full_id):
            while not self._beats.ended:
                beat = self._beats.number
                container = self._inventory.peek(full_id)
                if container is None or not container.runs:
                    return
                with suppress(OrchestratorError):  # no sample this time; it is tried again
                    figures = await self._sampler.stats(container)
                    if figures.timestamp != sent:
                        sent = figures.timestamp
                        yield figures
                await self._beats.reached(beat + every)

    async def follow_all(
        self, containers: Callable[[], Iterable[Container]], every: int
    ) -> AsyncGenerator[list[ContainerStats], None]:
        """Yields the figures of what `containers` returns then, at every so many beats, until the
        service ends.
        """
        with self._followed(EVERYTHING):
            while not self._beats.ended:
                beat = self._beats.number
                yield await self._sampler.all(containers())
                await self._beats.reached(beat + every)

    async def ended(self, full_id: str) -> End:
        """Returns why a stream about a container has come to its end."""
        if self._beats.ended:
            return "shutting-down"
        # One that is removed while it runs is stopped a moment before it is gone.
        gone = await self._inventory.wait_until(full_id, lambda now: now.runs, GOING_SECONDS)
        return "removed" if gone is None else "stopped"

    def end(self) -> None:
        """Ends all streams. Safe to call from a signal handler."""
        self._beats.end()

    @contextmanager
    def _followed(self, key: str) -> Iterator[None]:
        self._counts.streams += 1
        try:
            with self._interest.following(key):
                yield
        finally:
            self._counts.streams -= 1
