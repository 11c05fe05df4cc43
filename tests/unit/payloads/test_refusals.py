"""What real engines said when they refused (record_payloads.py), and what a caller gets."""

import gc
import inspect
import json
import re
import warnings
from collections.abc import Awaitable, Callable, Iterator

import docker.errors
import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from orchestrator import errors
from orchestrator.engine import Engine
from orchestrator.errors import OrchestratorError
from orchestrator.models import CreateRequest
from orchestrator.payloads import refusal, refused_for_another, tunnel_failure
from orchestrator.settings import Settings

from ..examples import ENGINES, payload, spec

EXPECTED: dict[str, type[OrchestratorError]] = {
    "port-of-container": errors.PortRefused,
    "port-of-container-any-address": errors.PortRefused,
    "port-of-process": errors.PortRefused,
    "port-of-process-loopback": errors.PortRefused,
    "port-of-process-ipv6": errors.PortRefused,
    "port-of-process-any-address": errors.PortRefused,
    "port-of-process-ipv6-any-address": errors.PortRefused,
    "port-of-process-ipv6-on-ipv6": errors.PortRefused,
    "port-of-process-udp": errors.PortRefused,
    "command-missing": errors.StartRefused,
    "command-not-in-path": errors.StartRefused,
    "command-not-executable": errors.StartRefused,
    "command-directory": errors.StartRefused,
    "command-below-file": errors.StartRefused,
    "command-empty": errors.InvalidRequest,
    "user-missing": errors.StartRefused,
    "group-missing": errors.StartRefused,
    "workdir-file": errors.StartRefused,
    "mount-relative": errors.InvalidRequest,
    "mount-on-root": errors.InvalidRequest,
    "mount-twice": errors.InvalidRequest,
    "mount-bad-name": errors.InvalidRequest,
    "mount-missing-bind": errors.InvalidRequest,
    "cpus-too-many": errors.InvalidRequest,
    "memory-too-low": errors.InvalidRequest,
    "port-invalid": errors.InvalidRequest,
    "restart-policy-invalid": errors.InvalidRequest,
    "restart-policy-retries": errors.InvalidRequest,
    "network-missing": errors.NetworkMissing,
    "image-missing": errors.ImageNotFound,
    "image-missing-inspect": errors.ImageNotFound,
    "name-in-use": errors.NameInUse,
    "name-invalid": errors.InvalidRequest,
    "start-paused": errors.ContainerPaused,
    "exec-paused": errors.ContainerPaused,
    "remove-paused": errors.ContainerPaused,
    "remove-running": errors.ContainerBusy,
    "remove-twice": errors.ContainerBusy,
    "start-while-removed": errors.ContainerBusy,
    "container-missing": errors.ContainerNotFound,
    "container-missing-inspect": errors.ContainerNotFound,
    "container-missing-remove": errors.ContainerNotFound,
}
# Whose answer differs from engine to engine, or that have tests of their own.
OTHER = {"address-not-of-host", "image-invalid"}

RECORDED = {
    (engine, each["case"]): each
    for engine in ENGINES
    for each in payload(f"engine-{engine}-refusals")
}

on_every_engine = pytest.mark.parametrize("engine", ENGINES)


def refused(engine: str, case: str) -> OrchestratorError:
    each = RECORDED[engine, case]
    return refusal(status=each["status"], text=each["text"])


def said(error: OrchestratorError) -> str:
    """All that a caller gets to read."""
    return error.message + json.dumps(error.fields)


@on_every_engine
@pytest.mark.parametrize("case", EXPECTED)
def test_what_a_refusal_means(engine: str, case: str) -> None:
    assert type(refused(engine, case)) is EXPECTED[case], RECORDED[engine, case]["text"]


@on_every_engine
def test_every_recorded_refusal_is_expected(engine: str) -> None:
    assert {case for name, case in RECORDED if name == engine} == set(EXPECTED) | OTHER


@on_every_engine
@pytest.mark.parametrize("case", [case for case in EXPECTED if case.startswith("port-of-")])
def test_a_refused_port_is_named(engine: str, case: str) -> None:
    text = RECORDED[engine, case]["text"]
    (port,) = re.findall(r":(89\d\d)\b", text)
    error = refused(engine, case)
    assert isinstance(error, errors.PortRefused)
    assert error.port == int(port)
    assert error.fields == {"port": int(port)}


