"""Makes the engine's calls about volumes: whose one is, and its removal."""

from contextlib import suppress

from docker import APIClient as Client
from docker.errors import NotFound

from .. import errors
from ..payloads import is_own_volume
from .connection import Connection


class VolumeCalls:
    """Makes the engine's calls about volumes."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

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

        with suppress(errors.ContainerBusy):  # 409: somebody uses it by now
            await self._connection.call("remove_volume", "mutations", remove)
