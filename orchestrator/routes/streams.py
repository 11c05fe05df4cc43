"""A stream tells what is followed as server-sent events, and says at its end why it ends.

It looks at its caller's key again while it goes on: one that is revoked gets nothing more.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

from fastapi.sse import ServerSentEvent

from ..callers import Caller
from ..models import End

# Seconds between two looks at a key.
LOOK_SECONDS = 0.5

STREAM = "Server-sent events, with a comment now and then while there is nothing to say."


async def shutting_down() -> End:
    """Tells why a stream ends that is about no one container."""
    return "shutting-down"


async def events(
    follow: AsyncGenerator[Any, None],
    caller: Caller,
    limit: int | None,
    ended: Callable[[], Awaitable[End]],
    show: Callable[[Any], Any] = lambda each: each,
) -> AsyncIterator[Any]:
    """Yields what is followed, `limit` of it at most, and as long as the caller's key counts; then
    an event that says why it ends.
    """
    reason: End | None = None
    number = 0
    async with aclosing(while_admitted(follow, caller)) as admitted:
        async for each in admitted:
            yield show(each)
            number += 1
            if number == limit:
                reason = "limit"
                break
    if reason is None and not caller.admitted():
        reason = "key-revoked"
    yield ServerSentEvent(event="end", data={"reason": reason or await ended()})


async def while_admitted(
    follow: AsyncGenerator[Any, None], caller: Caller
) -> AsyncGenerator[Any, None]:
    """Yields what is followed until the caller's key does not count any more; ends what it follows
    then, also in the middle of a wait.
    """
    following: asyncio.Task[Any] | None = None
    async with aclosing(follow):
        try:
            while caller.admitted():
                following = following or asyncio.ensure_future(anext(follow))
                await asyncio.wait({following}, timeout=LOOK_SECONDS)
                if following.done():
                    each, following = following, None
                    try:
                        found = each.result()
                    except StopAsyncIteration:
                        return
                    yield found
        finally:
            if following is not None:
                following.cancel()
                await asyncio.wait({following})
