"""A stream goes on as long as the key that it was opened with."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from orchestrator.callers import Caller
from orchestrator.models import End
from orchestrator.routes import streams

pytestmark = pytest.mark.anyio


class Followed:
    """Yields numbers, waits for ever after those, and notes that it was ended."""

    ended = False

    async def numbers(self, most: int) -> AsyncGenerator[int, None]:
        try:
            for number in range(most):
                yield number
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            self.ended = True


async def stopped() -> End:
    return "stopped"


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "LOOK_SECONDS", 0.01)


@pytest.mark.parametrize("most", [0, 1, 5])
async def test_a_stream_whose_key_goes_says_so_and_ends_what_it_follows(most: int) -> None:
    looks = iter([True] * (most + 3))
    caller = Caller("a", "read", "-", admitted=lambda: next(looks, False))
    followed = Followed()
    found = [each async for each in streams.events(followed.numbers(most), caller, None, stopped)]
    assert found[:-1] == list(range(most))
    assert found[-1].data == {"reason": "key-revoked"}
    assert followed.ended


async def test_another_end_is_told_as_such() -> None:
    async def two() -> AsyncGenerator[int, None]:
        yield 1
        yield 2

    caller = Caller(None, "write", "-")
    found = [each async for each in streams.events(two(), caller, None, stopped)]
    assert found[:-1] == [1, 2]
    assert found[-1].data == {"reason": "stopped"}
    found = [each async for each in streams.events(two(), caller, 1, stopped)]
    assert (found[:-1], found[-1].data) == ([1], {"reason": "limit"})


async def test_what_fails_fails_the_stream() -> None:
    async def failing() -> AsyncGenerator[int, None]:
        yield 1
        raise ValueError("no more")

    caller = Caller(None, "write", "-")
    with pytest.raises(ValueError, match="no more"):
        _ = [each async for each in streams.events(failing(), caller, None, stopped)]


async def test_a_reader_that_goes_in_the_middle_of_a_wait_leaves_nothing() -> None:
    followed = Followed()
    caller = Caller(None, "write", "-")

    async def read() -> None:
        async for _ in streams.events(followed.numbers(1), caller, None, stopped):
            pass

    task = asyncio.create_task(read())
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    for _ in range(100):
        if followed.ended:
            break
        await asyncio.sleep(0.01)
    assert followed.ended
