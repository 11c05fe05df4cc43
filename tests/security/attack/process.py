"""What the service's process holds: memory and descriptors, where this machine shows them."""

import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from .target import Target

PROC = Path("/proc")
LISTENING = "0A"
# What listens for a container hands on to a service that is another process.
IN_BETWEEN = ("docker-proxy", "rootlessport", "haproxy", "nginx", "caddy", "traefik", "envoy")


@dataclass(frozen=True)
class Holds:
    """What a process holds at one moment."""

    memory: int  # bytes
    descriptors: int  # but for those of control groups, which it has for each container that runs
    threads: int
    groups: int  # those of control groups

    def __str__(self) -> str:
        return (
            f"{self.memory / (1 << 20):.1f} MB, {self.descriptors} descriptors,"
            f" {self.threads} threads and {self.groups} files of containers"
        )


def find(target: Target) -> int | None:
    """The process that listens there; None if it cannot be told, or hands on to another."""
    if target.pid is not None:
        return target.pid
    if not target.is_here:
        return None
    wanted = {f"socket:[{inode}]" for inode in _listening(target.port)}
    for folder in PROC.glob("[0-9]*"):
        with suppress(OSError):
            if wanted.intersection(str(each.readlink()) for each in (folder / "fd").iterdir()):
                between = (folder / "comm").read_text().strip() in IN_BETWEEN
                return None if between else int(folder.name)
    return None


def holds(pid: int) -> Holds:
    """Raises OSError where it is gone, or somebody else's."""
    status = (PROC / str(pid) / "status").read_text()
    numbers = dict(re.findall(r"^(VmRSS|Threads):\s+(\d+)", status, re.MULTILINE))
    opened = []
    for each in (PROC / str(pid) / "fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            opened.append(str(each.readlink()))
    groups = sum("/cgroup/" in each for each in opened)
    memory, threads = int(numbers["VmRSS"]) * 1024, int(numbers["Threads"])
    return Holds(memory, len(opened) - groups, threads, groups)


def _listening(port: int) -> set[str]:
    found = set()
    for name in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in (PROC / "net" / name).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                    found.add(fields[9])
    return found
