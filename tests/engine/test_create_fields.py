"""What a create may say of a container's process, file system and network: by what the engine says
of the container and by what is seen inside, and again after a move.
"""

import socket
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from functools import partial
from typing import Any

import docker
import pytest
from docker.errors import APIError

from tests.conftest import IMAGE, Service, wait_until

from .odd_images import odd_image
from .support import (
    GRACEFUL,
    SLEEP,
    act,
    assert_problem,
    nothing_changes,
    port_of,
    port_range,
    unique,
)

pytestmark = pytest.mark.engine

MIB = 1024 * 1024
Inspect = Callable[[str], dict[str, Any]]

# Ends with 9 when it is interrupted, and with 15 when it is asked to by the usual signal.
ENDS = "trap 'exit 9' INT; trap 'exit 15' TERM; while :; do sleep 0.1; done"
WISHES: dict[str, Any] = {
    "entrypoint": ["sh", "-c"],
    "command": [ENDS],
    "user": "1234:4321",
    "workdir": "/srv/fresh",
    "hostname": "chosen",
    "shm_size": "8m",
    "tmpfs": {"/scratch": "4m"},
    "ulimits": {"nofile": {"soft": 512, "hard": 1024}, "core": 0},
    "stop_signal": "SIGINT",
    "stop_timeout": 7,
    "healthcheck": {"test": ["CMD", "true"], "interval": 1, "timeout": "5s", "retries": 2},
    "tty": True,
    "extra_hosts": {"db": "192.0.2.7", "six": "2001:db8::7"},
    "dns": ["192.0.2.53"],
    "read_only": True,
    "container_ports": ["5353/tcp+udp", "6379-6380"],
    "wait": 20,
}
LOOK = """
id -u; id -g; pwd; cat /proc/sys/kernel/hostname
df -k /dev/shm /scratch | awk 'NR > 1 {print $2}'
awk '/Max open files/ {print $4, $5} /Max core file size/ {print $5, $6}' /proc/1/limits
readlink /proc/1/fd/1
grep -c -e '^192.0.2.7.db$' -e '^2001:db8::7.db$' -e '^2001:db8::7.six$' /etc/hosts
touch /here 2>/dev/null && echo writable || echo read-only
touch /scratch/here && grep -o ' /scratch tmpfs [a-z,]*noexec' /proc/mounts
"""


def seen_inside(client: docker.DockerClient, container: str) -> list[str]:
    output = client.containers.get(container).exec_run(["sh", "-c", LOOK], stderr=False).output
    assert isinstance(output, bytes)
    return output.decode().split("\n")


def check(client: docker.DockerClient, inspect: Inspect, container: dict[str, Any]) -> None:
    details = inspect(container["id"])
    config, host = details["Config"], details["HostConfig"]
    assert (config["Entrypoint"], config["Cmd"]) == (["sh", "-c"], [ENDS])
    assert (config["StopSignal"], config["StopTimeout"], config["Tty"]) == ("SIGINT", 7, True)
    assert config["Healthcheck"]["Test"] == ["CMD", "true"]
    assert config["Healthcheck"]["Interval"] == 1_000_000_000
    assert config["Healthcheck"]["Timeout"] == 5_000_000_000
    assert config["Healthcheck"]["Retries"] == 2
    assert host["Dns"] == ["192.0.2.53"]
    assert host["Tmpfs"].keys() == {"/scratch"}
    inside = seen_inside(client, container["id"])
    assert inside[:6] == ["1234", "4321", "/srv/fresh", "chosen", str(8 * 1024), str(4 * 1024)]
    assert set(inside[6:8]) == {"0 0", "512 1024"}
    assert inside[8].startswith("/dev/pts/")
    assert inside[9:11] == ["2", "read-only"]
    assert "noexec" in inside[11]
    addresses = container["ports"]
    assert addresses["5353/tcp"] == addresses["5353/udp"]
    assert addresses.keys() == {"5353/tcp", "5353/udp", "6379/tcp", "6380/tcp"}
    assert len(set(addresses.values())) == 3


