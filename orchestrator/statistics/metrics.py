"""What Prometheus is told: containers by cAdvisor's names and units, and this service by its own.

Built when it is asked for, from memory and from samples of that moment where they need no engine,
which is never asked. What is not known has no series:
never a false zero. The state is looked at on the event loop, at one moment; the text, a megabyte or
more with hundreds of containers, is made in a thread, so that others are answered meanwhile.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from prometheus_client import generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector, CollectorRegistry

from ..models import Container, ContainerCounts, InterfaceCounters, PortSummary, Sample
from ..ports import PortAllocator
from ..state import Inventory, Watcher
from .meters import PREFIX, Meters
from .sampler import Sampler
from .sampler_counts import SamplerCounts

_CPU_PERIOD = 100_000  # µs, the kernel's default, for which cAdvisor's quota is told
_LABELS = ("id", "name", "image")

Format = Literal["text", "openmetrics"]
MEDIA_TYPES: Mapping[Format, str] = {
    "text": CONTENT_TYPE_PLAIN_0_0_4,
    "openmetrics": openmetrics.CONTENT_TYPE_LATEST,
}

_Value = Callable[[Container, Sample], float | None]


def _seconds(ns: int | None) -> float | None:
    return None if ns is None else ns / 1e9


def _quota(container: Container, _: Sample) -> float | None:
    return None if container.limits.cpus is None else round(container.limits.cpus * _CPU_PERIOD)


def _limited(value: Callable[[Sample], float | None]) -> _Value:
    """Of a container with a CPU limit; without one the kernel counts nothing, and says zero."""
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


@dataclass(frozen=True)
class State:
    """What there is to tell, at one moment."""

    version: str
    samples: list[tuple[Container, Sample]]
    containers: ContainerCounts
    ports: PortSummary
    sampler: SamplerCounts
    oldest_sample: float | None  # seconds
    connected: bool
    reconnects: int
    events: int
    repaired_ports: int
    listing_age: float | None  # seconds


class Metrics:
    def __init__(
        self,
        meters: Meters,
        inventory: Inventory,
        ports: PortAllocator,
        watcher: Watcher,
        sampler: Sampler,
        version: str,
    ) -> None:
        self._meters = meters
        self._inventory = inventory
        self._ports = ports
        self._watcher = watcher
        self._sampler = sampler
        self._version = version
        self._turn = asyncio.Lock()  # one text at a time, lest scrapes starve everybody else
        self._coming: dict[Format, asyncio.Task[bytes]] = {}  # those not begun yet

    async def text(self, wanted: Format) -> bytes:
        """All of it. Who asks while a text is being made shares the next one with all who do: what
        they have done before is in it.
        """
        task = self._coming.get(wanted)
        if task is None:
            task = self._coming[wanted] = asyncio.create_task(self._make(wanted))
        return await asyncio.shield(task)

    async def _make(self, wanted: Format) -> bytes:
        async with self._turn:
            try:
                # Or a rate would be wrong by as much as a sample is older than the last scrape's.
                await self._sampler.renew()
            finally:
                del self._coming[wanted]
            return await asyncio.to_thread(exposition, self._state(), self._meters.registry, wanted)

    def _state(self) -> State:
        return State(
            version=self._version,
            samples=self._sampler.latest(),
            containers=self._inventory.counts(),
            ports=self._ports.summary(),
            sampler=self._sampler.counts.copy(),
            oldest_sample=self._sampler.oldest_age(),
            connected=self._watcher.connected,
            reconnects=max(0, self._watcher.connections - 1),
            events=self._watcher.events,
            repaired_ports=self._watcher.repaired_ports,
            listing_age=self._inventory.age,
        )


def format_for(accept: str) -> Format:
    """What an Accept header asks for; Prometheus's text format where it does not say."""
    # Not by the library's choose_encoder, which raises TypeError for a version that is no number.
    return "openmetrics" if "application/openmetrics-text" in accept else "text"


def exposition(state: State, counted: CollectorRegistry, wanted: Format = "text") -> bytes:
    """The text of a state, and of what was counted. Takes a while: 0.2 s for 999 containers."""
    registry = CollectorRegistry()
    registry.register(_Told(state))
    registry.register(_Counted(counted))
    if wanted == "openmetrics":
        text: bytes = openmetrics.generate_latest(registry)  # type: ignore[no-untyped-call]
        return text
    return generate_latest(registry)


