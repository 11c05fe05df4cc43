"""Records what an engine answers, for the tests beside this file: recorded/engine-VERSION-….json.

    python -m tests.unit.record_payloads                    the engine at DOCKER_HOST
    engine exec sid python -m tests.unit.record_payloads    one in a network namespace of its own

It must share the engine's network namespace, for it holds ports to see them refused. It needs the
image base-api-server:latest and the ports of PORTS, makes containers with names of its own, and
removes them and all else that it made. Not a test; run it again for another engine or cgroup
version, and look at the difference with git before keeping it.
"""

import io
import json
import re
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import docker
import docker.utils
from docker.errors import APIError, NotFound

from orchestrator.models import CreateRequest, Image
from orchestrator.payloads import create_body

from .examples import spec

PAYLOADS = Path(__file__).parent / "recorded"
IMAGE = "base-api-server:latest"
MIB = 1024 * 1024
PORTS = range(8950, 8990)

# One CPU busy; some traffic to the host, over the bridge; reads and writes that reach the disk.
BUSY = """
import mmap, os, socket, time
page = mmap.mmap(-1, 1 << 20)
disk = os.open("/tmp/blocks", os.O_RDWR | os.O_CREAT | os.O_DIRECT)
for _ in range(4):
    os.write(disk, page)
os.lseek(disk, 0, 0)
os.readv(disk, [page])
out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
routes = [line.split() for line in open("/proc/net/route")]
gateway = next(bytes.fromhex(route[2])[::-1] for route in routes if route[1] == "00000000")
host = socket.inet_ntoa(gateway)
while True:
    until = time.monotonic() + 0.1
    while time.monotonic() < until:
        pass
    out.sendto(b"x" * 1000, (host, 9))
"""
# 64 MiB of pages that were read from files once and are of no use any more.
PAGE_CACHE = (
    "head -c 67108864 /dev/zero > /tmp/cache && sync && cat /tmp/cache >/dev/null; sleep 600"
)


class Recorder:
    def __init__(self) -> None:
        self.client = docker.APIClient(version="auto", timeout=60, **docker.utils.kwargs_from_env())
        info = self.client.info()
        version = ".".join(str(info["ServerVersion"]).split(".")[:2])
        self.engine = f"engine-{version}"
        self.engine_and_cgroup = f"{self.engine}-cgroup-v{info.get('CgroupVersion', '1')}"
        self.prefix = f"payload-{uuid.uuid4().hex[:6]}"
        self.containers: list[str] = []
        self.refusals: list[dict[str, Any]] = []
        self._ports = iter(PORTS)

    def run(self, host: Any = None, *, start: bool = True, name: str = "", **config: Any) -> str:
        """A container by the engine's own API."""
        body = {"Image": IMAGE, "Cmd": ["sleep", "600"], "HostConfig": host or {}, **config}
        return self._run(body, name, start)

    def clone(self, name: str, ports: dict[str, int], *, start: bool = True, **fields: Any) -> str:
        """A container as this service creates it."""
        request = CreateRequest(start=fields.pop("starts", True), **fields)
        body = create_body(spec(request, Image(IMAGE)), ports, "0")
        return self._run(body, name, start)

    def _run(self, body: dict[str, Any], name: str, start: bool) -> str:
        name = f"{self.prefix}-{name or len(self.containers)}"
        answer = self.client.create_container_from_config(body, name)  # type: ignore[no-untyped-call]
        self.containers.append(answer["Id"])
        if start:
            self.client.start(answer["Id"])
        return str(answer["Id"])

    def port(self) -> int:
        return next(self._ports)

    def save(self, name: str, payload: Any) -> None:
        text = json.dumps(payload, indent=1, sort_keys=True) + "\n"
        (PAYLOADS / f"{name}.json").write_text(text)
        print(name)

    def save_container(self, name: str, container: str) -> None:
        """Its inspection and its entry in a listing."""
        listing = self.client.containers(all=True)
        summary = next(entry for entry in listing if entry["Id"] == container)
        payload = {"inspect": self.client.inspect_container(container), "summary": summary}
        self.save(f"{self.engine}-container-{name}", payload)

    def save_stats(self, name: str, container: str, **options: Any) -> None:
        options = {"one_shot": True, **options}
        stats = self.client.stats(container, stream=False, **options)
        self.save(f"{self.engine_and_cgroup}-{name}", stats)

    def refused(self, case: str, call: Callable[..., Any], *args: Any, **options: Any) -> bool:
        """Notes the refusal of a call; false if there was none."""
        try:
            call(*args, **options)
        except APIError as error:
            text = str(error.explanation).replace(self.prefix, "payload")
            text = re.sub(r"\b[0-9a-f]{64}\b", "0" * 64, text)
            self.refusals.append({"case": case, "status": error.status_code, "text": text})
            print("refused", case, error.status_code, text)
            return True
        return False

    def refused_start(self, case: str, **options: Any) -> None:
        if not self.refused(case, self.run, **options):
            print("NOT REFUSED", case)

    def remove_all(self) -> None:
        for container in self.containers:
            with suppress(NotFound):
                self.client.remove_container(container, force=True, v=True)


