"""Records what an engine says of pulls that fail: recorded/engine-VERSION-pulls.json.

    python -m tests.unit.record_pulls                       the engine at DOCKER_HOST
    engine exec sid python -m tests.unit.record_pulls       one in a network namespace of its own

It must share the engine's network namespace, for it serves the registries that refuse. A case is
named after what its text means; see test_pull_failures.py. Not a test; run it again for another
engine, and look at the difference with git before keeping it.
"""

import json
import re
import socket
import ssl
import struct
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import docker
from docker.errors import APIError

from tests.engine.registry import CONFIG, LAYER, MANIFEST, Answer, Registry, digest, error, page

PAYLOADS = Path(__file__).parent / "recorded"
NAME = "team/app"
UNAUTHORIZED = error(401, "UNAUTHORIZED", "authentication required")
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
SCHEMA_1 = "application/vnd.docker.distribution.manifest.v1+prettyjws"
# An address of the engine's host for which it does not take plain HTTP, nor any certificate.
BRIDGE = "172.17.0.1"


class Recorder:
    """Pulls, and notes what the engine says."""

    def __init__(self) -> None:
        self.client = docker.from_env(timeout=120).api
        version = self.client.version()
        self.engine = "engine-" + ".".join(version["Version"].split(".")[:2])
        self.architecture = version["Arch"]
        self.said: dict[str, str] = {}

    def pull(self, case: str, image: str, **options: Any) -> None:
        text = self._text(image, options)
        text = re.sub(r"\d+\.\d+\.\d+\.\d+(?=:53\b)", "192.0.2.53", text)  # a resolver
        text = text.replace(BRIDGE, "192.0.2.1")
        text = re.sub(r"\b[0-9a-f]{64}\b", "0" * 64, text)
        self.said[case] = re.sub(r"(\d\.\d):\d{4,5}\b", r"\1:5000", text)
        print(case, "|", self.said[case], flush=True)

    def _text(self, image: str, options: Mapping[str, Any]) -> str:
        try:
            for line in self.client.pull(
                image, stream=True, decode=True, **{"auth_config": {}, **options}
            ):
                if "error" in line:
                    return str(line["error"])
        except APIError as refused:
            return str(refused.explanation)
        self.client.remove_image(image, force=True)
        return "NOT REFUSED"


def record_refusals(recorder: Recorder, registry: Registry) -> None:
    """What registries answer in place of an image."""
    image = registry.add(NAME, "1.0")
    manifests, blobs = f"/v2/{NAME}/manifests", f"/v2/{NAME}/blobs"
    for case, beginning, answer in (
        ("missing-name", manifests, error(404, "NAME_UNKNOWN", "no such repository")),
        ("failed-404-page", manifests, page(404)),
        ("failed-no-registry", "/v2/", page(404)),
        ("denied-401", manifests, UNAUTHORIZED),
        ("denied-401-page", manifests, page(401)),
        ("denied-403", manifests, error(403, "DENIED", "requested access is denied")),
        ("denied-403-page", manifests, page(403)),
        ("denied-everything", "/v2/", page(403)),
        ("denied-blobs", blobs, page(403)),
        ("limited", manifests, error(429, "TOOMANYREQUESTS", "You have reached your limit.")),
        ("limited-page", manifests, page(429)),
        ("limited-blobs", blobs, error(429, "TOOMANYREQUESTS", "You have reached your limit.")),
        ("failed-500", manifests, error(500, "UNKNOWN", "unknown error")),
        ("failed-500-page", manifests, page(500)),
        ("failed-502-page", manifests, page(502)),
        ("failed-503", manifests, error(503, "UNAVAILABLE", "service unavailable")),
        ("failed-blobs", blobs, page(500)),
        ("failed-unknown", manifests, error(400, "UNKNOWN", "manifest unknown")),
        ("broken-no-blobs", blobs, error(404, "BLOB_UNKNOWN", "blob unknown to registry")),
        ("broken-page", manifests, Answer(200, b"<html>hello</html>", "text/html")),
        ("broken-manifest", manifests, Answer(200, b"{", MANIFEST)),
    ):
        registry.refusals = {beginning: answer}
        recorder.pull(case, image)
    registry.refusals = {}
    recorder.pull("missing-tag", f"{registry.address}/{NAME}:2.0")
    recorder.pull("missing-digest", f"{registry.address}/{NAME}@sha256:{'0' * 64}")


def record_logins(recorder: Recorder, registry: Registry) -> None:
    """What registries answer that want a login."""
    image = registry.add(NAME, "1.0")
    registry.login = ("somebody", "secret")
    wrong = {"username": "somebody", "password": "wrong"}
    recorder.pull("denied-no-login", image)
    recorder.pull("denied-login", image, auth_config=wrong)
    registry.login, registry.token = None, "t0ken"
    recorder.pull("denied-token-service", image)
    recorder.pull("denied-token-service-login", image, auth_config=wrong)
    recorder.pull("denied-identity-token", image, auth_config={"identitytoken": "wrong"})
    recorder.pull("denied-registry-token", image, auth_config={"registrytoken": "wrong"})
    for case, answer in (
        ("denied-token-service-403", error(403, "DENIED", "no")),
        ("limited-token-service", page(429)),
        ("failed-token-service", page(500)),
        ("failed-no-token", Answer()),
    ):
        registry.refusals = {"/token": answer}
        recorder.pull(case, image)
    registry.refusals, registry.token = {}, None


