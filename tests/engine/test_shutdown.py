"""The service's end waits for the change of a container that is under way."""

import signal
from collections.abc import Callable
from typing import Any

import docker
import pytest

from tests.conftest import Service

from .support import SLEEP, at_once, wait_for_event

pytestmark = pytest.mark.engine


def test_the_end_of_the_service_waits_for_the_mutation_under_way(
    start_service: Callable[..., Service],
    docker_client: docker.DockerClient,
    inspect: Callable[[str], dict[str, Any]],
) -> None:
    service = start_service()
    container = service.created(command=SLEEP)

    def stop_container() -> int:
        answer = service.client.post(f"/containers/{container['id']}/stop?timeout=2")
        return answer.status_code

    def stop_service() -> int:
        wait_for_event(docker_client, container["id"], "kill")
        service.stop(signal.SIGTERM)
        return 0

    assert at_once([stop_container, stop_service])[0] == 200
    assert inspect(container["id"])["State"]["Status"] == "exited"
    assert "Traceback" not in service.log()
