"""Threads for calls that block, so many for each kind, with deadlines. No I/O of its own."""

import asyncio
import math
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, TypeVar

from .. import errors

T = TypeVar("T")

_thread = threading.local()  # .deadline, in seconds of time.monotonic


def deadline_of_this_thread() -> float | None:
    """When the caller of what runs here stops waiting, in seconds of time.monotonic; None outside
    of a pool.
    """
    deadline: float | None = getattr(_thread, "deadline", None)
    return deadline


class Pool:
    """A bounded number of threads for one kind of call, and the queue in front of them.

    The deadline of a call counts the wait for a thread. Waiting is fine for as long as the engine
    answers: each answer, a refusal too, gives all who wait their full time again; a time-out and a
    lost connection do not. So a hundred calls on four threads are all served, while of an engine
    that hangs everybody hears within `seconds` of asking. Where calls that last are under way, for
    which the caller ahead has allowed more time (a graceful stop), those behind wait for them too:
    for the longest that was under way when they asked, or when the last answer came.

    The threads are daemons, so that one that hangs does not hold up the end of the process.
    """

    def __init__(self, name: str, size: int) -> None:
        self._name = name
        self._places = asyncio.Semaphore(size)
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._under_way: dict[asyncio.Future[Any], float] = {}  # deadlines
        self._answered = -math.inf  # when the engine last answered a call of this pool
        self._allowed = -math.inf  # the last of the deadlines that were under way then

    async def run(self, call: Callable[[], T], seconds: float) -> T:
        """What `call` returns or raises; EngineTimeout when it takes too long, waiting included."""
        asked = time.monotonic()
        await self._turn(asked, seconds)
        deadline = max(asked, self._answered) + seconds
        if deadline <= time.monotonic():
            self._places.release()
            raise self._too_late(seconds)
        future = self._begin(call, deadline)
        try:
            # Not asyncio.wait_for, which until Python 3.12 returns a result that arrives together
            # with a cancellation, and so makes the task deaf to it.
            async with asyncio.timeout(deadline - time.monotonic()):
                return await future
        except TimeoutError:
            raise self._too_late(seconds) from None

    def close(self) -> None:
        for _ in self._threads:
            self._jobs.put(None)

    async def _turn(self, asked: float, seconds: float) -> None:
        """Returns with a place for the caller, in the order of asking."""
        limit = max(asked + seconds, self._latest())
        if not self._places.locked():
            await self._places.acquire()
            return
        turn = asyncio.create_task(self._places.acquire())
        try:
            while not turn.done():
                left = max(limit, self._answered + seconds, self._allowed) - time.monotonic()
                if left <= 0:
                    raise self._too_late(seconds)
                await asyncio.wait({turn}, timeout=left)
        except BaseException:
            if not turn.cancel():  # it had the place already
                self._places.release()
            raise

    def _begin(self, call: Callable[[], T], deadline: float) -> "asyncio.Future[T]":
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def work() -> None:
            _thread.deadline = deadline
            answer, failure = None, None
            try:
                answer = call()
            except BaseException as error:
                failure = error
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(self._end, future, answer, failure)
            del failure  # whose trace holds this frame

        self._under_way[future] = deadline
        if len(self._threads) < len(self._under_way):
            thread = threading.Thread(target=self._work, name=self._name, daemon=True)
            self._threads.append(thread)
            thread.start()
        self._jobs.put(work)
        return future

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
            del job  # or it would keep its call, and what that returned, until the next one

    def _end(
        self, future: "asyncio.Future[Any]", answer: object, failure: BaseException | None
    ) -> None:
        del self._under_way[future]
        if not isinstance(failure, (errors.EngineTimeout, errors.EngineUnavailable)):
            self._answered, self._allowed = time.monotonic(), self._latest()
        self._places.release()
        if future.cancelled():  # the caller has gone, or has had its EngineTimeout
            return
        if failure is None:
            future.set_result(answer)
        else:
            future.set_exception(failure)

    def _latest(self) -> float:
        return max(self._under_way.values(), default=-math.inf)

    @staticmethod
    def _too_late(seconds: float) -> errors.EngineTimeout:
        return errors.EngineTimeout(
            f"The Docker engine did not answer within {seconds:g} seconds. Look at"
            " GET /health, and at GET /containers for what has happened meanwhile."
        )
