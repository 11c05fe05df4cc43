"""Writes the text of /metrics: containers, by cAdvisor's names, and this service, by its own.

It is made when it is asked for, from memory, and from samples of that moment where they need no
engine, which is never asked. What is not known has no series: never a false zero. The state is
looked at on the event loop, at one moment; the text, a megabyte or more with hundreds of
containers, is made in a thread, so that others are answered meanwhile.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from prometheus_client import generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector, CollectorRegistry

from ..models import Container, ContainerCounts, PortSummary, Sample
from ..state import Mirror, Watcher
from . import cadvisor
from .disk import DiskSampler
from .meters import PREFIX, Meters
from .sampler import Sampler
from .sources import SamplerCounts

Format = Literal["text", "openmetrics"]
MEDIA_TYPES: Mapping[Format, str] = {
    "text": CONTENT_TYPE_PLAIN_0_0_4,
    "openmetrics": openmetrics.CONTENT_TYPE_LATEST,
}


@dataclass(frozen=True)
class Snapshot:
    """Holds what there is to tell, of one moment."""

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
    written: list[tuple[Container, int]]  # bytes
    written_age: float | None  # seconds


class Metrics:
    """Makes the text of /metrics for all who ask, one text at a time."""

    def __init__(
        self,
        meters: Meters,
        mirror: Mirror,
        watcher: Watcher,
        sampler: Sampler,
        disk_sampler: DiskSampler,
        version: str,
    ) -> None:
        self._meters = meters
        self._inventory = mirror.inventory
        self._ports = mirror.ports
        self._watcher = watcher
        self._sampler = sampler
        self._disk_sampler = disk_sampler
        self._version = version
        self._turn = asyncio.Lock()  # one text at a time, lest scrapes starve everybody else
        self._coming: dict[Format, asyncio.Task[bytes]] = {}  # those not begun yet

    async def text(self, wanted: Format) -> bytes:
        """Returns all of it. Who asks while a text is being made shares the next one with all who
        do: what they have done before is in it.
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
            return await asyncio.to_thread(
                exposition, self._snapshot(), self._meters.registry, wanted
            )

    def _snapshot(self) -> Snapshot:
        self._disk_sampler.asked()
        written = self._disk_sampler.written
        return Snapshot(
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
            written=written.known(),
            written_age=written.age,
        )


def format_for(accept: str) -> Format:
    """Returns the format that an Accept header asks for: Prometheus's text if it does not say."""
    # Not by the library's choose_encoder, which raises TypeError for a version that is no number.
    return "openmetrics" if "application/openmetrics-text" in accept else "text"


def exposition(snapshot: Snapshot, counted: CollectorRegistry, wanted: Format = "text") -> bytes:
    """Writes the text of a snapshot and of what was counted. Takes 0.2 s for 999 containers."""
    registry = CollectorRegistry()
    registry.register(_Told(snapshot))
    registry.register(_Counted(counted))
    if wanted == "openmetrics":
        text: bytes = openmetrics.generate_latest(registry)  # type: ignore[no-untyped-call]
        return text
    return generate_latest(registry)


class _Counted(Collector):
    """Passes on another registry's metrics."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterable[Metric]:
        return self._registry.collect()

    def describe(self) -> Iterable[Metric]:
        return ()


class _Told(Collector):
    """Makes metrics out of a snapshot."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        yield from cadvisor.families(self._snapshot.samples)
        yield from cadvisor.of_disk(self._snapshot.written)
        yield from _of_the_service(self._snapshot)
        yield from _of_the_sampler(self._snapshot)


def _of_the_service(told: Snapshot) -> Iterator[Metric]:
    info = GaugeMetricFamily(f"{PREFIX}_info", "Always 1.", labels=("version",))
    info.add_metric((told.version,), 1)
    yield info
    yield _by(
        f"{PREFIX}_ports",
        "Host ports of the range, by state.",
        "state",
        {
            "free": told.ports.available - told.ports.remembered,
            "reserved": told.ports.reserved,
            "in_use": told.ports.in_use,
            "remembered": told.ports.remembered,
            "external": told.ports.external,
        },
    )
    counts = told.containers.model_dump(exclude={"total", "managed"})
    yield _by(f"{PREFIX}_containers", "Containers of the engine, by state.", "state", counts)
    yield GaugeMetricFamily(
        f"{PREFIX}_managed_containers",
        "Containers that this service created.",
        value=told.containers.managed,
    )
    yield GaugeMetricFamily(
        f"{PREFIX}_engine_connected",
        "1 while the engine's events are followed, else 0.",
        value=int(told.connected),
    )
    yield CounterMetricFamily(
        f"{PREFIX}_engine_reconnects",
        "How often the engine was lost and found again.",
        value=told.reconnects,
    )
    yield CounterMetricFamily(
        f"{PREFIX}_engine_events", "Events of the engine's containers.", value=told.events
    )
    yield CounterMetricFamily(
        f"{PREFIX}_repaired_ports",
        "Ports that were held for no container, and freed by a repair.",
        value=told.repaired_ports,
    )
    if told.listing_age is not None:
        yield GaugeMetricFamily(
            f"{PREFIX}_listing_age_seconds",
            "Seconds since memory was last compared with a full listing of the engine.",
            value=told.listing_age,
        )
    if told.written_age is not None:
        yield GaugeMetricFamily(
            f"{PREFIX}_written_age_seconds",
            "Seconds since it was last counted what containers have written.",
            value=told.written_age,
        )


def _of_the_sampler(told: Snapshot) -> Iterator[Metric]:
    counts = told.sampler
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
    if told.oldest_sample is not None:
        yield GaugeMetricFamily(
            f"{PREFIX}_sampler_oldest_sample_age_seconds",
            "The age of the oldest of all containers' newest samples.",
            value=told.oldest_sample,
        )


def _by(name: str, says: str, label: str, amounts: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, says, labels=(label,))
    for each, amount in amounts.items():
        family.add_metric((each,), amount)
    return family
