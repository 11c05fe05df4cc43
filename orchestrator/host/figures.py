"""Reads what the host uses from the kernel's files, and tells whose figures those are. Takes 1 ms.

A container has a /proc of its own, in which some files still speak of the whole host and others do
not. /proc/stat, meminfo, loadavg and uptime are the host's, unless something like lxcfs is mounted
over them. Network traffic is that of a network namespace: with the host's /proc mounted somewhere
(PROC_ROOT), `1/net/dev` in it is the host's, and may be read without any privilege. So each figure
comes with its scope, and where that cannot be found out it is "container": nothing is said to be
the host's that may not be.

Where there is no /proc (macOS) psutil does the job.
"""

import logging
import re
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import psutil

from ..models import FigureScope

log = logging.getLogger(__name__)

OWN_PROC = Path("/proc")
# The interfaces without hardware, of the network namespace that /sys was mounted in.
_WITHOUT_HARDWARE = Path("/sys/devices/virtual/net")

# The numbers of the kernel's first namespaces: include/uapi/linux/nsfs.h; before it had them, they
# were the same in include/linux/proc_ns.h.
_FIRST_UTS_NAMESPACE = "uts:[4026531838]"
_FIRST_PID_NAMESPACE = "pid:[4026531836]"

# Interfaces whose traffic another one has carried already, or that never leaves the host, by the
# names that the kernel and those who make them give: loopback; bridges and the ends of containers
# and virtual machines in them; tunnels; what joins others (bond, team) or divides one (eth0.7).
_CARRIED_BY_OTHERS = re.compile(
    r"lo\d*|br\d+|.+\.\d+"
    r"|(docker|br-|veth|podman|cni|cali|cilium|flannel|kube|lxc|lxd|virbr|vnet|bridge|ovs"
    r"|tun|tap|utun|wg|tailscale|zt|vxlan|geneve|gre|erspan|sit|gif|stf|ip6tnl|ip_vti|ip6_vti"
    r"|bond|team|ifb|dummy|nlmon).*"
)
# A line of /proc/net/dev (proc(5)): bytes received are the first number, bytes sent the ninth. Not
# a container's end of a bridge, of which there may be a thousand.
_INTERFACE = re.compile(
    r"^ *(?!veth)(?P<name>[^\s:]+): *(?P<rx>\d+)(?: +\d+){7} +(?P<tx>\d+)", re.MULTILINE
)


class Traffic(NamedTuple):
    """Counts the bytes of an interface since the interface was made."""

    rx: int
    tx: int


@dataclass(frozen=True)
class Scopes:
    """Tells whose each figure is: the host's, or those of the container around this process."""

    hostname: FigureScope = "host"
    cpu: FigureScope = "host"
    memory: FigureScope = "host"
    disk: FigureScope = "host"
    network: FigureScope = "host"
    uptime: FigureScope = "host"


class Memory(NamedTuple):
    """Holds bytes of memory. `available` is what programs can get: what is free, and caches."""

    total: int
    available: int


class Disk(NamedTuple):
    """Holds bytes of a disk. `used` and `free` make less than `total` if some is kept for root."""

    path: str
    total: int
    used: int
    free: int
    percent: float


class CpuTimes(NamedTuple):
    """Holds the time of all CPUs since the start, in any unit: only shares are made of it."""

    busy: float
    total: float


@dataclass(frozen=True)
class Reading:
    """Holds what was read of the host at one moment."""

    at: float  # seconds since 1970
    clock: float  # seconds of time.monotonic, for intervals
    hostname: str
    cpu: CpuTimes
    cpus: int
    load: tuple[float, float, float]  # over 1, 5 and 15 minutes
    memory: Memory
    disk: Disk
    networks: Mapping[str, Traffic]  # by interface, those that count
    uptime: float  # seconds
    scopes: Scopes


