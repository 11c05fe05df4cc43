"""What benchmarks work with: an engine, a light image, and the service in a process of its own."""

import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import docker
import httpx
import psutil
from docker.errors import APIError, DockerException, NotFound

from .measure import step, wait_until
from .private_engine import private_engine

ROOT = Path(__file__).parent.parent
BASE_IMAGE = "base-api-server:latest"
LABEL = "orchestration-benchmark"
# At once; more gain nothing on any engine.
WORKERS = 4
# Answers HTTP with 2 MB of memory of its own; Python takes twice as much.
SERVER = """
use Socket;
$SIG{TERM} = sub { exit 0 };
socket(S, PF_INET, SOCK_STREAM, 0);
setsockopt(S, SOL_SOCKET, SO_REUSEADDR, 1);
bind(S, sockaddr_in(5000, INADDR_ANY)) or die;
listen(S, 64);
while (1) {
    accept(C, S) or next;
    sysread(C, $request, 4096);
    syswrite(C, "HTTP/1.0 200 OK\\r\\nContent-Length: 3\\r\\n\\r\\nok\\n");
    close(C);
}
"""


def parser(about: str | None) -> argparse.ArgumentParser:
    """The arguments that all benchmarks on an engine have."""
    parser = argparse.ArgumentParser(description=(about or "").partition("\n\n")[0])
    parser.add_argument(
        "--private",
        action="store_true",
        help="on an engine of its own, started for this (as root), instead of DOCKER_HOST's",
    )
    return parser


class Bench:
    """An engine with a light image, and services on it. What it makes carries a label."""

    def __init__(self, client: docker.DockerClient, directory: Path) -> None:
        self.client = client
        self.directory = directory
        self.label = uuid.uuid4().hex
        self.image = f"{LABEL}:{self.label[:12]}"

    def build_image(self) -> None:
        """The base image with a lighter server, and without a health check, which would cost more
        than all the rest with 999 containers.
        """
        container = self.client.api.create_container(BASE_IMAGE)["Id"]
        try:
            conf = {
                "Cmd": ["perl", "-e", SERVER],
                "Healthcheck": {"Test": ["NONE"]},
                "ExposedPorts": {"5000/tcp": {}},
            }
            self.client.api.commit(container, LABEL, self.label[:12], conf=conf)
        finally:
            self.client.api.remove_container(container)

    def list_raw(self) -> list[dict[str, Any]]:
        """`GET /containers/json?all=1`."""
        found: list[dict[str, Any]] = self.client.api.containers(all=True)
        return found

    def running(self) -> list[str]:
        """The full ids of what is this benchmark's and runs."""
        filters = {"label": f"{LABEL}={self.label}", "status": "running"}
        return [entry["Id"] for entry in self.client.api.containers(filters=filters)]

    @property
    def socket(self) -> str:
        """The path of the engine's socket. Ends the program where there is none: the processes and
        the files of another host's engine cannot be seen from here.
        """
        address = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
        if not address.startswith("unix:///"):
            sys.exit(f"An engine of this host is wanted, and a socket; DOCKER_HOST is {address}.")
        return address.removeprefix("unix://")

    def empty_directory(self) -> Path:
        """A place with no control groups, for a service that is to do without."""
        path = self.directory / "empty"
        path.mkdir(exist_ok=True)
        return path

    def stats_path(self, container: str, *, one_shot: bool = False, stream: bool = False) -> str:
        """The engine's own route for statistics."""
        options = f"stream={str(stream).lower()}&one-shot={str(one_shot).lower()}"
        return f"/v{self.client.api.api_version}/containers/{container}/stats?{options}"

    def time_creates(
        self, makes: Mapping[str, Callable[[], str]], count: int
    ) -> dict[str, list[float]]:
        """The seconds that each way to make a container takes, in turns, `count` of each. Each
        container is removed before the next is made.
        """
        seconds: dict[str, list[float]] = {name: [] for name in makes}
        for number in range(count + 1):
            for name, make in makes.items():
                began = time.perf_counter()
                container = make()
                took = time.perf_counter() - began
                self.client.api.remove_container(container, force=True, v=True)
                if number:  # the first of anything opens connections and fills caches
                    seconds[name].append(took)
        return seconds

    def clear(self) -> None:
        """Removes all that carries the label, whatever became of the service."""

        def remove(container: str) -> None:
            with suppress(NotFound, APIError):
                self.client.api.remove_container(container, force=True, v=True)

        filters = {"label": f"{LABEL}={self.label}"}
        with ThreadPoolExecutor(WORKERS) as pool:
            found = self.client.api.containers(all=True, filters=filters)
            list(pool.map(remove, [entry["Id"] for entry in found]))
        with suppress(APIError):
            self.client.api.remove_image(self.image, force=True)


