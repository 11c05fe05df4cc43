"""How many changes are under way at once, and what happens to them when the service ends."""

import asyncio

import pytest

from orchestrator.containers.changes import OF_ONE, TURNS, Changes
from orchestrator.errors import ShuttingDown, TooBusy

pytestmark = pytest.mark.anyio


async def test_more_than_the_limit_are_refused_before_they_begin() -> None:
    mutations, free = Changes(2), asyncio.Event()
    begun: list[int] = []

    async def work(number: int) -> int:
        begun.append(number)
        await free.wait()
        return number

    first = [asyncio.create_task(mutations.run(work, number)) for number in range(2)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    with pytest.raises(TooBusy) as refused:
        await mutations.run(work, 2)
    assert refused.value.fields == {"limit": 2}
    free.set()
    assert await asyncio.gather(*first) == [0, 1]
    assert await mutations.run(work, 3) == 3
    assert begun == [0, 1, 3]


async def test_what_was_begun_is_finished_when_its_caller_has_gone() -> None:
    mutations, done = Changes(1), asyncio.Event()

    async def work() -> None:
        await asyncio.sleep(0.01)
        done.set()
        raise ValueError

    caller = asyncio.create_task(mutations.run(work))
    await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    await asyncio.wait_for(done.wait(), 5)
    await mutations.close(5)


async def test_nothing_begins_once_the_service_ends_and_what_is_under_way_is_waited_for() -> None:
    mutations, free = Changes(100), asyncio.Event()
    finished: list[int] = []

    async def work(number: int) -> None:
        async with mutations.turn("create"):
            await free.wait()
            finished.append(number)

    tasks = [asyncio.create_task(mutations.run(work, number)) for number in range(TURNS + 5)]
    await asyncio.sleep(0.01)
    mutations.refuse()
    with pytest.raises(ShuttingDown):
        await mutations.run(work, 99)
    closing = asyncio.create_task(mutations.close(5))
    await asyncio.sleep(0)
    free.set()
    await closing
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert finished == list(range(TURNS))
    assert [type(outcome) for outcome in outcomes[TURNS:]] == [ShuttingDown] * 5


async def test_the_end_does_not_wait_for_ever() -> None:
    mutations = Changes(1)
    task = asyncio.create_task(mutations.run(asyncio.sleep, 60))
    await asyncio.sleep(0)
    await asyncio.wait_for(mutations.close(0.05), 5)
    task.cancel()


async def test_the_lock_of_a_container_is_one_as_long_as_somebody_has_it() -> None:
    mutations = Changes(1)
    lock = mutations.lock("a")
    assert mutations.lock("a") is lock
    assert mutations.lock("b") is not lock


async def test_one_container_does_not_take_all_places() -> None:
    changes, free = Changes(1000), asyncio.Event()
    tasks = [asyncio.create_task(changes.run_on("a", free.wait)) for _ in range(OF_ONE)]
    await asyncio.sleep(0)
    tasks[0].cancel()  # whose change goes on
    await asyncio.sleep(0)
    with pytest.raises(TooBusy) as refused:
        await changes.run_on("a", free.wait)
    assert refused.value.fields == {"limit": OF_ONE}
    other = asyncio.create_task(changes.run_on("b", free.wait))
    await asyncio.sleep(0)
    free.set()
    await other
    await asyncio.gather(*tasks, return_exceptions=True)
    assert await changes.run_on("a", free.wait)