def test_every_wish_is_kept_also_in_a_move(
    service: Service, docker_client: docker.DockerClient, inspect: Inspect
) -> None:
    before = service.created(**WISHES)
    assert before["health"] == "healthy"
    check(docker_client, inspect, before)
    stopped = act(service, before["id"], "stop", timeout=7)
    assert stopped["exit_code"] == 9

    service.created(command=SLEEP, port=port_of(before, "5353/tcp"))
    after = act(service, before["id"], "start")
    assert after["port_changed"]
    assert after["previous_ports"] == before["ports"]
    assert after["ports"]["5353/udp"] != before["ports"]["5353/udp"]
    assert after["ports"]["6379/tcp"] == before["ports"]["6379/tcp"]
    check(docker_client, inspect, after)
    row = service.port_row(port_of(after, "5353/tcp"))
    assert (row["state"], row["container_port"]) == ("in_use", "5353/tcp+udp")
    assert act(service, after["id"], "stop", timeout=7)["exit_code"] == 9


def test_an_entry_point_that_is_taken_away_stays_away_in_a_move(
    service: Service, build_image: Callable[..., str], inspect: Inspect
) -> None:
    image = build_image('ENTRYPOINT ["/nope"]', 'CMD ["neither"]')
    assert_problem(service.create(image=image), 422, "start-refused", program="/nope")
    before = service.created(image=image, entrypoint="", command=SLEEP)
    act(service, before["id"], "stop", timeout=0)
    service.created(command=SLEEP, port=port_of(before))
    after = act(service, before["id"], "start")
    assert after["port_changed"]
    assert not inspect(after["id"])["Config"]["Entrypoint"]
    assert inspect(after["id"])["Config"]["Cmd"] == SLEEP
    # The command of the image is for the entry point of the image.
    other = service.created(image=image, entrypoint=["sleep", "300"])
    assert not inspect(other["id"])["Config"]["Cmd"]


def test_the_image_says_what_a_create_does_not(
    service: Service, build_image: Callable[..., str], inspect: Inspect
) -> None:
    image = build_image(
        "USER 1000", "WORKDIR /opt", "STOPSIGNAL SIGUSR1", "HEALTHCHECK --retries=9 CMD true"
    )
    container = service.created(image=image, command=SLEEP, healthcheck={"interval": 30})
    config = inspect(container["id"])["Config"]
    assert (config["User"], config["WorkingDir"]) == ("1000", "/opt")
    assert config["StopSignal"] == "SIGUSR1"
    check = config["Healthcheck"]
    assert (check["Test"], check["Retries"]) == (["CMD-SHELL", "true"], 9)
    assert check["Interval"] == 30_000_000_000
    off = service.created(image=image, command=SLEEP, healthcheck={"test": "NONE"})
    assert off["health"] is None


def test_a_health_check_that_is_not_there_cannot_be_changed(
    service: Service, bare_image: str, docker_client: docker.DockerClient
) -> None:
    with nothing_changes(service, docker_client):
        answer = service.create(image=bare_image, command="/x", healthcheck={"interval": 5})
        problem = assert_problem(answer, 422, "invalid-request")
    assert problem["detail"].startswith("healthcheck: ")


def test_an_engine_that_does_not_know_a_field_does_not_drop_it_silently(
    service: Service, docker_client: docker.DockerClient, inspect: Inspect
) -> None:
    """Of API 1.44, Docker 25."""
    asked = {"test": "true", "start_interval": 2, "start_period": "10s"}
    version = tuple(map(int, docker_client.version()["ApiVersion"].split(".")))
    if version < (1, 44):
        with nothing_changes(service, docker_client):
            answer = service.create(command=SLEEP, healthcheck=asked)
            problem = assert_problem(answer, 422, "invalid-request")
        assert "start_interval needs Docker 25" in problem["detail"]
    else:
        container = service.created(command=SLEEP, healthcheck=asked)
        check = inspect(container["id"])["Config"]["Healthcheck"]
        assert (check["StartInterval"], check["StartPeriod"]) == (2 * 10**9, 10 * 10**9)


def test_the_root_file_system_is_writable_unless_a_create_says_otherwise(
    service: Service, docker_client: docker.DockerClient
) -> None:
    for wish, code in (({}, 0), ({"read_only": False}, 0), ({"read_only": True}, 1)):
        container = service.created(command=SLEEP, user=0, **wish)
        running = docker_client.containers.get(container["id"])
        assert running.exec_run(["touch", "/here"]).exit_code == code


