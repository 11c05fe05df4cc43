"""The bounded pools of threads that calls to the engine run on."""

import asyncio
import threading

import pytest

from orchestrator.engine import _Pool


@pytest.mark.anyio
@pytest.mark.parametrize("turns", range(8))
async def test_a_cancellation_is_not_lost_when_the_answer_comes_with_it(turns: int) -> None:
    pool = _Pool("test", 1)
    answered = threading.Event()
    after = False

    async def caller() -> None:
        nonlocal after
        await pool.run(lambda: answered.wait(10), 20)
        after = True
        await asyncio.sleep(20)

    task = asyncio.create_task(caller())
    await asyncio.sleep(0.01)
    answered.set()
    await _ends_in_the_pool(pool)
    for _ in range(turns):  # the answer is on its way to the caller, a step further each time
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(5):
            await task
    assert task.cancelled()
    pool.close()


async def _ends_in_the_pool(pool: _Pool) -> None:
    """Returns once the call has ended in its thread, before the loop has heard of it."""
    pool._threads.shutdown(wait=True)
