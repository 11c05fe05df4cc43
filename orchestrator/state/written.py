"""Keeps in memory what containers have written to their own file systems, as last counted.

The engine has to walk through all of a container's files for that, so nothing here asks by itself:
`look` counts for all of ours at once, `count` for one for somebody who asks. What a look costs
bounds how soon the same container is counted anew.

What a container had written before it was moved is in its image by now, and counts as well.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..engine import Engine
from ..errors import EngineTimeout, ImageNotFound
from ..image_references import COMMITTED, MADE_ANEW
from ..models import Container, Layer
from .inventory import Inventory

# Of the time, the part that counting one container may take: who asks sooner is told the last one.
SHARE = 10
# Seconds; what took less is counted anew whenever somebody asks.
QUICK = 0.5


@dataclass(frozen=True)
class _Count:
    began: float
    seconds: float  # that it took
    size: int | None  # bytes; None where the engine cannot tell
    late: bool  # whether the engine did not end in time

    def holds_at(self, now: float) -> bool:
        return self.seconds >= QUICK and now < self.began + (1 + SHARE) * self.seconds


class Written:
    """Holds how many bytes each container has written, and has them counted."""

    def __init__(
        self, engine: Engine, inventory: Inventory, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._engine = engine
        self._inventory = inventory
        self._clock = clock
        self._sizes: dict[str, int] = {}  # by full id, as last counted
        self._counts: dict[str, _Count] = {}  # those for somebody who asked
        self._counting: dict[str, asyncio.Task[int | None]] = {}
        self._moved: dict[str, int] = {}  # by image: what moves have put into it
        self._looked: float | None = None

    async def count(self, container: Container) -> int | None:
        """Counts the bytes that a container has written, together with all who ask meanwhile; None
        where the engine cannot tell.

        Raises ContainerNotFound once it is gone, EngineTimeout, and what the engine raises.
        """
        full_id = container.full_id
        if (task := self._counting.get(full_id)) is None:
            last = self._counts.get(full_id)
            if last is not None and last.holds_at(self._clock()):
                if last.late:
                    raise _too_many_files(container)
                return last.size
            task = self._counting[full_id] = asyncio.create_task(self._count(container))
            task.add_done_callback(lambda task: self._counted(full_id, task))
        return await asyncio.shield(task)

    async def look(self) -> None:
        """Counts for all of ours, and forgets what is gone. Raises what the engine raises."""
        began = self._clock()
        sizes = await self._engine.sizes.all()
        there = {each.full_id: each for each in self._inventory.each() if each.managed}
        for full_id in sizes.keys() & there.keys():
            sizes[full_id] += await self._before_moves(there[full_id])
        self._sizes = {full_id: sizes[full_id] for full_id in sizes.keys() & there.keys()}
        self._counts = {key: each for key, each in self._counts.items() if key in there}
        images = {each.moved_image for each in there.values()}
        self._moved = {image: size for image, size in self._moved.items() if image in images}
        self._looked = began

    def known(self) -> list[tuple[Container, int]]:
        """Returns those of ours that were counted and exist, and what each has written."""
        found = ((self._inventory.peek(full_id), size) for full_id, size in self._sizes.items())
        return [(each, size) for each, size in found if each is not None and each.managed]

    def total(self) -> int:
        """Returns what all of ours have written together, as far as they were counted. One that is
        being moved has a successor, which has written the same.
        """
        known = self.known()
        moved = {earlier for container, _ in known for earlier in container.earlier_ids}
        return sum(size for container, size in known if container.full_id not in moved)

    @property
    def age(self) -> float | None:
        """Seconds since the last look began; None before the first."""
        return None if self._looked is None else self._clock() - self._looked

    async def _count(self, container: Container) -> int | None:
        full_id, began = container.full_id, self._clock()
        try:
            size = await self._engine.sizes.one(full_id)
            if size is not None:
                size += await self._before_moves(container)
        except EngineTimeout as error:
            self._counts[full_id] = _Count(began, self._clock() - began, None, late=True)
            raise _too_many_files(container) from error
        self._counts[full_id] = _Count(began, self._clock() - began, size, late=False)
        if container.managed and size is not None:
            self._sizes[full_id] = size
        return size

    def _counted(self, full_id: str, task: "asyncio.Task[int | None]") -> None:
        del self._counting[full_id]
        if not task.cancelled():
            task.exception()  # which all who asked may have left before

    async def _before_moves(self, container: Container) -> int:
        """The bytes that moves have taken over from the container's predecessors."""
        image = container.moved_image
        if image is None:
            return 0
        if image not in self._moved:
            try:
                self._moved[image] = moved_bytes(await self._engine.images.history(image))
            except ImageNotFound:
                self._moved[image] = 0
        return self._moved[image]


def moved_bytes(layers: Sequence[Layer]) -> int:
    """Adds up what moves have put into an image, by its layers, the newest first. In an image that
    a move has written anew, all files are in one layer, and count as moved.
    """
    size = 0
    for layer in layers:
        if layer.comment not in (COMMITTED, MADE_ANEW):
            break
        size += layer.size
    return size


def _too_many_files(container: Container) -> EngineTimeout:
    return EngineTimeout(
        f'The Docker engine did not count in time what container "{container.name}" has written: it'
        " has very many files, or the engine has too much to do. Ask without `size=true`, or again"
        " in some minutes."
    )
