"""Reads a container's sample out of the engine's JSON about its statistics. Pure.

The JSON is that of `GET /containers/{id}/stats` of the Docker Engine API, on cgroup v1 and v2. What
an engine leaves out is not known, and so None: never a false zero.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from ..models import InterfaceCounters, Sample, without_cache


def parse_engine_stats(payload: Mapping[str, Any]) -> Sample | None:
    """Returns the sample in a reply; None if it says nothing, as of a stopped container."""
    cpu = payload.get("cpu_stats") or {}
    memory = payload.get("memory_stats") or {}
    usage = (cpu.get("cpu_usage") or {}).get("total_usage")
    # A container that has ended is answered with an empty object or with zeros all over.
    if not usage and not memory.get("usage"):
        return None
    counters = memory.get("stats") or {}
    cache = _either(counters, "total_inactive_file", "inactive_file")
    per_cpu = (cpu.get("cpu_usage") or {}).get("percpu_usage")  # absent on cgroup v2
    throttling = cpu.get("throttling_data") or {}
    blocks = (payload.get("blkio_stats") or {}).get("io_service_bytes_recursive")
    return Sample(
        at=datetime.fromisoformat(payload["read"]).astimezone(UTC).timestamp(),
        source="engine",
        cpu_ns=usage,
        host_cpu_ns=cpu.get("system_cpu_usage"),
        cpus=cpu.get("online_cpus") or (len(per_cpu) if per_cpu else None),
        cpu_periods=throttling.get("periods"),
        cpu_throttled_periods=throttling.get("throttled_periods"),
        cpu_throttled_ns=throttling.get("throttled_time"),
        memory_total=memory.get("usage"),
        memory=without_cache(memory.get("usage"), cache),
        memory_cache=cache,
        memory_rss=_either(counters, "total_rss", "anon"),
        memory_page_cache=_either(counters, "total_cache", "file"),
        memory_swap=_either(counters, "total_swap", "swap"),
        memory_limit=memory.get("limit"),
        networks=_interfaces(payload.get("networks")),
        block_read=_blocks(blocks, "read"),
        block_write=_blocks(blocks, "write"),
        pids=(payload.get("pids_stats") or {}).get("current"),
    )


def without_control_group(sample: Sample) -> Sample:
    """Returns a sample without all that a control group counts, for an engine that cannot make one
    for each container: only the traffic is the container's own, all else is others' as well.
    """
    return Sample(
        at=sample.at,
        source=sample.source,
        host_cpu_ns=sample.host_cpu_ns,
        cpus=sample.cpus,
        memory_limit=sample.memory_limit,
        networks=sample.networks,
    )


def _either(counters: Mapping[str, Any], v1: str, v2: str) -> int | None:
    """Returns a counter of memory.stat, called `v1` (with all groups below) or `v2` there."""
    value = counters.get(v1, counters.get(v2))
    return None if value is None else int(value)


def _interfaces(
    networks: Mapping[str, Mapping[str, Any]] | None,
) -> dict[str, InterfaceCounters] | None:
    """Returns each interface's counters; None without a network, and with the host's."""
    if networks is None:
        return None
    names = InterfaceCounters.model_fields
    return {
        interface: InterfaceCounters(**{name: int(counters.get(name) or 0) for name in names})
        for interface, counters in networks.items()
    }


def _blocks(entries: Iterable[Mapping[str, Any]] | None, operation: str) -> int | None:
    """Adds up the bytes of all devices; cgroup v1 writes "Read", v2 "read".

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
