"""Gets the image of a create: the one on the engine, or one that is pulled onto it."""

import asyncio

from ..engine import Engine
from ..errors import (
    ImageNotFound,
    ImagePullDenied,
    ImagePullFailed,
    RegistryFailed,
    RegistryUnreachable,
)
from ..models import Image, RegistryAuth

# Where an image may well be in no registry.
_BUILT_INSTEAD = (
    ImageNotFound,
    ImagePullDenied,
    ImagePullFailed,
    RegistryFailed,
    RegistryUnreachable,
)


class Images:
    """Gets images, each pulled once for all who want it. `default` is the image whose absence
    deserves a hint at how it is made.
    """

    def __init__(self, engine: Engine, default: str) -> None:
        self._engine = engine
        self._default = default
        self._pulls: dict[str, asyncio.Task[None]] = {}

    async def get(self, image: str, pull: str, auth: RegistryAuth | None = None) -> Image:
        """The image as the engine has it, pulled when it is `missing`, `always` or `never`; with
        this login, if there is one.

        Raises ImageNotFound when it is not there and may not be pulled, and what a pull raises.
        """
        if pull != "always":
            try:
                return await self._engine.images.inspect(image)
            except ImageNotFound:
                if pull == "never":
                    raise
        try:
            await self._pull(image, auth)
        except _BUILT_INSTEAD as error:
            if image != self._default or pull == "always":
                raise
            hint = " It is the default image; scripts/run builds it from Dockerfile.base."
            raise type(error)(error.message + hint, **error.fields) from error
        return await self._engine.images.inspect(image)

    async def _pull(self, image: str, auth: RegistryAuth | None) -> None:
        """Callers who want the same image at the same time share one pull; those with a login of
        their own don't.
        """
        if auth is not None:
            return await self._engine.images.pull(image, auth)
        task = self._pulls.get(image)
        if task is None:
            task = self._pulls[image] = asyncio.create_task(self._engine.images.pull(image))
            task.add_done_callback(lambda _: self._pulls.pop(image, None))
        return await asyncio.shield(task)
