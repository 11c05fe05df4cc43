"""The same Idempotency-Key and body create one container, whatever happens in between."""

import signal
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import docker
import httpx
import pytest

from tests.conftest import IMAGE, Service, wait_until

from .support import SLEEP, assert_problem, unique

pytestmark = pytest.mark.engine


@pytest.fixture
def key() -> str:
    return f"key-{uuid.uuid4().hex}"


def create(service: Service, key: str, **body: Any) -> httpx.Response:
    name, value = service.label.split("=")
    return service.client.post(
        "/containers/create",
        json={"command": SLEEP, "labels": {name: value}, **body},
        headers={"Idempotency-Key": key},
    )


def created_with(service: Service, key: str) -> Iterator[dict[str, Any]]:
    for container in service.get("/containers"):
        if container["labels"].get("orchestration-api.idempotency-key") == key:
            yield container


def test_a_repetition_gives_the_same_container(service: Service, key: str) -> None:
    first, second = create(service, key), create(service, key)
    assert (first.status_code, second.status_code) == (201, 200)
    assert second.json()["id"] == first.json()["id"]
    assert second.headers["location"] == first.headers["location"]
    assert len(list(created_with(service, key))) == 1


def test_other_keys_and_no_key_give_other_containers(service: Service, key: str) -> None:
    ids = {create(service, key).json()["id"], create(service, key + "x").json()["id"]}
    ids |= {service.created(command=SLEEP)["id"] for _ in range(2)}
    assert len(ids) == 4


def test_a_repetition_during_the_first_waits_for_it(service: Service, key: str) -> None:
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: create(service, key), range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len(list(created_with(service, key))) == 1


def test_another_body_is_refused(service: Service, key: str) -> None:
    first = create(service, key, env={"A": "1"}).json()
    assert_problem(
        create(service, key, env={"A": "2"}), 422, "idempotency-key-reused", id=first["id"]
    )
    assert create(service, key, env={"A": "1"}).status_code == 200


def test_what_a_request_was_is_known_and_not_told(
    service: Service, key: str, docker_client: docker.DockerClient
) -> None:
    """Who may read could try out guesses of a password otherwise, until the label is the same."""
    first = create(service, key, env={"PIN": "1234"}).json()
    name = "orchestration-api.request"
    written = docker_client.containers.get(first["id"]).labels[name]
    assert written not in service.client.get("/containers").text
    assert written not in service.client.get(f"/containers/{first['id']}").text
    for guess in (name, f"{name}={written}"):
        assert service.get("/containers", label=guess) == []
        assert service.get("/containers/stats", label=guess)["containers"] == []


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_the_key_is_known_after_a_restart_of_the_service(
    start_service: Callable[..., Service], key: str, how: signal.Signals
) -> None:
    service = start_service()
    first = create(service, key)
    service.stop(how)
    service.start()
    again = create(service, key)
    assert (again.status_code, again.json()["id"]) == (200, first.json()["id"])
    assert create(service, key, memory="64m").status_code == 422


def test_what_a_crash_left_of_the_first_is_replaced(
    service: Service, key: str, docker_client: docker.DockerClient
) -> None:
    """A container with the key that was never started is no answer to a repetition."""
    first = create(service, key).json()
    labels = docker_client.containers.get(first["id"]).labels
    assert service.client.delete(f"/containers/{first['id']}?force=true").status_code == 200
    husk = docker_client.containers.create(IMAGE, SLEEP, labels=labels)
    wait_until(lambda: list(created_with(service, key)), 5, "the husk is seen")
    again = create(service, key)
    assert again.status_code == 201
    assert again.json()["state"] == "running"
    assert [container["id"] for container in created_with(service, key)] == [again.json()["id"]]
    assert again.json()["id"] != husk.short_id


def test_a_key_of_a_removed_container_is_free(service: Service, key: str) -> None:
    first = create(service, key).json()
    service.client.delete(f"/containers/{first['id']}?force=true")
    assert create(service, key, env={"A": "1"}).status_code == 201


def test_a_name_that_another_container_has_is_refused_at_once(service: Service, key: str) -> None:
    name = unique()
    service.created(name=name, command=SLEEP, start=False)
    assert_problem(create(service, key, name=name), 409, "name-in-use", name=name)


def test_two_services_that_are_sent_a_key_at_the_same_time_create_one_container(
    start_service: Callable[..., Service], key: str
) -> None:
    services = [start_service(), start_service()]
    name, value = services[0].label.split("=")
    body = {"command": SLEEP, "labels": {name: value}}
    for number in range(3):
        header = {"Idempotency-Key": f"{key}-{number}"}
        with ThreadPoolExecutor(6) as threads:
            answers = list(
                threads.map(
                    lambda service: httpx.post(
                        f"{service.url}/containers/create",
                        json=body,
                        headers=header,  # noqa: B023
                        timeout=60,
                        trust_env=False,
                    ),
                    services * 3,
                )
            )
        assert sorted(answer.status_code for answer in answers) == [200] * 5 + [201]
        assert len({answer.json()["id"] for answer in answers}) == 1
        assert all(answer.json()["state"] == "running" for answer in answers)


def test_a_container_that_was_removed_a_moment_ago_is_no_answer(
    service: Service, key: str, docker_client: docker.DockerClient
) -> None:
    for _ in range(5):
        container = create(service, key).json()
        docker_client.api.remove_container(container["id"], force=True)
        assert create(service, key).status_code == 201
        (now,) = created_with(service, key)
        docker_client.api.remove_container(now["id"], force=True)


def test_a_failure_does_not_use_the_key_up(service: Service, key: str) -> None:
    assert_problem(create(service, key, image="none:none", pull="never"), 404, "image-not-found")
    assert create(service, key).status_code == 201


@pytest.mark.parametrize("bad", ["", "with space", "k" * 256])
def test_a_bad_key_is_refused(service: Service, bad: str) -> None:
    assert_problem(create(service, bad), 422, "invalid-request")
