"""Turns the SDK's exceptions, and answers that mean nothing, into errors of ours."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import docker.errors
import requests
import urllib3

from .. import errors
from ..payloads import refusal, refused_for_another

log = logging.getLogger(__name__)

# What the SDK refuses by itself, without a word to the engine.
_OF_THE_SDK = (
    docker.errors.InvalidVersion,
    docker.errors.InvalidArgument,
    docker.errors.InvalidRepository,
    docker.errors.NullResource,
)


@contextmanager
def translated() -> Iterator[None]:
    """Turns the SDK's exceptions into ours. Runs in the thread of the call."""
    try:
        yield
    except docker.errors.APIError as error:
        raise refusal(
            status=error.status_code or 500,
            text=str(error.explanation or error),
            image_missing=isinstance(error, docker.errors.ImageNotFound),
        ) from error
    except (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError) as error:
        raise errors.EngineTimeout(
            "The Docker engine did not answer in time. Look at GET /health, and at GET /containers"
            " for what has happened meanwhile."
        ) from error
    except _OF_THE_SDK as error:
        raise errors.EngineFailed(
            "Docker's library for Python does not send this to the engine, which may be too old for"
            " it. This service's log has its words under the request's id."
        ) from error
    except (
        requests.exceptions.RequestException,
        urllib3.exceptions.HTTPError,  # as it is, in the middle of a stream
        docker.errors.DockerException,
        docker.errors.StreamParseError,
        OSError,
        ValueError,  # of urllib.parse, for a DOCKER_HOST that is no URL
    ) as error:
        raise errors.EngineUnavailable(
            "The Docker engine cannot be reached. See that it runs, that this service may use its"
            " socket, and that DOCKER_HOST is right; the service reconnects by itself."
        ) from error


@contextmanager
def understood(what: str) -> Iterator[None]:
    """Turns what cannot be made of an answer of the engine into an error that names what it is
    about. Nobody has tried every engine, and images may hold anything.
    """
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        log.exception("What the engine says of %s is not understood", what)
        raise errors.EngineFailed(
            f"The Docker engine describes {what} in a way that this service does not understand."
            " Its log has more under this request's id."
        ) from error


@contextmanager
def starting(container_id: str) -> Iterator[None]:
    """Tells what the engine says of another container, when it is to start this one, as being about
    that other. `container_id` is the full id.
    """
    try:
        yield
    except errors.OrchestratorError as error:
        cause = error.__cause__
        if isinstance(cause, docker.errors.APIError):
            another = refused_for_another(str(cause.explanation or cause), container_id)
            if another is not None:
                raise another from cause
        raise


@contextmanager
def about(*, image: str | None = None, name: str | None = None) -> Iterator[None]:
    """Puts the image or name of a call into the errors that are about it."""
    try:
        yield
    except errors.ImageNotFound as error:
        raise errors.ImageNotFound(
            f'Image "{image}" is not on the engine. Pull or build it first, or allow a pull with'
            ' "pull": "missing".',
            image=image,
        ) from error
    except errors.NameInUse as error:
        raise errors.NameInUse(
            f'A container named "{name}" exists already. Remove it or choose another name.',
            name=name,
        ) from error
