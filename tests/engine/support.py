"""What the engine tests assert again and again, and the programs that their containers run."""

import json
import os
import socket
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import datetime
from typing import Any, TypeVar

import docker
import httpx
import pytest

from tests.conftest import Service, wait_until

T = TypeVar("T")

# Outside of containers, the service of an ordinary user takes itself to be in the same network.
sees_processes = pytest.mark.skipif(
    os.geteuid() != 0 and any(map(os.path.exists, ("/.dockerenv", "/run/.containerenv"))),
    reason="in a container, only root may see whether the engine is in the same network",
)

# Without an init process, `init=False`, these are process 1 of a container, for which the kernel
# ignores a SIGTERM that has no handler. With one they end when they are asked to.
SLEEP = ["sleep", "300"]
BUSY = ["python3", "-c", "while True: pass"]
# Ends by itself, with exit code 7, when it is asked to.
GRACEFUL = [
    "python3",
    "-c",
    "import signal, sys, time\n"
    "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\n"
    "print('ready', flush=True)\n"
    "time.sleep(300)",
]
# Answers each request with its host name; takes a tenth of the start of a framework.
SAY_HOSTNAME = [
    "python3",
    "-ISc",
    "import socket\n"
    "server = socket.create_server(('', 5000))\n"
    "while True:\n"
    "    client = server.accept()[0]\n"
    "    client.recv(65536)\n"
    "    client.sendall(b'HTTP/1.0 200 OK\\r\\n\\r\\n' + socket.gethostname().encode())\n"
    "    client.close()",
]

PROBLEM_FIELDS = {"type", "title", "status", "detail", "code", "request_id"}
COUNTS = ("total", "available", "in_use", "reserved", "remembered", "external")


def unique(prefix: str = "test") -> str:
    """A name that no container has yet."""
    return f"{prefix}-{uuid.uuid4().hex[:12]}"


def ask(service: Service, key: str, verb: str, **query: Any) -> httpx.Response:
    """The answer to `get`, `stats`, `delete`, `start`, `stop` or `restart` of one container."""
    path = f"/containers/{key}"
    if verb in ("get", "delete"):
        return service.client.request(verb.upper(), path, params=query)
    method = "GET" if verb == "stats" else "POST"
    return service.client.request(method, f"{path}/{verb}", params=query)


def act(service: Service, key: str, verb: str, **query: Any) -> dict[str, Any]:
    """What is told of a container after a `delete`, `start`, `stop` or `restart` that succeeds."""
    answer = ask(service, key, verb, **query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def remove(service: Service, key: str) -> None:
    """Removes a container, also one that runs."""
    act(service, key, "delete", force=True)


def short_json(value: Any) -> str:
    """JSON as part of a test's name."""
    text = json.dumps(value)
    return text if len(text) <= 50 else f"{text[:44]}...{len(text)}"


def port_range(service: Service) -> range:
    first, last = service.environment["PORT_RANGE"].split("-")
    return range(int(first), int(last) + 1)


def labelled_ports(entry: dict[str, Any]) -> set[int]:
    """The ports that an entry of the engine's listing has by its label."""
    label = (entry.get("Labels") or {}).get("orchestration-api.ports", "")
    return {int(port) for port in label.split(",") if port.isdigit()}


def port_of(container: dict[str, Any], container_port: str = "5000/tcp") -> int:
    """The host port of a running container, from the API's answer."""
    address, _, port = container["ports"][container_port].rpartition(":")
    assert address == "0.0.0.0"
    return int(port)


def counts(service: Service) -> dict[str, int]:
    table = service.get("/ports")
    return {name: table[name] for name in COUNTS}


def assert_problem(
    answer: httpx.Response, status: int, code: str, /, **fields: Any
) -> dict[str, Any]:
    """The answer is a problem document of this kind with these fields; returns it."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem.keys() >= PROBLEM_FIELDS
    assert problem["status"] == status
    assert problem["code"] == code, problem
    assert problem["type"].endswith(code)
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert_sentence(problem["detail"])
    assert len(answer.content) < 10_000
    for name, value in fields.items():
        assert problem.get(name) == value, (name, problem)
    return problem


def assert_sentence(text: str) -> None:
    """A sentence for a person, with nothing in it about the inside of service or engine."""
    assert text.endswith((".", ".)")), text
    assert len(text.split()) >= 3, text
    for inside in ("Traceback", "docker.sock", "/var/run", "http+docker", "Exception", "pydantic"):
        assert inside not in text


@contextmanager
def nothing_changes(service: Service, client: docker.DockerClient) -> Iterator[None]:
    """No container appears, goes or changes state, on the engine or in the service, and no port
    of the service changes hands.
    """
    before = _everything(service, client)
    yield
    assert _everything(service, client) == before


def _everything(service: Service, client: docker.DockerClient) -> dict[str, Any]:
    ports = set(port_range(service))
    name, _, value = service.label.partition("=")
    entries = [
        entry
        for entry in client.api.containers(all=True)
        if labelled_ports(entry) & ports
        or (entry.get("Labels") or {}).get(name) == value
        or ports & {port.get("PublicPort") for port in entry["Ports"]}
    ]
    ids = {entry["Id"][:12] for entry in entries}
    return {
        "engine": {
            entry["Id"]: (entry["Names"], entry["State"], sorted(map(json.dumps, entry["Ports"])))
            for entry in entries
        },
        "service": {
            found["id"]: (found["name"], found["state"], found["ports"], found["started_at"])
            for found in service.get("/containers")
            if found["id"] in ids
        },
        "ports": service.get("/ports"),
    }


def fetch(port: int, path: str = "/health", seconds: float = 30.0) -> httpx.Response:
    """What answers on a host port, once it does."""

    def answer() -> httpx.Response | None:
        try:
            return httpx.get(f"http://127.0.0.1:{port}{path}", timeout=5, trust_env=False)
        except httpx.TransportError:
            return None

    found = wait_until(answer, seconds, f"port {port} answers HTTP")
    assert isinstance(found, httpx.Response)
    return found


@contextmanager
def listening(
    port: int, address: str = "0.0.0.0", *, only: bool = False
) -> Iterator[socket.socket]:
    """A process of the host, this one, listens on a port; on `::` for both protocol versions, or
    for IPv6 `only`.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(only))
        listener.bind((address, port))
        listener.listen()
        yield listener


def at_once(calls: Sequence[Callable[[], T]]) -> list[T]:
    """The results of calls that are made at the same time, in order."""
    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result() for future in [pool.submit(call) for call in calls]]


def wait_for_output(client: docker.DockerClient, container: str, text: str) -> None:
    wait_until(
        lambda: text.encode() in client.api.logs(container),
        20,
        f"container {container} has written {text!r}",
    )


def wait_for_event(client: docker.DockerClient, container: str, action: str) -> dict[str, Any]:
    """The first event of this kind that the engine tells of a container, past ones included."""
    created = client.api.inspect_container(container)["Created"]
    stream = client.api.events(
        since=int(datetime.fromisoformat(created).timestamp()),
        decode=True,
        filters={"container": container, "event": action},
    )
    with closing(stream):
        event: dict[str, Any] = next(stream)
        return event
