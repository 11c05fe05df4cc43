"""What a create may ask for, and what a container gets that asks for nothing."""

import io
import tarfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import docker
import pytest
from docker.errors import NotFound

from tests.conftest import IMAGE, TEST_LABEL, Service, wait_until
from tests.engine.support import GRACEFUL, assert_problem, fetch, nothing_changes, port_of

pytestmark = pytest.mark.engine

Inspect = Callable[[str], dict[str, Any]]

# Every field of Docker's `POST /containers/create` that this API has no field for.
TOP_LEVEL = (  # noqa: SIM905
    "Hostname Domainname User AttachStdin AttachStdout AttachStderr ExposedPorts Tty OpenStdin"
    " StdinOnce Env Cmd Healthcheck ArgsEscaped Image Volumes WorkingDir Entrypoint"
    " NetworkDisabled MacAddress OnBuild Labels StopSignal StopTimeout Shell HostConfig"
    " NetworkingConfig Platform"
).split()
HOST_CONFIG = (  # noqa: SIM905
    "CpuShares CgroupParent BlkioWeight BlkioWeightDevice BlkioDeviceReadBps BlkioDeviceWriteBps"
    " BlkioDeviceReadIOps BlkioDeviceWriteIOps CpuPeriod CpuQuota CpuRealtimePeriod"
    " CpuRealtimeRuntime CpusetCpus CpusetMems Devices DeviceCgroupRules DeviceRequests"
    " KernelMemory KernelMemoryTCP MemoryReservation MemorySwap MemorySwappiness NanoCpus"
    " OomKillDisable PidsLimit Ulimits CpuCount CpuPercent IOMaximumIOps IOMaximumBandwidth Binds"
    " ContainerIDFile LogConfig NetworkMode PortBindings RestartPolicy AutoRemove VolumeDriver"
    " VolumesFrom Mounts ConsoleSize Annotations CapAdd CapDrop CgroupnsMode Dns DnsOptions"
    " DnsSearch ExtraHosts GroupAdd IpcMode Cgroup Links OomScoreAdj PidMode Privileged"
    " PublishAllPorts ReadonlyRootfs SecurityOpt StorageOpt Tmpfs UTSMode UsernsMode ShmSize"
    " Sysctls Runtime Isolation MaskedPaths ReadonlyPaths"
).split()
# As docker-py and the command line call them.
OTHER_NAMES = (  # noqa: SIM905
    "privileged binds devices device_requests device_cgroup_rules cap_add cap_drop security_opt"
    " network network_mode networking_config pid_mode ipc_mode userns_mode uts_mode cgroupns"
    " cgroup_parent runtime volumes_from volume_driver mounts links group_add"
    " sysctls host_config working_dir auto_remove domainname gpus annotations"
    " oom_kill_disable oom_score_adj storage_opt isolation pid ipc userns uts volume device"
    " cap-add security-opt pid-mode"
).split()


def test_no_field_of_docker_is_passed_through(
    service: Service, docker_client: docker.DockerClient
) -> None:
    names = {*TOP_LEVEL, *HOST_CONFIG, *OTHER_NAMES}
    with nothing_changes(service, docker_client):
        for name in sorted(names):
            for value in (True, "host", ["/:/host"], {"x": "y"}):
                assert_problem(service.create(**{name: value}), 422, "invalid-request")
        for name in HOST_CONFIG:
            for outer in ("HostConfig", "host_config", "hostConfig"):
                nested = service.create(**{outer: {name: True}})
                assert_problem(nested, 422, "invalid-request")


