"""What containers use, read from the kernel's files: 30 µs a sample, and the engine is not asked.

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

import os
import re
import resource
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from .models import Container, InterfaceCounters
from .stats import Sample, without_cache

# Where engines put the groups of containers by default, with the drivers cgroupfs and systemd.
DEFAULT_PLACES = ("docker/{id}", "system.slice/docker-{id}.scope")
# Seconds between two searches of the whole tree for containers that are at no known place.
SEARCH_SECONDS = 10.0
# How deep such a search goes. A rootless engine's groups are six levels down.
SEARCH_DEPTH = 10

# Of a limit on open files, what is left to everything else: sockets of callers and of the engine.
RESERVED_FILES = 1024

# What the kernel makes in each network namespace by itself, if it has these tunnels built in.
_FALLBACK_TUNNELS = frozenset(
    ("tunl0", "sit0", "gre0", "gretap0", "erspan0", "ip_vti0", "ip6_vti0", "ip6tnl0", "ip6gre0")
)
_GROUP_NAME = re.compile(r"(?:docker-|libpod-)?([0-9a-f]{64})(?:\.scope)?")
_TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")

# What a sample is made of: file names by what they say, in the directory of a controller (v1).
_FILES_V1 = {
    "cpu": ("cpuacct", "cpuacct.usage"),
    "throttling": ("cpu", "cpu.stat"),
    "memory": ("memory", "memory.usage_in_bytes"),
    "memory_stat": ("memory", "memory.stat"),
    "oom": ("memory", "memory.oom_control"),
    "blocks": ("blkio", "blkio.throttle.io_service_bytes_recursive"),
    "pids": ("pids", "pids.current"),
}
_FILES_V2 = {
    "cpu": ("", "cpu.stat"),
    "memory": ("", "memory.current"),
    "memory_stat": ("", "memory.stat"),
    "swap": ("", "memory.swap.current"),
    "oom": ("", "memory.events"),
    "blocks": ("", "io.stat"),
    "pids": ("", "pids.current"),
}


@dataclass(frozen=True)
class HostCpu:
    """CPU time of the host, as the engine counts it for its statistics."""

    ns: int  # of all CPUs together: user, nice, system, idle, iowait, irq, softirq; not stolen time
    cpus: int


class CgroupReader:
    """Reads containers' samples below `cgroup_root` (/sys/fs/cgroup) and `proc_root` (/proc).

    Files are kept open, which saves three quarters of the time, up to what the process's limit of
    open files allows; `keep` closes those of containers that are gone. Close it in the end.
    """

    def __init__(self, cgroup_root: Path, proc_root: Path) -> None:
        self._proc = proc_root
        self._bases = _bases(cgroup_root)
        self._places = list(DEFAULT_PLACES)
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
        return sum(len(group.files) for group in self._open.values())

    def read(self, containers: Sequence[Container]) -> list[Sample | None]:
        """A sample of each container that runs, in order; None where it cannot be had."""
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
        self.keep(())

    def _sample(self, container: Container, host: HostCpu) -> Sample | None:
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

    def _read(self, group: "_Group", container: Container, host: HostCpu) -> Sample | None:
        try:
            texts = {name: _read(file) for name, file in group.files.items()}
        except OSError:  # ENODEV: the group is gone
            return None
        parse = _parse_v2 if self.version == 2 else _parse_v1
        limit = container.limits.memory
        sample = parse(
            texts,
            host=host,
            at=time.time(),
            networks=parse_interfaces(texts["network"]) if "network" in texts else None,
            memory_limit=min(limit, self._memory) if limit and self._memory else self._memory,
        )
        # Of a container that is being started again, the group is there before its process.
        return None if sample.pids == 0 else sample

    # Where the files are

    def _find(self, container: Container) -> "_Group | None":
        """The group of a container with its files open, or None if any of what there must be is
        not there.
        """
        place = self._place_of(container.full_id)
        if place is None:
            return None
        group = _Group(container.pid)
        for name, (controller, file) in (_FILES_V2 if "" in self._bases else _FILES_V1).items():
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
        """The directory of a container's group, below that of any controller."""
        base = self._bases.get("") or self._bases.get("cpuacct")
        if base is None:
            return None
        for place in self._places:
            if (base / (found := place.format(id=full_id))).is_dir():
                return found
        if time.monotonic() - self._searched < SEARCH_SECONDS:
            return None
        self._searched = time.monotonic()
        places = dict(_groups_below(base, "", SEARCH_DEPTH))
        for found_id, found in places.items():
            place = found.replace(found_id, "{id}")
            if place not in self._places:
                self._places.append(place)
        return places.get(full_id)

    def _is_process_of(self, container: Container, place: str) -> bool:
        """Whether the process that the engine names is one of this container, here. A number may
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
        """Whether this process is in the group at `place`, and so is one that is in `groups`, as
        /proc/PID/cgroup tells it. What is in our own container is told without the container's id
        where control groups have a namespace (cgroup_namespaces(7)), as engines make one on v2.
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
    """The open files of one run of a container."""

    pid: int | None
    files: dict[str, int] = field(default_factory=dict)

    def open(self, name: str, path: Path) -> None:
        self.files[name] = os.open(path, os.O_RDONLY)

    def close(self) -> None:
        for file in self.files.values():
            os.close(file)
        self.files.clear()


