"""Waits for what another request, or a container itself, does, as long as somebody wants to know.

A change goes on when its caller has gone; a wait that changes nothing ends with its caller, whose
place others need.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from ..errors import ContainerBusy

T = TypeVar("T")
# Returns when the caller has hung up.
Left = Callable[[], Awaitable[None]]


async def while_there(waiting: Awaitable[T], left: Left) -> T:
    """Returns what is waited for. Raises ContainerBusy, which nobody reads but the audit, when the
    caller goes away before.
    """
    wanted, gone = asyncio.ensure_future(waiting), asyncio.ensure_future(left())
    try:
        await asyncio.wait({wanted, gone}, return_when=asyncio.FIRST_COMPLETED)
        if wanted.done():
            return wanted.result()
        raise ContainerBusy("The caller hung up while another request was at work on this.")
    finally:
        wanted.cancel()
        gone.cancel()