def find_reader(proc_root: Path) -> Callable[[], Reading]:
    """Returns what reads the host: from the files below `proc_root`; where they cannot be read,
    from this process's own; where there are none, with psutil.
    """
    for root in (proc_root, OWN_PROC):
        files = HostFiles(root)
        try:
            files.read()
        except (OSError, ValueError, LookupError):
            if root != OWN_PROC:
                log.warning("PROC_ROOT=%s is no /proc that can be read; using %s", root, OWN_PROC)
        else:
            return files.read
    return read_with_psutil


class HostFiles:
    """Reads the files below `root`, the host's /proc or this process's own.

    Reading raises OSError, and ValueError or LookupError when the files are not the kernel's.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    @cached_property
    def scopes(self) -> Scopes:
        """Whose the figures are; found out once, for it does not change while a process runs."""
        mounts = (OWN_PROC / "self/mountinfo").read_text()
        covered = mount_points(mounts)

        def unless_covered(*names: str) -> FigureScope:
            paths = {str(self._root.resolve() / name) for name in names}
            return "container" if paths & covered else "host"

        return Scopes(
            hostname=_scope(_link("self/ns/uts") == _FIRST_UTS_NAMESPACE),
            cpu=unless_covered("stat", "loadavg"),
            memory=unless_covered("meminfo"),
            disk=_scope(self._has_the_hosts_root(mounts)),
            network=_scope(self._shows_the_host or self._shares_the_hosts_network()),
            uptime=unless_covered("uptime"),
        )

    def read(self) -> Reading:
        """Reads all of them, as they are now."""
        at, clock = _now(), time.monotonic()
        cpu, cpus = parse_cpu(self._text("stat"))
        return Reading(
            at=at,
            clock=clock,
            hostname=socket.gethostname(),
            cpu=cpu,
            cpus=cpus,
            load=parse_load(self._text("loadavg")),
            memory=parse_meminfo(self._text("meminfo")),
            disk=_disk(),
            networks=parse_traffic(self._network.read_text(), self._without_hardware),
            uptime=float(self._text("uptime").split()[0]),
            scopes=self.scopes,
        )

    def _text(self, name: str) -> str:
        return (self._root / name).read_text()

    @cached_property
    def _shows_the_host(self) -> bool:
        """Tells whether the processes here are the host's: only there are the kernel's own seen."""
        try:
            return self._text("2/comm") == "kthreadd\n"
        except OSError:
            return False

    @cached_property
    def _network(self) -> Path:
        """The traffic of the first process's network; of our own where that may not be seen."""
        first = self._root / "1/net/dev"
        try:
            first.read_bytes()
        except OSError:
            return OWN_PROC / "self/net/dev"
        return first

    @cached_property
    def _is_own_network(self) -> bool:
        """Each network has a file of its own, whose number is the same in every /proc. (To compare
        the namespaces themselves takes the right to trace the other process.)
        """
        return self._network.stat().st_ino == (OWN_PROC / "self/net/dev").stat().st_ino

    def _shares_the_hosts_network(self) -> bool:
        """Some settings of the kernel are shown in its first network namespace only."""
        return self._is_own_network and (OWN_PROC / "sys/net/core/netdev_max_backlog").exists()

    def _has_the_hosts_root(self, mounts: str) -> bool:
        """Tells whether `/` is the same here as for the host's first process."""
        if not self._shows_the_host:  # in a container, or not allowed to look at others' processes
            return _link("self/ns/pid") == _FIRST_PID_NAMESPACE
        try:
            return root_file_system(mounts) == root_file_system(self._text("1/mountinfo"))
        except OSError:
            return False

    def _without_hardware(self, interface: str) -> bool:
        return self._is_own_network and (_WITHOUT_HARDWARE / interface).exists()