def allow_more_files() -> None:
    """Raises this process's limit of open files as far as it may go."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        with suppress(ValueError, OSError):  # macOS allows less than it says
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def files_allowed() -> int:
    """How many files a reader may keep open; 0 where the limit leaves no room for that."""
    return max(0, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - RESERVED_FILES)


def parse_host_cpu(text: bytes) -> HostCpu:
    """From /proc/stat (proc(5)), as getSystemCPUUsage of the engine adds it up
    (daemon/stats_unix.go): seven fields, without stolen time. ValueError when it is something else.
    """
    lines = text.split(b"\n", 4096)
    fields = lines[0].split()
    if len(fields) < 8 or fields[0] != b"cpu":
        raise ValueError("not /proc/stat")
    cpus = sum(1 for line in lines[1:] if line.startswith(b"cpu"))
    return HostCpu(sum(map(int, fields[1:8])) * _TICK_NS, cpus)


def parse_interfaces(text: bytes) -> dict[str, InterfaceCounters] | None:
    """From /proc/PID/net/dev (proc(5)), without the loopback; None when there is no other."""
    found: dict[str, InterfaceCounters] = {}
    for line in text.splitlines()[2:]:
        name, _, rest = line.partition(b":")
        interface = name.strip().decode("ascii", "replace")
        if interface == "lo" or interface in _FALLBACK_TUNNELS:
            continue
        counters = [int(number) for number in rest.split()]
        found[interface] = InterfaceCounters(
            rx_bytes=counters[0],
            rx_packets=counters[1],
            rx_errors=counters[2],
            rx_dropped=counters[3],
            tx_bytes=counters[8],
            tx_packets=counters[9],
            tx_errors=counters[10],
            tx_dropped=counters[11],
        )
    return found or None


def _parse_v1(
    texts: dict[str, bytes],
    *,
    host: HostCpu,
    at: float,
    networks: dict[str, InterfaceCounters] | None,
    memory_limit: int | None,
) -> Sample:
    """The kernel's Documentation/admin-guide/cgroup-v1. `total_` is with the groups below."""
    throttling, memory = texts.get("throttling", b""), texts.get("memory_stat", b"")
    used, cache = _number(texts.get("memory")), _field(memory, b"total_inactive_file")
    return Sample(
        at=at,
        source="cgroup-v1",
        cpu_ns=_number(texts["cpu"]),
        host_cpu_ns=host.ns,
        cpus=host.cpus,
        cpu_periods=_field(throttling, b"nr_periods"),
        cpu_throttled_periods=_field(throttling, b"nr_throttled"),
        cpu_throttled_ns=_field(throttling, b"throttled_time"),
        memory_total=used,
        memory=without_cache(used, cache),
        memory_cache=cache,
        memory_rss=_field(memory, b"total_rss"),
        memory_page_cache=_field(memory, b"total_cache"),
        memory_swap=_field(memory, b"total_swap"),
        memory_limit=memory_limit,
        oom_kills=_field(texts.get("oom", b""), b"oom_kill"),
        networks=networks,
        block_read=_device_sum_v1(texts.get("blocks"), b"Read"),
        block_write=_device_sum_v1(texts.get("blocks"), b"Write"),
        pids=_number(texts.get("pids")),
    )


