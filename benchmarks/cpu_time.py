"""CPU time that an engine's processes, the service and the one who asks spend meanwhile.

It is what the scheduler has counted for each thread, in nanoseconds, user and system time together
(`/proc/PID/task/TID/schedstat`); the ticks of 10 ms in `/proc/PID/stat` say nothing about a sample
of 50 µs. A thread that ends meanwhile takes its time with it; those that are measured here go on.
"""

import socket
import struct
import time
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

# Where a containerd of the system listens; otherwise it is dockerd's child.
_CONTAINERD = "/run/containerd/containerd.sock"


@dataclass(frozen=True)
class Spent:
    """CPU seconds by group of processes, over a time."""

    seconds: float
    by: Mapping[str, float]

    def percent(self, *groups: str) -> float:
        """Of one core; of all the groups together where none is named."""
        return 100 * sum(self.by[group] for group in groups or self.by) / self.seconds


class Meter:
    """Groups of processes. One that has ended counts no longer."""

    def __init__(self, groups: Mapping[str, Iterable[psutil.Process]]) -> None:
        self._groups = {name: list(processes) for name, processes in groups.items()}

    def over(self, seconds: float) -> Spent:
        """Waits so long, and says what was spent."""
        before, began = self._read(), time.monotonic()
        time.sleep(seconds)
        after, ended = self._read(), time.monotonic()
        by = {
            name: sum(after[name][each] - before[name].get(each, 0) for each in after[name])
            for name in self._groups
        }
        return Spent(ended - began, by)

    def _read(self) -> dict[str, dict[str, float]]:
        return {
            name: {
                thread: seconds
                for process in processes
                for thread, seconds in _threads(process.pid).items()
            }
            for name, processes in self._groups.items()
        }


def _threads(pid: int) -> dict[str, float]:
    """CPU seconds of each thread of a process, by its id."""
    seconds: dict[str, float] = {}
    with suppress(OSError):  # it has ended
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with suppress(FileNotFoundError, ProcessLookupError):
                counted = (thread / "schedstat").read_text().split()[0]
                seconds[thread.name] = int(counted) / 1e9
    return seconds


def engine_processes(path: str, containers: Collection[str]) -> dict[str, list[psutil.Process]]:
    """Of the engine that listens at this socket: `dockerd`, its `containerd`, and the `shims` of
    these containers (full ids), which read their cgroup files for it.
    """
    dockerd = _dockerd(path)
    containerd = [each for each in dockerd.children() if each.name() == "containerd"]
    if not containerd:
        with suppress(OSError, psutil.NoSuchProcess):
            containerd = [psutil.Process(listener(_CONTAINERD))]
    if not containerd:
        raise SystemExit("The containerd of this engine cannot be found among the processes.")
    wanted, shims = set(containers), []
    for process in psutil.process_iter(["name", "cmdline"]):
        if (process.info["name"] or "").startswith("containerd-shim"):
            command = process.info["cmdline"] or []
            if "-id" in command[:-1] and command[command.index("-id") + 1] in wanted:
                shims.append(process)
    if len(shims) < len(wanted):
        raise SystemExit(f"Of {len(wanted)} containers, {len(shims)} shims were found.")
    return {"dockerd": [dockerd], "containerd": containerd, "shims": shims}


def listener(path: str) -> int:
    """The id of the process that listens at a socket: see SO_PEERCRED in unix(7)."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        size = struct.calcsize("3i")
        said = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    pid, _, _ = struct.unpack("3i", said)
    return int(pid)


def _dockerd(path: str) -> psutil.Process:
    """The one behind the socket; where systemd has opened that for it, the only one there is."""
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(listener(path))
        if process.name() == "dockerd":
            return process
    found = [each for each in psutil.process_iter(["name"]) if each.info["name"] == "dockerd"]
    if len(found) != 1:
        raise SystemExit(f"Which of {len(found)} dockerd listens at {path} cannot be told.")
    return found[0]
