"""Makes the engine's calls about volumes: which are ours, whose one is, and its removal."""

from contextlib import suppress
from datetime import datetime

from docker import APIClient as Client
from docker.errors import NotFound

from .. import errors
from ..labels import LABEL_MANAGED
from ..payloads import created_of_volume, is_own_volume
from .connection import Connection
from .translate import understood


class VolumeCalls:
    """Makes the engine's calls about volumes."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def ours(self) -> dict[str, datetime | None]:
        """Lists the volumes that this service, or another like it, has made, and when each was."""
        filters = {"label": f"{LABEL_MANAGED}=true"}
        answer = await self._connection.call_twice(
            "volumes", "reads", lambda client: client.volumes(filters=filters)
        )
        with understood("its volumes"):
            return {
                str(each["Name"]): created_of_volume(each)
                for each in answer.get("Volumes") or ()
                if is_own_volume(each)
            }

    async def remove_own(self, name: str) -> None:
        """Removes a volume that this service has made. Raises VolumeNotFound, VolumeNotManaged and
        VolumeInUse.
        """

        def remove(client: Client) -> None:
            if not is_own_volume(client.inspect_volume(name)):
                raise errors.VolumeNotManaged(
                    f'Volume "{name}" was not made by this service, or is more than a plain local'
                    " volume. `docker volume rm` removes it.",
                    name=name,
                )
            client.remove_volume(name)

        try:
            await self._connection.call("remove_volume", "mutations", remove)
        except errors.VolumeNotFound as error:
            raise errors.VolumeNotFound(
                f'There is no volume "{name}". GET /volumes lists those of this service.', name=name
            ) from error
        except errors.VolumeInUse as error:
            raise errors.VolumeInUse(
                f'Volume "{name}" belongs to a container, running or stopped. Remove that one'
                " first; GET /volumes tells which it is.",
                name=name,
            ) from error

    async def is_ours(self, name: str) -> bool | None:
        """Tells whether a volume was made by this service, and is nothing but a directory of the
        engine's; None when there is none of this name.
        """

        def inspect(client: Client) -> bool | None:
            with suppress(NotFound):
                return is_own_volume(client.inspect_volume(name))
            return None

        return await self._connection.call_twice("inspect_volume", "reads", inspect)

    async def remove(
        self, name: str, *, label: str | None = None, value: str | None = None
    ) -> None:
        """Removes a volume, if it has this label. No-op if it is in use, or not there."""

        def remove(client: Client) -> None:
            with suppress(NotFound):
                labels = client.inspect_volume(name).get("Labels") or {}
                if label is None or labels.get(label) == value:
                    client.remove_volume(name)

        with suppress(errors.VolumeInUse):  # somebody uses it by now
            await self._connection.call("remove_volume", "mutations", remove)
