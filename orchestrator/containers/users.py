"""Makes a number of the user's name that an image has, for those who must not be root.

`USER toor` may be root by another name: only the image's own /etc/passwd tells. The engine shows a
file of an image only in a container, so a bare one is created for it, never started, and removed.
After a crash it is a husk like others. What was found is remembered, for images do not change.
"""

import uuid
from dataclasses import replace

from ..engine import Engine
from ..inside import Users, name_of
from ..models import Confinement, CreateRequest, HealthCheck, Image, Limits, Spec
from ..policy import NOBODY
from .leftovers import Leftovers

# So many names are remembered.
MOST_REMEMBERED = 1000

# What is asked for is never run: without the image's program and health check any image will do.
_ASKED = CreateRequest(entrypoint=["/none"], healthcheck=HealthCheck(test=["NONE"]))
_CONFINEMENT = Confinement(
    limits=Limits(),
    init=False,
    capabilities_dropped=("ALL",),
    log_rotation=None,
    read_only=True,
    user=NOBODY,
)


class NamedUsers:
    """Looks images' users up."""

    def __init__(self, engine: Engine, leftovers: Leftovers) -> None:
        self._engine = engine
        self._leftovers = leftovers
        self._users = Users(engine)
        self._known: dict[tuple[str, str], str] = {}  # by the image's id and the name

    async def numbered(self, image: Image) -> Image:
        """Returns the same image with the number of its user in place of a name, where the name
        stands for one from 1 on; else the image as it is. Raises what the engine raises.
        """
        name = name_of(image.user)
        if name is None or image.id is None:
            return image
        key = image.id, name
        if key not in self._known:
            found = await self._look(replace(image, reference=image.id), name)
            if found is None:
                return image
            if len(self._known) >= MOST_REMEMBERED:
                self._known.clear()
            self._known[key] = found
        _, colon, group = image.user.strip().partition(":")
        return replace(image, user=f"{self._known[key]}{colon}{group}")

    async def _look(self, image: Image, name: str) -> str | None:
        probe = Spec(_ASKED, image, None, (), _CONFINEMENT, ())
        create_id = uuid.uuid4().hex
        try:
            full_id = await self._engine.containers.create(
                probe, ports={}, network="none", create_id=create_id
            )
            return await self._users.number(full_id, name)
        finally:
            await self._leftovers.discard_create(create_id, ())
