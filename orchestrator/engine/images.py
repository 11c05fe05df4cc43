"""Makes the engine's calls about images: inspect, pull, remove."""

import logging
from datetime import UTC, datetime

from docker import APIClient as Client

from .. import errors
from ..models import Image, Layer
from ..payloads import parse_image, pull_failure
from .connection import Connection
from .credentials import Credentials, login_for
from .translate import about, understood

log = logging.getLogger(__name__)


class ImageCalls:
    """Makes the engine's calls about images. `pull_timeout` is in seconds, for one pull."""

    def __init__(self, connection: Connection, pull_timeout: float) -> None:
        self._connection = connection
        self._pull_timeout = pull_timeout

    async def inspect(self, image: str) -> Image:
        """Describes an image that the engine has; ImageNotFound if it has none. Pulls nothing."""
        with about(image=image):
            payload = await self._connection.call_twice(
                "inspect_image",
                "reads",
                lambda client: client.inspect_image(image),  # type: ignore[no-untyped-call]
            )
        with understood(f'image "{image}"'):
            return parse_image(image, payload)

    async def pull(self, image: str) -> None:
        """Pulls an image. Raises ImageNotFound or ImagePullFailed with the reason in a sentence."""
        login = Credentials()

        def pull(client: Client) -> None:
            nonlocal login
            login = login_for(image)
            fields = dict(login.fields)
            for line in client.pull(image, stream=True, decode=True, auth_config=fields):
                if "error" in line:
                    raise _PullError(line["error"])

        with self._connection.timed("pull"):
            try:
                await self._connection.run("pulls", pull, self._pull_timeout)
            except _PullError as error:
                log.warning("Image %r could not be pulled: %s", image, error)
                raise pull_failure(image, str(error), login.complaint) from error
            except (errors.EngineFailed, errors.ImageNotFound, errors.InvalidRequest) as error:
                text = str(error.__cause__ or error)
                raise pull_failure(image, text, login.complaint) from error

    async def of(self, repository: str) -> list[tuple[str, datetime]]:
        """Lists the images of a repository, with any tag, and when each was made."""
        images = await self._connection.call(
            "images_of", "reads", lambda client: client.images(repository)
        )
        return [
            (name, datetime.fromtimestamp(image["Created"], UTC))
            for image in images
            for name in image.get("RepoTags") or ()
            if name.startswith(f"{repository}:")
        ]

    async def history(self, image: str) -> list[Layer]:
        """Lists how an image was made, the last step first. Raises ImageNotFound."""
        steps = await self._connection.call(
            "image_history",
            "reads",
            lambda client: client.history(image),  # type: ignore[no-untyped-call]
        )
        return [Layer(int(each.get("Size") or 0), each.get("Comment") or "") for each in steps]

    async def remove(self, name: str) -> None:
        """Removes an image. No-op if a container needs it, or it is not there."""
        try:
            await self._connection.call(
                "remove_image", "mutations", lambda client: client.remove_image(name)
            )
        except (errors.ContainerBusy, errors.ImageNotFound):
            return


class _PullError(Exception):
    """The engine's words in the middle of a pull."""