def wait_for(holds: Callable[[], Any], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.05)


def published(port: int, address: str = "0.0.0.0", protocol: str = "tcp") -> dict[str, Any]:
    return {"PortBindings": {f"5000/{protocol}": [{"HostIp": address, "HostPort": str(port)}]}}


@contextmanager
def listening(address: str, port: int, kind: int = socket.SOCK_STREAM) -> Iterator[None]:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, kind) as listener:
        listener.bind((address, port))
        if kind == socket.SOCK_STREAM:
            listener.listen()
        yield


def record_stats(recorder: Recorder) -> None:
    limited = {"Memory": 128 * MIB, "PidsLimit": 50}
    busy = recorder.run(limited, Cmd=["python3", "-c", BUSY])
    free = recorder.run()
    isolated = recorder.run({"NetworkMode": "none"})
    hosted = recorder.run({"NetworkMode": "host"})
    cache = recorder.run({"Memory": 256 * MIB}, Cmd=["sh", "-c", PAGE_CACHE])
    paused = recorder.run()
    stopped = recorder.run(Cmd=["true"])
    created = recorder.run(start=False)
    recorder.client.pause(paused)
    time.sleep(5)
    recorder.save_stats("oneshot-1", busy)
    time.sleep(0.5)
    recorder.save_stats("oneshot-2", busy)
    recorder.save_stats("stream-false", busy, one_shot=None)
    recorder.save_stats("no-limit", free)
    recorder.save_stats("network-none", isolated)
    recorder.save_stats("network-host", hosted)
    recorder.save_stats("page-cache", cache)
    recorder.save_stats("paused", paused)
    recorder.save_stats("stopped", stopped)
    recorder.save_stats("created", created)


