"""An image is somebody else's word: it takes no more ports than a request may name, makes the
engine check no oftener than a caller may, and naming one finds no open port.
"""

import json
import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import docker
import pytest

from tests.conftest import Service
from tests.engine.support import SLEEP, assert_problem, at_once, nothing_changes

pytestmark = pytest.mark.engine

KEY = "ports-" * 8
SECOND = 1_000_000_000


# Ports


@pytest.mark.parametrize(
    "exposed",
    [
        ["1-65535/tcp"],
        ["1-65535/tcp", "1-65535/udp", "1-65535/sctp"],
        ["20001-20065/tcp"],
        [f"{number}-65535/tcp" for number in range(1, 3000)],
        [f"{number}/udp" for number in range(1, 66)],
    ],
    ids=lambda exposed: f"{exposed[0]} of {len(exposed)}",
)
def test_an_image_takes_no_more_ports_than_a_request_may_name(
    exposed: list[str],
    odd: Callable[..., str],
    start_service: Callable[..., Service],
    docker_client: docker.DockerClient,
) -> None:
    service = start_service(ports=80)
    image = odd(ExposedPorts={port: {} for port in exposed})
    with nothing_changes(service, docker_client):
        problem = assert_problem(service.create(image=image), 422, "invalid-request", allowed=64)
    assert "container_ports" in problem["detail"]
    made = service.created(image=image, container_ports=[80], command=SLEEP, start=False)
    assert service.get("/ports")["remembered"] + service.get("/ports")["in_use"] <= 1
    assert service.client.delete(f"/containers/{made['id']}").status_code == 200


def test_a_key_has_so_many_ports_and_no_more(
    odd: Callable[..., str],
    start_service: Callable[..., Service],
    tmp_path: Path,
    docker_client: docker.DockerClient,
) -> None:
    (tmp_path / "keys").write_text(f"test-{uuid.uuid4().hex} write {KEY}\n")
    service = start_service(ports=40, API_KEY_FILE=str(tmp_path / "keys"), PORTS_PER_KEY="10")
    service.client.headers["Authorization"] = f"Bearer {KEY}"
    image = odd(ExposedPorts={"5000-5003/tcp": {}})  # none has six
    asked = {"image": image, "command": SLEEP, "start": False}
    answers = at_once([lambda: service.create(**asked)] * 8)
    made = [answer.json() for answer in answers if answer.status_code == 201]
    assert len(made) == 2
    for answer in answers:
        if answer.status_code != 201:
            fields = {"resource": "ports", "asked": 4, "allowed": 10}
            assert_problem(answer, 403, "quota-exceeded", **fields)
    with nothing_changes(service, docker_client):
        refused = service.create(image="registry.invalid/nothing:1", container_ports=["1-3"])
        assert_problem(refused, 403, "quota-exceeded", used=8, asked=3)
    service.created(container_ports=["53/tcp+udp", 80], command=SLEEP, start=False)
    assert_problem(service.create(start=False), 403, "quota-exceeded", used=10, asked=1)
    assert service.client.delete(f"/containers/{made[0]['id']}").status_code == 200
    service.created(**asked)


# Health checks


@pytest.mark.parametrize("interval", [1, 1_000_000, SECOND - 1, -1])
def test_an_image_is_not_checked_all_the_time(
    interval: int,
    odd: Callable[..., str],
    service: Service,
    inspect: Callable[[str], dict[str, Any]],
) -> None:
    check = {"Test": ["CMD", "true"], "Interval": interval, "Timeout": SECOND, "Retries": 5}
    image = odd(Healthcheck=check)
    made = service.created(image=image, command=SLEEP)
    told = inspect(made["id"])["Config"]["Healthcheck"]
    assert told["Interval"] == SECOND
    assert (told["Test"], told["Retries"]) == (["CMD", "true"], 5), "the rest is the image's"
    changed = service.created(image=image, command=SLEEP, healthcheck={"interval": 7})
    assert inspect(changed["id"])["Config"]["Healthcheck"]["Interval"] == 7 * SECOND
    none = service.created(image=image, command=SLEEP, healthcheck={"test": "NONE"})
    assert inspect(none["id"])["Config"]["Healthcheck"]["Test"] == ["NONE"]


@pytest.mark.parametrize("field", ["interval", "start_interval"])
@pytest.mark.parametrize("value", [0.001, 0.999, 0, -1, "0.5s"])
def test_a_caller_may_not_have_it_checked_all_the_time_either(
    field: str, value: Any, service: Service, docker_client: docker.DockerClient
) -> None:
    with nothing_changes(service, docker_client):
        answer = service.create(healthcheck={"test": "true", field: value})
        problem = assert_problem(answer, 422, "invalid-request")
    assert "one second" in problem["detail"]


# Registries that are none


@contextmanager
def answering(words: bytes | None) -> Iterator[int]:
    """A server on this machine that says this to whoever comes; its port. None hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    client, _ = server.accept()
                    with client, suppress(OSError):
                        if words is not None:
                            client.recv(65536)
                            client.sendall(words)

        threading.Thread(target=serve, daemon=True).start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)


def page(status: str, body: str = "<html><body>It works.</body></html>") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: text/html\r\nContent-Length: {len(body)}"
    return f"{head}\r\nConnection: close\r\n\r\n{body}".encode()


SERVERS: dict[str, bytes | None] = {
    "hangs up": None,
    "SSH": b"SSH-2.0-OpenSSH_9.2\r\n" * 5,
    "Redis": b"-ERR wrong number of arguments for 'get' command\r\n",
    "200": page("200 OK"),
    "403": page("403 Forbidden"),
    "404": page("404 Not Found"),
    "429": page("429 Too Many Requests"),
    "500": page("500 Internal Server Error"),
    "JSON": page("403 Forbidden", json.dumps({"kind": "Status", "message": "denied: no"})),
    "TLS": b"\x15\x03\x01\x00\x02\x02\x28",
}


def test_open_ports_of_the_engine_s_host_are_not_told_from_closed_ones(
    service: Service, docker_client: docker.DockerClient
) -> None:
    """The engine under test shares this machine's 127.0.0.1, or none of these answers at all."""

    def told(port: int, host: str = "127.0.0.1") -> tuple[Any, ...]:
        image = f"{host}:{port}/a:1"
        answer = service.create(image=image)
        problem = assert_problem(answer, 503, "registry-unreachable", image=image)
        del problem["request_id"]
        shown = json.dumps(problem).replace(image, "IMAGE")
        return shown, answer.status_code, answer.headers["retry-after"]

    with nothing_changes(service, docker_client):
        closed = told(1)
        for name, words in SERVERS.items():
            with answering(words) as port:
                assert told(port) == closed, name
                assert told(port, "localhost") == closed, name
        assert told(80, "nowhere.invalid") == closed
