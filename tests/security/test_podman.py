"""Podman's socket in place of Docker's: what the service promises holds there, too.

In a network and with files of its own; packages for it are not installed for these tests.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.support import act, assert_problem, remove
from tests.faults.private_engine import PrivateEngine, own_network, why_not

from .test_socket import running


class Podman(PrivateEngine):
    """`podman system service`, with no limits of open files that need more than root's rights."""

    def __init__(self) -> None:
        super().__init__()
        self.networks = self.root / "networks"
        self.networks.mkdir()
        (self.root / "containers.conf").write_text(
            "[containers]\ndefault_ulimits = []\n"
            '[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n'
        )

    def _command(self) -> list[str]:
        # Which addresses are taken, CNI keeps in one place for the whole machine.
        apart = 'mkdir -p /var/lib/cni && mount -t tmpfs tmpfs /var/lib/cni && exec "$@"'
        return [
            *("setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "sh", "-c", apart, "sh"),
            *("env", f"CONTAINERS_CONF={self.root}/containers.conf"),
            *("podman", "--root", str(self.data), "--runroot", str(self.root / "run")),
            *("--network-config-dir", str(self.networks)),
            *("system", "service", "--time", "0", self.address),
        ]


@pytest.fixture(scope="module")
def engine() -> Iterator[Podman]:
    missing = None if shutil.which("podman") else "Podman is not installed"
    if reason := why_not() or missing:
        if os.environ.get("REQUIRE_PODMAN") == "1":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    with own_network():
        engine = Podman()
        try:
            engine.start()
            engine.load_image()
            yield engine
            for entry in engine.containers():
                engine.remove_container(entry["Id"])
        finally:
            engine.remove()


def networks_of(engine: Podman, name: str) -> list[str]:
    return list(engine.inspect(name)["NetworkSettings"]["Networks"])


# Where Podman looks for the init process that it gives to containers.
CATATONIT = ("/usr/libexec/podman/catatonit", "/usr/bin/catatonit")
INIT = any(Path(path).exists() for path in CATATONIT)


def test_an_init_process_is_given_where_podman_has_one(engine: Podman, tmp_path: Path) -> None:
    with running(tmp_path, DOCKER_HOST=engine.address) as service:
        refused = service.create(command=["/nonexistent"], init=INIT)
        assert_problem(refused, 422, "start-refused", program="/nonexistent")
        if INIT:
            remove(service, service.created()["id"])
        else:
            problem = assert_problem(service.create(), 422, "start-refused")
            assert "DEFAULT_INIT=false" in problem["detail"]
        assert service.get("/containers") == []


def test_podman_is_used_like_docker(engine: Podman, tmp_path: Path) -> None:
    init = str(INIT).lower()
    with running(tmp_path, DOCKER_HOST=engine.address, DEFAULT_INIT=init) as service:
        assert service.get("/health")["status"] == "healthy"
        one = service.created(name="one", volumes=["kept:/data"])
        assert one["limits"] == {"memory": 512 * 1024**2, "cpus": 1.0, "pids": 512}
        assert_problem(service.create(name="one"), 409, "name-in-use", name="one")

        service.created(name="two")
        assert networks_of(engine, "one") != networks_of(engine, "two"), "each is on one alone"
        assert service.get("/containers/one/stats")["memory_limit_bytes"] == 512 * 1024**2
        assert act(service, "two", "stop", timeout=1)["state"] == "exited"
        assert act(service, "two", "restart", timeout=1)["state"] == "running"

        act(service, "one", "stop", timeout=1)
        port = int(one["ports"]["5000/tcp"].rpartition(":")[2])
        service.created(name="pinned", port=port)
        moved = act(service, "one", "start")
        assert moved["port_changed"]
        assert moved["limits"] == one["limits"]
        assert [mount["Name"] for mount in engine.inspect("one")["Mounts"]] == ["kept"]

        for name in ("one", "two", "pinned"):
            remove(service, name)
        assert service.get("/containers") == []
        service.created(name="three")
        assert networks_of(engine, "three") == ["orchestration-api-1"], "used again"
        log = service.log()
        assert "Not connected" not in log, "what happens is told in its events"
        assert "could not be followed up" not in log
