"""No one caller, and no one container, takes the places that all share."""

import io
import json
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import docker
import httpx
import pytest

from tests.conftest import Service, wait_until
from tests.engine.support import SLEEP, assert_problem, unique

pytestmark = pytest.mark.engine
Start = Callable[..., Service]
MINE, OTHERS = "mine-" * 8, "others-" * 8
# It does not end when it is asked to, and says when it is.
STUBBORN = ["sh", "-c", "trap 'echo asked' TERM; echo set; while true; do sleep 0.2; done"]
HEALTH_CHECK = b"FROM base-api-server:latest\nHEALTHCHECK --interval=1h CMD true\n"


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture
def keyed(start_service: Start, tmp_path: Path) -> Service:
    (tmp_path / "keys").write_text(f"mine write {MINE}\nothers write {OTHERS}\n")
    service = start_service(API_KEY_FILE=str(tmp_path / "keys"))
    service.client.headers.update(bearer(OTHERS))
    return service


@pytest.fixture(scope="module")
def starting_image(docker_client: docker.DockerClient) -> Iterator[str]:
    """An image whose containers are `starting` for an hour."""
    name = f"orchestration-test-{uuid.uuid4().hex[:8]}:1"
    docker_client.images.build(fileobj=io.BytesIO(HEALTH_CHECK), tag=name, rm=True)
    yield name
    docker_client.images.remove(name, force=True)


def asked(service: Service, method: str, path: str, body: Any = None, **headers: str) -> bytes:
    """What a caller with the key MINE sends."""
    data = b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {MINE}",
             "Content-Type: application/json", f"Content-Length: {len(data)}"]  # fmt: skip
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + data


def connect(service: Service) -> socket.socket:
    return socket.create_connection(("127.0.0.1", service.port), 30)


def has_said(client: docker.DockerClient, made: dict[str, Any], word: str) -> None:
    """Returns once a container has written a word."""
    container = client.containers.get(made["id"])
    wait_until(lambda: word.encode() in container.logs(), 30, f"it says {word}")


def test_waits_end_with_their_callers(
    keyed: Service, starting_image: str, docker_client: docker.DockerClient
) -> None:
    """One create, repeated again and again, each caller gone at once."""
    name, (label, value) = unique(), keyed.label.split("=")
    body = {"image": starting_image, "name": name, "wait": 300, "labels": {label: value},
            "command": SLEEP}  # fmt: skip
    key = uuid.uuid4().hex
    for _ in range(300):
        with connect(keyed) as connection:
            connection.sendall(
                asked(keyed, "POST", "/containers/create", body, Idempotency_Key=key)
            )

    def created() -> Any:
        return docker_client.api.containers(all=True, filters={"label": keyed.label})

    wait_until(created, 30, "the container is made, whoever has gone")

    def places() -> bool:
        """As many as one caller may have are free for the one who left."""
        with ExitStack() as stack:
            opened = [stack.enter_context(connect(keyed)) for _ in range(100)]
            for each in opened:
                each.sendall(asked(keyed, "POST", "/containers/nobody/stop"))
            return all(each.recv(65536).startswith(b"HTTP/1.1 404 ") for each in opened)

    wait_until(places, 30, "nobody waits any more")
    assert len(created()) == 1
    wait_until(lambda: keyed.get("/containers", name=name), 30, "the service shows it, too")
    assert len(keyed.get("/containers", name=name)) == 1


def test_one_caller_has_a_share_of_the_changes(
    start_service: Start, tmp_path: Path, starting_image: str
) -> None:
    (tmp_path / "keys").write_text(f"mine write {MINE}\nothers write {OTHERS}\n")
    service = start_service(API_KEY_FILE=str(tmp_path / "keys"), MAX_CHANGES="3")
    service.client.headers.update(bearer(OTHERS))
    label, value = service.label.split("=")
    body = {"image": starting_image, "wait": 300, "labels": {label: value}, "command": SLEEP}
    with ExitStack() as stack:
        for _ in range(3):
            opened = stack.enter_context(connect(service))
            opened.sendall(asked(service, "POST", "/containers/create", body))

        def refused() -> bool:
            answer = service.client.post("/containers/nobody/stop", headers=bearer(MINE))
            return answer.status_code == 429

        wait_until(refused, 30, "all of its places are taken")
        answer = service.client.post("/containers/nobody/stop", headers=bearer(MINE))
        assert_problem(answer, 429, "too-many-changes")
        assert service.client.get("/containers", headers=bearer(MINE)).status_code == 200
        assert_problem(service.client.post("/containers/nobody/stop"), 404, "container-not-found")
    wait_until(lambda: not refused(), 30, "they went with their callers")


def test_stops_of_one_container_are_one(keyed: Service) -> None:
    made = keyed.created(command=STUBBORN)
    other = keyed.created(command=SLEEP)
    path = f"/containers/{made['id']}/stop?timeout=12"
    found: list[httpx.Response] = []

    def stop() -> None:
        found.append(
            httpx.post(keyed.url + path, headers=bearer(MINE), timeout=60, trust_env=False)
        )

    threads = [threading.Thread(target=stop, daemon=True) for _ in range(100)]
    for thread in threads:
        thread.start()
    # Meanwhile others are served.
    answer = keyed.client.post(f"/containers/{other['id']}/stop?timeout=0")
    assert answer.status_code == 200, answer.text
    created = keyed.create(command=SLEEP)
    assert created.status_code == 201, created.text
    for thread in threads:
        thread.join(60)
    assert [answer.status_code for answer in found] == [200] * len(threads)
    assert {answer.json()["status"] for answer in found} == {"exited"}


def test_restarts_of_one_container_that_wait_are_one(
    keyed: Service, docker_client: docker.DockerClient
) -> None:
    made = keyed.created(command=STUBBORN)
    has_said(docker_client, made, "set")
    began = int(time.time())
    with ExitStack() as stack:
        opened = [stack.enter_context(connect(keyed)) for _ in range(40)]
        for each in opened:
            each.sendall(asked(keyed, "POST", f"/containers/{made['id']}/restart?timeout=5"))
        for each in opened:
            assert each.recv(65536).startswith(b"HTTP/1.1 200 ")
    told = docker_client.events(
        since=began,
        until=int(time.time()) + 1,
        filters={"container": made["id"], "event": "restart"},
        decode=True,
    )
    # The one that began at once, and the one that all others waited for.
    assert 1 <= len(list(told)) <= 2


def test_what_waits_for_one_container_is_bounded(
    keyed: Service, docker_client: docker.DockerClient
) -> None:
    made = keyed.created(command=STUBBORN)
    has_said(docker_client, made, "set")
    with ExitStack() as stack:
        opened = [stack.enter_context(connect(keyed)) for _ in range(60)]
        first, *others = opened
        first.sendall(asked(keyed, "POST", f"/containers/{made['id']}/restart?timeout=60"))
        has_said(docker_client, made, "asked")
        for each in others:
            each.sendall(asked(keyed, "POST", f"/containers/{made['id']}/start"))

        def refused() -> bool:
            with suppress(httpx.ReadTimeout):  # while there is room, it waits, too
                path = f"/containers/{made['id']}/start"
                return keyed.client.post(path, timeout=2).status_code == 503
            return False

        wait_until(refused, 30, "too many wait for it")
        assert_problem(keyed.client.post(f"/containers/{made['id']}/start"), 503, "too-busy")
        created = keyed.create(command=SLEEP)
        assert created.status_code == 201, created.text
