"""Exceptions of the SDK, and what a caller is told."""

import docker.errors
import pytest
import requests

from orchestrator import errors
from orchestrator.engine.translate import translated


@pytest.mark.parametrize(
    "raised",
    [
        docker.errors.InvalidVersion("platform is not supported for API version < 1.41"),
        docker.errors.InvalidArgument("nope"),
        docker.errors.InvalidRepository("nope"),
        docker.errors.NullResource("Resource ID was not provided"),
    ],
)
def test_what_the_sdk_refuses_is_no_outage_of_the_engine(raised: Exception) -> None:
    with pytest.raises(errors.EngineFailed, match="library for Python") as told, translated():
        raise raised
    assert told.value.__cause__ is raised


@pytest.mark.parametrize(
    "raised",
    [
        docker.errors.DockerException("Error while fetching server API version: refused"),
        requests.exceptions.ConnectionError("refused"),
        ConnectionResetError(),
    ],
)
def test_a_connection_that_fails_is_one(raised: Exception) -> None:
    with pytest.raises(errors.EngineUnavailable), translated():
        raise raised