def _parse_v2(
    texts: dict[str, bytes],
    *,
    host: HostCpu,
    at: float,
    networks: dict[str, InterfaceCounters] | None,
    memory_limit: int | None,
) -> Sample:
    """The kernel's Documentation/admin-guide/cgroup-v2. Its times are in µs."""
    cpu, memory = texts["cpu"], texts.get("memory_stat", b"")
    used, cache = _number(texts.get("memory")), _field(memory, b"inactive_file")
    return Sample(
        at=at,
        source="cgroup-v2",
        cpu_ns=_times(_field(cpu, b"usage_usec"), 1000),
        host_cpu_ns=host.ns,
        cpus=host.cpus,
        # Absent where the controller is off, and with it every limit.
        cpu_periods=_field(cpu, b"nr_periods"),
        cpu_throttled_periods=_field(cpu, b"nr_throttled"),
        cpu_throttled_ns=_times(_field(cpu, b"throttled_usec"), 1000),
        memory_total=used,
        memory=without_cache(used, cache),
        memory_cache=cache,
        memory_rss=_field(memory, b"anon"),
        memory_page_cache=_field(memory, b"file"),
        memory_swap=_number(texts.get("swap")),
        memory_limit=memory_limit,
        oom_kills=_field(texts.get("oom", b""), b"oom_kill"),
        networks=networks,
        block_read=_device_sum_v2(texts.get("blocks"), b"rbytes="),
        block_write=_device_sum_v2(texts.get("blocks"), b"wbytes="),
        pids=_number(texts.get("pids")),
    )


def _number(text: bytes | None) -> int | None:
    return int(text) if text else None


def _times(value: int | None, factor: int) -> int | None:
    return None if value is None else value * factor


def _field(text: bytes, name: bytes) -> int | None:
    """A value of a file of lines "name value", without reading all others."""
    key = name + b" "
    begin = 0 if text.startswith(key) else text.find(b"\n" + key) + 1
    if begin == 0 and not text.startswith(key):
        return None
    begin += len(key)
    end = text.find(b"\n", begin)
    return int(text[begin : end if end >= 0 else len(text)])


def _device_sum_v1(text: bytes | None, operation: bytes) -> int | None:
    """Over the lines "8:0 Read 4096". Kernels that do not count list no device, as for a container
    that did nothing: that is not known.
    """
    if not text:
        return None
    rows = [row for row in map(bytes.split, text.splitlines()) if len(row) == 3]
    return sum(int(row[2]) for row in rows if row[1] == operation) if rows else None


def _device_sum_v2(text: bytes | None, key: bytes) -> int | None:
    """Over the lines "8:0 rbytes=4096 wbytes=0 …". A device that was not used has none."""
    if text is None:
        return None
    return sum(
        int(word[len(key) :])
        for line in text.splitlines()
        for word in line.split()
        if word.startswith(key)
    )


def _ought_to_have_network(container: Container) -> bool:
    return bool(container.networks) and not {"host", "none"} & set(container.networks)


def _bases(root: Path) -> dict[str, Path]:
    """The directory of each controller that is needed; of cgroup v2, the one directory as ""."""
    if (root / "cgroup.controllers").exists():
        return {"": root}
    bases: dict[str, Path] = {}
    with suppress(OSError):
        for entry in sorted(root.iterdir()):
            for controller in entry.name.split(","):  # "cpu,cpuacct" is both
                if any(controller == needed for needed, _ in _FILES_V1.values()):
                    bases.setdefault(controller, entry)
    return bases if "cpuacct" in bases else {}


def _groups_below(base: Path, place: str, depth: int) -> Iterator[tuple[str, str]]:
    """Every container's id, and its directory, below `base`. Not the groups within containers."""
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
    """The whole text of a file of the kernel, which is made anew when it is read from the start.

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