def test_what_a_container_gets(service: Service, inspect: Inspect) -> None:
    container = service.created()
    assert fetch(port_of(container)).status_code == 200
    host = inspect(container["id"])["HostConfig"]
    assert host["SecurityOpt"] == ["no-new-privileges"]
    dropped = {name.removeprefix("CAP_") for name in host["CapDrop"]}
    assert dropped == {"NET_RAW", "MKNOD", "AUDIT_WRITE", "SYS_CHROOT", "SETFCAP"}
    assert (host["NanoCpus"], host["PidsLimit"], host["Memory"]) == (10**9, 512, 512 << 20)
    assert host["Init"] is True
    assert host["LogConfig"] == {
        "Type": "json-file",
        "Config": {"max-size": "10m", "max-file": "3"},
    }


def test_whatever_a_create_says_nothing_of_it_reaches_the_host(
    service: Service, docker_client: docker.DockerClient, inspect: Inspect
) -> None:
    container = service.created(
        entrypoint=["sleep"],
        command=["300"],
        user="0:0",
        workdir="/srv/x",
        hostname="host",
        shm_size="16m",
        tmpfs={"/scratch": "16m"},
        ulimits={"nofile": 512, "core": 0},
        stop_signal="SIGKILL",
        stop_timeout=0,
        healthcheck={"test": "true", "interval": 60},
        tty=True,
        extra_hosts={"host.docker.internal": "192.0.2.1"},
        dns=["192.0.2.2"],
        read_only=True,
        container_ports=["53/tcp+udp"],
        profile="default",
    )
    host = inspect(container["id"])["HostConfig"]
    for field in ("Binds", "Privileged", "Devices", "CapAdd", "PidMode", "UTSMode", "UsernsMode",
                  "VolumesFrom", "Links", "GroupAdd", "Sysctls", "PublishAllPorts", "CgroupParent",
                  "OomScoreAdj", "DeviceRequests", "DeviceCgroupRules"):  # fmt: skip
        assert not host.get(field), field
    assert host["IpcMode"] in ("private", "")
    assert host["NetworkMode"].startswith("orchestration-api-")
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert {name.removeprefix("CAP_") for name in host["CapDrop"]} >= {"NET_RAW", "MKNOD"}
    assert host["MaskedPaths"]
    assert host["ReadonlyPaths"]
    output = docker_client.containers.get(container["id"]).exec_run(["cat", "/proc/mounts"]).output
    assert isinstance(output, bytes)
    mounts = dict(line.split()[1:3] for line in output.decode().splitlines())
    assert mounts["/scratch"] == mounts["/dev/shm"] == "tmpfs"


@pytest.mark.parametrize(
    "wish",
    [
        {"workdir": "/proc/self/fd/7"},  # of the engine, CVE-2024-21626
        {"workdir": "/dev/fd/8"},
        {"extra_hosts": {"host": "host-gateway"}},
        {"extra_hosts": ["host:host-gateway"]},
        {"dns": ["127.0.0.53"]},
        {"tmpfs": {"/proc/sys": "1m"}},
        {"tmpfs": ["/x:size=1m,exec"]},
        {"tmpfs": {"/x": "1m,suid"}},
        {"ulimits": {"nofile": 1 << 30}},
        {"ulimits": {"memlock": -1}},
        {"profile": "restricted", "user": "root"},
        {"profile": "restricted", "user": "00"},
        {"profile": "restricted", "user": "app"},
        {"profile": "restricted", "read_only": False},
        {"volumes": ["data:/sys/fs/cgroup"]},
    ],
)
def test_what_would_lead_to_the_host_is_refused(
    service: Service, docker_client: docker.DockerClient, wish: dict[str, Any]
) -> None:
    with nothing_changes(service, docker_client):
        problem = assert_problem(service.create(**wish), 422, "invalid-request")
    assert any(problem["detail"].startswith(field) for field in wish)


def status_of_process_1(client: docker.DockerClient, container: str) -> dict[str, str]:
    output = client.containers.get(container).exec_run(["cat", "/proc/1/status"]).output
    assert isinstance(output, bytes)
    rows = (row.partition(":") for row in output.decode().splitlines())
    return {name: value.strip() for name, _, value in rows}


