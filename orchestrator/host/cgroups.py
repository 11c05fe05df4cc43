"""Reads what containers use from the kernel's files, in 30 µs a sample; the engine is not asked.

A container's processes are in a control group (cgroups(7)) whose directory is called by the
container's id, in one tree (cgroup v2) or in one for each controller (v1). Where in the tree, is
the engine's business: `docker/ID` with the cgroupfs driver, `system.slice/docker-ID.scope` with
systemd's, and wherever `--cgroup-parent` says. So a place that is not known is looked for once, and
others are tried at places like it first. Network traffic is in `/proc/PID/net/dev` of any process
of the container.

A container is None where its files cannot be read completely: its engine is on another host, the
host's files are not mounted here, or it has just ended. Nothing here is asynchronous: a reader
belongs to one thread, which it blocks for as long as the kernel takes.
"""

import logging
import os
import re
import time
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ..models import Container, Sample
from .cgroup_files import (
    FILES_V1,
    FILES_V2,
    HostCpuTime,
    parse_host_cpu,
    parse_interfaces,
    parse_v1,
    parse_v2,
)
from .open_files import files_allowed

log = logging.getLogger(__name__)

# Where engines put the groups of containers by default, with the drivers cgroupfs and systemd.
_ID = "{id}"
DEFAULT_PLACES = (f"docker/{_ID}", f"system.slice/docker-{_ID}.scope")
# How many other places are remembered, for each container that is new may be looked for at all.
KNOWN_PLACES = 16
# Seconds between two searches of the whole tree for containers that are at no known place.
SEARCH_SECONDS = 10.0
# How deep such a search goes. A rootless engine's groups are six levels down.
SEARCH_DEPTH = 10

_GROUP_NAME = re.compile(r"(?:docker-|libpod-)?([0-9a-f]{64})(?:\.scope)?")


class CgroupReader:
    """Reads containers' samples below `cgroup_root` (/sys/fs/cgroup) and `proc_root` (/proc).

    Files are kept open, which saves three quarters of the time, up to what the process's limit of
    open files allows; `keep` closes those of containers that are gone. Close it in the end.
    """

    def __init__(self, cgroup_root: Path, proc_root: Path) -> None:
        self._proc = proc_root
        self._bases = _bases(cgroup_root)
        self._places: deque[str] = deque(maxlen=KNOWN_PLACES)
        self._searched = -SEARCH_SECONDS
        self._open: dict[str, _Group] = {}
        self._files_allowed = files_allowed()
        self._memory = _host_memory(proc_root)

    @property
    def version(self) -> int | None:
        """The version of control groups here, 1 or 2; None where there are none to read."""
        if not self._bases:
            return None
        return 2 if "" in self._bases else 1

    @property
    def open_files(self) -> int:
        """How many files it keeps open."""
        return sum(len(group.files) for group in self._open.values())

    def read(self, containers: Sequence[Container]) -> list[Sample | None]:
        """Returns a sample of each container that runs, in order; None where it cannot be had."""
        if not self._bases or not containers:
            return [None] * len(containers)
        try:
            host = parse_host_cpu(_read_path(self._proc / "stat"))
        except (OSError, ValueError):
            return [None] * len(containers)
        return [self._sample(container, host) for container in containers]

    def keep(self, ids: Collection[str]) -> None:
        """Closes the files of all containers but these, by full id. An open file of a network
        namespace keeps it alive, so this must be called when containers end.
        """
        for full_id in [each for each in self._open if each not in ids]:
            self._open.pop(full_id).close()

    def close(self) -> None:
        """Closes all files."""
        self.keep(())

    def _sample(self, container: Container, host: HostCpuTime) -> Sample | None:
        group = self._open.get(container.full_id)
        if group is not None:
            if group.pid == container.pid and (sample := self._read(group, container, host)):
                return sample
            # It has ended, or was started again: then its group is another one of the same name.
            self._open.pop(container.full_id).close()
        group = self._find(container)
        if group is None:
            return None
        sample = self._read(group, container, host)
        if sample is not None and self.open_files + len(group.files) <= self._files_allowed:
            self._open[container.full_id] = group
        else:
            group.close()
        return sample

    def _read(self, group: "_Group", container: Container, host: HostCpuTime) -> Sample | None:
        parse = parse_v2 if self.version == 2 else parse_v1
        limit = container.limits.memory
        try:
            texts = {name: _read(file) for name, file in group.files.items()}
            sample = parse(
                texts,
                host=host,
                at=time.time(),
                networks=parse_interfaces(texts["network"]) if "network" in texts else None,
                memory_limit=min(limit, self._memory) if limit and self._memory else self._memory,
            )
        except OSError:  # ENODEV: the group is gone
            return None
        except (ValueError, IndexError):  # no file of a kernel that is known here
            log.warning("The control group of %s cannot be understood", container.id, exc_info=True)
            return None
        # Of a container that is being started again, the group is there before its process.
        return None if sample.pids == 0 else sample

    # Where the files are

    def _find(self, container: Container) -> "_Group | None":
        """Opens the files of a container's group; None if any of what there must be is not
        there.
        """
        place = self._place_of(container.full_id)
        if place is None:
            return None
        group = _Group(container.pid)
        for name, (controller, file) in (FILES_V2 if "" in self._bases else FILES_V1).items():
            base = self._bases.get(controller)
            if base is not None:
                with suppress(OSError):  # a controller that is off: not known
                    group.open(name, base / place / file)
        with suppress(OSError):
            # What goes over the host's own network is not the container's alone.
            if container.pid and "host" not in container.networks:
                group.open("network", self._proc / str(container.pid) / "net/dev")
        complete = "cpu" in group.files and (
            "network" in group.files or not _ought_to_have_network(container)
        )
        if complete and self._is_process_of(container, place):
            return group
        group.close()
        return None

    def _place_of(self, full_id: str) -> str | None:
        """Finds the directory of a container's group, below that of any controller."""
        base = self._bases.get("") or self._bases.get("cpuacct")
        if base is None:
            return None
        for place in (*DEFAULT_PLACES, *self._places):
            if (base / (found := place.replace(_ID, full_id))).is_dir():
                return found
        if time.monotonic() - self._searched < SEARCH_SECONDS:
            return None
        self._searched = time.monotonic()
        found_place = dict(_groups_below(base, "", SEARCH_DEPTH)).get(full_id)
        if found_place is not None:
            self._places.append(found_place.replace(full_id, _ID))  # the oldest is forgotten
        return found_place

    def _is_process_of(self, container: Container, place: str) -> bool:
        """Tells whether the process that the engine names is this container's, here. A number may
        be another process's by now, or, in another namespace of processes, always have been.
        """
        if not container.pid:
            return not _ought_to_have_network(container)
        try:
            groups = _read_path(self._proc / str(container.pid) / "cgroup")
        except OSError:
            return not _ought_to_have_network(container)
        return container.full_id.encode() in groups or self._is_our_own(place, groups)

    def _is_our_own(self, place: str, groups: bytes) -> bool:
        """Tells whether this process is in the group at `place`, and so is one that is in `groups`,
        as /proc/PID/cgroup tells it. What is in our own container is told without the container's
        id where control groups have a namespace (cgroup_namespaces(7)), as engines make one on v2.
        """
        base = self._bases.get("") or self._bases["cpuacct"]
        try:
            members = _read_path(base / place / "cgroup.procs").split()
            ours = _read_path(self._proc / "self/cgroup")
        except OSError:
            return False
        return groups == ours and str(os.getpid()).encode() in members


