"""Tells what containers use: at one moment, over time, and as a stream.

Sizes are bytes where the name ends in `_bytes`; text beside them is for people. Times are RFC 3339
in UTC.
"""

from datetime import datetime
from typing import ClassVar, Literal

from pydantic import Field
from pydantic.config import JsonDict

from .model import Model

End = Literal["removed", "stopped", "limit", "key-revoked", "shutting-down"]  # why a stream ends

# What `GET /metrics` answers begins like this, in Prometheus's text format.
METRICS_EXAMPLE = """\
# HELP container_cpu_usage_seconds_total CPU time.
# TYPE container_cpu_usage_seconds_total counter
container_cpu_usage_seconds_total{cpu="total",id="0f4c…",image="nginx:1.27",name="web-1"} 12.5
# HELP orchestration_api_ports Host ports of the range, by state.
# TYPE orchestration_api_ports gauge
orchestration_api_ports{state="in_use"} 1.0
"""


class InterfaceCounters(Model):
    """What a network interface of a container has carried since it was made."""

    rx_bytes: int
    rx_packets: int
    rx_errors: int
    rx_dropped: int
    tx_bytes: int
    tx_packets: int
    tx_errors: int
    tx_dropped: int


class ContainerStats(Model):
    """What a container uses. For people as text, for programs as numbers; null is not known."""

    container_id: str
    name: str
    cpu_percent: float | None = Field(description="100 is one CPU busy, as `docker stats` counts.")
    memory_usage: str | None = Field(description="Without the page cache. MB = 1024² bytes.")
    memory_limit: str | None
    memory_percent: float | None
    network_rx: str | None = Field(description="Received by all interfaces since the start.")
    network_tx: str | None
    timestamp: float = Field(description="When it was sampled: seconds since 1970, UTC.")
    cpu_percent_of_host: float | None = Field(description="100 is all CPUs of the host busy.")
    cpu_percent_of_limit: float | None = Field(
        description="100 is all that `cpus` allows; null without that limit."
    )
    cpu_periods: int | None = Field(description="Of the CPU limit, so far; 0 without one.")
    cpu_throttled_periods: int | None = Field(description="In how many the limit was reached.")
    cpu_throttled_s: float | None = Field(
        description="Seconds that its threads have waited for the limit's next period, added up."
    )
    memory_usage_bytes: int | None
    memory_limit_bytes: int | None = Field(description="Without a limit: the host's memory.")
    memory_cache_bytes: int | None = Field(description="Inactive page cache, not in the usage.")
    oom_kills: int | None = Field(
        description="Processes that the kernel has killed for want of memory, since the start."
    )
    network_rx_bytes: int | None
    network_tx_bytes: int | None
    block_read_bytes: int | None
    block_write_bytes: int | None
    pids: int | None
    sampled_at: datetime
    age_s: float = Field(description="Seconds between the sample and this answer.")
    interval_s: float | None = Field(description="Seconds that the CPU figures are the mean of.")
    source: Literal["cgroup-v1", "cgroup-v2", "engine"] = Field(
        description="Where the sample comes from: the kernel's files, or the engine."
    )
    networks: dict[str, InterfaceCounters] | None = Field(
        None, description="By interface; null unless asked for, and without a network of its own."
    )

    example: ClassVar[JsonDict] = {
        "container_id": "0f4c1d2a9b7e",
        "name": "web-1",
        "cpu_percent": 2.5,
        "memory_usage": "45.23 MB",
        "memory_limit": "512.00 MB",
        "memory_percent": 8.83,
        "network_rx": "1.25 MB",
        "network_tx": "0.75 MB",
        "timestamp": 1767366245.5,
        "cpu_percent_of_host": 0.63,
        "cpu_percent_of_limit": 5.0,
        "cpu_periods": 1200,
        "cpu_throttled_periods": 3,
        "cpu_throttled_s": 0.125,
        "memory_usage_bytes": 47427092,
        "memory_limit_bytes": 536870912,
        "memory_cache_bytes": 1048576,
        "oom_kills": 0,
        "network_rx_bytes": 1310720,
        "network_tx_bytes": 786432,
        "block_read_bytes": 0,
        "block_write_bytes": 4096,
        "pids": 2,
        "sampled_at": "2026-01-02T15:04:05.500000Z",
        "age_s": 0.412,
        "interval_s": 1.0,
        "source": "cgroup-v2",
        "networks": None,
    }


class StatsTotals(Model):
    """The sums over containers; what is not known of one does not count."""

    cpu_percent: float | None
    cpu_percent_of_host: float | None
    memory_usage: str | None
    network_rx: str | None
    network_tx: str | None
    memory_usage_bytes: int | None
    memory_cache_bytes: int | None
    network_rx_bytes: int | None
    network_tx_bytes: int | None
    block_read_bytes: int | None
    block_write_bytes: int | None
    pids: int | None


class AllStats(Model):
    """What the running containers use."""

    count: int = Field(description="How many there are that match.")
    totals: StatsTotals = Field(description="Over all that match, not only those shown.")
    containers: list[ContainerStats]

    example: ClassVar[JsonDict] = {
        "count": 1,
        "totals": {
            "cpu_percent": 2.5,
            "cpu_percent_of_host": 0.63,
            "memory_usage": "45.23 MB",
            "network_rx": "1.25 MB",
            "network_tx": "0.75 MB",
            "memory_usage_bytes": 47427092,
            "memory_cache_bytes": 1048576,
            "network_rx_bytes": 1310720,
            "network_tx_bytes": 786432,
            "block_read_bytes": 0,
            "block_write_bytes": 4096,
            "pids": 2,
        },
        "containers": [ContainerStats.example],
    }


class StreamEnd(Model):
    """What the last event of a stream, the one called `end`, has to say."""

    reason: End


class StatsPoint(Model):
    """A moment of a container's history. Rates are means since the point before it."""

    at: datetime
    interval_s: float | None = Field(description="Seconds that the means are of.")
    cpu_percent: float | None = Field(description="100 is one CPU busy.")
    cpu_throttled_s_per_s: float | None = Field(
        description="Seconds that its threads waited for the CPU limit, per second."
    )
    memory_usage_bytes: int | None = Field(description="At that moment.")
    memory_max_bytes: int | None = Field(description="The highest of all samples in the point.")
    memory_cache_bytes: int | None
    network_rx_bytes_per_s: float | None
    network_tx_bytes_per_s: float | None
    block_read_bytes_per_s: float | None
    block_write_bytes_per_s: float | None
    pids: int | None


class StatsHistory(Model):
    """What a container has used, the oldest point first."""

    container_id: str
    name: str
    step_s: float | None = Field(description="Seconds that a point stands for; null: as sampled.")
    points: list[StatsPoint]

    example: ClassVar[JsonDict] = {
        "container_id": "0f4c1d2a9b7e",
        "name": "web-1",
        "step_s": 60.0,
        "points": [
            {
                "at": "2026-01-02T15:04:59.500000Z",
                "interval_s": 60.0,
                "cpu_percent": 2.5,
                "cpu_throttled_s_per_s": 0.0,
                "memory_usage_bytes": 47427092,
                "memory_max_bytes": 52428800,
                "memory_cache_bytes": 1048576,
                "network_rx_bytes_per_s": 2184.5,
                "network_tx_bytes_per_s": 1310.7,
                "block_read_bytes_per_s": 0.0,
                "block_write_bytes_per_s": 68.3,
                "pids": 2,
            }
        ],
    }