@pytest.mark.parametrize(
    "text",
    [
        "Bind for 0.0.0.0:8950 failed: port is already allocated",
        "Bind for :::8950 failed: port is already allocated",
        "Bind for fd00::5:8950 failed: port is already allocated",
        "Error starting userland proxy: listen tcp6 [::]:8950: bind: address already in use",
        "Error starting userland proxy: listen tcp6 [fd00::5]:8950: bind: address already in use",
        "failed to bind host port for [::]:8950:172.17.0.4:5000/tcp: address already in use",
        "failed to bind host port for [fd00::5]:8950:172.17.0.4:5000/tcp: address already in use",
    ],
)
def test_a_refused_port_is_named_on_either_address(text: str) -> None:
    error = refusal(status=500, text=f"driver failed on endpoint x (4a39ff95): {text}")
    assert isinstance(error, errors.PortRefused)
    assert error.port == 8950


@pytest.mark.parametrize(
    "text",
    [
        "listen tcp6 [::]:8950: socket: address family not supported by protocol",
        "cannot map from IPv6 to an IPv4-only container because the userland proxy is disabled",
    ],
)
def test_an_engine_without_ipv6_says_which_setting_wants_it(text: str) -> None:
    error = refusal(status=500, text=text)
    assert isinstance(error, errors.EngineFailed)
    assert "PUBLISH_ADDRESS" in said(error)


@on_every_engine
def test_an_address_that_the_host_does_not_have_is_not_a_taken_port(engine: str) -> None:
    """Another port would be refused as well: the setting PUBLISH_ADDRESS is wrong."""
    error = refused(engine, "address-not-of-host")
    assert not isinstance(error, errors.PortRefused)
    assert "198.51.100.7" not in said(error)


@on_every_engine
@pytest.mark.parametrize(
    ("case", "program"),
    [
        ("command-missing", "/nope"),
        ("command-not-in-path", "nope"),
        ("command-not-executable", "/etc/passwd"),
        ("command-directory", "/etc"),
        ("command-below-file", "/etc/passwd/x"),
    ],
)
def test_a_command_that_cannot_run_is_named(engine: str, case: str, program: str) -> None:
    """It is the caller's own word, or the image's; a path in the container, not of the host."""
    error = refused(engine, case)
    assert error.fields == {"program": program}
    assert f'"{program}" is missing or cannot be run' in error.message


@on_every_engine
@pytest.mark.parametrize(
    ("case", "sentence"),
    [
        ("cpus-too-many", "ange of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available."),
        ("memory-too-low", "Minimum memory limit allowed is 6MB."),
        ("name-invalid", "Invalid container name (payload-a b)"),
        ("restart-policy-retries", "maximum retry count"),
        ("command-empty", "o command specified."),
    ],
)
def test_a_harmless_reason_is_passed_on(engine: str, case: str, sentence: str) -> None:
    assert sentence in refused(engine, case).message