@dataclass
class _Group:
    """Holds the open files of one run of a container."""

    pid: int | None
    files: dict[str, int] = field(default_factory=dict)

    def open(self, name: str, path: Path) -> None:
        self.files[name] = os.open(path, os.O_RDONLY)

    def close(self) -> None:
        for file in self.files.values():
            os.close(file)
        self.files.clear()


def _ought_to_have_network(container: Container) -> bool:
    return bool(container.networks) and not {"host", "none"} & set(container.networks)


def _bases(root: Path) -> dict[str, Path]:
    """Finds the directory of each controller needed; of cgroup v2, the one directory as ""."""
    if (root / "cgroup.controllers").exists():
        return {"": root}
    bases: dict[str, Path] = {}
    with suppress(OSError):
        for entry in sorted(root.iterdir()):
            for controller in entry.name.split(","):  # "cpu,cpuacct" is both
                if any(controller == needed for needed, _ in FILES_V1.values()):
                    bases.setdefault(controller, entry)
    return bases if "cpuacct" in bases else {}


def _groups_below(base: Path, place: str, depth: int) -> Iterator[tuple[str, str]]:
    """Yields each container's id and directory below `base`. Not the groups within containers."""
    below: list[str] = []
    try:
        with os.scandir(base / place) as entries:
            for entry in entries:
                if not entry.is_dir(follow_symlinks=False):
                    continue
                path = f"{place}/{entry.name}" if place else entry.name
                if match := _GROUP_NAME.fullmatch(entry.name):
                    yield match[1], path
                elif depth > 1:
                    below.append(path)
    except OSError:  # gone meanwhile, or not ours to read
        return
    for path in below:
        yield from _groups_below(base, path, depth - 1)


def _host_memory(proc_root: Path) -> int | None:
    try:
        words = _read_path(proc_root / "meminfo").split()
        return int(words[1]) * 1024 if words[0] == b"MemTotal:" else None
    except (OSError, ValueError, IndexError):
        return None


def _read(file: int) -> bytes:
    """Reads a whole file of the kernel, whose text is made anew when it is read from the start.

    One of several records, such as the lines of net/dev, comes in pieces of a page at most.
    """
    os.lseek(file, 0, os.SEEK_SET)
    text = os.read(file, 65536)
    if len(text) > 2048:
        while more := os.read(file, 65536):
            text += more
    return text


def _read_path(path: Path) -> bytes:
    return path.read_bytes()
