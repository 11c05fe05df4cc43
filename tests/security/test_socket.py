"""The service at a guarded engine: behind an allow-list of routes, and over TLS.

The engine is one of the tests' own, in a network of its own: some routes are only used when its
bridge is full, and its certificates are made for the test.
"""

import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from orchestrator.engine.connection import shown_address
from tests.conftest import ROOT, Service, wait_until
from tests.engine.registry import Registry
from tests.engine.support import act, assert_problem, remove
from tests.faults.private_engine import PrivateEngine, own_network, why_not
from tests.faults.steps import GROWING
from tests.faults.test_networks import Filling

from .allow_list import AllowList, documented

CONFIGURATION = ROOT / "docs" / "socket-proxy.cfg"
SETTINGS = {"HUSK_GRACE": "1", "PORT_RANGE": "8001-8999", "CGROUP_ROOT": "/nonexistent"}


class TlsEngine(PrivateEngine):
    """Listens on a TCP port too, for clients with a certificate of its authority."""

    port = 2376

    def __init__(self) -> None:
        super().__init__()
        self.certificates = self.root / "certificates"
        self.certificates.mkdir()
        make_certificates(self.certificates)

    def _command(self) -> list[str]:
        return [
            *super()._command(),
            f"--host=tcp://127.0.0.1:{self.port}",
            "--tlsverify",
            f"--tlscacert={self.certificates}/ca.pem",
            f"--tlscert={self.certificates}/server.pem",
            f"--tlskey={self.certificates}/server-key.pem",
        ]


def make_certificates(directory: Path) -> None:
    """An authority, and certificates of it for a server at 127.0.0.1 and for a client, named as
    the `docker` command wants them.
    """

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)

    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl(
        *("req", "-x509", *new, "-days", "2", "-subj", "/CN=authority"),
        *("-addext", "keyUsage=critical,keyCertSign", "-keyout", "ca-key.pem", "-out", "ca.pem"),
    )
    for name, key, extensions in (
        ("server", "server-key", "subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth\n"),
        ("cert", "key", "extendedKeyUsage=clientAuth\n"),
    ):
        (directory / "extensions").write_text(extensions)
        request = (f"{key}.pem", "-out", "request.pem")
        openssl("req", *new, "-subj", f"/CN={name}", "-keyout", *request)
        openssl(
            *("x509", "-req", "-in", "request.pem", "-CA", "ca.pem", "-CAkey", "ca-key.pem"),
            *("-CAcreateserial", "-days", "2", "-extfile", "extensions", "-out", f"{name}.pem"),
        )


@pytest.fixture(scope="module")
def engine() -> Iterator[TlsEngine]:
    if reason := why_not():
        if os.environ.get("REQUIRE_FAULTS") == "1":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    with own_network():
        engine = TlsEngine()
        try:
            engine.start()
            engine.load_image()
            yield engine
        finally:
            engine.remove()