# Paths and addresses of the host

ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+|\[::|::\d|https?:")
HOST_PATHS = ("/var", "/run", "/sys", "/proc", "/no/such/path", "/data", "overlay2", "docker.sock")


@on_every_engine
@pytest.mark.parametrize("case", [*EXPECTED, *sorted(OTHER)])
def test_no_path_or_address_of_the_host_is_passed_on(engine: str, case: str) -> None:
    text = said(refused(engine, case))
    assert not ADDRESS.search(text)
    assert not [path for path in HOST_PATHS if path in text]
    assert not re.search("[0-9a-f]{64}", text)


@pytest.mark.parametrize("status", [400, 500])
@pytest.mark.parametrize(
    "text",
    [
        "error while mounting volume '/var/lib/docker/volumes/x/_data': invalid argument",
        "invalid mount config: stat /srv/secret: permission denied",
        "open /var/lib/docker/containers/0f4c/config.v2.json: no such file or directory",
        "invalid: dial unix /run/containerd/containerd.sock: connect: connection refused",
        'Get "https://10.1.2.3:2376/v1.41": invalid header',
        "invalid address fd00::1234 on br-0",
        "invalid address [fd00::1234]:8001",
        "invalid path:/var/lib/docker/x",
        "invalid source=/srv/secret,target=/x",
        "invalid path C:/ProgramData/docker, or C:\\ProgramData\\docker",
        "invalid; see file:///var/lib/docker/x",
        "invalid mount `/srv/secret`",
        "invalid mounts [/srv/secret]",
        "invalid mounts {/srv/secret}",
        "invalid mounts: <nil>,/srv/secret",
        "invalid: \u201c/srv/secret\u201d",
    ],
)
def test_words_with_a_path_or_address_are_not_passed_on(status: int, text: str) -> None:
    found = said(refusal(status=status, text=text))
    for secret in ("/var", "/srv", "/run", "10.1.2.3", "fd00", "ProgramData"):
        assert secret not in found


def test_a_long_reason_is_not_passed_on() -> None:
    error = refusal(status=400, text="invalid " + "x" * 10_000)
    assert isinstance(error, errors.InvalidRequest)
    assert len(error.message) < 100


@given(status=st.integers(400, 599), text=st.text(max_size=200))
def test_any_answer_has_a_meaning(status: int, text: str) -> None:
    error = refusal(status=status, text=text)
    assert error.message
    assert type(error) is not OrchestratorError


# Other engines' words, quoted from their sources and issues


@pytest.mark.parametrize(
    ("status", "text", "expected"),
    [
        (500, "Ports are not available: exposing port TCP 0.0.0.0:8001 -> 0.0.0.0:0: listen tcp"
         " 0.0.0.0:8001: bind: address already in use", errors.PortRefused),
        (500, "all ports are allocated", errors.PortRefused),
        (500,
        "OCI runtime create failed: container_linux.go:380: starting container process caused:"
         ' exec: "nope": executable file not found in $PATH: unknown', errors.StartRefused),
        (400, "failed to create task for container: failed to create shim task: OCI runtime create"
         " failed: runc create failed: unable to start container process: exec /app: exec format"
         " error: unknown", errors.StartRefused),
        (500, 'failed to create endpoint web on network bridge: adding interface veth3fed8ab to'
         ' bridge docker0 failed: could not find bridge docker0', errors.EngineFailed),
        (500, "write /var/lib/docker/x: no space left on device", errors.EngineFailed),
        (500, "failed to create endpoint t1 on network bridge: adding interface vethd64083a to"
         " bridge docker0 failed: exchange full", errors.NetworkFull),
        (500, "failed to set up container networking: no available IPv4 addresses on this network's"
         " address pools: tiny (3efea20742c168da9)", errors.NetworkFull),
        (404, "could not find an available, non-overlapping IPv4 address pool among the defaults to"
         " assign to the network", errors.NetworkFull),
        (400, "all predefined address pools have been fully subnetted", errors.NetworkFull),
        (409, "network with name orchestration-api-2 already exists", errors.NameInUse),
        (403, "cannot create network ffab7e58 (br-orch-api-2): conflicts with network cdc8a25f"
         " (br-orch-api-2): networks have same bridge name", errors.NameInUse),
        (404, "failed to set up container networking: network 1352d0da07 not found",
         errors.NetworkMissing),
        (409, 'removal of container 0f4c1d2a9b7e is already in progress', errors.ContainerBusy),
    ],
)  # fmt: skip
def test_other_words(status: int, text: str, expected: type[OrchestratorError]) -> None:
    assert type(refusal(status=status, text=text)) is expected


@pytest.mark.parametrize(
    "text",
    [
        "write /var/lib/docker/x: no space left on device",
        "mkdir /var/lib/docker/overlay2/0f4c-init: no space left on device",
        "Error processing tar file(exit status 1): write /data/x: no space left on device",
        "OCI runtime create failed: container_linux.go:380: starting container process caused:"
        ' process_linux.go:545: container init caused: rootfs_linux.go:76: mounting "/var/lib/x"'
        ' to rootfs at "/etc/hosts" caused: cannot mkdir /etc: no space left on device: unknown',
        "failed to create task for container: open /run/containerd/fifo/1: No space left on device",
    ],
)
def test_a_full_disk_is_called_by_its_name(text: str) -> None:
    error = refusal(status=500, text=text)
    assert isinstance(error, errors.EngineFailed)
    assert "disk of the Docker engine is full" in error.message
    assert "`docker system df`" in error.message
    assert "/var" not in said(error)


def test_an_engine_that_cannot_keep_containers_apart_says_what_to_do() -> None:
    text = (
        "cannot restrict inter-container communication: please ensure that br_netfilter kernel"
        " module is loaded"
    )
    error = refusal(status=500, text=text)
    assert isinstance(error, errors.EngineFailed)
    assert "br_netfilter" in said(error)
    assert "ALLOW_ICC=true" in said(error)


def test_a_port_that_the_hosts_kernel_cannot_open_is_called_by_its_protocol() -> None:
    for text in (
        "driver failed programming external connectivity on endpoint web (c150505a): Error starting"
        " userland proxy: protocol not supported",  # 20.10
        "failed to start userland proxy for port mapping 0.0.0.0:8001:172.17.0.2:5000/sctp:"
        " protocol not supported",
    ):
        error = refusal(status=500, text=text)
        assert isinstance(error, errors.StartRefused)
        assert "SCTP" in error.message


@pytest.mark.parametrize(
    "text",
    [
        "lstat /var/lib/docker/overlay2/1a2b/merged/aaa: file name too long",
        "lstat /var/lib/docker/overlay2/1a2b/merged/bin/sh/x: not a directory",
        "evalSymlinksInScope: too many links in /var/lib/docker/overlay2/1a2b/merged/a/a",
        "cannot mount volume over existing file, file exists /var/lib/docker/x/merged/etc/hosts",
        "failed to create shim task: OCI runtime create failed: runc create failed: unable to start"
        ' container process: error during container init: error mounting "/var/lib/docker/volumes/'
        '67b6/_data" to rootfs at "/proc": "/var/lib/docker/overlay2/1a2b/merged/proc" cannot be'
        " mounted because it is not of type proc: unknown",
    ],
)
def test_a_path_where_no_volume_or_working_directory_can_be_is_the_callers_business(
    text: str,
) -> None:
    error = refusal(status=500, text=text)
    assert isinstance(error, errors.StartRefused)
    assert "VOLUME and WORKDIR" in error.message
    assert "/var" not in error.message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("runc create failed: Cwd must be an absolute path: unknown", "working directory"),
        ("uids and gids must be in range 0-2147483647", "user"),
        (
            "runc create failed: unable to start container process: error during container init:"
            " environment variable name can't be empty: unknown",
            "variable of its environment",
        ),
        (
            "runc create failed: unable to start container process: error during container init:"
            ' environment variable value can\'t contain null(\\x00): "X=\\x00": unknown',
            "variable of its environment",
        ),
    ],
)
def test_what_an_image_says_of_its_process_may_be_impossible(text: str, words: str) -> None:
    for status in (400, 500):
        error = refusal(status=status, text=text)
        assert isinstance(error, errors.StartRefused)
        assert words in error.message


