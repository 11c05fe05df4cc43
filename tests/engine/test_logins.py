"""Images of a registry that wants a login, and odd login files, which trouble nobody else."""

import base64
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.errors import APIError

from tests.conftest import Service

from .registry import Registry
from .support import assert_problem

pytestmark = pytest.mark.engine
PASSWORD = "secret-word"
RIGHT = base64.b64encode(f"me:{PASSWORD}".encode()).decode()


@pytest.fixture
def registry(registry: Registry) -> Registry:
    registry.login = ("me", PASSWORD)
    return registry


def test_a_login_file_troubles_only_a_pull_that_needs_it(
    registry: Registry,
    start_service: Callable[..., Service],
    docker_client: docker.DockerClient,
    tmp_path: Path,
) -> None:
    image = registry.add("team/app", "1.0")
    file = tmp_path / "config.json"
    service = start_service(DOCKER_CONFIG=str(tmp_path))

    def write(config: Any) -> None:
        """Puts the login file there, which is read anew for each pull."""
        file.write_text(config if isinstance(config, str) else json.dumps(config))

    def remove() -> None:
        with suppress(APIError):
            docker_client.images.remove(image, force=True)

    address = registry.address
    of_entry = f'entry "{address}"'
    for config, complaint in (
        ({}, ""),
        ({"auths": {address: {"auth": ""}}}, ""),
        ({"auths": {address: 7}}, of_entry),
        ({"auths": {address: {"auth": "!!!"}}}, of_entry),
        ({"credHelpers": {address: "no-such"}}, "credential helper no-such"),
        ({"auths": {"other.invalid": {"auth": 7}}}, ""),
        ("{", "the login file cannot be read"),
        ("[]", "no JSON object"),
    ):
        write(config)
        assert service.get("/health")["docker"]["status"] == "connected"
        registry.login = ("me", PASSWORD)
        problem = assert_problem(service.create(image=image), 403, "image-pull-denied", image=image)
        assert complaint in problem["detail"], config
        assert ("log in again" in problem["detail"]) == bool(complaint), config
        registry.login = None
        service.created(image=image, command=["/none"], start=False)
        for made in service.get("/containers", label=service.label):
            service.client.delete(f"/containers/{made['id']}")
        remove()
    try:
        registry.login = ("me", PASSWORD)
        write({"auths": {address: {"auth": RIGHT}}})
        made = service.created(image=image, command=["/none"], start=False)
        service.client.delete(f"/containers/{made['id']}")
        assert PASSWORD not in service.log()
        assert RIGHT not in service.log()
    finally:
        remove()
    file.unlink()
    file.mkdir()
    problem = assert_problem(service.create(image=image), 403, "image-pull-denied")
    assert "the login file cannot be read" in problem["detail"]


def test_a_service_starts_with_any_login_file(
    start_service: Callable[..., Service], tmp_path: Path
) -> None:
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker" / "config.json").write_text('{"auths":{"r.invalid":{"auth":""}},"x":[')
    service = start_service(HOME=str(tmp_path))
    assert service.get("/health")["docker"]["status"] == "connected"
    service.created(start=False)
