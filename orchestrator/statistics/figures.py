"""Makes a container's figures out of two samples of its counters. Pure.

Samples come from the kernel's files (`host.cgroups`) or from the engine's JSON
(`payloads.statistics`). The figures are the docker CLI's
(cli/command/container/stats_helpers.go): the CPU share is the container's part of the host's CPU
time, times the number of CPUs; the memory usage leaves out the inactive page cache, which the
kernel takes back as soon as somebody needs memory.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from ..models import Container, ContainerStats, Sample
from ..quantities import megabytes


@dataclass(frozen=True, slots=True)
class Rates:
    """Holds what happened between two samples; None is not known."""

    interval: float | None = None  # seconds
    cpu_percent: float | None = None  # 100 is one CPU
    host_share: float | None = None  # 0 to 1, of all CPUs of the host
    throttled: float | None = None  # seconds of waiting for the CPU limit, per second
    network_rx: float | None = None  # bytes per second, like all that follow
    network_tx: float | None = None
    block_read: float | None = None
    block_write: float | None = None


def follows(earlier: Sample, later: Sample) -> bool:
    """Tells whether two samples are of one run of a container, in which its counters only grow."""
    return (
        later.at > earlier.at
        and earlier.cpu_ns is not None
        and later.cpu_ns is not None
        and later.cpu_ns >= earlier.cpu_ns
    )


def rates(earlier: Sample | None, later: Sample) -> Rates:
    """Returns the means between two samples; all None without an earlier one of the same run."""
    if earlier is None or not follows(earlier, later):
        return Rates()
    seconds = later.at - earlier.at
    share = _host_share(earlier, later)

    def per_second(before: int | None, after: int | None) -> float | None:
        # An interface may be taken away with all that it has counted.
        if before is None or after is None or after < before:
            return None
        return (after - before) / seconds

    throttled = per_second(earlier.cpu_throttled_ns, later.cpu_throttled_ns)
    return Rates(
        interval=seconds,
        cpu_percent=100 * share * later.cpus if share is not None and later.cpus else None,
        host_share=share,
        throttled=None if throttled is None else throttled / 1e9,
        network_rx=per_second(earlier.network_rx, later.network_rx),
        network_tx=per_second(earlier.network_tx, later.network_tx),
        block_read=per_second(earlier.block_read, later.block_read),
        block_write=per_second(earlier.block_write, later.block_write),
    )


def summarise(
    container: Container, since: Rates, sample: Sample, age: float = 0.0
) -> ContainerStats:
    """Returns a container's figures: of a sample `age` seconds old, and means since the last."""
    percent, share, limit = since.cpu_percent, since.host_share, container.limits.cpus
    memory_percent = None
    if sample.memory is not None and sample.memory_limit:
        memory_percent = round(100 * sample.memory / sample.memory_limit, 2)
    throttled_ns = sample.cpu_throttled_ns
    return ContainerStats(
        container_id=container.id,
        name=container.name,
        cpu_percent=None if percent is None else round(percent, 2),
        memory_usage=megabytes(sample.memory),
        memory_limit=megabytes(sample.memory_limit),
        memory_percent=memory_percent,
        network_rx=megabytes(sample.network_rx),
        network_tx=megabytes(sample.network_tx),
        timestamp=sample.at,
        cpu_percent_of_host=None if share is None else round(100 * share, 2),
        cpu_percent_of_limit=round(percent / limit, 2) if percent is not None and limit else None,
        cpu_periods=sample.cpu_periods,
        cpu_throttled_periods=sample.cpu_throttled_periods,
        cpu_throttled_s=None if throttled_ns is None else round(throttled_ns / 1e9, 6),
        memory_usage_bytes=sample.memory,
        memory_limit_bytes=sample.memory_limit,
        memory_cache_bytes=sample.memory_cache,
        oom_kills=sample.oom_kills,
        network_rx_bytes=sample.network_rx,
        network_tx_bytes=sample.network_tx,
        block_read_bytes=sample.block_read,
        block_write_bytes=sample.block_write,
        pids=sample.pids,
        sampled_at=datetime.fromtimestamp(sample.at, UTC),
        age_s=round(age, 3),
        interval_s=None if since.interval is None else round(since.interval, 3),
        source=sample.source,
    )


def _host_share(earlier: Sample, later: Sample) -> float | None:
    """Returns Δtotal_usage / Δsystem_cpu_usage, 0 to 1; 0 if either did not grow, as in the CLI."""
    if None in (earlier.cpu_ns, later.cpu_ns, earlier.host_cpu_ns, later.host_cpu_ns):
        return None
    spent = (later.cpu_ns or 0) - (earlier.cpu_ns or 0)
    total = (later.host_cpu_ns or 0) - (earlier.host_cpu_ns or 0)
    return spent / total if spent > 0 and total > 0 else 0.0
