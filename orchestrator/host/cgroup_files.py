"""Makes a sample out of the texts of the kernel's files about a container. Pure.

A sample of a container is made of a few small files of its control group, which are called
otherwise in the two versions, and of its /proc/PID/net/dev. What a file that is absent would have
said is not known.
"""

import os
from dataclasses import dataclass

from ..models import InterfaceCounters, Sample, without_cache

# What the kernel makes in each network namespace by itself, if it has these tunnels built in.
_FALLBACK_TUNNELS = frozenset(
    ("tunl0", "sit0", "gre0", "gretap0", "erspan0", "ip_vti0", "ip6_vti0", "ip6tnl0", "ip6gre0")
)
_TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


# What a sample is made of: file names by what they say, in the directory of a controller (v1).
FILES_V1 = {
    "cpu": ("cpuacct", "cpuacct.usage"),
    "throttling": ("cpu", "cpu.stat"),
    "memory": ("memory", "memory.usage_in_bytes"),
    "memory_stat": ("memory", "memory.stat"),
    "oom": ("memory", "memory.oom_control"),
    "blocks": ("blkio", "blkio.throttle.io_service_bytes_recursive"),
    "pids": ("pids", "pids.current"),
}
FILES_V2 = {
    "cpu": ("", "cpu.stat"),
    "memory": ("", "memory.current"),
    "memory_stat": ("", "memory.stat"),
    "swap": ("", "memory.swap.current"),
    "oom": ("", "memory.events"),
    "blocks": ("", "io.stat"),
    "pids": ("", "pids.current"),
}


@dataclass(frozen=True)
class HostCpuTime:
    """Holds the CPU time of the host, as the engine counts it for its statistics."""

    ns: int  # of all CPUs together: user, nice, system, idle, iowait, irq, softirq; not stolen time
    cpus: int


def parse_host_cpu(text: bytes) -> HostCpuTime:
    """Reads the CPU time from /proc/stat (proc(5)), as getSystemCPUUsage of the engine adds it up
    (daemon/stats_unix.go): seven fields, without stolen time. ValueError when it is something else.
    """
    lines = text.split(b"\n", 4096)
    fields = lines[0].split()
    if len(fields) < 8 or fields[0] != b"cpu":
        raise ValueError("not /proc/stat")
    cpus = sum(1 for line in lines[1:] if line.startswith(b"cpu"))
    return HostCpuTime(sum(map(int, fields[1:8])) * _TICK_NS, cpus)


def parse_interfaces(text: bytes) -> dict[str, InterfaceCounters] | None:
    """Reads /proc/PID/net/dev (proc(5)), without the loopback; None when there is no other."""
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


def parse_v1(
    texts: dict[str, bytes],
    *,
    host: HostCpuTime,
    at: float,
    networks: dict[str, InterfaceCounters] | None,
    memory_limit: int | None,
) -> Sample:
    """Makes a sample of the files of cgroup v1; `total_` is with the groups below.

    What they mean is in the kernel's Documentation/admin-guide/cgroup-v1.
    """
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


def parse_v2(
    texts: dict[str, bytes],
    *,
    host: HostCpuTime,
    at: float,
    networks: dict[str, InterfaceCounters] | None,
    memory_limit: int | None,
) -> Sample:
    """Makes a sample of the files of cgroup v2, whose times are in µs.

    What they mean is in the kernel's Documentation/admin-guide/cgroup-v2.
    """
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
    """Finds a value in a file of lines "name value", without reading all others."""
    key = name + b" "
    begin = 0 if text.startswith(key) else text.find(b"\n" + key) + 1
    if begin == 0 and not text.startswith(key):
        return None
    begin += len(key)
    end = text.find(b"\n", begin)
    return int(text[begin : end if end >= 0 else len(text)])


def _device_sum_v1(text: bytes | None, operation: bytes) -> int | None:
    """Adds up the lines "8:0 Read 4096". Kernels that do not count list no device, as for a
    container that did nothing: that is not known.
    """
    if not text:
        return None
    rows = [row for row in map(bytes.split, text.splitlines()) if len(row) == 3]
    return sum(int(row[2]) for row in rows if row[1] == operation) if rows else None


def _device_sum_v2(text: bytes | None, key: bytes) -> int | None:
    """Adds up the lines "8:0 rbytes=4096 wbytes=0 …". A device that was not used has none."""
    if text is None:
        return None
    return sum(
        int(word[len(key) :])
        for line in text.splitlines()
        for word in line.split()
        if word.startswith(key)
    )