class _Counted(Collector):
    """Another registry's metrics."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterable[Metric]:
        return self._registry.collect()

    def describe(self) -> Iterable[Metric]:
        return ()


class _Told(Collector):
    def __init__(self, state: State) -> None:
        self._state = state

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        yield from _of_containers(self._state.samples)
        yield from _of_the_service(self._state)
        yield from _of_the_sampler(self._state)


def _of_containers(samples: list[tuple[Container, Sample]]) -> Iterator[Metric]:
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


def _of_interfaces(
    interfaces: list[tuple[tuple[str, ...], InterfaceCounters]],
) -> Iterator[Metric]:
    for name, (says, field) in _INTERFACE.items():
        family = CounterMetricFamily(name, says, labels=(*_LABELS, "interface"))
        for labels, counters in interfaces:
            family.add_metric(labels, getattr(counters, field))
        yield family


def _of_the_service(state: State) -> Iterator[Metric]:
    info = GaugeMetricFamily(f"{PREFIX}_info", "Always 1.", labels=("version",))
    info.add_metric((state.version,), 1)
    yield info
    yield _by(
        f"{PREFIX}_ports",
        "Host ports of the range, by state.",
        "state",
        {
            "free": state.ports.available - state.ports.remembered,
            "reserved": state.ports.reserved,
            "in_use": state.ports.in_use,
            "remembered": state.ports.remembered,
            "external": state.ports.external,
        },
    )
    counts = state.containers.model_dump(exclude={"total", "managed"})
    yield _by(f"{PREFIX}_containers", "Containers of the engine, by state.", "state", counts)
    yield GaugeMetricFamily(
        f"{PREFIX}_managed_containers",
        "Containers that this service created.",
        value=state.containers.managed,
    )
    yield GaugeMetricFamily(
        f"{PREFIX}_engine_connected",
        "1 while the engine's events are followed, else 0.",
        value=int(state.connected),
    )
    yield CounterMetricFamily(
        f"{PREFIX}_engine_reconnects",
        "How often the engine was lost and found again.",
        value=state.reconnects,
    )
    yield CounterMetricFamily(
        f"{PREFIX}_engine_events", "Events of the engine's containers.", value=state.events
    )
    yield CounterMetricFamily(
        f"{PREFIX}_repaired_ports",
        "Ports that were held for no container, and freed by a repair.",
        value=state.repaired_ports,
    )
    if state.listing_age is not None:
        yield GaugeMetricFamily(
            f"{PREFIX}_listing_age_seconds",
            "Seconds since memory was last compared with a full listing of the engine.",
            value=state.listing_age,
        )


def _of_the_sampler(state: State) -> Iterator[Metric]:
    counts = state.sampler
    for name, says, by_source in (
        ("samples", "Samples taken of containers, by source.", counts.samples),
        ("failures", "Samples that the engine failed to give.", counts.failures),
        ("cpu_seconds", "CPU time of this process that samples have cost.", counts.cpu_seconds),
        ("seconds", "Seconds that samples have taken, added up.", counts.seconds),
    ):
        family = CounterMetricFamily(f"{PREFIX}_sampler_{name}", says, labels=("source",))
        for source, amount in by_source.items():
            family.add_metric((source,), amount)
        yield family
    yield GaugeMetricFamily(
        f"{PREFIX}_sampler_stretch_ratio",
        "How many times longer than wanted samples are apart, for their budget's sake.",
        value=counts.stretch,
    )
    yield GaugeMetricFamily(
        f"{PREFIX}_streams", "Open streams of statistics.", value=counts.streams
    )
    if state.oldest_sample is not None:
        yield GaugeMetricFamily(
            f"{PREFIX}_sampler_oldest_sample_age_seconds",
            "The age of the oldest of all containers' newest samples.",
            value=state.oldest_sample,
        )


def _by(name: str, says: str, label: str, amounts: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, says, labels=(label,))
    for each, amount in amounts.items():
        family.add_metric((each,), amount)
    return family
