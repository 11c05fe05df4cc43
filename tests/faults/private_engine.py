"""A Docker engine of the tests' own, which may be killed, frozen, starved and started again.

It shares nothing with the machine's engine: its socket, data, containerd and control groups are its
own, and it lives in a network namespace of the tests' own, so that the ports it publishes are on
this process's 127.0.0.1 and on nobody else's. Needs root.
"""

import ctypes
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import tarfile
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx

from tests.conftest import IMAGE, wait_until

PROGRAMS = ("dockerd", "containerd", "ip", "ldd", "mount", "umount", "setpriv", "unshare")
# What its containers run. As process 1 a mere `sleep` would be deaf to SIGTERM.
COMMAND = ["/bin/sh", "-c", "trap 'exit 7' TERM; while :; do sleep 3600 & wait; done"]
_CLONE_NEWNET = 0x40000000  # sched.h; os.unshare and os.setns came with Python 3.12


def why_not() -> str | None:
    """Why no private engine can run here; None when one can."""
    if os.geteuid() != 0:
        return "an engine of the tests' own needs root"
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        return f"an engine of the tests' own needs {', '.join(missing)}"
    attempt = subprocess.run(["unshare", "--net", "true"], capture_output=True, text=True)
    if attempt.returncode:
        return f"no network namespace can be made: {attempt.stderr.strip()}"
    return None


@contextmanager
def own_network() -> Iterator[None]:
    """This thread, and all processes and threads that it starts, in a network namespace apart."""
    libc = ctypes.CDLL(None, use_errno=True)

    def call(function: str, *arguments: int) -> None:
        if getattr(libc, function)(*arguments):
            raise OSError(ctypes.get_errno(), f"{function} failed")

    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        call("unshare", _CLONE_NEWNET)
        try:
            subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
            yield
        finally:
            call("setns", before, _CLONE_NEWNET)
    finally:
        os.close(before)