def test_what_is_in_memory_counts_as_memory(
    service: Service, docker_client: docker.DockerClient
) -> None:
    problem = assert_problem(
        service.create(tmpfs={"/a": "300m"}, shm_size="300m"), 422, "invalid-request"
    )
    assert problem["detail"].startswith("tmpfs: what is in memory may come to 600.00 MB")
    fill = "import sys; open('/a/x', 'wb').write(b'x' * (64 << 20)); sys.stdout.write('written')"
    container = service.created(
        command=["python3", "-c", fill], memory="32m", tmpfs={"/a": "32m"}, init=False
    )
    ended = wait_until(
        lambda: (
            (found := service.get(f"/containers/{container['id']}"))["state"] == "exited" and found
        ),
        20,
    )
    assert ended["exit_code"] in (1, 137)
    assert b"written" not in docker_client.api.logs(container["id"])


def test_a_restricted_container_has_the_user_that_was_asked_for(
    service: Service, docker_client: docker.DockerClient
) -> None:
    container = service.created(
        command=SLEEP, profile="restricted", user="1000:1000", tmpfs={"/tmp": "1m", "/run": "1m"}
    )
    running = docker_client.containers.get(container["id"])
    assert running.exec_run(["id", "-u"]).output == b"1000\n"
    assert running.exec_run(["touch", "/tmp/a", "/run/b"]).exit_code == 0
    for user in ("root", "app", 0):
        answer = service.create(profile="restricted", user=user)
        assert assert_problem(answer, 422, "invalid-request")["detail"].startswith("user: ")


def test_ulimits_that_the_host_does_not_give_are_told_so(
    service: Service, docker_client: docker.DockerClient
) -> None:
    answer = service.create(command=SLEEP, ulimits={"nofile": 1 << 20})
    if answer.status_code != 201:  # of an engine that may not raise limits itself
        assert "`ulimits`" in assert_problem(answer, 422, "start-refused")["detail"]


# Ports

ECHO = [
    "python3",
    "-ISc",
    "import socket, threading\n"
    "server = socket.create_server(('', 5353))\n"
    "datagrams = socket.socket(type=socket.SOCK_DGRAM)\n"
    "datagrams.bind(('', 5353))\n"
    "def answer():\n"
    "    while True:\n"
    "        data, peer = datagrams.recvfrom(100)\n"
    "        datagrams.sendto(b'udp ' + data, peer)\n"
    "threading.Thread(target=answer, daemon=True).start()\n"
    "while True:\n"
    "    client = server.accept()[0]\n"
    "    client.sendall(b'tcp ' + client.recv(100))\n"
    "    client.close()",
]


def asked(port: int, kind: socket.SocketKind) -> bytes:
    with closing(socket.socket(type=kind)) as client:
        client.settimeout(1)
        try:
            client.connect(("127.0.0.1", port))
            client.send(b"hello")
            return client.recv(100)
        except OSError:
            return b""


def test_tcp_and_udp_of_a_port_answer_on_one_host_port(service: Service) -> None:
    container = service.created(command=ECHO, container_ports=["5353/tcp+udp"])
    port = port_of(container, "5353/tcp")
    assert container["ports"] == dict.fromkeys(("5353/tcp", "5353/udp"), f"0.0.0.0:{port}")
    assert container["port"] == port
    for kind, answer in ((socket.SOCK_STREAM, b"tcp hello"), (socket.SOCK_DGRAM, b"udp hello")):
        assert wait_until(partial(asked, port, kind), 20) == answer
    assert service.get("/ports")["in_use"] == 1
    act(service, container["id"], "stop", timeout=0)
    assert port_of(act(service, container["id"], "start"), "5353/udp") == port


def test_a_port_that_somebody_has_by_udp_is_not_given_for_both(
    start_service: Callable[..., Service],
) -> None:
    service = start_service(ports=5)
    first = port_range(service)[0]
    with socket.socket(type=socket.SOCK_DGRAM) as bound:
        bound.bind(("0.0.0.0", first))
        answer = service.create(command=SLEEP, container_ports=["53/tcp+udp"], port=first)
        assert_problem(answer, 409, "port-in-use", port=first)
        container = service.created(command=SLEEP, container_ports=["53/tcp+udp"])
        assert port_of(container, "53/udp") == first + 1
        assert service.port_row(first)["state"] == "external"


def test_a_range_of_container_ports_has_a_port_for_each(service: Service) -> None:
    container = service.created(command=SLEEP, container_ports=["7003-7005", 80], port=None)
    assert list(container["ports"]) == ["7003/tcp", "7004/tcp", "7005/tcp", "80/tcp"]
    assert len(set(container["ports"].values())) == 4


