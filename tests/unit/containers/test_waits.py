"""What only waits ends with its caller; what it waits for goes on."""

import asyncio

import pytest

from orchestrator.containers.waits import while_there
from orchestrator.errors import ContainerBusy

pytestmark = pytest.mark.anyio


async def forever() -> None:
    await asyncio.Event().wait()


async def test_what_comes_while_the_caller_is_there() -> None:
    async def soon() -> int:
        await asyncio.sleep(0.01)
        return 1

    assert await while_there(soon(), forever) == 1


async def test_a_failure_is_the_callers() -> None:
    async def failing() -> int:
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        await while_there(failing(), forever)


async def test_a_wait_ends_with_its_caller_and_not_what_it_waits_for() -> None:
    gone, work = asyncio.Event(), asyncio.ensure_future(asyncio.sleep(0.2, "done"))

    async def left() -> None:
        await gone.wait()

    waits = [asyncio.create_task(while_there(asyncio.shield(work), left)) for _ in range(3)]
    other = asyncio.create_task(while_there(asyncio.shield(work), forever))
    await asyncio.sleep(0)
    gone.set()
    found = await asyncio.gather(*waits, return_exceptions=True)
    assert [type(each) for each in found] == [ContainerBusy] * 3
    assert not work.done()
    assert await other == "done"