MINE, OTHER_ONE = "1" * 64, "2" * 64


@pytest.mark.parametrize(
    ("status", "text", "what"),
    [
        # 20.10
        (404, f"No such container: {OTHER_ONE}", "was removed"),
        (409, f"cannot join network of a non running container: {OTHER_ONE}", "does not run"),
        (500, f"can't join IPC of container {OTHER_ONE}: container {OTHER_ONE} is not running",
         "does not run"),
        (500, f"can't join IPC of container {OTHER_ONE}: No such container: {OTHER_ONE}",
         "was removed"),
        (500, f"container {OTHER_ONE} is not running", "does not run"),
        (500, f"cannot join PID of a non running container: {OTHER_ONE}: No such container:"
         f" {OTHER_ONE}", "was removed"),
        (500, f"Cannot restart container {MINE}: No such container: {OTHER_ONE}", "was removed"),
        (409, f"Container {OTHER_ONE} is restarting, wait until the container is running",
         "does not run"),
        # 28.5
        (500, f"joining network namespace of container: No such container: {OTHER_ONE}",
         "was removed"),
        (409, "cannot join network namespace of a non running container: container paused is"
         " exited", "does not run"),
        (409, f"failed to join IPC namespace: container {OTHER_ONE} is not running",
         "does not run"),
        (400, f"failed to join IPC namespace: No such container: {OTHER_ONE}", "was removed"),
        (500, f"failed to join PID namespace: container {OTHER_ONE} is not running",
         "does not run"),
        (500, f"failed to join PID namespace: No such container: {OTHER_ONE}", "was removed"),
        # both
        (500, "Cannot link to a non running container: /other AS /mine/x", "does not run"),
        (404, "No such container: other", "was removed"),
    ],
)  # fmt: skip
def test_what_is_said_of_another_container_is_told_as_being_about_that(
    status: int, text: str, what: str
) -> None:
    error = refused_for_another(text, MINE) or refusal(status=status, text=text)
    assert isinstance(error, errors.DependencyNotRunning)
    assert what in error.message