def record_images(recorder: Recorder, registry: Registry) -> None:
    """What is wrong with images themselves."""
    other = "arm64" if recorder.architecture != "arm64" else "amd64"
    here = [f"linux/{recorder.architecture}"]
    for case, how, options in (
        ("platform", {"platforms": [f"linux/{other}"]}, {}),
        ("platform-windows", {"platforms": ["windows/amd64"]}, {}),
        ("platform-none", {"platforms": []}, {}),
        ("platform-asked", {"platforms": here}, {"platform": f"linux/{other}"}),
        ("broken-layer", {"layer": b"something else" * 100}, {}),
        ("broken-layer-short", {"layer": b"x"}, {}),
    ):
        recorder.pull(case, registry.add(NAME, case, **how), **options)
    for case, kind, manifest in (
        ("broken-schema-1", SCHEMA_1, b'{"schemaVersion": 1, "fsLayers": [], "history": []}'),
        ("broken-kind", "application/vnd.example+json", b'{"schemaVersion": 2}'),
    ):
        recorder.pull(case, registry.put_manifest(NAME, case, kind, manifest))

    def put(case: str, config: bytes, layer: bytes, kind: str, config_kind: str) -> str:
        for blob in (config, layer):
            registry.put_blob(NAME, blob)
        manifest = {
            "schemaVersion": 2,
            "mediaType": kind,
            "config": {"mediaType": config_kind, "size": len(config), "digest": digest(config)},
            "layers": [{"mediaType": LAYER, "size": len(layer), "digest": digest(layer)}],
        }
        return registry.put_manifest(NAME, case, kind, json.dumps(manifest).encode())

    def config_of(*layers: str) -> bytes:
        rootfs = {"type": "layers", "diff_ids": list(layers)}
        config = {"architecture": recorder.architecture, "os": "linux", "rootfs": rootfs}
        return json.dumps(config).encode()

    junk, nothing = b"no archive at all " * 100, digest(b"")
    chart = "application/vnd.cncf.helm.config.v1+json"
    recorder.pull("broken-chart", put("chart", b"{}", junk, OCI_MANIFEST, chart))
    recorder.pull("broken-archive", put("junk", config_of(digest(junk)), junk, MANIFEST, CONFIG))
    recorder.pull("broken-contents", put("other", config_of(nothing), junk, MANIFEST, CONFIG))
    recorder.pull("broken-count", put("count", config_of(), junk, MANIFEST, CONFIG))
    recorder.pull("broken-config", put("config", b"no JSON", junk, MANIFEST, CONFIG))


def record_unreachable(recorder: Recorder) -> None:
    """What there is in place of a registry."""
    recorder.pull("unreachable", "127.0.0.1:1/some/image:tag")
    recorder.pull("unreachable-name", "registry.invalid/some/image:tag")
    for case, handle in (
        ("unreachable-closes", socket.socket.close),
        ("unreachable-resets", resets),
        ("failed-cut", lambda client: says(client, b"HTTP/1.1 200 OK\r\nContent-L")),
        ("unreachable-silent", lambda _: time.sleep(200)),
        ("failed-no-http", lambda client: says(client, b"SSH-2.0-x\r\n" * 5)),
        ("failed-no-kind", lambda client: says(client, b"HTTP/1.1 200 OK\r\n\r\n{}")),
    ):
        with listening(handle) as address:
            recorder.pull(case, f"{address}/some/image:tag")
    for case, tls in (("failed-certificate", True), ("failed-plain-http", False)):
        registry = Registry(recorder.architecture, BRIDGE)
        if tls:
            registry.server.socket = certified().wrap_socket(
                registry.server.socket, server_side=True
            )
        with registry.running():
            recorder.pull(case, f"{registry.address}/some/image:tag")


def says(client: socket.socket, answer: bytes) -> None:
    with client:
        client.recv(65536)
        client.sendall(answer)


def resets(client: socket.socket) -> None:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


@contextmanager
def listening(handle: Callable[[socket.socket], None]) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=handle, args=(client,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}"


def certified() -> ssl.SSLContext:
    """A certificate that nobody trusts."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as directory:
        key, certificate = f"{directory}/key", f"{directory}/certificate"
        names = ("-subj", "/CN=test", "-addext", f"subjectAltName=IP:{BRIDGE}")
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
                *("-keyout", key, "-out", certificate, *names),
            ],
            check=True,
            capture_output=True,
        )
        context.load_cert_chain(certificate, key)
    return context


def main() -> None:
    recorder = Recorder()
    with Registry(recorder.architecture).running() as registry:
        record_refusals(recorder, registry)
        record_logins(recorder, registry)
        record_images(recorder, registry)
    record_unreachable(recorder)
    text = json.dumps(recorder.said, indent=1, sort_keys=True) + "\n"
    (PAYLOADS / f"{recorder.engine}-pulls.json").write_text(text)


if __name__ == "__main__":
    main()
