"""Tells what the host uses, each figure with the scope that it holds for.

Sizes are bytes where the name ends in `_bytes`; text beside them is for people.
"""

from datetime import datetime
from typing import ClassVar, Literal

from pydantic import Field
from pydantic.config import JsonDict

from .containers import EXAMPLE_COUNTS, ContainerCounts
from .model import Model

# Whose a figure is: the whole host's, or that of the container that the service runs in.
FigureScope = Literal["host", "container"]


class HostCpu(Model):
    percent: float | None = Field(description="100 is all CPUs busy; the mean of `interval_s`.")
    count: int
    load_average: list[float] = Field(description="Over 1, 5 and 15 minutes.")
    scope: FigureScope


class HostMemory(Model):
    total: str | None
    used: str | None = Field(description="What programs cannot get: total less available.")
    available: str | None
    percent: float
    total_bytes: int
    used_bytes: int
    available_bytes: int
    scope: FigureScope


class HostDisk(Model):
    """The file system that holds `path`. In a container that is where the engine keeps its data."""

    path: str
    total: str | None
    used: str | None
    free: str | None
    percent: float
    total_bytes: int
    used_bytes: int
    free_bytes: int
    scope: FigureScope


class HostNetwork(Model):
    """What the network cards have carried since the host started. Null where there is none.

    Traffic of containers counts once: loopback, bridges, the containers' ends of them and tunnels
    are left out.
    """

    rx: str | None
    tx: str | None
    rx_bytes: int | None
    tx_bytes: int | None
    interfaces: list[str] = Field(description="Those that are counted.")
    scope: FigureScope


class HostStats(Model):
    """What the host used when it was last sampled. Each `scope` says whether a figure is of the
    whole host, or of the container that the service runs in.
    """

    hostname: str
    hostname_scope: FigureScope
    cpu: HostCpu
    memory: HostMemory
    disk: HostDisk
    network: HostNetwork
    uptime_s: float = Field(description="Seconds since the host started.")
    uptime_scope: FigureScope
    timestamp: float = Field(description="When it was sampled: seconds since 1970, UTC.")
    age_s: float = Field(description="Seconds between the sample and this answer.")
    interval_s: float = Field(description="Seconds that `cpu.percent` is the mean of.")


class SystemStats(HostStats):
    """The host's figures, and how many containers its engine has."""

    containers: ContainerCounts

    example: ClassVar[JsonDict] = {
        "hostname": "host-1",
        "hostname_scope": "host",
        "cpu": {"percent": 12.5, "count": 4, "load_average": [0.5, 0.4, 0.3], "scope": "host"},
        "memory": {
            "total": "8192.00 MB",
            "used": "2048.00 MB",
            "available": "6144.00 MB",
            "percent": 25.0,
            "total_bytes": 8589934592,
            "used_bytes": 2147483648,
            "available_bytes": 6442450944,
            "scope": "host",
        },
        "disk": {
            "path": "/",
            "total": "102400.00 MB",
            "used": "40960.00 MB",
            "free": "61440.00 MB",
            "percent": 40.0,
            "total_bytes": 107374182400,
            "used_bytes": 42949672960,
            "free_bytes": 64424509440,
            "scope": "host",
        },
        "network": {
            "rx": "1.25 MB",
            "tx": "0.75 MB",
            "rx_bytes": 1310720,
            "tx_bytes": 786432,
            "interfaces": ["eth0"],
            "scope": "host",
        },
        "uptime_s": 86400.0,
        "uptime_scope": "host",
        "timestamp": 1767366245.5,
        "age_s": 0.412,
        "interval_s": 1.003,
        "containers": EXAMPLE_COUNTS,
    }


class HostPoint(Model):
    """A moment of the host's history. Rates are means since the point before it."""

    at: datetime
    interval_s: float | None = Field(description="Seconds that the means are of.")
    cpu_percent: float | None = Field(description="100 is all CPUs busy.")
    load_1m: float | None
    memory_used_bytes: int | None = Field(description="At that moment.")
    memory_max_bytes: int | None = Field(description="The highest of all samples in the point.")
    memory_available_bytes: int | None
    disk_used_bytes: int | None
    network_rx_bytes_per_s: float | None
    network_tx_bytes_per_s: float | None


class HostHistory(Model):
    """What the host has used, the oldest point first."""

    step_s: float | None = Field(description="Seconds that a point stands for; null: as sampled.")
    points: list[HostPoint]

    example: ClassVar[JsonDict] = {
        "step_s": None,
        "points": [
            {
                "at": "2026-01-02T15:04:05.500000Z",
                "interval_s": 1.003,
                "cpu_percent": 12.5,
                "load_1m": 0.5,
                "memory_used_bytes": 2147483648,
                "memory_max_bytes": 2147483648,
                "memory_available_bytes": 6442450944,
                "disk_used_bytes": 42949672960,
                "network_rx_bytes_per_s": 2048.0,
                "network_tx_bytes_per_s": 1024.0,
            }
        ],
    }
