"""`docker-compose up --build`, as the README shows it, with the Compose that is installed.

On the ports that the README names; where one is taken, by an API that scripts/run left running for
example, on another that the setting of docker-compose.yml for it says.
"""

import os
import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import httpx
import psutil
import pytest
from docker.errors import ImageNotFound, NotFound

from tests.conftest import ROOT, free_port, wait_until

pytestmark = pytest.mark.compose

API_IMAGE = "docker-orchestration-api:latest"
SETTINGS = {"API_PORT": 8000, "SECOND_API_PORT": 9000, "BASE_PORT": 5000}
PROJECT = f"compose-test-{uuid.uuid4().hex[:8]}"

# Exits with 0 where a TCP connection is made, run by a container's own Python.
CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 2)"


@dataclass(frozen=True)
class Project:
    """What is up: the services' containers by name, and one that was created through the API."""

    ports: dict[str, int]  # by setting
    services: dict[str, Any]
    clone: dict[str, Any]


def installed_compose() -> list[str]:
    for command in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(command[0]):
            version = subprocess.run([*command, "version"], capture_output=True, check=False)
            if version.returncode == 0:
                return command
    pytest.skip("neither `docker compose` nor `docker-compose` is installed")


def answers(address: str) -> Callable[[], bool]:
    def ask() -> bool:
        try:
            return httpx.get(address, timeout=5, trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    return ask


def connects(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=2):
            return True
    except OSError:
        return False


@pytest.fixture(scope="module")
def ports() -> dict[str, int]:
    """Where the services are published: setting of docker-compose.yml -> port."""
    return {
        name: free_port() if connects("127.0.0.1", port) else port
        for name, port in SETTINGS.items()
    }


@pytest.fixture(scope="module")
def compose(
    docker_client: docker.DockerClient, ports: dict[str, int]
) -> Iterator[Callable[..., None]]:
    """Runs Compose on a project of its own, which is gone afterwards with all that it made."""
    command = [*installed_compose(), "--project-name", PROJECT]
    # The shell's own settings must not decide the test; PYTHON_IMAGE says what can be built on.
    settings = {"PORT_RANGE", "PUBLISH_ADDRESS", "LOG_LEVEL", "DEFAULT_IMAGE", "DEFAULT_MEMORY"}
    environment = {k: v for k, v in os.environ.items() if k not in settings | SETTINGS.keys()}
    # The defaults are left to the file.
    environment |= {k: str(port) for k, port in ports.items() if port != SETTINGS[k]}

    def run(*arguments: str) -> None:
        done = subprocess.run(
            [*command, *arguments],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=540,
            check=False,
        )
        if done.returncode != 0:
            pytest.fail(f"{' '.join(done.args)} failed:\n{done.stdout[-6000:]}", pytrace=False)

    had_image = bool(docker_client.images.list(API_IMAGE))
    try:
        yield run
    finally:
        run("down", "--volumes", "--remove-orphans", "--timeout", "5")
        if not had_image:
            with suppress(ImageNotFound):
                docker_client.images.remove(API_IMAGE)


@pytest.fixture(scope="module")
def project(
    compose: Callable[..., str], docker_client: docker.DockerClient, ports: dict[str, int]
) -> Iterator[Project]:
    """Compose is up, both services are healthy, and the API has made a container."""
    compose("up", "--build", "--detach")
    services = {
        container.labels["com.docker.compose.service"]: container
        for container in docker_client.containers.list(
            filters={"label": f"com.docker.compose.project={PROJECT}"}
        )
    }
    assert services.keys() == {"api", "base"}

    def healthy() -> bool:
        for container in services.values():
            container.reload()
        return all(c.attrs["State"]["Health"]["Status"] == "healthy" for c in services.values())

    wait_until(healthy, 90, "the health checks of both services pass")
    create = f"http://127.0.0.1:{ports['API_PORT']}/containers/create"
    answer = httpx.post(create, json={}, timeout=60, trust_env=False)
    assert answer.status_code == 201, answer.text
    clone = answer.json()
    yield Project(ports, services, clone)
    with suppress(NotFound):
        docker_client.containers.get(clone["id"]).remove(force=True, v=True)


@pytest.mark.parametrize("setting", SETTINGS)
def test_service_answers_on_its_ports(project: Project, setting: str) -> None:
    assert answers(f"http://127.0.0.1:{project.ports[setting]}/health")()


def test_ports_are_published_on_loopback_only(project: Project) -> None:
    expected = {"api": ("API_PORT", "SECOND_API_PORT"), "base": ("BASE_PORT",)}
    for name, settings in expected.items():
        bindings = project.services[name].attrs["NetworkSettings"]["Ports"].values()
        published = {(b["HostIp"], int(b["HostPort"])) for some in bindings for b in some or ()}
        assert published == {("127.0.0.1", project.ports[setting]) for setting in settings}


def test_settings_that_are_not_set_stay_unset(project: Project) -> None:
    environment = dict(
        line.split("=", 1) for line in project.services["api"].attrs["Config"]["Env"] if "=" in line
    )
    assert environment["PORT_RANGE"] == "8001-8999"
    assert environment.keys().isdisjoint({"PUBLISH_ADDRESS", "PUBLIC_HOST", "DEFAULT_IMAGE"})


def test_created_container_answers_on_its_host_port(project: Project) -> None:
    host_port = int(project.clone["ports"]["5000/tcp"].rpartition(":")[2])
    assert 8001 <= host_port <= 8999
    health = f"http://127.0.0.1:{host_port}/health"
    wait_until(answers(health), 20, f"{health} answers")
    assert answers(f"{project.clone['url']}/health")()


# Statistics, from the files of the host that Compose mounts


def inside(container: Any, program: str, *arguments: str) -> str:
    """What a Python program prints that runs in a container."""
    done = container.exec_run(["python3", "-c", program, *arguments])
    assert done.exit_code == 0, done.output.decode()
    return str(done.output.decode())


def read_inside(container: Any, path: str) -> str:
    return inside(container, "import sys; print(open(sys.argv[1]).read(), end='')", path)


def from_the_api(project: Project, path: str) -> Any:
    address = f"http://127.0.0.1:{project.ports['API_PORT']}{path}"
    answer = httpx.get(address, timeout=60, trust_env=False)
    assert answer.status_code == 200, answer.text
    return answer.json()


def received(net_dev: str) -> dict[str, int]:
    """Bytes received, by interface, from the text of /proc/net/dev."""
    rows = (line.partition(":") for line in net_dev.splitlines()[2:])
    return {name.strip(): int(rest.split()[0]) for name, _, rest in rows}


def runs_on_the_engines_host() -> bool:
    """Whether this process sees the host of the engine; only there its figures can be compared."""
    try:
        return Path("/proc/2/comm").read_text() == "kthreadd\n"
    except OSError:
        return False


on_the_host = pytest.mark.skipif(not runs_on_the_engines_host(), reason="this is not the host")


def test_system_statistics_are_the_hosts(project: Project) -> None:
    found = from_the_api(project, "/system/stats")
    scopes = {part: found[part]["scope"] for part in ("cpu", "memory", "network", "disk")}
    assert scopes == {"cpu": "host", "memory": "host", "network": "host", "disk": "container"}
    assert found["uptime_scope"] == "host"
    assert found["hostname_scope"] == "container"


@on_the_host
def test_system_statistics_agree_with_the_hosts_own(project: Project) -> None:
    before = received(Path("/proc/1/net/dev").read_text())
    time.sleep(1.1)  # a sample answers for a second
    found = from_the_api(project, "/system/stats")
    after = received(Path("/proc/1/net/dev").read_text())
    counted = found["network"]["interfaces"]
    if counted:
        least, most = (sum(each[name] for name in counted) for each in (before, after))
        assert least <= found["network"]["rx_bytes"] <= most
    assert found["memory"]["total_bytes"] == psutil.virtual_memory().total
    assert found["cpu"]["count"] == psutil.cpu_count()
    assert found["uptime_s"] == pytest.approx(time.time() - psutil.boot_time(), abs=60)


def test_the_groups_of_a_clone_can_be_read(
    project: Project, docker_client: docker.DockerClient
) -> None:
    full_id = docker_client.api.inspect_container(project.clone["id"])["Id"]
    search = (
        "import os, pathlib, sys\n"
        "root = pathlib.Path(os.environ['CGROUP_ROOT'])\n"
        "name = 'memory.usage_in_bytes'\n"  # of cgroup v1
        "if (root / 'cgroup.controllers').exists(): name = 'memory.current'\n"
        "for place, _, files in os.walk(root):\n"  # which minds no group that goes meanwhile
        "    if sys.argv[1] in place and name in files:\n"
        "        print(pathlib.Path(place, name).read_text()); break\n"
    )
    assert int(inside(project.services["api"], search, full_id)) > 1024 * 1024


@on_the_host
def test_the_traffic_of_a_clone_can_be_read(
    project: Project, docker_client: docker.DockerClient
) -> None:
    process = docker_client.api.inspect_container(project.clone["id"])["State"]["Pid"]
    seen = received(read_inside(project.services["api"], f"/host/proc/{process}/net/dev"))
    own = received(read_inside(docker_client.containers.get(project.clone["id"]), "/proc/net/dev"))
    assert "eth0" in own
    assert own.keys() == seen.keys()
    assert seen["eth0"] <= own["eth0"]


def test_statistics_come_from_the_hosts_cgroup_files(project: Project) -> None:
    found = from_the_api(project, f"/containers/{project.clone['id']}/stats")
    assert found["source"].startswith("cgroup")
    assert found["network_rx_bytes"] is not None
    assert found["network_tx_bytes"] is not None


def test_the_api_knows_its_own_container_and_leaves_it_alone(project: Project) -> None:
    own = project.services["api"]
    address = f"http://127.0.0.1:{project.ports['API_PORT']}/containers/{own.id}"
    for method, path in (
        ("POST", f"{address}/stop"),
        ("POST", f"{address}/restart"),
        ("DELETE", f"{address}?force=true"),
        ("GET", f"{address}/stats"),
        ("GET", f"{address}/env"),
    ):
        answer = httpx.request(method, path, timeout=60, trust_env=False)
        assert (answer.status_code, answer.json()["code"]) == (403, "not-managed")
        if not path.endswith("/env"):
            assert "the one that this service runs in" in answer.json()["detail"]
    base = project.services["base"].id
    answer = httpx.delete(address.replace(own.id, base), timeout=60, trust_env=False)
    assert (answer.status_code, answer.json()["code"]) == (403, "not-managed")
    assert "the one that this service runs in" not in answer.json()["detail"]
    own.reload()
    assert own.status == "running"


def test_the_hosts_files_are_mounted_read_only(
    project: Project, docker_client: docker.DockerClient
) -> None:
    mounts = {
        mount["Destination"]: mount["RW"] for mount in project.services["api"].attrs["Mounts"]
    }
    assert mounts["/host/proc"] is False
    assert mounts["/host/sys/fs/cgroup"] is False
    lines = read_inside(project.services["api"], "/proc/self/mountinfo").splitlines()
    flags = {row[4]: row[5].split(",") for row in map(str.split, lines)}
    for place, found in flags.items():
        below = place.startswith(("/host/proc/", "/host/sys/fs/cgroup/"))
        if place in ("/host/proc", "/host/sys/fs/cgroup") or (
            below and _makes_all_mounts_read_only(docker_client)
        ):
            assert "ro" in found, place
    write = "open('/host/proc/sys/vm/drop_caches', 'w')"
    assert project.services["api"].exec_run(["python", "-c", write]).exit_code != 0


def _makes_all_mounts_read_only(client: docker.DockerClient) -> bool:
    """Engines before 25 leave mounts below a read-only one as they are."""
    return int(client.version()["Version"].partition(".")[0]) >= 25


# The API's container has what it needs, and no more


def test_the_api_has_no_capabilities(project: Project) -> None:
    """Its process, and what is started in its container."""
    for process in ("1", "self"):
        lines = read_inside(project.services["api"], f"/proc/{process}/status").splitlines()
        status = dict(line.split(":\t", 1) for line in lines)
        assert status["Uid"].split()[0] == "0"
        for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            assert int(status[kind], 16) == 0, kind
        assert status["NoNewPrivs"] == "1"


def test_the_api_s_files_are_read_only(project: Project) -> None:
    write = (
        "import sys\n"
        "for path in sys.argv[1:]:\n"
        "    try: open(path, 'w').close()\n"
        "    except OSError as error: print(error.strerror)\n"
        "    else: print('written')\n"
    )
    paths = ("/new", "/app/main.py", "/opt/venv/new", "/var/new", "/tmp/new")
    said = inside(project.services["api"], write, *paths).splitlines()
    assert said == ["Read-only file system"] * 4 + ["written"]


def test_a_move_and_a_volume_work_without_them(
    project: Project, docker_client: docker.DockerClient
) -> None:
    name = f"{PROJECT}-data"
    address = f"http://127.0.0.1:{project.ports['API_PORT']}/containers"

    def ask(method: str, path: str, status: int, **body: Any) -> Any:
        answer = httpx.request(
            method, f"{address}{path}", json=body or None, timeout=120, trust_env=False
        )
        assert answer.status_code == status, answer.text
        return answer.json()

    made = []
    try:
        created = ask("POST", "/create", 201, volumes=[f"{name}:/var/lib/data"])
        made.append(created["id"])
        ask("POST", f"/{created['id']}/stop?timeout=0", 200)
        # Another container is given the port meanwhile.
        made.append(ask("POST", "/create", 201, port=created["port"])["id"])
        moved = ask("POST", f"/{created['id']}/start", 200)
        made[0] = moved["id"]
        assert moved["port_changed"] is True
        assert moved["previous_id"] == created["id"]
        (mount,) = docker_client.containers.get(moved["id"]).attrs["Mounts"]
        assert (mount["Type"], mount["Name"]) == ("volume", name)
        wait_until(answers(f"{moved['url']}/health"), 20, "it answers on its new port")
        found = from_the_api(project, f"/containers/{moved['id']}/stats")
        assert found["source"].startswith("cgroup")
    finally:
        for each in made:
            ask("DELETE", f"/{each}?force=true&volumes=true", 200)
    with pytest.raises(NotFound):
        docker_client.volumes.get(name)


def test_an_audit_in_a_volume_can_be_written(
    project: Project, compose: Callable[..., None], docker_client: docker.DockerClient
) -> None:
    volume = docker_client.volumes.create(f"{PROJECT}-audit")
    write = (
        "import logging, os, stat\n"
        "from orchestrator.http.trail import Trail\n"
        "Trail('/audit/audit.log').emit(logging.makeLogRecord({'msg': 'a line'}))\n"
        "assert open('/audit/audit.log').read() == 'a line\\n'\n"
        "assert stat.S_IMODE(os.stat('/audit/audit.log').st_mode) == 0o600\n"
    )
    mounted = ("run", "--rm", "--no-deps", "-T", "--volume", f"{volume.name}:/audit", "api")
    try:
        compose(*mounted, "python", "-c", write)
    finally:
        volume.remove()


def test_what_is_created_is_on_a_network_of_the_api_s_own(
    project: Project, docker_client: docker.DockerClient
) -> None:
    clone = docker_client.containers.get(project.clone["id"])
    (network,) = clone.attrs["NetworkSettings"]["Networks"]
    assert network.startswith("orchestration-api-")
    assert network not in project.services["api"].attrs["NetworkSettings"]["Networks"]


@pytest.mark.parametrize("source", ["clone", "base"])
def test_other_containers_cannot_reach_the_api(
    project: Project, docker_client: docker.DockerClient, source: str
) -> None:
    """Whoever reaches the API can run containers, so what runs in one must not."""
    container = (
        docker_client.containers.get(project.clone["id"])
        if source == "clone"
        else project.services[source]
    )

    def reaches(host: str, port: int) -> bool:
        command = ["python3", "-c", CONNECT, host, str(port)]
        return bool(container.exec_run(command).exit_code == 0)

    api = project.services["api"].attrs["NetworkSettings"]["Networks"].values()
    own = container.attrs["NetworkSettings"]["Networks"].values()
    addresses = [(network["IPAddress"], 8000) for network in api]
    gateways = [(n["Gateway"], port) for n in (*api, *own) for port in project.ports.values()]

    # The question is asked well: the server itself is reached, and the API from this machine.
    wait_until(lambda: reaches("127.0.0.1", 5000), 20, "the container's own server answers")
    assert all(connects(*address) for address in addresses)

    assert not [target for target in (*addresses, *gateways) if reaches(*target)]