@contextmanager
def told_to_end() -> Iterator[None]:
    """SIGTERM, as `timeout` sends it, ends this process as Ctrl-C does: after its clean-up."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class RefusedError(Exception):
    """The engine answered with an error."""

    def __init__(self, answer: httpx.Response) -> None:
        super().__init__(f"{answer.request.method} {answer.request.url.path}: {answer.text}")
        self.status = answer.status_code


class PrivateEngine:
    """One dockerd with everything that belongs to it.

    `disk_mb` puts its data on a small disk of its own. `apart` gives it a network of its own within
    the tests', without which two engines would quarrel about one bridge. Without `proxies` it has
    no process for each port, and so is quick with very many. `init` is the path of the init process
    that it gives to containers.
    """

    def __init__(
        self,
        *,
        disk_mb: int | None = None,
        apart: bool = False,
        proxies: bool = True,
        init: str | None = None,
    ) -> None:
        # Short, for the path of a socket has 107 bytes; and a name that containerd takes.
        self.root = Path(tempfile.gettempdir()) / f"faults-{uuid.uuid4().hex[:8]}"
        self.socket = self.root / "engine.sock"
        self.address = f"unix://{self.socket}"
        self.data = self.root / "data"
        self._exec = self.root / "exec"
        self._apart = apart
        self._process: subprocess.Popen[bytes] | None = None
        # Straight to the engine, past every proxy. Not the SDK, which leaves sockets behind.
        transport = httpx.HTTPTransport(uds=str(self.socket))
        self.http = httpx.Client(transport=transport, base_url="http://engine", timeout=60)
        self.data.mkdir(parents=True)
        configuration = {"userland-proxy": proxies} | ({"init-path": init} if init else {})
        (self.root / "daemon.json").write_text(json.dumps(configuration))
        if disk_mb is not None:
            options = f"size={disk_mb}m"
            subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", self.data], check=True)

    @property
    def log(self) -> str:
        return (self.root / "log").read_text(errors="replace")

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    # Its life

    def start(self) -> float:
        """Starts it and returns the seconds until it answered. No-op when it runs."""
        if self.runs:
            return 0.0
        # What a killed one left would make the next one think that it runs already: the numbers in
        # these files may be another process's by now.
        for stale in ("dockerd.pid", "exec/containerd/containerd.pid"):
            (self.root / stale).unlink(missing_ok=True)
        began = time.monotonic()
        with (self.root / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command(), stdout=log, stderr=log, start_new_session=True
            )
        wait_until(self._answers, 60, "the private engine answers")
        return time.monotonic() - began

    def kill(self) -> None:
        """`kill -9` of dockerd, and of its containerd, which the kernel ends with it. Containers
        go on running, until the next start ends them.
        """
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            wait_until(lambda: not self._containerd(), 10, "containerd went with its dockerd")

    def freeze(self) -> None:
        """The process exists and its socket accepts connections, but nothing is answered."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)

    def restart(self) -> None:
        self.kill()
        self.start()

    def remove(self) -> None:
        """Ends the engine and its containers and leaves no process, mount or file of them."""
        self.http.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
        for group in self._control_groups():  # a paused container cannot die
            for name, thawed in (("freezer.state", "THAWED"), ("cgroup.freeze", "0")):
                with suppress(OSError):
                    if (group / name).exists():
                        (group / name).write_text(thawed)
        deadline = time.monotonic() + 20
        while (left := self._processes()) and time.monotonic() < deadline:
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)
        for mount in self._mounts():
            subprocess.run(["umount", "-l", mount], check=False)
        for group in self._control_groups():
            with suppress(OSError):
                group.rmdir()
        shutil.rmtree(self.root, ignore_errors=True)
        assert not left, f"processes of the private engine do not end: {left}"
        assert not self.root.exists(), f"{self.root} cannot be removed: {self._mounts()}"

    # What is on it

    def load_image(self, name: str = IMAGE, *, user: str = "", passwd: str | None = None) -> None:
        """The image that services clone by default, but small: it sleeps until it is told to end.
        Another one has a user, and an /etc/passwd.

        It is made of this machine's own `sh` and `sleep` with their libraries, and so costs a
        fortieth of the real one's disk and nothing of its start.
        """
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            programs = {f"bin/{name}": Path(str(shutil.which(name))) for name in ("sh", "sleep")}
            for place, path in (programs | _libraries(*programs.values())).items():
                tar.add(path.resolve(), place)
            if passwd is not None:
                entry = tarfile.TarInfo("etc/passwd")
                entry.size = len(passwd)
                tar.addfile(entry, io.BytesIO(passwd.encode()))
        repository, _, tag = name.partition(":")
        changes = [f"CMD {json.dumps(COMMAND)}", "EXPOSE 5000"]
        changes += [f"USER {user}"] if user else []
        self.call(
            "POST",
            "/images/create",
            content=archive.getvalue(),
            fromSrc="-",
            repo=repository,
            tag=tag,
            changes=changes,
        )

    def call(
        self, method: str, path: str, *, body: Any = None, content: Any = None, **parameters: Any
    ) -> Any:
        """What the engine answers; raises RefusedError when it refuses."""
        answer = self.http.request(method, path, json=body, content=content, params=parameters)
        if answer.is_error:
            raise RefusedError(answer)
        is_json = answer.headers.get("content-type") == "application/json"
        return answer.json() if is_json and path != "/images/create" else answer.text

    def containers(self) -> list[dict[str, Any]]:
        """`docker ps -a`."""
        found: list[dict[str, Any]] = self.call("GET", "/containers/json", all=True)
        return found

    def inspect(self, container: str) -> dict[str, Any]:
        """`docker inspect`."""
        found: dict[str, Any] = self.call("GET", f"/containers/{container}/json")
        return found

    def run(self, *, port: int | None = None, **options: Any) -> str:
        """`docker run -d`, with -p PORT:5000 if one is given; the id, whether it started or not.

        Raises RefusedError when it did not start.
        """
        bindings = {"5000/tcp": [{"HostPort": str(port)}]} if port is not None else {}
        body = {
            "Image": IMAGE,
            "ExposedPorts": {"5000/tcp": {}},
            "HostConfig": {"PortBindings": bindings},
        }
        container: str = self.call("POST", "/containers/create", body=body, **options)["Id"]
        self.call("POST", f"/containers/{container}/start")
        return container

    def remove_container(self, container: str) -> None:
        """`docker rm -fv`. No-op when there is none."""
        answer = self.http.delete(f"/containers/{container}", params={"force": True, "v": True})
        if answer.is_error and answer.status_code not in (404, 409):
            raise RefusedError(answer)

    def clear(self) -> None:
        """Removes every container, and every image and volume that a test made."""

        def cleared() -> bool:
            left = self.containers()
            for entry in left:
                self.remove_container(entry["Id"])
            return not left

        wait_until(cleared, 60, "all containers are removed")
        for image in self.call("GET", "/images/json"):
            if IMAGE not in (image["RepoTags"] or ()):
                self.http.delete(f"/images/{image['Id']}", params={"force": True})
        self.call("POST", "/volumes/prune")

    # Within

    def _command(self) -> list[str]:
        engine = [
            "dockerd",
            f"--host={self.address}",
            f"--config-file={self.root}/daemon.json",
            f"--data-root={self.data}",
            f"--exec-root={self._exec}",
            f"--pidfile={self.root}/dockerd.pid",
            # Where systemd runs a containerd for all, only names keep engines apart.
            f"--containerd-namespace={self.root.name}",
            f"--containerd-plugins-namespace={self.root.name}-plugins",
            "--exec-opt=native.cgroupdriver=cgroupfs",
            f"--cgroup-parent=/{self.root.name}",
        ]
        # Ends with this process, whatever ends that.
        prefix = ["setpriv", "--pdeathsig", "KILL"]
        if not self._apart:
            return prefix + engine
        within = ["sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
        return [*prefix, "unshare", "--net", *within, *engine]

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"dockerd ended:\n{self.log[-3000:]}"
        with socket.socket(socket.AF_UNIX) as probe:  # a refused one, httpx would leave open
            if probe.connect_ex(str(self.socket)):
                return False
        try:
            return self.http.get("/_ping").is_success
        except httpx.TransportError:
            return False

    def _containerd(self) -> list[int]:
        own = f"{self._exec}/containerd/containerd.toml"
        return [pid for pid, command in _commands() if own in command]

    def _processes(self) -> set[int]:
        """dockerd, containerd, shims and proxies by their arguments, containers by their groups."""
        named = {pid for pid, command in _commands() if str(self.root) in command}
        grouped = {
            int(pid)
            for group in self._control_groups()
            for pid in _read(group / "cgroup.procs").split()
        }
        return (named | grouped) - {os.getpid()}

    def _control_groups(self) -> list[Path]:
        """The deepest first, so that they can be removed in this order."""
        roots = [
            *Path("/sys/fs/cgroup").glob(f"*/{self.root.name}"),
            *Path("/sys/fs/cgroup").glob(self.root.name),
        ]
        # Not by a glob, which fails when a group goes meanwhile.
        found = [Path(place) for root in roots for place, _, _ in os.walk(root)]
        return sorted(found, key=lambda path: len(path.parts), reverse=True)

    def _mounts(self) -> list[str]:
        """Those within its directory, the innermost first."""
        points = [line.split()[4] for line in _read(Path("/proc/self/mountinfo")).splitlines()]
        return [point for point in points if point.startswith(f"{self.root}/")][::-1]


def _commands() -> Iterator[tuple[int, str]]:
    for directory in Path("/proc").iterdir():
        if directory.name.isdigit():
            yield int(directory.name), _read(directory / "cmdline").replace("\0", " ")


def _read(path: Path) -> str:
    """The text of a file; nothing when it has just gone."""
    with suppress(OSError):
        return path.read_text(errors="replace")
    return ""


def _libraries(*programs: Path) -> dict[str, Path]:
    """The shared libraries of programs, by their names in an archive."""
    output = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=True).stdout
    found = {word for word in output.split() if word.startswith("/") and word[-1] != ":"}
    return {path.lstrip("/"): Path(path) for path in found}
