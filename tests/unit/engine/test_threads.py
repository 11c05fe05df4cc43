"""The bounded pools of threads that calls to the engine run on: real threads, short deadlines.

What is asserted about time has room on both sides, for a machine with much else to do.
"""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import pytest

from orchestrator.engine.threads import Pool
from orchestrator.errors import EngineTimeout, EngineUnavailable, NameInUse

LONG = 30.0  # seconds that no test takes

pytestmark = pytest.mark.anyio


@pytest.fixture
async def pool() -> AsyncIterator[Pool]:
    """A pool with one thread."""
    pool = Pool("test", 1)
    yield pool
    pool.close()


@pytest.fixture
async def hanging(pool: Pool) -> AsyncIterator[threading.Event]:
    """Until it is set, the calls that wait for it do not return."""
    released = threading.Event()
    yield released
    released.set()


def takes(seconds: float, failure: Exception | None = None) -> Callable[[], str]:
    def call() -> str:
        time.sleep(seconds)
        if failure is not None:
            raise failure
        return "answer"

    return call


async def at_once(*calls: Any) -> list[Any]:
    async with asyncio.timeout(LONG):
        return await asyncio.gather(*calls, return_exceptions=True)


async def begun(pool: Pool, *args: Any) -> "asyncio.Task[Any]":
    """A call that is under way, or that waits for its turn."""
    task = asyncio.create_task(pool.run(*args))
    await asyncio.sleep(0)
    return task


@pytest.mark.parametrize("turns", range(8))
async def test_a_cancellation_is_not_lost_when_the_answer_comes_with_it(
    pool: Pool, hanging: threading.Event, turns: int
) -> None:
    after = False

    async def caller() -> None:
        nonlocal after
        await pool.run(lambda: hanging.wait(10), 20)
        after = True
        await asyncio.sleep(20)

    task = asyncio.create_task(caller())
    await asyncio.sleep(0.01)
    hanging.set()
    ends_in_the_pool(pool)
    for _ in range(turns):  # the answer is on its way to the caller, a step further each time
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(5):
            await task
    assert task.cancelled()


def ends_in_the_pool(pool: Pool) -> None:
    """Returns once the call has ended in its thread, before the loop has heard of it."""
    pool.close()
    for thread in pool._threads:
        thread.join(10)


async def test_what_a_call_returns_and_raises(pool: Pool) -> None:
    assert await pool.run(takes(0), LONG) == "answer"
    with pytest.raises(NameInUse, match="taken"):
        await pool.run(takes(0, NameInUse("taken")), LONG)


async def test_calls_have_their_turn_in_the_order_of_asking(pool: Pool) -> None:
    order: list[int] = []
    await at_once(*(pool.run(partial(order.append, number), LONG) for number in range(20)))
    assert order == list(range(20))


async def test_no_more_calls_at_once_than_threads() -> None:
    pool, guard = Pool("test", 3), threading.Lock()
    at_work = most = 0

    def call() -> None:
        nonlocal at_work, most
        with guard:
            at_work += 1
            most = max(most, at_work)
        time.sleep(0.1)
        with guard:
            at_work -= 1

    await at_once(*(pool.run(call, LONG) for _ in range(12)))
    assert most == 3
    pool.close()


async def test_of_an_engine_that_hangs_everybody_hears_in_time(
    pool: Pool, hanging: threading.Event
) -> None:
    began = time.monotonic()
    answers = await at_once(*(pool.run(hanging.wait, 0.3) for _ in range(20)))
    assert [type(answer) for answer in answers] == [EngineTimeout] * 20
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("failure", [None, NameInUse("taken")])
async def test_while_the_engine_answers_everybody_is_served(
    pool: Pool, failure: Exception | None
) -> None:
    """Each call takes a tenth of its time; all together take much longer than one may wait."""
    answers = await at_once(*(pool.run(takes(0.1, failure), 1.5) for _ in range(30)))
    assert answers == [failure or "answer"] * 30


@pytest.mark.parametrize("failure", [EngineTimeout("too late"), EngineUnavailable("cut")])
async def test_a_call_without_an_answer_gives_nobody_more_time(
    pool: Pool, failure: Exception
) -> None:
    answers = await at_once(*(pool.run(takes(0.2, failure), 0.5) for _ in range(12)))
    assert answers[0] is failure
    # Those whose turn did not come in time, for it would have been the fifth and later.
    late = [answer for answer in answers if answer is not failure]
    assert len(late) >= 8
    assert all(isinstance(answer, EngineTimeout) for answer in late)


async def test_who_waits_behind_a_long_call_waits_for_as_long_as_that_may_take(
    pool: Pool, hanging: threading.Event
) -> None:
    long = await begun(pool, hanging.wait, LONG)
    short = await begun(pool, takes(0), 0.2)
    done, _ = await asyncio.wait({long, short}, timeout=0.6)
    assert not done
    hanging.set()
    assert await at_once(long, short) == [True, "answer"]


async def test_a_thread_that_hangs_keeps_its_place_and_gives_nobody_more_time(
    pool: Pool, hanging: threading.Event
) -> None:
    for _ in range(2):
        with pytest.raises(EngineTimeout):
            await pool.run(hanging.wait, 0.2)
    hanging.set()
    assert await pool.run(takes(0), LONG) == "answer"


async def test_whoever_goes_while_waiting_takes_no_place(
    pool: Pool, hanging: threading.Event
) -> None:
    first = await begun(pool, hanging.wait, LONG)
    waiting = [await begun(pool, takes(0), LONG) for _ in range(3)]
    for task in waiting[:2]:
        task.cancel()
    hanging.set()
    waiting[2].cancel()  # its turn may just have come
    await at_once(first, *waiting)
    assert await pool.run(takes(0), LONG) == "answer"


async def test_a_caller_who_goes_does_not_end_the_call(
    pool: Pool, hanging: threading.Event
) -> None:
    ended = threading.Event()

    def call() -> None:
        hanging.wait()
        ended.set()

    task = await begun(pool, call, LONG)
    task.cancel()
    await at_once(task)
    hanging.set()
    assert await asyncio.to_thread(ended.wait, LONG)
