"""Knows which labels of ours containers inherit from their images. Each image is looked at once."""

import asyncio
from collections.abc import Mapping

from ..errors import ImageNotFound
from ..labels import LABEL_PREFIX
from .images import ImageCalls

# Images that are remembered. Each move of a container makes one.
MOST_IMAGES = 10_000


class InheritedLabels:
    """Looks images up by their ids. What an id stands for never changes."""

    def __init__(self, images: ImageCalls) -> None:
        self._images = images
        self._looks: dict[str, asyncio.Task[Mapping[str, str] | None]] = {}

    async def of(self, image_id: str) -> Mapping[str, str] | None:
        """The labels of an image under our prefix; None where it is gone. Raises what the engine
        raises.

        Callers who want the same image at the same time share one look, as at a start of the
        service, when all containers are inspected.
        """
        look = self._looks.get(image_id)
        if look is None:
            if len(self._looks) >= MOST_IMAGES:
                self._looks.clear()
            look = self._looks[image_id] = asyncio.create_task(self._look(image_id))
            look.add_done_callback(lambda task: self._ended(image_id, task))
        return await asyncio.shield(look)

    async def _look(self, image_id: str) -> Mapping[str, str] | None:
        try:
            labels = (await self._images.inspect(image_id)).labels
        except ImageNotFound:
            return None
        return {name: value for name, value in labels.items() if name.startswith(LABEL_PREFIX)}

    def _ended(self, image_id: str, look: asyncio.Task[Mapping[str, str] | None]) -> None:
        """Forgets a look that found nothing."""
        failed = look.cancelled() or look.exception() is not None or look.result() is None
        if failed and self._looks.get(image_id) is look:
            del self._looks[image_id]
