"""Creates one container for an Idempotency-Key, however often it is asked for.

The key lives in a label of the container, beside the name of the API key that it came with, so it
is known for as long as the container exists, over crashes and restarts of the service. Whoever
calls with another API key has idempotency keys of their own. The container's name is unique on the
engine, and so decides between two services that are sent the same key at the same moment.
"""

import asyncio
import time

from ..callers import Caller
from ..engine import Engine
from ..errors import (
    ContainerBusy,
    ContainerNotFound,
    IdempotencyKeyReused,
    NameInUse,
    QuotaExceeded,
)
from ..models import Container, CreateRequest
from ..payloads import fingerprint, is_husk
from ..state import Mirror, made_with
from .create import Creator, name_of
from .waits import Left, while_there

# How long another service may take to start what it has created, in seconds.
ELSEWHERE_SECONDS = 30.0
# How long a name may be taken before the engine shows the container that has it, in seconds.
APPEARS_SECONDS = 2.0
# Creates for one call, when the name is taken and then free again.
ATTEMPTS = 3


class KeyedCreates:
    """Has a container created once for each key; answers repetitions with the same one."""

    def __init__(self, engine: Engine, mirror: Mirror, creator: Creator) -> None:
        self._engine = engine
        self._mirror = mirror
        self._inventory = mirror.inventory
        self._creator = creator
        # By the name of the API key, and the key: the request's fingerprint, and what comes of it.
        self._under_way: dict[
            tuple[str | None, str], tuple[str, asyncio.Future[tuple[Container, bool]]]
        ] = {}

    async def create(
        self, request: CreateRequest, caller: Caller, key: str, left: Left
    ) -> tuple[Container, bool]:
        """Returns the container of this key, and whether this call created it.

        A call during the first waits for it, until its caller has `left`, and shares its outcome;
        after a failure, or when the container was removed, the next call creates anew. Raises
        IdempotencyKeyReused when the key came with another request, and what a create raises.
        """
        own = caller.name, key
        if own in self._under_way:
            before, future = self._under_way[own]
            if before != fingerprint(request):
                raise _reused(None)
            container, _ = await while_there(asyncio.shield(future), left)
            return container, False
        future = asyncio.ensure_future(self._find_or_create(request, caller, key))
        self._under_way[own] = fingerprint(request), future
        future.add_done_callback(lambda _: self._under_way.pop(own))
        return await asyncio.shield(future)

    async def _find_or_create(
        self, request: CreateRequest, caller: Caller, key: str
    ) -> tuple[Container, bool]:
        existing = self._inventory.keyed(caller.name, key)
        if existing is not None:
            _check(existing, request)
            # It may have been removed a moment ago, which an event is about to tell.
            if not is_husk(existing):
                now = await self._mirror.refresh(existing.full_id)
                if now is not None:
                    return now, False
        name = request.name or name_of(caller.name, key)
        for _ in range(ATTEMPTS):
            try:
                return await self._creator.create(request, caller, key), True
            except NameInUse:
                existing = await self._made_elsewhere(name, APPEARS_SECONDS)
                if existing is not None and not _is_of(existing, caller, key):
                    raise
            except QuotaExceeded:
                # What uses the quota up may be this key's container, made by another service.
                existing = await self._made_elsewhere(name, 0)
                if existing is None or not _is_of(existing, caller, key):
                    raise
            if existing is not None:
                return await self._started_elsewhere(existing, request), False
        raise _being_made()

    async def _made_elsewhere(self, name: str, seconds: float) -> Container | None:
        """The container that has the name; None if there is none after `seconds`. The engine
        reserves a name before it shows the container.
        """
        give_up = time.monotonic() + seconds
        while True:
            try:
                found = await self._engine.containers.inspect(name)
            except ContainerNotFound:
                if time.monotonic() > give_up:
                    return None
                await asyncio.sleep(0.1)
            else:
                return await self._mirror.refresh(found.full_id)

    async def _started_elsewhere(self, existing: Container, request: CreateRequest) -> Container:
        """The container, once the service that has created it has started it as well."""
        _check(existing, request)
        started = await self._inventory.wait_until(
            existing.full_id, lambda now: not is_husk(now), ELSEWHERE_SECONDS
        )
        if started is None or is_husk(started):
            raise _being_made()
        return started


def _is_of(container: Container, caller: Caller, key: str) -> bool:
    return container.managed and made_with(container, caller.name, key)


def _being_made() -> ContainerBusy:
    return ContainerBusy(
        "Another service is creating a container with this Idempotency-Key, or has failed to. Try"
        " again in a moment."
    )


def _check(container: Container, request: CreateRequest) -> None:
    if container.fingerprint != fingerprint(request):
        raise _reused(container)


def _reused(container: Container | None) -> IdempotencyKeyReused:
    made = f', which made "{container.name}"' if container is not None else ""
    return IdempotencyKeyReused(
        f"This Idempotency-Key came with another body before{made}. Use a new key for a new"
        " container.",
        id=container.id if container is not None else None,
        name=container.name if container is not None else None,
    )