def test_what_the_kernel_says_of_a_container(
    service: Service, docker_client: docker.DockerClient
) -> None:
    container = service.created(command=GRACEFUL)
    status = status_of_process_1(docker_client, container["id"])
    assert status["NoNewPrivs"] == "1"
    bounding = int(status["CapBnd"], 16)
    for bit in (13, 18, 27, 29, 31):  # NET_RAW, SYS_CHROOT, MKNOD, AUDIT_WRITE, SETFCAP
        assert not bounding >> bit & 1


def test_process_1_is_an_init_process_unless_it_is_not_wanted(
    service: Service, start_service: Callable[..., Service], docker_client: docker.DockerClient
) -> None:
    def process_1(of: Service, **wish: bool) -> str:
        container = of.created(command=GRACEFUL, **wish)
        return status_of_process_1(docker_client, container["id"])["Name"]

    assert process_1(service) == process_1(service, init=True) == "docker-init"
    assert process_1(service, init=False) == "python3"
    without = start_service(DEFAULT_INIT="false")
    assert process_1(without) == "python3"
    assert process_1(without, init=True) == "docker-init"


@pytest.mark.parametrize(
    ("command", "env"),
    [
        (["python3", "-c", "import time; time.sleep(300)"], {}),  # a link
        (["/usr/bin/sleep", "300"], {"PATH": "/nowhere"}),
        (["../usr/bin/../bin/sleep", "300"], {"PATH": "/nowhere"}),
        (["sleep", "300"], {"PATH": "/nowhere:../usr/bin"}),
        (["/proc/self/exe", "-g", "--", "sleep", "300"], {}),  # there is no /proc before the start
    ],
)
def test_programs_that_are_there_are_run(
    service: Service, docker_client: docker.DockerClient, command: list[str], env: dict[str, str]
) -> None:
    container = service.created(command=command, env=env)
    wait_until(
        lambda: (
            "sleep" in (top := str(docker_client.api.top(container["id"])["Processes"]))
            or "time" in top
        )
    )


def test_a_program_that_is_missing_is_found_out_at_a_later_start_too(
    service: Service, docker_client: docker.DockerClient
) -> None:
    container = service.created(command=["/nope"], start=False)
    for change in ("start", "restart"):
        with nothing_changes(service, docker_client):
            answer = service.client.post(f"/containers/{container['id']}/{change}")
            assert_problem(answer, 422, "start-refused", program="/nope")


def test_a_program_in_a_volume_is_looked_for_there(
    named_volume: str, service: Service, docker_client: docker.DockerClient
) -> None:
    """The same image and command: once the volume does not have the program, once it does."""
    asked = {"command": ["/own/run"], "volumes": [f"{named_volume}:/own"]}
    assert_problem(service.create(**asked), 422, "start-refused", program="/own/run")
    container = service.created(start=False, **asked)
    script = b"#!/bin/sh\nexec sleep 300\n"
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        entry = tarfile.TarInfo("run")
        entry.size, entry.mode = len(script), 0o755
        tar.addfile(entry, io.BytesIO(script))
    docker_client.containers.get(container["id"]).put_archive("/own", archive.getvalue())
    assert service.client.post(f"/containers/{container['id']}/start").json()["state"] == "running"
    assert service.created(**asked)["state"] == "running"


def test_the_restricted_profile_runs_the_base_image(
    service: Service, docker_client: docker.DockerClient, inspect: Inspect
) -> None:
    container = service.created(profile="restricted")
    assert fetch(port_of(container)).status_code == 200
    details = inspect(container["id"])
    image_user = docker_client.images.get(IMAGE).attrs["Config"]["User"]
    root = image_user in ("", "root", "0")
    assert details["Config"]["User"] == ("65534:65534" if root else image_user)
    assert_restricted(docker_client, container)


