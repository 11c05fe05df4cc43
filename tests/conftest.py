"""What all tests share: the engine under test, and the service run as a user would run it.

Without an engine the tests that need one are skipped, and the summary says why; with
REQUIRE_ENGINE=1, as scripts/test sets it, they fail.
"""

import gc
import os
import signal
import socket
import subprocess
import time
import uuid
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import docker
import httpx
import pytest
from docker.errors import APIError, DockerException, NotFound

from . import forked

ROOT = Path(__file__).parent.parent
IMAGE = "base-api-server:latest"
TEST_LABEL = "orchestration-test"

# Away from the service's own range, so that tests run beside a service in use.
PORT_RANGE = "28001-28099"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With --numprocesses, what may run side by side does; without it, nothing."""
    from .side_by_side import SideBySide

    return SideBySide(config, log)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: pytest.Config) -> None:
    """Before the processes start: what the first to end removed, others might be about to use."""
    client, _ = _connect()
    if client is not None:
        at_the_end = ExitStack()
        config.add_cleanup(at_the_end.close)
        at_the_end.callback(client.close)
        at_the_end.enter_context(_new_networks_removed(client))


@pytest.hookimpl(trylast=True)  # after the fixtures of the session
def pytest_sessionfinish() -> None:
    forked.end_all()


def _is_one_of_several() -> bool:
    return "PYTEST_XDIST_WORKER" in os.environ


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if _is_one_of_several():
        from .side_by_side import rank

        items.sort(key=lambda item: rank(item.nodeid))


def _unusable(reason: str) -> None:
    if os.environ.get("REQUIRE_ENGINE") == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def _connect() -> tuple[docker.DockerClient | None, str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            client = docker.from_env(timeout=60)
            client.ping()
        except DockerException as error:
            reason = str(error)
        else:
            return client, ""
        gc.collect()  # the SDK leaves the socket open that it could not connect
    return None, reason


@pytest.fixture(scope="session")
def docker_client() -> Iterator[docker.DockerClient]:
    """The engine under test, over the SDK, with the base image on it."""
    client, reason = _connect()
    if client is None:
        _unusable(f"no Docker engine answers: {reason}")
        return
    if not client.images.list(IMAGE):
        _unusable(f"image {IMAGE} is not on the engine; scripts/run builds it")
    with nullcontext() if _is_one_of_several() else _new_networks_removed(client):
        yield client
    client.close()


@contextmanager
def _new_networks_removed(client: docker.DockerClient) -> Iterator[None]:
    """Services leave the networks that they make for the next ones; tests do not."""
    before = {network.id for network in _networks_of_services(client)}
    yield
    for network in _networks_of_services(client):
        if network.id not in before:
            with suppress(APIError):  # a container is on it
                network.remove()


def _networks_of_services(client: docker.DockerClient) -> list[Any]:
    found: list[Any] = client.networks.list(filters={"label": "orchestration-api.managed=true"})
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(holds: Callable[[], Any], seconds: float = 10.0, what: str = "") -> Any:
    """What `holds` returns, once that is true; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (value := holds()):
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds} s: {what or holds}")
        time.sleep(0.02)
    return value


class Service:
    """What `python main.py` does, in a process of its own (see `forked`), and a client for it.

    What tests create through `create` is labelled, so that it can be removed whatever happens.
    """

    def __init__(self, tmp_path: Path, settings: dict[str, str]) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.label = f"{TEST_LABEL}={uuid.uuid4().hex}"
        self.log_file = tmp_path / f"service-{self.port}.log"
        self.environment = os.environ | {
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            "PORT_RANGE": PORT_RANGE,
            **settings,
        }
        self.client = httpx.Client(base_url=self.url, timeout=60, trust_env=False)
        self.process: forked.Process | subprocess.Popen[bytes] | None = None

    def start(self, *, wait: bool = True) -> None:
        self.process = forked.fork(self.environment, self.log_file)
        if wait:
            wait_until(self.answers, 30, "the service answers")

    def answers(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            pytest.fail(f"the service ended:\n{self.log()}", pytrace=False)
        try:
            return self.client.get("/health/live").status_code == 200
        except httpx.TransportError:
            return False

    def stop(self, with_signal: int = signal.SIGTERM) -> int:
        """Ends the process and returns its exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(with_signal)
        return self.process.wait(30)

    def log(self) -> str:
        return self.log_file.read_text() if self.log_file.exists() else ""

    def create(self, **body: Any) -> httpx.Response:
        """POST /containers/create with the label that the clean-up goes by."""
        name, value = self.label.split("=")
        body["labels"] = {name: value} | body.get("labels", {})
        return self.client.post("/containers/create", json=body)

    def created(self, **body: Any) -> dict[str, Any]:
        """The container of a create that must succeed."""
        answer = self.create(**body)
        assert answer.status_code == 201, answer.text
        container: dict[str, Any] = answer.json()
        return container

    def get(self, path: str, **parameters: Any) -> Any:
        answer = self.client.get(path, params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def port_row(self, port: int) -> Any:
        return self.get(f"/ports/{port}")


def remove_labelled(client: docker.DockerClient, label: str) -> None:
    for container in client.api.containers(all=True, filters={"label": label}):
        with suppress(NotFound):
            client.api.remove_container(container["Id"], force=True, v=True)


@pytest.fixture
def start_service(
    docker_client: docker.DockerClient, tmp_path: Path
) -> Iterator[Callable[..., Service]]:
    """Starts a service with settings, as often as wanted; all is removed at the end."""
    services: list[Service] = []

    def start(*, wait: bool = True, **settings: str) -> Service:
        service = Service(tmp_path, settings)
        services.append(service)
        service.start(wait=wait)
        return service

    yield start
    for service in services:
        if service.process is not None and service.process.poll() is None:
            service.process.kill()
            service.process.wait(10)
        service.client.close()
        remove_labelled(docker_client, service.label)


@pytest.fixture
def service(start_service: Callable[..., Service]) -> Service:
    return start_service()


@pytest.fixture
def run_outside(docker_client: docker.DockerClient) -> Iterator[Callable[..., Any]]:
    """Runs containers as somebody else would, without the service; removes them at the end."""
    label = f"{TEST_LABEL}={uuid.uuid4().hex}"

    def run(image: str = IMAGE, **options: Any) -> Any:
        name, value = label.split("=")  # the SDK would take a list of labels as names only
        return docker_client.containers.run(image, detach=True, labels={name: value}, **options)

    yield run
    remove_labelled(docker_client, label)
