"""Gets the image of a create: the one on the engine, or one that is pulled onto it."""

import asyncio

from ..engine import Engine
from ..errors import ImageNotFound, ImagePullFailed
from ..models import Image


class Images:
    """Gets images, each pulled once for all who want it. `default` is the image whose absence
    deserves a hint at how it is made.
    """

    def __init__(self, engine: Engine, default: str) -> None:
        self._engine = engine
        self._default = default
        self._pulls: dict[str, asyncio.Task[None]] = {}

    async def get(self, image: str, pull: str) -> Image:
        """The image as the engine has it, pulled when it is `missing`, `always` or `never`.

        Raises ImageNotFound when it is not there and cannot be had, whatever the reason, and
        ImagePullFailed when it is there but was to be pulled again.
        """
        if pull != "always":
            try:
                return await self._engine.images.inspect(image)
            except ImageNotFound:
                if pull == "never":
                    raise
        try:
            await self._pull(image)
        except ImagePullFailed as error:
            if pull == "always":
                raise
            hint = ""
            if image == self._default:
                hint = " It is the default image; scripts/run builds it from Dockerfile.base."
            raise ImageNotFound(error.message + hint, image=image) from error
        return await self._engine.images.inspect(image)

    async def _pull(self, image: str) -> None:
        """Callers who want the same image at the same time share one pull."""
        task = self._pulls.get(image)
        if task is None:
            task = self._pulls[image] = asyncio.create_task(self._engine.images.pull(image))
            task.add_done_callback(lambda _: self._pulls.pop(image, None))
        await asyncio.shield(task)
