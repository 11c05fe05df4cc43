"""What the engine tests share: a service at hand, ports nobody else uses, images made for a test.

Most tests use one service process, started once, each with a label of its own; what they make is
removed, and seen to be gone by the service, before the next test begins. Tests that are about a
service's start, its settings, a full range or processes on ports, which are noticed to be gone only
after a while, start their own with `start_service`.
"""

import copy
import errno
import fcntl
import io
import os
import random
import socket
import tarfile
import tempfile
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.errors import APIError, NotFound

from tests.conftest import IMAGE, TEST_LABEL, Service, remove_labelled, wait_until

from .odd_images import odd_image
from .registry import Registry
from .support import labelled_ports, port_range, unique

# Blocks of ports for tests lie here: below the ephemeral ones, away from the service's own.
BLOCKS = range(20000, 28000)


class Blocks:
    """Ports for the services of tests, by chance, and each for one at a time: also when other test
    runs are beside this one, or other processes of it.

    A byte of a file stands for each port, and whoever has locked it has the port. What a process
    has locked is free again when it ends, however it ends.
    """

    def __init__(self) -> None:
        path = Path(tempfile.gettempdir()) / f"{TEST_LABEL}-ports-{os.getuid()}"
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        self._held: set[int] = set()  # a process does not lock itself out

    @contextmanager
    def block(self, client: docker.DockerClient, size: int) -> Iterator[str]:
        """A port range, as the setting PORT_RANGE wants it, that no process and no container uses,
        and no other test gets meanwhile.
        """
        listed = client.api.containers(all=True)
        owned = {port for entry in listed for port in labelled_ports(entry)}
        for _ in range(200):
            first = random.randrange(BLOCKS.start, BLOCKS.stop - size)
            block = range(first, first + size)
            if not owned.isdisjoint(block) or not self._take(block):
                continue
            try:
                if all(_can_be_bound(port) for port in block):
                    yield f"{block[0]}-{block[-1]}"
                    return
            finally:
                self._held -= set(block)
                fcntl.lockf(self._file, fcntl.LOCK_UN, size, first)
        raise AssertionError(f"no {size} free ports in a row")

    def _take(self, block: range) -> bool:
        if not self._held.isdisjoint(block):
            return False
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, len(block), block[0])
        except OSError:
            return False
        self._held |= set(block)
        return True


PORTS = Blocks()


def _can_be_bound(port: int) -> bool:
    """On IPv4 and IPv6, for on both a container's port is published."""
    for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
        with suppress(OSError), socket.socket(family) as probe:  # IPv6 may be off
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                probe.bind((address, port))
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    return False
    return True


def remove_in_range(client: docker.DockerClient, service: Service) -> None:
    """Removes what the service made, also by requests that did not carry the test's label."""

    def remove(container: str) -> None:
        with suppress(NotFound):
            client.api.remove_container(container, force=True, v=True)

    label, _, value = service.label.partition("=")
    with ThreadPoolExecutor(4) as pool:
        for entry in client.api.containers(all=True):
            labels = entry["Labels"] or {}
            if labels.get(label) == value or labelled_ports(entry) & set(port_range(service)):
                pool.submit(remove, entry["Id"])
    remove_labelled(client, service.label)  # and whatever was about to come, or did not go


@pytest.fixture(scope="session")
def shared_service(
    docker_client: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    with PORTS.block(docker_client, 99) as block:
        service = Service(tmp_path_factory.mktemp("shared"), {"PORT_RANGE": block})
        service.start()
        yield service
        service.stop()
        service.client.close()
        remove_in_range(docker_client, service)


@pytest.fixture
def service(shared_service: Service, docker_client: docker.DockerClient) -> Iterator[Service]:
    """The shared service, with nothing of another test in its range."""
    mine = copy.copy(shared_service)
    mine.label = f"{TEST_LABEL}={uuid.uuid4().hex}"
    yield mine
    remove_in_range(docker_client, mine)
    wait_until(
        lambda: mine.get("/ports")["ports"] == [],
        what="the service sees that the test's containers are gone",
    )


@pytest.fixture
def start_service(
    start_service: Callable[..., Service], docker_client: docker.DockerClient
) -> Iterator[Callable[..., Service]]:
    """Starts a service of the test's own, on a block of `ports` ports that nobody else uses."""
    services: list[Service] = []

    with ExitStack() as blocks:

        def start(*, ports: int = 20, **settings: str) -> Service:
            block = blocks.enter_context(PORTS.block(docker_client, ports))
            services.append(start_service(**{"PORT_RANGE": block} | settings))
            return services[-1]

        yield start
        for service in services:
            service.stop()
            remove_in_range(docker_client, service)


@pytest.fixture(scope="session")
def build_image(docker_client: docker.DockerClient) -> Iterator[Callable[..., str]]:
    """Builds an image from the base one and some lines of a Dockerfile; returns its name."""
    built: dict[tuple[str, ...], str] = {}

    def build(*lines: str) -> str:
        if lines not in built:
            dockerfile = "\n".join([f"FROM {IMAGE}", *lines, ""])
            name = f"{TEST_LABEL}-{uuid.uuid4().hex}:1"
            docker_client.images.build(fileobj=io.BytesIO(dockerfile.encode()), tag=name, rm=True)
            built[lines] = name
        return built[lines]

    yield build
    for name in built.values():
        with suppress(APIError):
            docker_client.images.remove(name, force=True)


@pytest.fixture
def odd(docker_client: docker.DockerClient) -> Iterator[Callable[..., str]]:
    """Makes an image whose configuration has these fields; returns its name."""
    made: list[str] = []

    def make(**config: Any) -> str:
        made.append(odd_image(docker_client, IMAGE, f"{unique()}:1", config))
        return made[-1]

    yield make
    for name in made:
        with suppress(APIError):
            docker_client.images.remove(name, force=True)


@pytest.fixture(scope="session")
def bare_image(docker_client: docker.DockerClient) -> Iterator[str]:
    """An image with one empty file and no configuration: it exposes nothing and runs nothing."""
    name = f"{TEST_LABEL}-{uuid.uuid4().hex}"
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("empty"))
    docker_client.api.import_image_from_data(archive.getvalue(), repository=name, tag="1")
    yield f"{name}:1"
    docker_client.images.remove(f"{name}:1", force=True)


@pytest.fixture
def named_volume(docker_client: docker.DockerClient) -> Iterator[str]:
    """The name of a volume that the test may make. Asked for before `service`, it is removed after
    the containers that use it.
    """
    name = f"{TEST_LABEL}-{uuid.uuid4().hex}"
    yield name

    def gone() -> bool:
        try:
            docker_client.volumes.get(name).remove(force=True)
        except NotFound:
            return True
        except APIError:  # a container of the test still has it
            return False
        return True

    wait_until(gone, what=f"volume {name} is removed")


@pytest.fixture
def inspect(docker_client: docker.DockerClient) -> Callable[[str], dict[str, Any]]:
    """What `docker inspect` says of a container."""

    def inspect(container: str) -> dict[str, Any]:
        details: dict[str, Any] = docker_client.api.inspect_container(container)
        return details

    return inspect


@pytest.fixture
def registry(docker_client: docker.DockerClient) -> Iterator[Registry]:
    """Asked for before `service`, it takes its images off the engine after their containers."""
    with Registry(docker_client.version()["Arch"]).running() as registry:
        yield registry
    for image in docker_client.images.list():
        for name in image.tags:
            if name.startswith(f"{registry.address}/"):
                docker_client.images.remove(name, force=True)
