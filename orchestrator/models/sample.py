"""What a container had used up to one moment, wherever it was counted."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from .statistics import InterfaceCounters

Source = Literal["cgroup-v1", "cgroup-v2", "engine"]


@dataclass(frozen=True, slots=True)
class Sample:
    """What was counted up to one moment. Bytes and nanoseconds; None is not known."""

    at: float  # seconds since 1970
    source: Source
    cpu_ns: int | None = None
    host_cpu_ns: int | None = None  # of all CPUs together, counted at the same moment
    cpus: int | None = None
    cpu_periods: int | None = None  # of the CPU limit: how many there were,
    cpu_throttled_periods: int | None = None  # in how many it was reached,
    cpu_throttled_ns: int | None = None  # and how long tasks had to wait for the next one
    memory_total: int | None = None  # with all of the page cache that is accounted to it
    memory: int | None = None  # without its inactive part
    memory_cache: int | None = None  # that inactive part
    memory_rss: int | None = None  # anonymous memory
    memory_page_cache: int | None = None  # all of the page cache
    memory_swap: int | None = None
    memory_limit: int | None = None
    oom_kills: int | None = None
    networks: Mapping[str, InterfaceCounters] | None = None  # by the interface's name
    block_read: int | None = None
    block_write: int | None = None
    pids: int | None = None

    @property
    def network_rx(self) -> int | None:
        return None if self.networks is None else sum(n.rx_bytes for n in self.networks.values())

    @property
    def network_tx(self) -> int | None:
        return None if self.networks is None else sum(n.tx_bytes for n in self.networks.values())


def without_cache(usage: int | None, cache: int | None) -> int | None:
    """Memory without the inactive page cache, as the docker CLI counts it."""
    return usage - cache if usage is not None and cache is not None and cache < usage else usage