@pytest.mark.parametrize(
    "text",
    [
        f"No such container: {MINE}",
        f"container {MINE} is not running",
        "driver failed programming external connectivity on endpoint x: port is already allocated",
    ],
)
def test_what_is_said_of_the_container_itself_is_not_about_another(text: str) -> None:
    assert refused_for_another(text, MINE) is None


@pytest.mark.parametrize(
    ("status", "text", "kind"),  # of 20.10 and 28.5
    [
        (409, "remove data-1: volume is in use - [0f4c1d2a9b7e]", errors.VolumeInUse),
        (404, "get data-1: no such volume", errors.VolumeNotFound),
        (409, 'conflict: unable to remove repository reference "paused" (must force) - container'
         " 757d8245f555 is using its referenced image 4fc94b00d77d", errors.ImageInUse),
        (409, "conflict: unable to delete 4fc94b00d77d (cannot be forced) - image is being used by"
         " running container 757d8245f555", errors.ImageInUse),
        (409, "You cannot remove a running container paused. Stop the container before attempting"
         " removal or force remove", errors.ContainerBusy),
    ],
)  # fmt: skip
def test_what_is_said_of_a_volume_or_an_image_is_about_that(
    status: int, text: str, kind: type[OrchestratorError]
) -> None:
    assert type(refusal(status=status, text=text)) is kind


def test_a_volume_that_cannot_be_mounted_is_no_error_of_the_engines_own() -> None:
    text = (
        "error while mounting volume '/var/lib/docker/volumes/data/_data': failed to mount local"
        " volume: mount :/share:/var/lib/docker/volumes/data/_data, data: addr=10.1.2.3: invalid"
    )
    error = refusal(status=500, text=text)
    assert isinstance(error, errors.EngineFailed)
    assert "cannot mount a volume" in error.message
    assert "/" not in said(error).replace("`docker volume inspect`", "")


def test_a_full_cgroup_is_no_full_disk() -> None:
    text = "mkdir /sys/fs/cgroup/cpuset/docker/0f4c: no space left on device"
    error = refusal(status=500, text=text)
    assert isinstance(error, errors.EngineFailed)
    assert "full" not in error.message


def test_docker_desktop_names_the_port_too() -> None:
    text = "Ports are not available: exposing port TCP 0.0.0.0:8001 -> 0.0.0.0:0: listen tcp"
    error = refusal(status=500, text=text)
    assert error.fields == {"port": 8001}


def test_a_missing_image_may_be_told_by_the_sdk() -> None:
    error = refusal(status=404, text="pull access denied", image_missing=True)
    assert isinstance(error, errors.ImageNotFound)


# The SDK's exceptions stop at engine.py


def kinds() -> Iterator[type[BaseException]]:
    for _, found in inspect.getmembers(errors, inspect.isclass):
        if issubclass(found, OrchestratorError):
            yield found


@pytest.mark.parametrize("kind", list(kinds()))
def test_no_error_of_ours_is_one_of_the_sdk(kind: type[BaseException]) -> None:
    assert not issubclass(kind, docker.errors.DockerException)
    assert not issubclass(kind, requests.exceptions.RequestException)
    assert not issubclass(kind, OSError)


@pytest.mark.parametrize(
    ("status", "text", "kind"),  # of Podman 4.3
    [
        (
            500,
            'container create: creating container storage: the container name "p1" is already in'
            " use by 9b7a30807aa4. You have to remove that container to be able to reuse that name:"
            " that name is already in use",
            errors.NameInUse,
        ),
        (
            500,
            "container 2fdfbb2a5df9 does not exist in database: no such container",
            errors.ContainerNotFound,
        ),
        (
            404,
            'no container with name or ID "2fdfbb2a5df9" found: no such container',
            errors.ContainerNotFound,
        ),
    ],
)
def test_what_podman_answers_with_500_is_what_docker_has_other_numbers_for(
    status: int, text: str, kind: type[OrchestratorError]
) -> None:
    assert type(refusal(status=status, text=text)) is kind