# Platforms


@pytest.fixture
def foreign_image(docker_client: docker.DockerClient) -> Iterator[str]:
    """An image that says that it is for another processor, and runs on this one."""
    name = f"{unique()}:1"
    own = docker_client.images.get(IMAGE).attrs["Architecture"]
    odd_image(docker_client, IMAGE, name, {}, architecture="arm64" if own != "arm64" else "amd64")
    yield name
    with suppress(APIError):
        docker_client.images.remove(name, force=True)


def test_an_image_for_another_platform_is_not_used(
    service: Service, docker_client: docker.DockerClient
) -> None:
    own = "linux/" + docker_client.images.get(IMAGE).attrs["Architecture"]
    other = "linux/s390x"
    assert service.created(command=SLEEP, platform=own, start=False)["state"] == "created"
    with nothing_changes(service, docker_client):
        answer = service.create(platform=other, pull="never")
        problem = assert_problem(answer, 404, "image-not-found", platform=own)
        assert f"for {own}, not for {other}" in problem["detail"]
        # It is pulled: no registry has it, or none can be reached.
        pulled = service.create(platform=other).json()["code"]
        assert pulled in ("image-pull-denied", "image-not-found", "registry-unreachable")


def test_a_platform_is_kept_in_a_move(
    foreign_image: str, service: Service, docker_client: docker.DockerClient, inspect: Inspect
) -> None:
    architecture = docker_client.images.get(foreign_image).attrs["Architecture"]
    before = service.created(
        image=foreign_image, command=GRACEFUL, platform=f"linux/{architecture}", pull="never"
    )
    act(service, before["id"], "stop", timeout=0)
    service.created(command=SLEEP, port=port_of(before))
    after = act(service, before["id"], "start")
    assert after["port_changed"]
    image = docker_client.images.get(inspect(after["id"])["Image"])
    assert image.attrs["Architecture"] == architecture


# Volumes and directories at paths that take none


@pytest.mark.parametrize(
    ("path", "code", "why"),
    [
        ("/etc/passwd", "start-refused", "is no directory"),
        ("/etc/passwd/x", "start-refused", "is no directory"),
        ("/etc/hosts", "start-refused", "is no directory"),
        ("/usr", "start-refused", "hides the init process"),
        ("/proc", "invalid-request", "what is at /proc the engine makes itself"),
        ("/proc/sys", "invalid-request", "what is at /proc the engine makes itself"),
        ("/" + "a" * 300, "invalid-request", "a name in its path has more than 255 bytes"),
    ],
)
def test_a_path_that_takes_no_volume_is_told_with_the_reason(
    named_volume: str,
    service: Service,
    docker_client: docker.DockerClient,
    path: str,
    code: str,
    why: str,
) -> None:
    with nothing_changes(service, docker_client):
        answer = service.create(volumes=[f"{named_volume}:{path}"])
        problem = assert_problem(answer, 422, code)
        assert named_volume in problem["detail"]
        assert why in problem["detail"]
        answer = service.create(tmpfs=[path])
        problem = assert_problem(answer, 422, code)
        assert problem["detail"].startswith("tmpfs: ")
        assert why in problem["detail"]
    assert docker_client.volumes.list(filters={"name": named_volume}) == []


def test_a_volume_with_too_long_a_name_is_told_so(
    service: Service, docker_client: docker.DockerClient
) -> None:
    with nothing_changes(service, docker_client):
        answer = service.create(volumes=["v" * 270 + ":/data"])
        problem = assert_problem(answer, 422, "invalid-request")
    assert "has a name of 270 characters; 255 is the most" in problem["detail"]


@pytest.mark.parametrize("path", ["/etc/passwd", "/etc/passwd/x"])
def test_a_directory_that_cannot_be_made_is_told(service: Service, path: str) -> None:
    problem = assert_problem(service.create(workdir=path), 422, "start-refused")
    assert problem["detail"].startswith(f'workdir: directory "{path}" cannot be there')


def test_a_word_in_the_name_of_a_program_decides_nothing(
    service: Service, docker_client: docker.DockerClient
) -> None:
    for word in ("port is already allocated", "catatonit", "no such image", "exchange full"):
        for init in (True, False):
            with nothing_changes(service, docker_client):
                answer = service.create(command=[word], init=init)
                assert_problem(answer, 422, "start-refused", program=word)
