"""A stream tells what is followed as server-sent events, and says at its end why it ends."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

from fastapi.sse import ServerSentEvent

from ..models import End

STREAM = "Server-sent events, with a comment now and then while there is nothing to say."


async def shutting_down() -> End:
    """Tells why a stream ends that is about no one container."""
    return "shutting-down"


async def events(
    follow: AsyncGenerator[Any, None],
    limit: int | None,
    ended: Callable[[], Awaitable[End]],
    show: Callable[[Any], Any] = lambda each: each,
) -> AsyncIterator[Any]:
    """Yields what is followed, `limit` of it at most, then an event that says why it ends."""
    reason: End | None = None
    number = 0
    async with aclosing(follow):
        async for each in follow:
            yield show(each)
            number += 1
            if number == limit:
                reason = "limit"
                break
    yield ServerSentEvent(event="end", data={"reason": reason or await ended()})
