"""Images to clone from: those on the engine, and those that are pulled onto it."""

import asyncio
from typing import Any

from ..engine import Engine
from ..errors import ImageNotFound, ImagePullFailed


class Images:
    """`default` is the image whose absence deserves a hint at how it is made."""

    def __init__(self, engine: Engine, default: str) -> None:
        self._engine = engine
        self._default = default
        self._pulls: dict[str, asyncio.Task[None]] = {}

    async def get(self, image: str, pull: str) -> dict[str, Any]:
        """The image as the engine has it, pulled when it is `missing`, `always` or `never`.

        Raises ImageNotFound when it is not there and cannot be had, whatever the reason, and
        ImagePullFailed when it is there but was to be pulled again.
        """
        if pull != "always":
            try:
                return await self._engine.inspect_image(image)
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
        return await self._engine.inspect_image(image)

    async def _pull(self, image: str) -> None:
        """Callers who want the same image at the same time share one pull."""
        task = self._pulls.get(image)
        if task is None:
            task = self._pulls[image] = asyncio.create_task(self._engine.pull(image))
            task.add_done_callback(lambda _: self._pulls.pop(image, None))
        await asyncio.shield(task)