@pytest.fixture
def sockets() -> Iterator[Path]:
    """A directory with a path short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="socket-") as directory:
        yield Path(directory)


@contextmanager
def running(tmp_path: Path, **settings: str) -> Iterator[Service]:
    service = Service(tmp_path, SETTINGS | settings)
    try:
        service.start()
        yield service
    finally:
        if service.process is not None:
            with suppress(ProcessLookupError):
                service.process.send_signal(signal.SIGKILL)
            service.process.wait(10)
        service.client.close()


@pytest.fixture
def registry(engine: PrivateEngine) -> Iterator[Registry]:
    with Registry(engine.call("GET", "/version")["Arch"]).running() as registry:
        yield registry


def use_in_every_way(
    service: Service, engine: PrivateEngine, registry: Registry, filling: Filling
) -> None:
    """Every kind of use, one after the other, each with what a caller should see of it."""
    assert service.get("/health")["status"] == "healthy"

    # Create, here and from a registry, and what cannot be created
    service.created(name="one", volumes=["kept:/data"], pull="never")
    pulled = registry.add("team/tool", "1", "5000/tcp")
    answer = service.create(image=pulled, pull="never")
    assert_problem(answer, 404, "image-not-found")
    service.created(name="pulled", image=pulled, pull="missing", command=["x"], start=False)
    digested = f"{registry.address}/team/tool@sha256:{'0' * 64}"
    assert_problem(service.create(image=digested, pull="never"), 404, "image-not-found")
    refused = service.create(command=["/nonexistent"], volumes=["fresh:/data"])
    assert_problem(refused, 422, "start-refused")
    volumes = {each["Name"] for each in engine.call("GET", "/volumes")["Volumes"]}
    assert "kept" in volumes
    assert "fresh" not in volumes, "the volume of a create that failed is gone"

    # A restricted one, of an image whose user is a name
    engine.load_image("restricted:1", user="app", passwd="app:x:1234:0::/:/bin/sh")
    made = service.created(name="restricted", image="restricted:1", profile="restricted")
    assert engine.inspect(made["id"])["Config"]["User"] == "1234"
    remove(service, "restricted")

    # Statistics from the engine, and its events: this container is somebody else's
    assert service.get("/containers/one/stats")["source"] == "engine"
    other = engine.run(name="other")
    wait_until(
        lambda: service.client.get("/containers/other").status_code == 200, 20, "an event is heard"
    )
    engine.remove_container(other)

    # Stop, start, restart, and a move to another port with a second network
    act(service, "one", "stop", timeout=0)
    act(service, "one", "start")
    act(service, "one", "restart", timeout=0)
    before = service.get("/containers/one")
    engine.call("POST", "/networks/create", body={"Name": "second"})
    engine.call("POST", "/networks/second/connect", body={"Container": before["id"]})
    act(service, "one", "stop", timeout=0)
    service.created(name="pinned", port=int(before["ports"]["5000/tcp"].rpartition(":")[2]))
    after = act(service, "one", "start")
    assert after["id"] != before["id"]
    assert after["previous_ports"] == before["ports"]
    networks = engine.inspect(after["id"])["NetworkSettings"]["Networks"]
    assert set(networks) == {"orchestration-api-1", "second"}

    # A move of one to whose image the move before has added much
    command = ["/bin/sh", "-c", f"{GROWING}; while :; do sleep 1; done"]
    service.created(name="large", command=command, init=False)
    for _ in range(2):
        port = int(service.get("/containers/large")["ports"]["5000/tcp"].rpartition(":")[2])
        act(service, "large", "stop", timeout=5)
        pinned = service.created(port=port)
        assert act(service, "large", "start")["port_changed"] is True
        remove(service, pinned["id"])
    remove(service, "large")

    # A full bridge
    filling.fill("br-orch-api-1")
    service.created(name="elsewhere")
    networks = engine.inspect(service.get("/containers/elsewhere")["id"])["NetworkSettings"]
    assert list(networks["Networks"]) == ["orchestration-api-2"]

    # Volumes
    service.created(name="keeping", volumes=["unkept:/data"], start=False)
    assert {each["name"] for each in service.get("/volumes")} == {"kept", "unkept"}
    removed = act(service, "keeping", "delete", volumes=True)
    assert removed["removed_volumes"] == ["unkept"]
    assert_problem(service.client.delete("/volumes/kept"), 409, "volume-in-use")

    # Remove, and leftovers: the image of the move goes with its container
    for name in ("one", "pulled", "pinned", "elsewhere"):
        remove(service, name)
    assert service.get("/containers") == []
    assert service.client.delete("/volumes/kept").status_code == 200
    tags = [tag for each in engine.call("GET", "/images/json") for tag in each["RepoTags"] or ()]
    assert not [tag for tag in tags if tag.startswith("orchestration-api-moved")]


def use_from_afar(service: Service, engine: PrivateEngine, address: str) -> None:
    """A container's whole life, and what its neighbours do, over a connection that holds."""
    assert service.get("/health")["status"] == "healthy"
    service.created(name="one")
    assert service.get("/containers/one/stats")["source"] == "engine"
    act(service, "one", "stop", timeout=0)
    act(service, "one", "start")
    other = engine.run(name="other")
    wait_until(lambda: service.client.get("/containers/other").status_code == 200, 20, "it is seen")
    engine.remove_container(other)
    remove(service, "one")
    wait_until(lambda: service.get("/containers") == [], 20, "no container is seen any more")
    log = service.log()
    assert f"at {address}" in log
    assert "Not connected" not in log, "the stream of events was never cut"


def test_the_table_of_routes_is_read_whole() -> None:
    text = (ROOT / "docs" / "engine-routes.md").read_text()
    rows = re.findall(r"^\| `", text, re.MULTILINE)
    assert len(documented()) == len(rows) == len(set(documented())) > 20


def test_the_service_asks_for_the_documented_routes_and_for_no_other(
    engine: PrivateEngine,
    registry: Registry,
    filling: Filling,
    sockets: Path,
    tmp_path: Path,
) -> None:
    proxy = AllowList(sockets / "allowed.sock", engine.socket, documented())
    try:
        with running(tmp_path, DOCKER_HOST=proxy.address) as service:
            use_in_every_way(service, engine, registry, filling)
            wait_until(
                lambda: ("GET", "/images/json") in proxy.asked, 60, "the leftovers are looked for"
            )
            assert proxy.refused == []
            assert set(documented()) - proxy.asked == set()
    finally:
        proxy.close()


def test_without_the_route_that_looks_for_programs_they_are_started(
    engine: PrivateEngine, sockets: Path, tmp_path: Path
) -> None:
    routes = [route for route in documented() if route[0] != "HEAD"]
    proxy = AllowList(sockets / "without.sock", engine.socket, routes)
    try:
        with running(tmp_path, DOCKER_HOST=proxy.address) as service:
            container = service.created(command=["/nonexistent"])
            wait_until(
                lambda: service.get(f"/containers/{container['id']}")["exit_code"] == 127,
                what="it ends, for want of its program",
            )
            remove(service, container["id"])
    finally:
        proxy.close()


