"""A container, a full sample of it, and what Prometheus is told of a given state."""

from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from orchestrator.models import Container, InterfaceCounters, Limits, Sample
from orchestrator.ports import PortAllocator
from orchestrator.quantities import PortRange
from orchestrator.state import Inventory
from orchestrator.statistics import SamplerCounts
from orchestrator.statistics.prometheus import Snapshot, exposition

from ..examples import container

WEB = container("a1" * 32, name="web", limits=Limits(memory=1000, cpus=0.5))
FULL = Sample(
    at=1700000000.5,
    source="cgroup-v2",
    cpu_ns=1_500_000_000,
    host_cpu_ns=1,
    cpus=2,
    cpu_periods=10,
    cpu_throttled_periods=4,
    cpu_throttled_ns=250_000_000,
    memory_total=900,
    memory=800,
    memory_cache=100,
    memory_rss=700,
    memory_page_cache=200,
    memory_swap=1,
    memory_limit=1000,
    oom_kills=2,
    networks={
        "eth0": InterfaceCounters(
            rx_bytes=1, rx_packets=2, rx_errors=3, rx_dropped=4,
            tx_bytes=5, tx_packets=6, tx_errors=7, tx_dropped=8,
        )
    },
    block_read=11,
    block_write=12,
    pids=3,
)  # fmt: skip


def state(*samples: tuple[Container, Sample], **other: Any) -> Snapshot:
    given: dict[str, Any] = {
        "version": "1.2.3",
        "samples": list(samples),
        "containers": Inventory().counts(),
        "ports": PortAllocator(PortRange(8001, 8010), 8000).summary(),
        "sampler": SamplerCounts(),
        "oldest_sample": None,
        "connected": True,
        "reconnects": 0,
        "events": 0,
        "repaired_ports": 0,
        "listing_age": None,
        "written": [],
        "written_age": None,
    }
    return Snapshot(**given | other)


def told(of: Snapshot, counted: CollectorRegistry | None = None) -> dict[tuple[str, str], float]:
    """(name, the labels that tell one from another) -> value."""
    text = exposition(of, counted or CollectorRegistry())
    return {
        (sample.name, ",".join(v for k, v in sample.labels.items() if k not in ("id", "image"))): (
            sample.value
        )
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }
