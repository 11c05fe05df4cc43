"""Makes the metrics of containers, by cAdvisor's names and units, out of their newest samples.

So dashboards and alerts that were made for cAdvisor show these containers, too. Of a container,
what is not known has no series: never a false zero.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from ..models import Container, InterfaceCounters, Sample

_CPU_PERIOD = 100_000  # µs, the kernel's default, for which cAdvisor's quota is told
_LABELS = ("id", "name", "image")

_Value = Callable[[Container, Sample], float | None]


def _seconds(ns: int | None) -> float | None:
    return None if ns is None else ns / 1e9


def _quota(container: Container, _: Sample) -> float | None:
    return None if container.limits.cpus is None else round(container.limits.cpus * _CPU_PERIOD)


def _limited(value: Callable[[Sample], float | None]) -> _Value:
    """Makes a value None without a CPU limit: the kernel counts nothing then, and says zero."""
    return lambda container, sample: None if container.limits.cpus is None else value(sample)


# Of a container: name (of a counter without its _total), what it says, its value.
_COUNTERS: Mapping[str, tuple[str, _Value]] = {
    "container_cpu_cfs_periods": (
        "Periods of the CPU limit.",
        _limited(lambda sample: sample.cpu_periods),
    ),
    "container_cpu_cfs_throttled_periods": (
        "Periods in which the CPU limit was reached.",
        _limited(lambda sample: sample.cpu_throttled_periods),
    ),
    "container_cpu_cfs_throttled_seconds": (
        "Seconds that threads have waited for the next period of the CPU limit.",
        _limited(lambda sample: _seconds(sample.cpu_throttled_ns)),
    ),
    "container_oom_events": (
        "Processes that the kernel has killed for want of memory.",
        lambda _, sample: sample.oom_kills,
    ),
}
_GAUGES: Mapping[str, tuple[str, _Value]] = {
    "container_memory_usage_bytes": (
        "Memory with all of the page cache that is accounted to the container.",
        lambda _, sample: sample.memory_total,
    ),
    "container_memory_working_set_bytes": (
        "Memory without the inactive page cache.",
        lambda _, sample: sample.memory,
    ),
    "container_memory_cache": (
        "Bytes of page cache.",
        lambda _, sample: sample.memory_page_cache,
    ),
    "container_memory_rss": (
        "Bytes of anonymous memory.",
        lambda _, sample: sample.memory_rss,
    ),
    "container_memory_swap": (
        "Bytes in swap.",
        lambda _, sample: sample.memory_swap,
    ),
    "container_spec_memory_limit_bytes": (
        "The memory limit; 0 without one.",
        lambda container, _: container.limits.memory or 0,
    ),
    "container_spec_cpu_quota": (
        "Microseconds of CPU time in each container_spec_cpu_period.",
        _quota,
    ),
    "container_spec_cpu_period": (
        "Microseconds.",
        lambda container, _: None if container.limits.cpus is None else _CPU_PERIOD,
    ),
    "container_threads": (
        "Processes and threads.",
        lambda _, sample: sample.pids,
    ),
    "container_start_time_seconds": (
        "When it was started: seconds since 1970.",
        lambda container, _: container.started_at.timestamp() if container.started_at else None,
    ),
    "container_last_seen": (
        "When it was sampled last: seconds since 1970.",
        lambda _, sample: sample.at,
    ),
}
# Those with a label of their own, as cAdvisor has them: its name, and what it is there.
_LABELLED: Mapping[str, tuple[str, str, str, _Value]] = {
    "container_cpu_usage_seconds": (
        "CPU time.",
        "cpu",
        "total",
        lambda _, sample: _seconds(sample.cpu_ns),
    ),
    "container_fs_reads_bytes": (
        "Bytes read from all block devices.",
        "device",
        "",
        lambda _, sample: sample.block_read,
    ),
    "container_fs_writes_bytes": (
        "Bytes written to all block devices.",
        "device",
        "",
        lambda _, sample: sample.block_write,
    ),
}
_INTERFACE: Mapping[str, tuple[str, str]] = {
    f"container_network_{direction}_{what}": (f"{says} {verb}.", f"{field}_{suffix}")
    for direction, field, verb in (("receive", "rx", "received"), ("transmit", "tx", "sent"))
    for what, says, suffix in (
        ("bytes", "Bytes", "bytes"),
        ("packets", "Packets", "packets"),
        ("errors", "Errors in packets", "errors"),
        ("packets_dropped", "Packets dropped that were to be", "dropped"),
    )
}


def families(samples: Sequence[tuple[Container, Sample]]) -> Iterator[Metric]:
    """Yields each metric with the series of all these containers that it is known of."""
    labels = {
        container.full_id: (container.full_id, container.name, container.image)
        for container, _ in samples
    }
    for kind, figures in ((CounterMetricFamily, _COUNTERS), (GaugeMetricFamily, _GAUGES)):
        for name, (says, value) in figures.items():
            family = kind(name, says, labels=_LABELS)
            for container, sample in samples:
                if (amount := value(container, sample)) is not None:
                    family.add_metric(labels[container.full_id], amount)
            yield family
    for name, (says, label, what, value) in _LABELLED.items():
        counter = CounterMetricFamily(name, says, labels=(*_LABELS, label))
        for container, sample in samples:
            if (amount := value(container, sample)) is not None:
                counter.add_metric((*labels[container.full_id], what), amount)
        yield counter
    yield from _of_interfaces(
        [
            ((*labels[container.full_id], interface), counters)
            for container, sample in samples
            for interface, counters in (sample.networks or {}).items()
        ]
    )


def of_disk(written: Sequence[tuple[Container, int]]) -> Iterator[Metric]:
    """Yields what containers have written to their own file systems, stopped ones too."""
    family = GaugeMetricFamily(
        "container_fs_usage_bytes",
        "Bytes that it has written to its own file system, volumes not included.",
        labels=(*_LABELS, "device"),
    )
    for container, size in written:
        family.add_metric((container.full_id, container.name, container.image, ""), size)
    yield family


def _of_interfaces(
    interfaces: list[tuple[tuple[str, ...], InterfaceCounters]],
) -> Iterator[Metric]:
    for name, (says, field) in _INTERFACE.items():
        family = CounterMetricFamily(name, says, labels=(*_LABELS, "interface"))
        for labels, counters in interfaces:
            family.add_metric(labels, getattr(counters, field))
        yield family
