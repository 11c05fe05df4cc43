"""The environment of a container: names for all who may read, values for who may write."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import docker
import pytest

from tests.conftest import Service, wait_until

from .support import SLEEP, assert_problem

pytestmark = pytest.mark.engine

READ, WRITE = "read-" * 8, "write-" * 8


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def test_a_container_shows_names_and_its_environment_the_values(service: Service) -> None:
    created = service.create(command=SLEEP, env={"PASSWORD": "hunter2", "URL": "a=b"})
    container = created.json()
    assert container["env"][:2] == ["PASSWORD", "URL"]
    assert "PATH" in container["env"]  # the image's
    path = f"/containers/{container['id']}"
    answers = [created, service.client.get(path), service.client.get("/containers")]
    for answer in answers:
        assert "hunter2" not in answer.text
    found = service.get(f"{path}/env")
    assert (found["container_id"], found["name"]) == (container["id"], container["name"])
    assert list(found["env"]) == container["env"]
    assert (found["env"]["PASSWORD"], found["env"]["URL"]) == ("hunter2", "a=b")
    assert found["env"]["PATH"].startswith("/")
    assert "hunter2" not in service.log()


def test_of_one_that_is_stopped_too_and_not_of_one_that_is_gone(service: Service) -> None:
    container = service.created(command=SLEEP, start=False, env={"A": "1"})
    path = f"/containers/{container['name']}"
    assert service.get(f"{path}/env")["env"]["A"] == "1"
    assert service.client.delete(path).status_code == 200
    assert_problem(service.client.get(f"{path}/env"), 404, "container-not-found")


def test_one_that_was_removed_a_moment_ago_is_not_found(
    service: Service, docker_client: docker.DockerClient
) -> None:
    """Whether the service has heard of it yet or not."""
    container = service.created(command=SLEEP, start=False)
    docker_client.api.remove_container(container["id"])
    answer = service.client.get(f"/containers/{container['id']}/env")
    assert_problem(answer, 404, "container-not-found")


def test_values_need_a_key_with_the_scope_write(
    start_service: Callable[..., Service], tmp_path: Path
) -> None:
    file, audit = tmp_path / "keys", tmp_path / "audit"
    file.write_text(f"dash read {READ}\nci write {WRITE}\n")
    service = start_service(API_KEY_FILE=str(file), AUDIT_LOG=str(audit), LOG_LEVEL="debug")
    service.client.headers.update(bearer(WRITE))
    container = service.created(command=SLEEP, start=False, env={"PASSWORD": "hunter2"})
    path = f"/containers/{container['id']}"
    assert service.get(f"{path}/env")["env"]["PASSWORD"] == "hunter2"
    for of in (path, "/containers/nobody"):  # whether there is one is not the question then
        answer = service.client.get(f"{of}/env", headers=bearer(READ))
        problem = assert_problem(answer, 403, "insufficient-scope")
        assert "dash" in problem["detail"]
        assert "hunter2" not in answer.text
    names = service.client.get(path, headers=bearer(READ)).json()["env"]
    assert "PASSWORD" in names
    assert service.client.delete(path).status_code == 200
    assert "hunter2" not in service.log() + audit.read_text()


def test_containers_of_others_have_neither(
    service: Service, run_outside: Callable[..., Any]
) -> None:
    theirs = run_outside(command=SLEEP, environment={"PASSWORD": "hunter2"})
    path = f"/containers/{theirs.name}"
    wait_until(lambda: service.client.get(path).status_code == 200, 5)
    assert service.get(path)["env"] == []
    assert_problem(service.client.get(f"{path}/env"), 403, "not-managed")
