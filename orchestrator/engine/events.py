"""Follows the engine's events: which containers something has happened to."""

import asyncio
import logging
import threading
from collections.abc import AsyncGenerator
from typing import Any

from docker import APIClient as Client
from docker.errors import DockerException

from .. import errors
from .connection import Connection
from .translate import translated

log = logging.getLogger(__name__)

_EVENTS = (
    "create", "start", "restart", "die", "stop", "kill", "oom", "pause", "unpause",
    "rename", "update", "destroy", "health_status",
    "died", "remove",  # Podman's words for die and destroy, where it filters
)  # fmt: skip


async def container_events(connection: Connection) -> AsyncGenerator[str, None]:
    """Yields the full id of a container whenever something happens to it, from the call of `anext`
    on.

    The first item is an empty string and says that the subscription stands. The iterator ends when
    the connection does: the SDK makes no difference between an end and an error. Raises
    EngineUnavailable and EngineTimeout.
    """
    client: Client = connection.client
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[str | BaseException | None] = asyncio.Queue()
    streams: list[Any] = []
    ended = threading.Event()

    def say(item: str | BaseException | None) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(queue.put_nowait, item)

    def follow() -> None:
        try:
            with translated():
                stream = client.events(
                    decode=True, filters={"type": "container", "event": list(_EVENTS)}
                )
            streams.append(stream)
            if ended.is_set():  # nobody has waited for so late an answer
                _close(stream)
                return
            say("")
            for event in stream:
                say(str(event["Actor"]["ID"]))
            say(None)
        except BaseException as error:
            say(error)

    threading.Thread(target=follow, name="events", daemon=True).start()
    try:
        deadline: float | None = connection.timeout
        while True:
            async with asyncio.timeout(deadline):
                item = await queue.get()
            deadline = None
            if item is None:
                return
            if isinstance(item, errors.OrchestratorError):
                raise item
            if isinstance(item, BaseException):
                raise errors.EngineUnavailable(
                    "The Docker engine's events cannot be followed."
                ) from item
            yield item
    except TimeoutError:
        raise errors.EngineTimeout("The Docker engine does not answer.") from None
    finally:
        ended.set()
        for stream in streams:
            _close(stream)


def _close(stream: Any) -> None:
    """Ends the thread that reads it. Closing one that is closed is a no-op."""
    try:
        stream.close()
    except (OSError, AttributeError, DockerException):
        log.debug("The event stream was closed already", exc_info=True)