@pytest.fixture
def haproxy(engine: PrivateEngine, sockets: Path) -> Iterator[Path]:
    """A real one with the documented configuration; the path of its socket."""
    program = shutil.which("haproxy", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        if os.environ.get("REQUIRE_HAPROXY") == "1":
            pytest.fail("haproxy is not installed", pytrace=False)
        pytest.skip("haproxy is not installed")
    path = sockets / "haproxy.sock"
    environment = os.environ | {"SOCKET": str(path), "ENGINE_SOCKET": str(engine.socket)}
    process = subprocess.Popen([program, "-db", "-f", CONFIGURATION], env=environment)
    try:
        wait_until(path.exists, 10, "haproxy listens")
        yield path
    finally:
        process.kill()
        process.wait(10)


def test_all_works_behind_haproxy_with_the_documented_configuration(
    engine: PrivateEngine,
    registry: Registry,
    filling: Filling,
    haproxy: Path,
    tmp_path: Path,
) -> None:
    with running(tmp_path, DOCKER_HOST=f"unix://{haproxy}") as service:
        use_in_every_way(service, engine, registry, filling)
        assert "Not connected" not in service.log()


def test_haproxy_refuses_what_is_not_documented(engine: PrivateEngine, haproxy: Path) -> None:
    transport = httpx.HTTPTransport(uds=str(haproxy))
    with httpx.Client(transport=transport, base_url="http://engine") as client:
        assert client.get("/v1.41/containers/json").status_code == 200
        for method, path in (
            ("POST", "/containers/x/exec"),
            ("POST", "/exec/x/start"),
            ("POST", "/containers/x/attach"),
            ("POST", "/containers/x/kill"),
            ("PUT", "/containers/x/archive"),
            ("GET", "/containers/x/logs"),
            ("GET", "/containers/..%2finfo/json"),
            ("GET", "/images//x/json"),
            ("DELETE", "/images/base-api-server:latest"),
            ("POST", "/v1.41/build"),
            ("POST", "/volumes/create"),
            ("POST", "/volumes/prune"),
            ("POST", "/swarm/init"),
            ("GET", "/system/df"),
            ("GET", "/secrets"),
            ("HEAD", "/containers/json"),
        ):
            assert client.request(method, path).status_code == 403, (method, path)


# TLS


@pytest.fixture
def empty(engine: TlsEngine) -> Iterator[TlsEngine]:
    yield engine
    engine.clear()


@pytest.mark.parametrize("variable", [None, "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_an_engine_is_used_over_tls(
    variable: str | None, empty: TlsEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the environment names authorities for everything else, as companies' do."""
    for each in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(each, raising=False)
    if variable is not None:
        others = tmp_path / "others"
        others.mkdir()
        make_certificates(others)
        monkeypatch.setenv(variable, str(others / "ca.pem"))
    settings = {
        "DOCKER_HOST": f"tcp://127.0.0.1:{empty.port}",
        "DOCKER_TLS_VERIFY": "1",
        "DOCKER_CERT_PATH": str(empty.certificates),
    }
    with running(tmp_path, **settings) as service:
        use_from_afar(service, empty, f"https://127.0.0.1:{empty.port}")


@pytest.mark.parametrize("wrong", ["no TLS", "another authority", "no client certificate"])
def test_a_tls_engine_that_cannot_be_trusted_or_does_not_trust_is_not_used(
    wrong: str, engine: TlsEngine, tmp_path: Path
) -> None:
    certificates = tmp_path / "certificates"
    certificates.mkdir()
    if wrong == "no client certificate":
        shutil.copy(engine.certificates / "ca.pem", certificates)
    else:
        make_certificates(certificates)
    settings = {"DOCKER_HOST": f"tcp://127.0.0.1:{engine.port}"}
    if wrong != "no TLS":
        settings |= {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(certificates)}
    with running(tmp_path, **settings) as service:
        assert service.client.get("/health").status_code == 503
        answer = service.create(name="never")
        assert answer.status_code == 503, answer.text
        assert answer.json()["code"].startswith("engine-")
        assert engine.containers() == []


# What is logged


def test_the_engine_is_named_at_the_start_though_nobody_answers_there(tmp_path: Path) -> None:
    with running(tmp_path, DOCKER_HOST="tcp://user:secret-word@127.0.0.1:9") as service:
        assert "The engine is expected at tcp://127.0.0.1:9" in service.log()
        assert "secret-word" not in service.log()


@pytest.mark.parametrize(
    ("docker_host", "shown"),
    [
        (None, "unix:///var/run/docker.sock"),
        ("unix:///run/user/1000/docker.sock", "unix:///run/user/1000/docker.sock"),
        ("tcp://user:secret@engine:2376", "tcp://engine:2376"),
        ("tcp://user:secret@[::1]:2375/x?token=secret", "tcp://[::1]:2375/x"),
        ("ssh://user:secret@engine:22", "ssh://engine:22"),
        ("ssh://user:sec/ret@engine", "ssh://engine"),
        ("user:secret@engine:2375", "engine:2375"),
        ("no address", "no address"),
    ],
)
def test_an_address_is_shown_without_credentials(docker_host: str | None, shown: str) -> None:
    assert shown_address(docker_host) == shown
