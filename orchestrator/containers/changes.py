"""Runs changes to containers: a bounded number at once, one at a time per container, each to
completion even if its caller hangs up.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Literal, ParamSpec, TypeVar
from weakref import WeakValueDictionary

from ..errors import ShuttingDown, TooBusy

P = ParamSpec("P")
T = TypeVar("T")

# More creates, and more starts, than the engine works on at once, so that it never waits for the
# service, but few enough for a shutdown to see them through.
TURNS = 8
# Changes of one container that are under way or waiting.
OF_ONE = 32


class Changes:
    """Runs changes: at most `limit` are under way or waiting; more are refused, and leave nothing
    behind.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._tasks: set[asyncio.Task[Any]] = set()
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._turns = {"create": asyncio.Semaphore(TURNS), "start": asyncio.Semaphore(TURNS)}
        self._of_one: Counter[str] = Counter()
        self._ending = False

    async def run_on(
        self,
        full_id: str,
        work: Callable[P, Coroutine[Any, Any, T]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Runs a change of one container as `run` does. Raises TooBusy also when too many of that
        container's are under way or waiting.
        """
        if self._of_one[full_id] >= OF_ONE:
            raise TooBusy(
                f"{OF_ONE} changes of this container are under way or waiting, and no more are"
                " taken. Try again in a few seconds.",
                limit=OF_ONE,
            )
        self._refuse_if_full()
        task = self._begin(work(*args, **kwargs))
        self._of_one[full_id] += 1
        task.add_done_callback(lambda _: self._release(full_id))
        return await asyncio.shield(task)

    async def run(
        self, work: Callable[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Returns the outcome of `work`, which goes on even when this call is cancelled.

        Raises TooBusy when there are too many, and ShuttingDown once the service is.
        """
        self._refuse_if_full()
        return await asyncio.shield(self._begin(work(*args, **kwargs)))

    def lock(self, full_id: str) -> asyncio.Lock:
        """Returns the lock of one container; holding it, nobody else of this service changes it."""
        lock = self._locks.get(full_id)
        if lock is None:
            lock = self._locks[full_id] = asyncio.Lock()
        return lock

    @asynccontextmanager
    async def turn(self, kind: Literal["create", "start"]) -> AsyncIterator[None]:
        """Waits until fewer than `TURNS` others create, or start, containers.

        A create waits for the lock of its container during its turn, a start has it before; so each
        kind has turns of its own, lest they wait for each other for ever. Whoever still waits when
        the service shuts down gets ShuttingDown, having changed nothing.
        """
        async with self._turns[kind]:
            self._refuse_if_ending()
            yield

    def refuse(self) -> None:
        """Lets nothing new begin from now on. Safe to call from a signal handler."""
        self._ending = True

    async def close(self, seconds: float) -> None:
        """Waits for what is under way, `seconds` at most."""
        self.refuse()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)

    def _refuse_if_full(self) -> None:
        self._refuse_if_ending()
        if len(self._tasks) >= self._limit:
            raise TooBusy(
                f"{len(self._tasks)} changes are under way or waiting, and no more are taken. Try"
                " again in a few seconds, or raise MUTATION_QUEUE.",
                limit=self._limit,
            )

    def _begin(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _release(self, full_id: str) -> None:
        self._of_one[full_id] -= 1
        if not self._of_one[full_id]:
            del self._of_one[full_id]

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # retrieved, also when its caller has gone

    def _refuse_if_ending(self) -> None:
        if self._ending:
            raise ShuttingDown(
                "The service is being stopped. Try again when it is back; containers keep running."
            )