def record_containers(recorder: Recorder) -> None:
    client, port = recorder.client, recorder.port

    def state(container: str) -> Any:
        return client.inspect_container(container)["State"]

    full = recorder.clone(
        "running",
        {"5000/tcp": port(), "53/udp": port(), "9000/tcp": port()},
        env={"GREETING": "hello"},
        labels={"team": "blue"},
        memory="256m",
        cpus=0.5,
        pids=100,
        volumes=[f"{recorder.prefix}-volume:/data:ro"],
        command=["sleep", "600"],
        restart_policy="on-failure:3",
    )
    recorder.save_container("running", full)

    healthy = recorder.clone("healthy", {"5000/tcp": port()})
    recorder.save_container("starting", healthy)
    paused = recorder.clone("paused", {"5000/tcp": port()})
    client.pause(paused)
    recorder.save_container("paused", paused)

    exited = recorder.clone("exited", {"5000/tcp": port()}, command="sh -c 'exit 3'")
    wait_for(lambda: state(exited)["Status"] == "exited")
    recorder.save_container("exited", exited)

    recorder.save_container("created", recorder.clone("husk", {"5000/tcp": port()}, start=False))
    deliberate = recorder.clone("deliberate", {"5000/tcp": port()}, start=False, starts=False)
    recorder.save_container("created-start-false", deliberate)

    taken = port()
    with listening("0.0.0.0", taken):
        refused = recorder.clone("refused", {"5000/tcp": taken}, start=False)
        with suppress(APIError):
            client.start(refused)
        recorder.save_container("created-start-refused", refused)

    restarting = recorder.clone(
        "restarting", {"5000/tcp": port()}, command="false", restart_policy="always"
    )
    wait_for(
        lambda: (
            state(restarting)["Status"] == "restarting"
            and client.inspect_container(restarting)["RestartCount"] > 3
        )
    )
    recorder.save_container("restarting", restarting)

    loopback = recorder.run(published(port(), "127.0.0.1"))
    recorder.save_container("loopback", loopback)
    any_address = recorder.run(published(port(), ""))
    recorder.save_container("any-address", any_address)
    host_network = recorder.run({"NetworkMode": "host"})
    recorder.save_container("host-network", host_network)
    two = {
        "PortBindings": {
            "5000/tcp": [
                {"HostIp": "0.0.0.0", "HostPort": str(port())},
                {"HostIp": "127.0.0.1", "HostPort": str(port())},
            ]
        }
    }
    recorder.save_container("two-bindings", recorder.run(two))
    quota = recorder.run({"CpuQuota": 150000, "CpuPeriod": 100000, "PidsLimit": -1})
    recorder.save_container("unpublished", quota)

    tag = f"{recorder.prefix}-image"
    dockerfile = io.BytesIO(f"FROM {IMAGE}\nEXPOSE 7000-7002 53/udp 53/tcp\n".encode())
    for line in client.build(fileobj=dockerfile, tag=tag, rm=True, decode=True):
        if "error" in line:
            raise RuntimeError(line["error"])
    try:
        recorder.save(f"{recorder.engine}-image-exposed", client.inspect_image(tag))  # type: ignore[no-untyped-call]
        every = recorder.run({"PublishAllPorts": True}, Image=tag)
        recorder.save_container("publish-all", every)
        client.remove_container(every, force=True)
    finally:
        client.remove_image(tag, force=True)

    wait_for(lambda: state(healthy)["Health"]["Status"] == "healthy", 90)
    recorder.save_container("healthy", healthy)
    sick = recorder.run(
        published(port()),
        Healthcheck={"Test": ["CMD", "false"], "Interval": 1_000_000_000, "Retries": 1},
    )
    wait_for(lambda: state(sick)["Health"]["Status"] == "unhealthy")
    recorder.save_container("unhealthy", sick)


