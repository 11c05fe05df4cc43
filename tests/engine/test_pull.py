"""Images that the engine does not have are pulled, here from a registry that this process serves.

It speaks as much of the distribution specification (opencontainers/distribution-spec, "pull") as
an engine needs; engines use plain HTTP for registries on 127.0.0.1.
"""

import gzip
import hashlib
import io
import json
import tarfile
import threading
import uuid
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import docker
import pytest
from docker.errors import APIError

from tests.conftest import Service, wait_until

from .support import SLEEP, assert_problem, at_once, nothing_changes, port_of

pytestmark = pytest.mark.engine

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Registry:
    """Images of one empty file. `asked` is what was asked for; `open` lets layers through."""

    def __init__(self, architecture: str) -> None:
        self.architecture = architecture
        self.asked: list[str] = []
        self.open = threading.Event()
        self.open.set()
        self._manifests: dict[str, bytes] = {}
        self._blobs: dict[str, bytes] = {}
        registry = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                registry.answer(self)

            def do_HEAD(self) -> None:
                registry.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_port}"

    def add(self, name: str, tag: str, *exposed: str) -> str:
        """Puts an image there that exposes these ports; the reference to pull it by."""
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            tar.addfile(tarfile.TarInfo(uuid.uuid4().hex))
        layer = gzip.compress(archive.getvalue())
        config = json.dumps(
            {
                "architecture": self.architecture,
                "os": "linux",
                "config": {"ExposedPorts": {port: {} for port in exposed}},
                "rootfs": {"type": "layers", "diff_ids": [digest(archive.getvalue())]},
            }
        ).encode()
        manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": {"mediaType": CONFIG, "size": len(config), "digest": digest(config)},
                "layers": [{"mediaType": LAYER, "size": len(layer), "digest": digest(layer)}],
            }
        ).encode()
        for blob in (config, layer):
            self._blobs[f"/v2/{name}/blobs/{digest(blob)}"] = blob
        for reference in (tag, digest(manifest)):
            self._manifests[f"/v2/{name}/manifests/{reference}"] = manifest
        return f"{self.address}/{name}:{tag}"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        self.asked.append(request.path)
        status, kind, body = 200, "application/json", b"{}"
        if request.path in self._manifests:
            kind, body = MANIFEST, self._manifests[request.path]
        elif request.path in self._blobs:
            self.open.wait(60)
            kind, body = "application/octet-stream", self._blobs[request.path]
        elif request.path != "/v2/":
            error = {"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}
            status, body = 404, json.dumps({"errors": [error]}).encode()
        request.send_response(status)
        request.send_header("Content-Type", kind)
        request.send_header("Content-Length", str(len(body)))
        request.send_header("Docker-Distribution-Api-Version", "registry/2.0")
        if kind == MANIFEST:
            request.send_header("Docker-Content-Digest", digest(body))
        request.end_headers()
        if request.command == "GET":
            request.wfile.write(body)


@pytest.fixture
def registry(docker_client: docker.DockerClient) -> Iterator[Registry]:
    """Asked for before `service`, it takes its images off the engine after their containers."""
    registry = Registry(docker_client.version()["Arch"])
    thread = threading.Thread(target=registry.server.serve_forever)
    thread.start()
    yield registry
    registry.open.set()
    registry.server.shutdown()
    registry.server.server_close()
    thread.join()
    for image in docker_client.images.list():
        for name in image.tags:
            if name.startswith(f"{registry.address}/"):
                docker_client.images.remove(name, force=True)


@pytest.fixture
def on_engine(docker_client: docker.DockerClient) -> Callable[[str], bool]:
    def on_engine(image: str) -> bool:
        try:
            docker_client.images.get(image)
        except APIError:
            return False
        return True

    return on_engine


def pulls(registry: Registry, image: str) -> int:
    name, tag = image.removeprefix(f"{registry.address}/").split(":")
    return registry.asked.count(f"/v2/{name}/manifests/{tag}")


def test_a_missing_image_is_pulled_once(
    registry: Registry, service: Service, on_engine: Callable[[str], bool]
) -> None:
    image = registry.add("team/app", "1.0", "7777/tcp")
    assert not on_engine(image)
    container = service.created(image=image, command=["/none"], start=False)
    assert container["image"] == image
    assert on_engine(image)
    rows = service.get("/ports")["ports"]
    assert [row["container_port"] for row in rows] == ["7777/tcp"]
    asked = pulls(registry, image)
    assert asked > 0
    service.created(image=image, command=["/none"], start=False)
    assert pulls(registry, image) == asked


def test_pull_always_fetches_what_the_registry_has_now(
    registry: Registry, service: Service, docker_client: docker.DockerClient
) -> None:
    image = registry.add("team/app", "latest")
    service.created(image=image, command=["/none"], start=False)
    first = docker_client.images.get(image).id
    registry.add("team/app", "latest", "8888/udp")
    service.created(image=image, command=["/none"], start=False)
    assert docker_client.images.get(image).id == first
    service.created(image=image, command=["/none"], start=False, pull="always")
    assert docker_client.images.get(image).id != first
    ports = {row["container_port"] for row in service.get("/ports")["ports"]}
    assert "8888/udp" in ports


def test_an_image_that_its_registry_does_not_have_is_not_found(
    registry: Registry, service: Service, docker_client: docker.DockerClient
) -> None:
    registry.add("team/app", "1.0")
    for image in ("team/app:2.0", "team/other:1.0"):
        for pull in ("missing", "always"):
            with nothing_changes(service, docker_client):
                problem = assert_problem(
                    service.create(image=f"{registry.address}/{image}", pull=pull),
                    404,
                    "image-not-found",
                    image=f"{registry.address}/{image}",
                )
            assert image in problem["detail"]


def test_an_image_that_may_not_be_pulled_is_not_asked_for(
    registry: Registry, service: Service, on_engine: Callable[[str], bool]
) -> None:
    image = registry.add("team/app", "1.0")
    assert_problem(service.create(image=image, pull="never"), 404, "image-not-found")
    assert registry.asked == []
    assert not on_engine(image)


def test_a_slow_pull_holds_up_its_own_callers_only(registry: Registry, service: Service) -> None:
    image = registry.add("team/app", "1.0")
    registry.open.clear()

    def create_from_it() -> int:
        return service.create(image=image, command=["/none"], start=False).status_code

    def do_other_things() -> int:
        wait_until(lambda: any("/blobs/" in path for path in registry.asked), 20)
        container = service.created(command=SLEEP)
        assert service.port_row(port_of(container))["state"] == "in_use"
        assert service.get("/health")["ports"]["reserved"] == 0, "a pull takes no port"
        registry.open.set()
        return 0

    assert at_once([*[create_from_it] * 3, do_other_things]) == [201, 201, 201, 0]