class Service:
    """`python main.py` of a checkout, this one if no other is given, in a process of its own, and a
    client for it.
    """

    def __init__(self, bench: Bench, *, checkout: Path = ROOT, **settings: str) -> None:
        self._bench = bench
        self._checkout = checkout
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.address = f"127.0.0.1:{port}"
        self._environment = os.environ | {"HOST": "127.0.0.1", "PORT": str(port)} | settings
        self._log = bench.directory / f"service-{port}.log"
        self.client = httpx.Client(base_url=f"http://{self.address}", timeout=120, trust_env=False)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> float:
        """Starts it; the seconds until /health/ready is 200, that is, all containers are known."""
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "main.py"],
                cwd=self._checkout,
                env=self._environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return wait_until(self._is_ready, 120, f"the service is ready; see {self._log}")

    def _is_ready(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            sys.exit(f"the service ended:\n{self._log.read_text()[-2000:]}")
        try:
            return self.client.get("/health/ready").status_code == 200
        except httpx.TransportError:
            return False

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(60)

    def log(self) -> str:
        """The end of what it has logged."""
        return self._log.read_text()[-3000:]

    def processes(self) -> list[psutil.Process]:
        assert self.process is not None
        own = psutil.Process(self.process.pid)
        return [own, *own.children(recursive=True)]

    def memory(self) -> float:
        """Its resident memory in MB."""
        assert self.process is not None
        return float(psutil.Process(self.process.pid).memory_info().rss) / 1024**2

    def get(self, path: str) -> Any:
        answer = self.client.get(path)
        answer.raise_for_status()
        return answer.json()

    def mine(self) -> Any:
        """The containers of this benchmark that run; there may be others on the engine."""
        return self.get(f"/containers?state=running&label={LABEL}={self._bench.label}")

    def create(self, **body: Any) -> httpx.Response:
        """A light container, unless the body says otherwise."""
        light = {"image": self._bench.image, "pull": "never", "memory": "64m"}
        body = light | {"labels": {LABEL: self._bench.label}} | body
        return self.client.post("/containers/create", json=body)


@contextmanager
def bench(*, private: bool) -> Iterator[Bench]:
    """All that is made is removed in the end, also when the program is told to end; so are networks
    that the service made.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("told to end"))
    with private_engine(BASE_IMAGE) if private else nullcontext():
        try:
            client = docker.from_env(timeout=300)
        except DockerException as error:
            sys.exit(f"No Docker engine answers: {error}")
        if not client.images.list(BASE_IMAGE):
            sys.exit(f"Image {BASE_IMAGE} is not on the engine; scripts/run builds it.")
        before = {network.id for network in client.networks.list()}
        directory = Path(tempfile.mkdtemp(prefix="benchmark-"))
        made = Bench(client, directory)
        try:
            made.build_image()
            yield made
        finally:
            with step("clearing up"):
                made.clear()
                for network in client.networks.list():
                    ours = (network.name or "").startswith("orchestration-api-")
                    if ours and network.id not in before:
                        with suppress(APIError):
                            network.remove()
            client.close()
            shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def service(made: Bench, *, checkout: Path = ROOT, **settings: str) -> Iterator[Service]:
    started = Service(made, checkout=checkout, **settings)
    try:
        started.start()
        yield started
    finally:
        started.stop()
        started.client.close()
