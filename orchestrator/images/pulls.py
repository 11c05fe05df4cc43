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
        self._pulls: dict[tuple[str, str | None], asyncio.Task[None]] = {}

    async def get(
        self,
        image: str,
        pull: str,
        platform: str | None = None,
        auth: RegistryAuth | None = None,
    ) -> Image:
        """The image as the engine has it, pulled when it is `missing`, `always` or `never`; for
        `platform`, where one is named, and with this login, if there is one.

        Raises ImageNotFound when it is not there and may not be pulled, and what a pull raises.
        """
        if pull != "always":
            try:
                return await self._found(image, platform)
            except ImageNotFound:
                if pull == "never":
                    raise
        try:
            await self._pull(image, platform, auth)
        except _BUILT_INSTEAD as error:
            if image != self._default or pull == "always":
                raise
            hint = " It is the default image; scripts/run builds it from Dockerfile.base."
            raise type(error)(error.message + hint, **error.fields) from error
        return await self._found(image, platform)

    async def _found(self, image: str, platform: str | None) -> Image:
        """The image on the engine. Raises ImageNotFound if it is for another platform."""
        found = await self._engine.images.inspect(image, platform)
        if not found.is_for(platform):
            raise ImageNotFound(
                f'Image "{image}" is on the engine for {found.platform}, not for {platform}. Have'
                ' it pulled for that with "pull": "always", or leave `platform` out.',
                image=image,
                platform=found.platform,
            )
        return found

    async def _pull(self, image: str, platform: str | None, auth: RegistryAuth | None) -> None:
        """Callers who want the same image at the same time share one pull; those with a login of
        their own don't.
        """
        if auth is not None:
            return await self._engine.images.pull(image, platform, auth)
        key = (image, platform)
        task = self._pulls.get(key)
        if task is None:
            task = asyncio.create_task(self._engine.images.pull(image, platform))
            self._pulls[key] = task
            task.add_done_callback(lambda _: self._pulls.pop(key, None))
        return await asyncio.shield(task)
