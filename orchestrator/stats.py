"""Statistics of a container from the engine's JSON. Pure.

The shape is that of `GET /containers/{id}/stats` of the Docker Engine API. The figures are the
docker CLI's (cli/command/container/stats_helpers.go): the CPU share is the container's part of the
host's CPU time, times the number of CPUs; the memory usage leaves out the inactive page cache,
which the kernel takes back as soon as somebody needs memory.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from .models import Container, ContainerStats
from .quantities import megabytes


@dataclass(frozen=True)
class Sample:
    """What was counted up to one moment. Bytes and nanoseconds; None is not known."""

    at: datetime
    cpu_ns: int | None
    host_cpu_ns: int | None  # of all CPUs together, counted by the engine at the same moment
    cpus: int | None
    memory: int | None
    memory_cache: int | None
    memory_limit: int | None
    network_rx: int | None
    network_tx: int | None
    block_read: int | None
    block_write: int | None
    pids: int | None


def parse_engine_stats(payload: Mapping[str, Any]) -> Sample | None:
    """A sample from the engine's reply; None when it says nothing, as for a stopped container."""
    cpu = payload.get("cpu_stats") or {}
    memory = payload.get("memory_stats") or {}
    usage = (cpu.get("cpu_usage") or {}).get("total_usage")
    # A container that has ended is answered with an empty object or with zeros all over.
    if not usage and not memory.get("usage"):
        return None
    networks = payload.get("networks")  # absent without a network, and with the host's
    cache = _inactive_file(memory)
    used = memory.get("usage")
    if used is not None and cache is not None and cache < used:
        used -= cache
    per_cpu = (cpu.get("cpu_usage") or {}).get("percpu_usage")  # absent on cgroup v2
    blocks = (payload.get("blkio_stats") or {}).get("io_service_bytes_recursive")
    return Sample(
        at=datetime.fromisoformat(payload["read"]).astimezone(UTC),
        cpu_ns=usage,
        host_cpu_ns=cpu.get("system_cpu_usage"),
        cpus=cpu.get("online_cpus") or (len(per_cpu) if per_cpu else None),
        memory=used,
        memory_cache=cache,
        memory_limit=memory.get("limit"),
        network_rx=None if networks is None else _sum(networks.values(), "rx_bytes"),
        network_tx=None if networks is None else _sum(networks.values(), "tx_bytes"),
        block_read=_blocks(blocks, "read"),
        block_write=_blocks(blocks, "write"),
        pids=(payload.get("pids_stats") or {}).get("current"),
    )


def follows(earlier: Sample, later: Sample) -> bool:
    """Whether two samples are of one run of a container: its counters only grow within a run."""
    return (
        later.at > earlier.at
        and earlier.cpu_ns is not None
        and later.cpu_ns is not None
        and later.cpu_ns >= earlier.cpu_ns
    )


def summarise(container: Container, earlier: Sample | None, later: Sample) -> ContainerStats:
    """The figures at `later`; those of the CPU are means since `earlier`, unknown without it."""
    share = None if earlier is None else _host_share(earlier, later)
    percent = 100 * share * later.cpus if share is not None and later.cpus else None
    memory_percent = None
    if later.memory is not None and later.memory_limit:
        memory_percent = round(100 * later.memory / later.memory_limit, 2)
    return ContainerStats(
        container_id=container.id,
        name=container.name,
        cpu_percent=None if percent is None else round(percent, 2),
        memory_usage=megabytes(later.memory),
        memory_limit=megabytes(later.memory_limit),
        memory_percent=memory_percent,
        network_rx=megabytes(later.network_rx),
        network_tx=megabytes(later.network_tx),
        timestamp=later.at.timestamp(),
        cpu_percent_of_host=None if share is None else round(100 * share, 2),
        memory_usage_bytes=later.memory,
        memory_limit_bytes=later.memory_limit,
        memory_cache_bytes=later.memory_cache,
        network_rx_bytes=later.network_rx,
        network_tx_bytes=later.network_tx,
        block_read_bytes=later.block_read,
        block_write_bytes=later.block_write,
        pids=later.pids,
        sampled_at=later.at,
        interval_s=None if earlier is None else round((later.at - earlier.at).total_seconds(), 3),
        source="engine",
    )


def _host_share(earlier: Sample, later: Sample) -> float | None:
    """Δtotal_usage / Δsystem_cpu_usage, 0 to 1; 0 when either did not grow, as in the CLI."""
    if None in (earlier.cpu_ns, later.cpu_ns, earlier.host_cpu_ns, later.host_cpu_ns):
        return None
    spent = (later.cpu_ns or 0) - (earlier.cpu_ns or 0)
    total = (later.host_cpu_ns or 0) - (earlier.host_cpu_ns or 0)
    return spent / total if spent > 0 and total > 0 else 0.0


def _inactive_file(memory: Mapping[str, Any]) -> int | None:
    """The inactive page cache: `total_inactive_file` on cgroup v1, `inactive_file` on v2."""
    counters = memory.get("stats") or {}
    value = counters.get("total_inactive_file", counters.get("inactive_file"))
    return None if value is None else int(value)


def _sum(interfaces: Iterable[Mapping[str, Any]], counter: str) -> int:
    return sum(int(interface.get(counter) or 0) for interface in interfaces)


def _blocks(entries: Iterable[Mapping[str, Any]] | None, operation: str) -> int | None:
    """Bytes over all devices; cgroup v1 writes "Read", v2 "read".

    A kernel that does not count says the same as for a container that did nothing: an empty list,
    or null. So neither is taken for a zero.
    """
    if not entries:
        return None
    return sum(
        int(entry.get("value") or 0)
        for entry in entries
        if str(entry.get("op", "")).lower() == operation
    )
