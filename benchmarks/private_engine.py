"""A Docker engine of a benchmark's own, in a network namespace of its own. Needs root.

It shares nothing with the machine's engine but the kernel, so it may be killed, and every port of
its host is free.
"""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .measure import step, wait_until

_CLONE_NEWNET = 0x40000000  # sched.h; os.unshare came with Python 3.12


class PrivateEngine:
    def __init__(self, root: Path) -> None:
        self.address = f"unix://{root}/engine.sock"
        self._root = root
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns once it answers."""
        self.launch()
        wait_until(self.answers, 120, f"the engine answers; its log is {self._root}/log")

    def launch(self) -> None:
        # Of a killed one; by now these numbers may be another process's.
        for stale in ("pid", "exec/containerd/containerd.pid"):
            (self._root / stale).unlink(missing_ok=True)
        command = [
            "dockerd",
            f"--host={self.address}",
            f"--config-file={self._root}/daemon.json",
            f"--data-root={self._root}/data",
            f"--exec-root={self._root}/exec",
            f"--pidfile={self._root}/pid",
            f"--containerd-namespace={self._root.name}",
            f"--containerd-plugins-namespace={self._root.name}-plugins",
            "--exec-opt=native.cgroupdriver=cgroupfs",
            f"--cgroup-parent=/{self._root.name}",
        ]
        with (self._root / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, start_new_session=True
            )

    def kill(self) -> None:
        """`kill -9` of dockerd. Its containers go on, until the next start ends them."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(30)

    def answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            sys.exit(f"dockerd ended:\n{(self._root / 'log').read_text()[-2000:]}")
        answer = subprocess.run(
            ["curl", "-sf", "--unix-socket", self.address[7:], "http://engine/_ping"],
            capture_output=True,
        )
        return answer.returncode == 0

    def load(self, image: str) -> None:
        """Copies an image from the machine's engine, the one that DOCKER_HOST gives."""
        with subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE) as saving:
            subprocess.run(
                ["docker", "--host", self.address, "load", "--quiet"],
                stdin=saving.stdout,
                stdout=subprocess.DEVNULL,
                check=True,
            )

    def remove(self) -> None:
        """Ends its containers and itself, and leaves nothing."""
        assert self._process is not None
        if self._process.poll() is not None:  # a killed one cannot clear up behind itself
            self.start()
        docker = ["docker", "--host", self.address]
        found = subprocess.run([*docker, "ps", "-aq"], capture_output=True, text=True).stdout
        if ids := found.split():
            subprocess.run([*docker, "rm", "-f", *ids], capture_output=True)
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(60)
        # Not by a glob, which fails when a group of somebody else goes meanwhile.
        for place, groups, _ in os.walk("/sys/fs/cgroup"):
            if self._root.name in groups:
                with suppress(OSError):
                    Path(place, self._root.name).rmdir()
        for _ in range(50):  # a network namespace that is still open keeps its file busy
            _unmount_below(self._root)
            shutil.rmtree(self._root, ignore_errors=True)
            if not self._root.exists():
                return
            time.sleep(0.1)
        print(f"{self._root} could not be removed", file=sys.stderr)


@contextmanager
def private_engine(image: str) -> Iterator[PrivateEngine]:
    """An engine with this image, for as long as the program runs, which is in its network
    namespace from here on; DOCKER_HOST gives it.
    """
    if why := _why_not():
        sys.exit(f"An engine of the benchmark's own cannot be had: {why}.")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET):
        sys.exit(f"No network namespace can be made: {os.strerror(ctypes.get_errno())}.")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    # Short, for the path of a socket has 107 characters at most; and a name that containerd takes
    # for a namespace, which those of tempfile, with their underscores, are not always.
    root = Path("/tmp") / f"benchmark-{uuid.uuid4().hex[:8]}"
    root.mkdir(mode=0o700)
    (root / "daemon.json").write_text("{}")
    engine = PrivateEngine(root)
    with step("starting an engine of the benchmark's own"):
        engine.start()
    try:
        engine.load(image)
        os.environ["DOCKER_HOST"] = engine.address
        yield engine
    finally:
        with step("removing the engine"):
            engine.remove()


def _why_not() -> str | None:
    if os.geteuid() != 0:
        return "it needs root"
    missing = [name for name in ("dockerd", "docker", "ip", "curl") if not shutil.which(name)]
    return f"{', '.join(missing)} is not installed" if missing else None


def _unmount_below(root: Path) -> None:
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for point in reversed(points):
        if point.startswith(f"{root}/"):
            subprocess.run(["umount", "-l", point], capture_output=True)