def test_a_port_that_a_rootless_engine_may_not_publish_is_the_operators_business() -> None:
    error = refusal(
        status=500,
        text="driver failed programming external connectivity on endpoint low (99db): Error"
        " starting userland proxy: error while calling PortManager.AddPort(): cannot expose"
        " privileged port 80, you can add 'net.ipv4.ip_unprivileged_port_start=80' to"
        " /etc/sysctl.conf (currently 1024), or set CAP_NET_BIND_SERVICE on rootlesskit binary, or"
        " choose a larger port number (>= 1024): listen tcp4 0.0.0.0:80: bind: permission denied",
    )
    assert isinstance(error, errors.EngineFailed)
    assert "PORT_RANGE" in error.message
    assert "/etc" not in error.message


@pytest.mark.parametrize(
    ("text", "words"),  # of OpenSSH 9.2
    [
        ("daemon@127.0.0.1: Permission denied (publickey).", "does not let the service in"),
        ("Host key verification failed.", "host key"),
        ("channel 1: open failed: connect failed: open failed", "SSH works"),
        ("ssh: connect to host 10.0.0.1 port 22: Connection refused", "no SSH connection"),
        ("ssh: Could not resolve hostname engine: Name or service not known", "no SSH connection"),
        ("Timeout, server 10.0.0.1 not responding.", "no SSH connection"),
        ("ssh: no such program", "no program `ssh`"),
        ("", "no SSH connection"),
    ],
)
def test_what_ssh_says_becomes_a_sentence_without_its_addresses(text: str, words: str) -> None:
    error = tunnel_failure(text)
    assert words in error.message
    assert error.message.endswith(".")
    assert "10.0.0.1" not in error.message


@pytest.fixture
def sdk_leaves_sockets_open() -> Iterator[None]:
    """It drops the socket of a connection that fails, and Python warns when it finds that."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        yield
        gc.collect()


@pytest.mark.anyio
@pytest.mark.usefixtures("sdk_leaves_sockets_open")
@pytest.mark.parametrize(
    "address",
    [
        "unix:///nowhere/docker.sock",
        "tcp://127.0.0.1:1",
        "http://[",
        "ssh://nobody@127.0.0.1:1",
        "nonsense://x",
        "tcp://no-such-host.invalid:2375",
    ],
)
async def test_an_engine_that_is_not_there_is_an_error_of_ours(address: str) -> None:
    engine = Engine(Settings(docker_host=address))
    try:
        with pytest.raises(errors.EngineUnavailable) as refused:
            await engine.connect()
    finally:
        engine.close()
    assert "/nowhere" not in said(refused.value)


@pytest.mark.anyio
@pytest.mark.parametrize(
    "call",
    [
        lambda engine: engine.ping(1.0),
        lambda engine: engine.containers.list(),
        lambda engine: engine.containers.inspect("abc"),
        lambda engine: engine.containers.start("abc"),
        lambda engine: engine.containers.create(
            spec(CreateRequest()), ports={}, network="bridge", create_id="0"
        ),
        lambda engine: engine.containers.stats("abc"),
        lambda engine: engine.images.pull("abc"),
    ],
    ids=["ping", "list", "inspect", "start", "create", "stats", "pull"],
)
async def test_a_call_before_a_connection_is_an_error_of_ours(
    call: Callable[[Engine], Awaitable[object]],
) -> None:
    engine = Engine(Settings())
    try:
        with pytest.raises(errors.EngineUnavailable):
            await call(engine)
    finally:
        engine.close()


def test_a_container_that_does_not_fit_into_its_disk_is_told_so() -> None:
    text = "mkdir /var/lib/docker/btrfs/subvolumes/8b1953-init/dev: disk quota exceeded"  # 20.10
    found = refusal(status=500, text=text)
    assert isinstance(found, errors.StartRefused)
    assert "`disk`" in found.message


@pytest.mark.parametrize(
    "text",
    [
        # Of engine 20.10, overlay2 on ext4 and on XFS without pquota.
        "--storage-opt is supported only for overlay over xfs with 'pquota' mount option",
        "--storage-opt is not supported for vfs",  # read in the sources, as the next
        "Filesystem does not support, or has not enabled quotas",
    ],
)
def test_storage_that_limits_nothing_is_no_fault_of_the_engine(text: str) -> None:
    found = refusal(status=500, text=text)
    assert isinstance(found, errors.DiskLimitUnsupported)
    assert "`disk`" in found.message