def assert_restricted(client: docker.DockerClient, container: dict[str, Any]) -> None:
    """By what the kernel says of its first process, and by what can be written."""
    status = status_of_process_1(client, container["id"])
    assert int(status["CapBnd"], 16) == 0
    assert status["NoNewPrivs"] == "1"
    assert status["Uid"].split()[0] != "0"
    running = client.containers.get(container["id"])
    assert running.exec_run(["touch", "/here"]).exit_code != 0
    assert running.exec_run(["touch", "/tmp/here"]).exit_code == 0


def test_a_restricted_container_that_moves_to_another_port_stays_restricted(
    service: Service, docker_client: docker.DockerClient
) -> None:
    before = service.created(profile="restricted")
    path = f"/containers/{before['id']}"
    assert service.client.post(f"{path}/stop").status_code == 200
    service.created(port=port_of(before))
    after = service.client.post(f"{path}/start").json()
    assert after["port_changed"]
    assert fetch(port_of(after)).status_code == 200
    assert_restricted(docker_client, after)


# Volumes


@pytest.fixture
def make_volume(
    docker_client: docker.DockerClient,
) -> Iterator[Callable[..., str]]:
    """Makes a volume by Docker's own API; asked for before `service`, it goes after containers."""
    names: list[str] = []

    def make(**options: Any) -> str:
        names.append(f"{TEST_LABEL}-{uuid.uuid4().hex}")
        docker_client.volumes.create(names[-1], **options)
        return names[-1]

    yield make
    for name in names:
        with suppress(NotFound):
            docker_client.volumes.get(name).remove(force=True)


def test_volumes_of_others_are_not_given(
    make_volume: Callable[..., str], service: Service, docker_client: docker.DockerClient
) -> None:
    ours = {"orchestration-api.managed": "true"}
    host_path = {"type": "none", "o": "bind", "device": "/"}
    for options in ({}, {"labels": ours, "driver_opts": host_path}):
        name = make_volume(**options)
        with nothing_changes(service, docker_client):
            answer = service.create(volumes=[f"{name}:/data:ro"], command=GRACEFUL)
            problem = assert_problem(answer, 403, "volume-not-managed", name=name)
        assert name in problem["detail"]
        assert docker_client.volumes.get(name).name == name


def test_the_operator_may_allow_volumes_of_others(
    make_volume: Callable[..., str], start_service: Callable[..., Service]
) -> None:
    name = make_volume()
    service = start_service(ALLOW_UNMANAGED="true")
    assert service.created(volumes=[f"{name}:/data"], start=False)["state"] == "created"
    service.stop()


# Images


def test_only_allowed_images_are_cloned(
    start_service: Callable[..., Service],
    build_image: Callable[..., str],
    docker_client: docker.DockerClient,
) -> None:
    allowed, other = build_image("LABEL allowed=yes"), build_image("LABEL allowed=no")
    service = start_service(ALLOWED_IMAGES=f"{allowed.partition(':')[0]},team/*")
    assert service.created(image=allowed, start=False)["image"] == allowed
    assert service.created(start=False)["image"] == IMAGE
    with nothing_changes(service, docker_client):
        for image in (other, "registry.invalid/app:1"):
            assert_problem(service.create(image=image), 403, "image-not-allowed", image=image)


def test_an_id_is_no_way_around(
    start_service: Callable[..., Service],
    build_image: Callable[..., str],
    docker_client: docker.DockerClient,
) -> None:
    """Each pattern matches the id as if it were a name."""
    name = build_image("LABEL allowed=no")
    digits = str(docker_client.images.get(name).id).removeprefix("sha256:")
    service = start_service(ALLOWED_IMAGES="**")
    assert service.created(image=name, start=False)["image"] == name
    with nothing_changes(service, docker_client):
        for image in (
            digits[:12],
            digits,
            f"sha256:{digits}",
            f"{name.partition(':')[0]}:{digits}",
        ):
            answer = service.create(image=image, pull="never")
            assert answer.status_code in (403, 404, 422), answer.text
            if image == digits[:12]:
                assert_problem(answer, 403, "image-not-allowed", image=image)
