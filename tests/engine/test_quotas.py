"""Ceilings and quotas, over HTTP. The engine may have containers of other services, which count in
the totals, so what is asked for here is more than a total has room for on any engine.
"""

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import docker
import pytest

from tests.conftest import Service

from .support import GRACEFUL, assert_problem, nothing_changes

pytestmark = pytest.mark.engine

Start = Callable[..., Service]

KEY = "quota-" * 8
# Nobody can pull this: a refusal that comes first comes before anything is pulled.
NOWHERE = "registry.invalid/nothing:1"
LABEL = "orchestration-api.created-by"


@pytest.fixture
def key_name() -> str:
    """A name that no other test's containers have."""
    return f"test-{uuid.uuid4().hex}"


@pytest.fixture
def keyed(start_service: Start, tmp_path: Path, key_name: str) -> Callable[..., Service]:
    def start(behind_the_key: str = "", **settings: str) -> Service:
        file = tmp_path / "keys"
        file.write_text(f"{key_name} write {KEY} {behind_the_key}\n")
        service = start_service(ports=40, API_KEY_FILE=str(file), **settings)
        service.client.headers["Authorization"] = f"Bearer {KEY}"
        return service

    return start


def of_key(client: docker.DockerClient, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.api.containers(
        all=True, filters={"label": f"{LABEL}={name}"}
    )
    return found


def test_twenty_creates_at_once_with_room_for_five(
    keyed: Callable[..., Service], key_name: str, docker_client: docker.DockerClient
) -> None:
    service = keyed(CONTAINERS_PER_KEY="5")
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: service.create(command=GRACEFUL), range(20)))
    made = [answer.json() for answer in answers if answer.status_code == 201]
    assert len(made) == 5
    for answer in answers:
        if answer.status_code != 201:
            fields = {"resource": "containers", "used": 5, "asked": 1, "allowed": 5}
            assert_problem(answer, 403, "quota-exceeded", **fields)
    assert len(of_key(docker_client, key_name)) == 5
    assert all(container["labels"][LABEL] == key_name for container in made)

    first = f"/containers/{made[0]['id']}"
    assert service.client.post(f"{first}/stop", params={"timeout": 2}).status_code == 200
    assert_problem(service.create(image=NOWHERE), 403, "quota-exceeded", used=5)
    assert service.client.delete(first).status_code == 200
    service.created(start=False)
    assert_problem(service.create(), 403, "quota-exceeded", used=5)


def test_a_key_s_own_number_and_repetitions(keyed: Callable[..., Service]) -> None:
    service = keyed("containers=1", CONTAINERS_PER_KEY="5")
    body = {"start": False, "labels": dict([service.label.split("=")])}
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    with ThreadPoolExecutor(4) as pool:
        answers = list(
            pool.map(
                lambda _: service.client.post("/containers/create", json=body, headers=headers),
                range(4),
            )
        )
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 201]
    again = service.client.post("/containers/create", json=body, headers=headers)
    assert again.status_code == 200
    assert_problem(service.create(), 403, "quota-exceeded", used=1, allowed=1)


def test_a_create_that_fails_uses_nothing_up(keyed: Callable[..., Service]) -> None:
    service = keyed(CONTAINERS_PER_KEY="1")
    assert_problem(service.create(command=["/no/such/program"]), 422, "start-refused")
    service.created(start=False)


def test_a_container_that_moves_counts_once(keyed: Callable[..., Service]) -> None:
    service = keyed(CONTAINERS_PER_KEY="2")
    before = service.created(command=GRACEFUL)
    path = f"/containers/{before['id']}"
    port = int(before["ports"]["5000/tcp"].rpartition(":")[2])
    assert service.client.post(f"{path}/stop", params={"timeout": 2}).status_code == 200
    service.created(command=GRACEFUL, port=port)
    moved = service.client.post(f"{path}/start")
    assert moved.status_code == 200, moved.text
    assert moved.json()["port_changed"]
    assert_problem(service.create(), 403, "quota-exceeded", used=2)
    assert service.client.delete(path, params={"force": True}).status_code == 200
    service.created(start=False)


def test_more_than_one_container_may_have(
    start_service: Start, docker_client: docker.DockerClient
) -> None:
    service = start_service(MAX_MEMORY="600m", MAX_CPUS="1.5", MAX_PIDS="600")
    with nothing_changes(service, docker_client):
        for field, value, allowed in (
            ("memory", 600 * 2**20 + 1, 600 * 2**20),
            ("cpus", 1.6, 1.5),
            ("pids", 601, 600),
        ):
            refused = service.create(image=NOWHERE, **{field: value})
            fields = {"resource": field, "asked": value, "allowed": allowed}
            assert_problem(refused, 403, "over-limit", **fields)
    service.created(start=False, memory="600m", cpus=1.5, pids=600)


def test_more_than_all_containers_may_have(
    start_service: Start, docker_client: docker.DockerClient
) -> None:
    service = start_service(
        DEFAULT_MEMORY="6m", DEFAULT_CPUS="0.01", DEFAULT_PIDS="1",
        TOTAL_MEMORY="7m", TOTAL_CPUS="0.02", TOTAL_PIDS="2",
    )  # fmt: skip
    with nothing_changes(service, docker_client):
        for field, value, allowed in (
            ("memory", 8 * 2**20, 7 * 2**20),
            ("cpus", 0.03, 0.02),
            ("pids", 3, 2),
        ):
            refused = service.create(image=NOWHERE, **{field: value})
            problem = assert_problem(refused, 403, "quota-exceeded")
            # Another resource may be used up before, by containers of other services.
            if problem["resource"] == field:
                assert (problem["asked"], problem["allowed"]) == (value, allowed)
            assert problem["used"] + problem["asked"] > problem["allowed"]
