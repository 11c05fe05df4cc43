"""Makes the engine's calls about images: inspect, pull, remove."""

import logging
from json import dumps
from typing import Any

import docker.errors
import requests
from docker import APIClient as Client
from docker.utils import version_lt

from .. import errors
from ..models import Image, Layer, RegistryAuth
from ..payloads import parse_image, pull_failure
from .connection import Connection
from .credentials import Credentials, login_for, logins_of
from .translate import about, understood

log = logging.getLogger(__name__)

# The version of the API from which an inspection takes a platform.
_INSPECTS_PLATFORMS = "1.49"


class ImageCalls:
    """Makes the engine's calls about images. `pull_timeout` is in seconds, for one pull."""

    def __init__(self, connection: Connection, pull_timeout: float) -> None:
        self._connection = connection
        self._pull_timeout = pull_timeout

    async def inspect(self, image: str, platform: str | None = None) -> Image:
        """Describes an image that the engine has; ImageNotFound if it has none. Pulls nothing.

        An engine that keeps images for several platforms under one name is asked for `platform`;
        another one describes what it has, whatever it is for.
        """

        def inspect(client: Client) -> Any:
            if platform is None or version_lt(client.api_version, _INSPECTS_PLATFORMS):
                return client.inspect_image(image)  # type: ignore[no-untyped-call]
            url = f"{client.base_url}/v{client.api_version}/images/{image}/json"
            parts = dict(zip(("os", "architecture", "variant"), platform.split("/"), strict=False))
            answer = client.get(url, params={"platform": dumps(parts)}, timeout=client.timeout)
            if answer.status_code != 200:  # it may be there for another one
                return client.inspect_image(image)  # type: ignore[no-untyped-call]
            return answer.json()

        with about(image=image):
            payload = await self._connection.call_twice("inspect_image", "reads", inspect)
        with understood(f'image "{image}"'):
            return parse_image(image, payload)

    async def pull(
        self, image: str, platform: str | None = None, auth: RegistryAuth | None = None
    ) -> None:
        """Pulls an image, for a platform if one is named, with the login that is given, else with
        that of the login file. Raises one of the errors that say why a pull has failed, see
        payloads.pull_failures.

        A login that is given is in no log and in no error, nor in what caused one.
        """

        def pull(client: Client) -> None:
            ways = [login_for(image)] if auth is None else logins_of(auth, image)
            for way in ways:
                text = _pulled(client, image, platform, way)
                if text is None:
                    return
                failure = pull_failure(image, text, way.complaint)
                words = _PullError(text if auth is None else auth.hidden_in(text))
                if not isinstance(failure, errors.ImagePullDenied):
                    break
            raise failure from words

        with self._connection.timed("pull"):
            try:
                await self._connection.run("pulls", pull, self._pull_timeout)
            except errors.OrchestratorError as error:
                # Here and not in the thread, which does not know whose request it works for.
                if isinstance(error.__cause__, _PullError):
                    log.warning("Image %r could not be pulled: %s", image, error.__cause__)
                raise

    async def of(self, repository: str) -> list[str]:
        """Lists the images of a repository, with any tag."""
        images = await self._connection.call(
            "images_of", "reads", lambda client: client.images(repository)
        )
        return [
            str(name)
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
        except (errors.ImageInUse, errors.ContainerBusy, errors.ImageNotFound):
            return


def _pulled(client: Client, image: str, platform: str | None, login: Credentials) -> str | None:
    """What the engine says of a pull that failed. No exception of the SDK leaves that has the
    request, with its login, in it.
    """
    try:
        fields = dict(login.fields)
        for line in client.pull(
            image, stream=True, decode=True, auth_config=fields, platform=platform
        ):
            if "error" in line:
                return str(line["error"])
    except docker.errors.APIError as error:
        return str(error.explanation or error)
    except requests.exceptions.RequestException as error:
        error.request = error.response = None
        raise
    return None


class _PullError(Exception):
    """The engine's words about a pull."""