def record_refusals(recorder: Recorder) -> None:
    client, port = recorder.client, recorder.port

    held = port()
    recorder.run(published(held))
    recorder.refused_start("port-of-container", host=published(held))
    recorder.refused_start("port-of-container-any-address", host=published(held, ""))
    for case, address, wanted in (
        ("port-of-process", "0.0.0.0", "0.0.0.0"),
        ("port-of-process-loopback", "127.0.0.1", "0.0.0.0"),
        ("port-of-process-ipv6", "::", "0.0.0.0"),
        ("port-of-process-any-address", "0.0.0.0", ""),
        ("port-of-process-ipv6-any-address", "::", ""),
        ("port-of-process-ipv6-on-ipv6", "::", "::"),
    ):
        number = port()
        with listening(address, number):
            recorder.refused_start(case, host=published(number, wanted))
    number = port()
    with listening("0.0.0.0", number, socket.SOCK_DGRAM):
        udp = {"ExposedPorts": {"5000/udp": {}}, "host": published(number, protocol="udp")}
        recorder.refused_start("port-of-process-udp", **udp)
    recorder.refused_start("address-not-of-host", host=published(port(), "198.51.100.7"))

    for case, options in (
        ("command-missing", {"Cmd": ["/nope"]}),
        ("command-not-in-path", {"Cmd": ["nope"]}),
        ("command-not-executable", {"Cmd": ["/etc/passwd"]}),
        ("command-directory", {"Cmd": ["/etc"]}),
        ("command-below-file", {"Cmd": ["/etc/passwd/x"]}),
        ("user-missing", {"User": "nobody-here"}),
        ("group-missing", {"User": "root:nobody-here"}),
        ("workdir-file", {"WorkingDir": "/etc/passwd"}),
    ):
        recorder.refused_start(case, **options)

    volume = f"{recorder.prefix}-volume"
    mounts: dict[str, list[dict[str, Any]]] = {
        "mount-relative": [{"Type": "volume", "Source": volume, "Target": "data"}],
        "mount-on-root": [{"Type": "volume", "Source": volume, "Target": "/"}],
        "mount-twice": [{"Type": "volume", "Source": volume, "Target": "/data"}] * 2,
        "mount-bad-name": [{"Type": "volume", "Source": "no/such", "Target": "/data"}],
        "mount-missing-bind": [{"Type": "bind", "Source": "/no/such/path", "Target": "/data"}],
    }
    for case, mount in mounts.items():
        recorder.refused(case, recorder.run, {"Mounts": mount}, start=False)
    for case, host in (
        ("cpus-too-many", {"NanoCpus": 1000 * 10**9}),
        ("memory-too-low", {"Memory": MIB}),
        ("port-invalid", {"PortBindings": {"5000/tcp": [{"HostPort": "70000"}]}}),
        ("restart-policy-invalid", {"RestartPolicy": {"Name": "sometimes"}}),
        (
            "restart-policy-retries",
            {"RestartPolicy": {"Name": "always", "MaximumRetryCount": 3}},
        ),
        ("network-missing", {"NetworkMode": "no-such-network"}),
    ):
        recorder.refused(case, recorder.run, host)
    recorder.refused("image-missing", recorder.run, Image="no/such:image")
    recorder.refused("image-missing-inspect", client.inspect_image, "no/such:image")
    recorder.refused("image-invalid", recorder.run, Image="UPPER/case")
    recorder.refused("command-empty", recorder.run, Cmd=[], Entrypoint=[""])

    named = recorder.run(name="named")
    recorder.refused("name-in-use", recorder.run, name="named")
    recorder.refused("name-invalid", recorder.run, name="a b")
    recorder.refused("remove-running", client.remove_container, named)
    client.pause(named)
    recorder.refused("start-paused", client.start, named)
    recorder.refused("exec-paused", client.exec_create, named, "true")
    recorder.refused("remove-paused", client.remove_container, named)
    recorder.refused("container-missing", client.start, "no-such-container")
    recorder.refused("container-missing-inspect", client.inspect_container, "nope")
    recorder.refused("container-missing-remove", client.remove_container, "nope")

    record_removals(recorder)
    recorder.save(f"{recorder.engine}-refusals", recorder.refusals)


def record_removals(recorder: Recorder) -> None:
    """What is said to those who come while a container is being removed."""
    client = recorder.client
    wanted = {"remove-twice", "start-while-removed"}
    with ThreadPoolExecutor(8) as pool:
        for _ in range(40):
            container = recorder.run(Cmd=["true"])
            client.wait(container)
            before = len(recorder.refusals)
            calls: list[Future[Any]] = [pool.submit(client.remove_container, container, force=True)]
            for case in sorted(wanted):
                verb = client.start if case.startswith("start") else client.remove_container
                refused = [pool.submit(recorder.refused, case, verb, container) for _ in range(3)]
                calls.extend(refused)
            for call in calls:
                with suppress(APIError):
                    call.result()
            late = [each for each in recorder.refusals[before:] if each["status"] != 404]
            found = {each["case"]: each for each in late if each["case"] in wanted}
            recorder.refusals[before:] = found.values()
            wanted -= found.keys()
            if not wanted:
                return
    print("NOT SEEN", wanted)


def main() -> None:
    recorder = Recorder()
    PAYLOADS.mkdir(exist_ok=True)
    try:
        record_stats(recorder)
        record_containers(recorder)
        record_refusals(recorder)
    finally:
        recorder.remove_all()
        with suppress(NotFound):
            recorder.client.remove_volume(f"{recorder.prefix}-volume")


if __name__ == "__main__":
    main()
