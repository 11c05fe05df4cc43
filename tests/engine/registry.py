"""A registry that this process serves, and that refuses in every way that registries have.

It speaks as much of the distribution specification (opencontainers/distribution-spec, "pull") as
an engine needs; engines use plain HTTP for registries on 127.0.0.0/8.
"""

import base64
import gzip
import hashlib
import io
import json
import tarfile
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import randint
from typing import Any
from urllib.parse import parse_qs

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
MANIFEST_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
JSON = "application/json"


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


@dataclass(frozen=True)
class Answer:
    """What is answered to one request."""

    status: int = 200
    body: bytes = b"{}"
    kind: str = JSON
    headers: tuple[tuple[str, str], ...] = ()


def error(status: int, code: str, message: str, *headers: tuple[str, str]) -> Answer:
    """An error as the specification has it."""
    body = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
    return Answer(status, body, JSON, headers)


def page(status: int) -> Answer:
    """An error of a proxy in front of a registry."""
    return Answer(status, b"<html><body>It is not possible.</body></html>", "text/html")


class Registry:
    """Images of one empty file. `asked` is what was asked for; `open` lets layers through.

    `refusals` are answers by the beginning of a path, in place of what is there. With `login`, a
    user and a password, everything else wants them; with `token`, it wants that as a bearer token,
    and `/token` gives it for `identity_token`.
    """

    def __init__(self, architecture: str, address: str | None = None) -> None:
        # An address of its own, since a free port may be one that an earlier registry had, and its
        # images may still be on the engine.
        address = address or f"127.{'.'.join(str(randint(1, 254)) for _ in range(3))}"
        self.architecture = architecture
        self.asked: list[str] = []
        self.open = threading.Event()
        self.open.set()
        self.refusals: dict[str, Answer] = {}
        self.login: tuple[str, str] | None = None
        self.token: str | None = None
        self.identity_token: str | None = None
        self._manifests: dict[str, tuple[str, bytes]] = {}
        self._blobs: dict[str, bytes] = {}
        registry = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                registry._answer(self)

            def do_HEAD(self) -> None:
                registry._answer(self)

            def do_POST(self) -> None:
                registry._answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer((address, 0), Handler)
        self.address = f"{address}:{self.server.server_port}"

    @contextmanager
    def running(self) -> Iterator["Registry"]:
        thread = threading.Thread(target=self.server.serve_forever)
        thread.start()
        yield self
        self.open.set()
        self.server.shutdown()
        self.server.server_close()
        thread.join()

    def add(self, name: str, tag: str, *exposed: str, **how: Any) -> str:
        """Puts an image there that exposes these ports; the reference to pull it by.

        `layer`: what its layer has in place of what its digest says. `platforms`: a list of
        manifests for these, "os/architecture", in place of one manifest.
        """
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
        self.put_blob(name, config)
        self.put_blob(name, layer)
        if "layer" in how:
            self._blobs[f"/v2/{name}/blobs/{digest(layer)}"] = how["layer"]
        self._put(name, digest(manifest), MANIFEST, manifest)
        self._put(name, tag, MANIFEST, manifest)
        if "platforms" in how:
            self._put_list(name, tag, manifest, how["platforms"])
        return f"{self.address}/{name}:{tag}"

    def put_manifest(self, name: str, tag: str, kind: str, manifest: bytes) -> str:
        """Puts there what somebody takes for a manifest; the reference to pull it by."""
        self._put(name, tag, kind, manifest)
        return f"{self.address}/{name}:{tag}"

    def put_blob(self, name: str, blob: bytes) -> None:
        self._blobs[f"/v2/{name}/blobs/{digest(blob)}"] = blob

    def _put_list(self, name: str, tag: str, manifest: bytes, platforms: list[str]) -> None:
        entries = [
            {
                "mediaType": MANIFEST,
                "size": len(manifest),
                "digest": digest(manifest),
                "platform": dict(zip(("os", "architecture"), each.split("/"), strict=True)),
            }
            for each in platforms
        ]
        body = {"schemaVersion": 2, "mediaType": MANIFEST_LIST, "manifests": entries}
        self._put(name, tag, MANIFEST_LIST, json.dumps(body).encode())

    def _put(self, name: str, reference: str, kind: str, manifest: bytes) -> None:
        for each in (reference, digest(manifest)):
            self._manifests[f"/v2/{name}/manifests/{each}"] = kind, manifest

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        self.asked.append(request.path)
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        answer = self._of(request, body)
        request.send_response(answer.status)
        request.send_header("Content-Type", answer.kind)
        request.send_header("Content-Length", str(len(answer.body)))
        request.send_header("Docker-Distribution-Api-Version", "registry/2.0")
        if answer.kind in (MANIFEST, MANIFEST_LIST):
            request.send_header("Docker-Content-Digest", digest(answer.body))
        for name, value in answer.headers:
            request.send_header(name, value)
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(answer.body)

    def _of(self, request: BaseHTTPRequestHandler, body: bytes) -> Answer:
        path = request.path
        for beginning, answer in self.refusals.items():
            if path.startswith(beginning):
                return answer
        if path.startswith("/token"):
            return self._of_token(body)
        if (challenge := self._challenge(request.headers.get("Authorization"))) is not None:
            header = ("WWW-Authenticate", challenge)
            return error(401, "UNAUTHORIZED", "authentication required", header)
        if path in self._manifests:
            kind, manifest = self._manifests[path]
            return Answer(200, manifest, kind)
        if path in self._blobs:
            self.open.wait(60)
            return Answer(200, self._blobs[path], "application/octet-stream")
        if path != "/v2/":
            return error(404, "MANIFEST_UNKNOWN", "manifest unknown")
        return Answer()

    def _challenge(self, authorization: str | None) -> str | None:
        """What to log in with, where a request has not."""
        if self.login is not None:
            wanted = base64.b64encode(":".join(self.login).encode()).decode()
            if authorization != f"Basic {wanted}":
                return 'Basic realm="test"'
        if self.token is not None and authorization != f"Bearer {self.token}":
            return f'Bearer realm="http://{self.address}/token",service="test"'
        return None

    def _of_token(self, body: bytes) -> Answer:
        form = parse_qs(body.decode())
        if self.identity_token is None or form.get("refresh_token") != [self.identity_token]:
            return error(401, "UNAUTHORIZED", "the token service knows nobody like this")
        answer = {"access_token": self.token, "token": self.token, "expires_in": 300}
        return Answer(200, json.dumps(answer).encode())
