"""Creates that happen once for a key.

The key lives in a label of the container, so it is known for as long as the container exists, over
crashes and restarts of the service. Within one engine it is this service's alone: two services that
are sent the same key at the same moment may both create.
"""

import asyncio
from collections.abc import Awaitable, Callable

from .create_request import CreateRequest
from .errors import IdempotencyKeyReused
from .inventory import Inventory
from .models import Container
from .payloads import LABEL_KEY, LABEL_REQUEST, fingerprint, is_husk


class IdempotentCreates:
    """`create` makes a container that carries the key, or fails and leaves none."""

    def __init__(
        self,
        inventory: Inventory,
        create: Callable[[CreateRequest, str], Awaitable[Container]],
    ) -> None:
        self._inventory = inventory
        self._create = create
        self._under_way: dict[str, tuple[CreateRequest, asyncio.Future[Container]]] = {}

    async def create(self, request: CreateRequest, key: str) -> tuple[Container, bool]:
        """The container of this key, and whether this call created it.

        A call during the first waits for it and shares its outcome; after a failure, or when the
        container was removed, the next call creates anew. Raises IdempotencyKeyReused when the key
        came with another request, and what a create raises.
        """
        if key in self._under_way:
            before, future = self._under_way[key]
            if before != request:
                raise _reused(None)
            return await asyncio.shield(future), False
        existing = self._inventory.labelled(LABEL_KEY, key)
        if existing is not None and existing.labels.get(LABEL_REQUEST) != fingerprint(request):
            raise _reused(existing)
        if existing is not None and not is_husk(existing):
            return existing, False
        future = asyncio.ensure_future(self._create(request, key))
        self._under_way[key] = request, future
        future.add_done_callback(lambda _: self._under_way.pop(key))
        return await asyncio.shield(future), True


def _reused(container: Container | None) -> IdempotencyKeyReused:
    made = f', which made "{container.name}"' if container is not None else ""
    return IdempotencyKeyReused(
        f"This Idempotency-Key came with another body before{made}. Use a new key for a new"
        " container.",
        id=container.id if container is not None else None,
        name=container.name if container is not None else None,
    )