def read_with_psutil() -> Reading:
    """Reads the host where there is no /proc, and no containers that share a kernel with it."""
    times, memory = psutil.cpu_times(), psutil.virtual_memory()
    now, interfaces = _now(), psutil.net_io_counters(pernic=True)
    # Where there are such times, guests' are part of user time, and nobody is busy who waits.
    guests = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)
    waiting = times.idle + getattr(times, "iowait", 0.0)
    total = sum(times) - guests
    return Reading(
        at=now,
        clock=time.monotonic(),
        hostname=socket.gethostname(),
        cpu=CpuTimes(total - waiting, total),
        cpus=psutil.cpu_count() or 1,
        load=psutil.getloadavg(),
        memory=Memory(memory.total, memory.available),
        disk=_disk(),
        networks={
            name: Traffic(counters.bytes_recv, counters.bytes_sent)
            for name, counters in interfaces.items()
            if not _CARRIED_BY_OTHERS.fullmatch(name)
        },
        uptime=now - psutil.boot_time(),
        scopes=Scopes(),
    )


def parse_cpu(text: str) -> tuple[CpuTimes, int]:
    """Reads the times of all CPUs, and how many there are, from /proc/stat (proc(5)).

    Stolen time counts as busy, for nobody else here can have it. Guests' time is part of user time.
    """
    lines = text.splitlines()
    if not lines[0].startswith("cpu "):
        raise ValueError("not /proc/stat")
    user, nice, system, idle, iowait, *rest = (int(number) for number in lines[0].split()[1:9])
    busy = user + nice + system + sum(rest)
    return CpuTimes(busy, busy + idle + iowait), sum(line.startswith("cpu") for line in lines[1:])


def parse_load(text: str) -> tuple[float, float, float]:
    """Reads the load over 1, 5 and 15 minutes from /proc/loadavg."""
    one, five, fifteen = (float(number) for number in text.split()[:3])
    return one, five, fifteen


def parse_meminfo(text: str) -> Memory:
    """Reads the memory from /proc/meminfo, whose kB are 1024 bytes."""
    kilobytes = {name: int(rest.split()[0]) for name, _, rest in _partitioned(text.splitlines())}
    return Memory(kilobytes["MemTotal"] * 1024, kilobytes["MemAvailable"] * 1024)


def parse_traffic(text: str, without_hardware: Callable[[str], bool]) -> dict[str, Traffic]:
    """Reads what left and reached the machine, by interface, from /proc/net/dev.

    A packet to a container is seen by three interfaces: the network card, the bridge, and the
    container's end of it. Only the first counts. Left out are the names of `_CARRIED_BY_OTHERS`,
    then what has no hardware; in a container no interface has any, and only names decide.
    """
    rows = {
        match["name"]: Traffic(rx=int(match["rx"]), tx=int(match["tx"]))
        for match in _INTERFACE.finditer(text)
        if not _CARRIED_BY_OTHERS.fullmatch(match["name"])
    }
    with_hardware = {name: each for name, each in rows.items() if not without_hardware(name)}
    return with_hardware or rows


def mount_points(mountinfo: str) -> set[str]:
    """Returns where something is mounted, from /proc/PID/mountinfo (proc(5))."""
    return {_unescaped(line.split()[4]) for line in mountinfo.splitlines()}


def root_file_system(mountinfo: str) -> tuple[str, str] | None:
    """Returns the device and the directory on it that is `/`: the last mounted there is on top."""
    found = None
    for _, _, device, directory, place, *_ in map(str.split, mountinfo.splitlines()):
        if place == "/":
            found = device, directory
    return found


def _partitioned(lines: Iterable[str]) -> Iterable[tuple[str, str, str]]:
    for line in lines:
        name, colon, rest = line.partition(":")
        yield name.strip(), colon, rest


def _unescaped(path: str) -> str:
    """Space, tab, newline and backslash are octal in mountinfo."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), path)


def _scope(hosts: bool) -> FigureScope:
    return "host" if hosts else "container"


def _link(name: str) -> str | None:
    try:
        return str((OWN_PROC / name).readlink())
    except OSError:
        return None


def _now() -> float:
    """In whole microseconds, as answers tell it: what is later than the last one told is new."""
    return round(time.time(), 6)


def _disk() -> Disk:
    usage = psutil.disk_usage("/")
    return Disk("/", usage.total, usage.used, usage.free, usage.percent)
