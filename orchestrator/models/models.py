"""The types that travel: what the inventory holds is what a route returns.

`port` is always the host's port, `container_port` the one inside the container, written as Docker
writes it: "5000/tcp". Sizes are bytes where the name ends in `_bytes` or the docstring says so.
Times are RFC 3339 in UTC.
"""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

State = Literal["created", "running", "paused", "restarting", "removing", "exited", "dead"]
PortState = Literal["free", "reserved", "in_use", "remembered", "external"]
Scope = Literal["host", "container"]
End = Literal["removed", "stopped", "limit", "shutting-down"]  # why a stream ends


class Model(BaseModel):
    """An answer: frozen, so that what is held in memory can be handed out as it is."""

    model_config = ConfigDict(frozen=True)


# Containers


class Limits(Model):
    """What a container may use at most; null means no limit."""

    memory: int | None = Field(None, description="Bytes.")
    cpus: float | None = Field(None, description="CPUs, 0.5 is half of one.")
    pids: int | None = Field(None, description="Processes and threads.")


class Container(Model):
    """A container as the engine last described it."""

    id: str = Field(description="The first 12 characters of the container's id.")
    name: str
    status: State
    image: str
    ports: dict[str, str] = Field(
        description="Published ports: container port to host address and port. Empty when stopped."
    )
    created: datetime
    state: State = Field(description="The same as `status`.")
    health: Literal["starting", "healthy", "unhealthy"] | None = Field(
        None, description="What the image's health check says; null without one, or when stopped."
    )
    started_at: datetime | None = None
    finished_at: datetime | None = None
    exit_code: int | None = Field(None, description="Null until the container has ended.")
    labels: dict[str, str] = Field(
        {}, description="All but the fingerprint of the request that made it."
    )
    env: list[str] = Field(
        [],
        description="The names of its environment variables, in the engine's order; empty for a"
        " container that this service did not create. `GET /containers/{id}/env` has the values.",
    )
    managed: bool = Field(description="Whether this service created the container.")
    url: str | None = Field(None, description="Where the first TCP port answers on this host.")
    limits: Limits = Limits()
    port_changed: bool = Field(
        False, description="Whether this start moved the container to another port."
    )
    previous_ports: dict[str, str] | None = Field(
        None, description="`ports` before the container was last moved; null if it never was."
    )
    previous_id: str | None = Field(
        None, description="Its id before it was last moved, which still leads to it."
    )

    # For the service itself; not part of an answer.
    full_id: str = Field(exclude=True)
    earlier_ids: tuple[str, ...] = Field(default=(), exclude=True)  # full ones, the last one last
    moved_image: str | None = Field(default=None, exclude=True)  # the commit that a move made
    held_ports: dict[int, str] = Field(default={}, exclude=True)  # port -> container port, live
    own_ports: dict[int, str] = Field(default={}, exclude=True)  # the same, whenever it runs
    networks: tuple[str, ...] = Field(default=(), exclude=True)  # by name
    network_of: str | None = Field(default=None, exclude=True)  # the container whose it shares
    # What it was given, where that is not what holds; see enforcement.
    given_limits: Limits | None = Field(default=None, exclude=True)
    pid: int | None = Field(default=None, exclude=True)  # of its first process, on the host
    # Of the request that made it, where one came with a key; see payloads.fingerprint.
    fingerprint: str | None = Field(default=None, exclude=True)

    @property
    def runs(self) -> bool:
        """Whether its processes exist and its ports are taken."""
        return self.state in ("running", "paused", "restarting")


class ContainerEnv(Model):
    """The environment that a container's processes start with."""

    container_id: str
    name: str
    env: dict[str, str] = Field(
        description="Names and values: the image's variables, and those of the create."
    )


class RemovedContainer(Model):
    id: str
    name: str
    removed: Literal[True] = True
    released_ports: list[int] = Field(description="Host ports that are free again.")


# Ports


class PortRow(Model):
    """One host port of the range."""

    port: int
    state: PortState
    container_id: str | None = Field(
        None, description="Whose port it is or, when `remembered`, last was."
    )
    container_name: str | None = None
    container_port: str | None = None
    since: datetime | None = Field(None, description="Since when it is in this state.")
    held_by: str | None = Field(None, description="Who holds an `external` port, where known.")


class PortBounds(Model):
    first: int
    last: int


class PortSummary(Model):
    """How many ports there are in each state; `available` = free and remembered ones."""

    range: PortBounds
    api_port: int
    total: int
    available: int
    in_use: int
    reserved: int
    remembered: int
    external: int


class PortTable(PortSummary):
    ports: list[PortRow] = Field(description="A row for each port that is not free.")


# Statistics


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


class ContainerCounts(Model):
    """How many containers the engine has, by state."""

    total: int
    running: int
    paused: int
    restarting: int
    created: int
    exited: int
    removing: int
    dead: int
    managed: int = Field(description="How many of all are this service's.")


class HostCpu(Model):
    percent: float | None = Field(description="100 is all CPUs busy; the mean of `interval_s`.")
    count: int
    load_average: list[float] = Field(description="Over 1, 5 and 15 minutes.")
    scope: Scope


class HostMemory(Model):
    total: str | None
    used: str | None = Field(description="What programs cannot get: total less available.")
    available: str | None
    percent: float
    total_bytes: int
    used_bytes: int
    available_bytes: int
    scope: Scope


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
    scope: Scope


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
    scope: Scope


class HostStats(Model):
    """A sample. `scope` says whether figures are of the whole host, or of the container that the
    service runs in.
    """

    hostname: str
    hostname_scope: Scope
    cpu: HostCpu
    memory: HostMemory
    disk: HostDisk
    network: HostNetwork
    uptime_s: float = Field(description="Seconds since the host started.")
    uptime_scope: Scope
    timestamp: float = Field(description="When it was sampled: seconds since 1970, UTC.")
    age_s: float = Field(description="Seconds between the sample and this answer.")
    interval_s: float = Field(description="Seconds that `cpu.percent` is the mean of.")


class SystemStats(HostStats):
    """The host's figures, and how many containers its engine has."""

    containers: ContainerCounts


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


# The service itself


class Endpoint(Model):
    method: str
    path: str
    summary: str


class Index(Model):
    name: str
    version: str
    links: dict[str, str]
    endpoints: list[Endpoint]


class Alive(Model):
    status: Literal["alive"] = "alive"


class Ready(Model):
    status: Literal["ready"] = "ready"


class DockerHealth(Model):
    status: Literal["connected", "disconnected"]
    version: str | None = None
    api_version: str | None = None
    problem: str | None = Field(None, description="What is wrong, and what to do.")


class Health(Model):
    status: Literal["healthy", "unhealthy"]
    docker: DockerHealth
    containers: ContainerCounts
    ports: PortSummary
    listing_age_s: float | None = Field(
        description="Seconds since memory was last compared with a full listing of the engine."
    )
    uptime_s: float
    version: str


class Problem(BaseModel):
    """A problem document, RFC 9457, with more fields for the case: `port`, `name`, `matches`, …"""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="A URN for the kind of problem.")
    title: str
    status: int
    detail: str = Field(description="What happened and what to do, in a sentence.")
    code: str = Field(description="The kind of problem, for programs.")
    request_id: str
