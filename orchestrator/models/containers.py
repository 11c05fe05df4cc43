"""Describes containers as the API shows them; what the inventory holds is what a route returns.

`port` is always the host's port, `container_port` the one inside the container, written as Docker
writes it: "5000/tcp". Times are RFC 3339 in UTC.
"""

from datetime import datetime
from typing import ClassVar, Literal

from pydantic import Field
from pydantic.config import JsonDict

from .model import Model

State = Literal["created", "running", "paused", "restarting", "removing", "exited", "dead"]

# Seconds; Docker's own.
DEFAULT_STOP_TIMEOUT = 10

EXAMPLE_COUNTS: JsonDict = {
    "total": 2,
    "running": 1,
    "paused": 0,
    "restarting": 0,
    "created": 0,
    "exited": 1,
    "removing": 0,
    "dead": 0,
    "managed": 2,
}


class Limits(Model):
    """What a container may use at most; null means no limit."""

    memory: int | None = Field(None, description="Bytes.")
    cpus: float | None = Field(None, description="CPUs, 0.5 is half of one.")
    pids: int | None = Field(None, description="Processes and threads.")
    disk: int | None = Field(
        None, description="Bytes that it may write to its own file system, volumes not included."
    )


class Published(Model):
    """Where the engine publishes a container's first TCP port."""

    port: int
    addresses: tuple[str, ...]  # of the engine's host, IPv4 first; "" is all there are


class Container(Model):
    """A container as the engine last described it. `url`, `host` and `port` are null until a route
    shows it to somebody: they depend on who asks.
    """

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
    exit_code: int | None = Field(
        None,
        description="Of its last end, also while it waits to be restarted; null until it has"
        " ended, and while it runs.",
    )
    reason: str | None = Field(
        None,
        description="Why it does not run, where it has been started or should have been: `exited`"
        " (by itself; see `exit_code`), `oom` (the kernel killed it for want of memory), `killed`"
        " (SIGKILL), `signal` (another signal ended it), `refused` (the engine could not start it)."
        " More may come.",
    )
    oom_killed: bool | None = Field(
        None,
        description="Whether the kernel killed one of its processes for want of memory before its"
        " last end; null while `exit_code` is.",
    )
    restart_count: int = Field(
        0, description="How often its restart policy has restarted it since it was last started."
    )
    labels: dict[str, str] = Field(
        {}, description="All but the fingerprint of the request that made it."
    )
    env: list[str] = Field(
        [],
        description="The names of its environment variables, in the engine's order; empty for a"
        " container that this service did not create. `GET /containers/{id}/env` has the values.",
    )
    managed: bool = Field(description="Whether this service created the container.")
    url: str | None = Field(
        None,
        description="Where its first TCP port answers whoever asks; null if it publishes none.",
    )
    host: str | None = Field(None, description="The name or address that `port` answers on.")
    port: int | None = Field(None, description="The host port of its first TCP port.")
    limits: Limits = Limits()
    written_bytes: int | None = Field(
        None,
        description="Bytes that it has written to its own file system, volumes not included; null"
        " unless `size=true` asks for it.",
    )
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
    published: Published | None = Field(default=None, exclude=True)
    earlier_ids: tuple[str, ...] = Field(default=(), exclude=True)  # full ones, the last one last
    moved_image: str | None = Field(default=None, exclude=True)  # the commit that a move made
    held_ports: dict[int, str] = Field(default={}, exclude=True)  # port -> container port, live
    own_ports: dict[int, str] = Field(default={}, exclude=True)  # the same, whenever it runs
    networks: tuple[str, ...] = Field(default=(), exclude=True)  # by name
    network_of: str | None = Field(default=None, exclude=True)  # the container whose it shares
    volumes: tuple[str, ...] = Field(default=(), exclude=True)  # names of its volumes
    # Seconds from its stop signal to its end, as it was created; negative: it is never killed.
    stop_timeout: int | None = Field(default=None, exclude=True)
    # What it was given, where that is not what holds; see payloads.capabilities.
    given_limits: Limits | None = Field(default=None, exclude=True)
    pid: int | None = Field(default=None, exclude=True)  # of its first process, on the host
    # Of the request that made it, where one came with a key; see payloads.fingerprint.
    fingerprint: str | None = Field(default=None, exclude=True)

    @property
    def grace(self) -> int:
        """The seconds that it has to end by itself, where nobody says how many."""
        return DEFAULT_STOP_TIMEOUT if self.stop_timeout is None else self.stop_timeout

    @property
    def runs(self) -> bool:
        """Whether its processes exist and its ports are taken."""
        return self.state in ("running", "paused", "restarting")

    example: ClassVar[JsonDict] = {
        "id": "0f4c1d2a9b7e",
        "name": "web-1",
        "status": "running",
        "image": "base-api-server:latest",
        "ports": {"5000/tcp": "0.0.0.0:8001"},
        "created": "2026-01-02T15:04:05.123456Z",
        "state": "running",
        "health": "healthy",
        "started_at": "2026-01-02T15:04:05.456789Z",
        "finished_at": None,
        "exit_code": None,
        "reason": None,
        "oom_killed": None,
        "restart_count": 0,
        "labels": {"orchestration-api.managed": "true", "orchestration-api.ports": "8001"},
        "env": ["GREETING", "PATH"],
        "managed": True,
        "url": "http://localhost:8001",
        "host": "localhost",
        "port": 8001,
        "limits": {"memory": 268435456, "cpus": 1.0, "pids": 512, "disk": None},
        "written_bytes": None,
        "port_changed": False,
        "previous_ports": None,
        "previous_id": None,
    }


class ContainerEnv(Model):
    """The environment that a container's processes start with."""

    container_id: str
    name: str
    env: dict[str, str] = Field(
        description="Names and values: the image's variables, and those of the create."
    )

    example: ClassVar[JsonDict] = {
        "container_id": "0f4c1d2a9b7e",
        "name": "web-1",
        "env": {"GREETING": "hello", "PATH": "/usr/local/bin:/usr/bin:/bin"},
    }


class RemovedContainer(Model):
    id: str
    name: str
    removed: Literal[True] = True
    released_ports: list[int] = Field(description="Host ports that are free again.")
    removed_volumes: list[str] = Field(
        [], description="Its named volumes that went with it, where that was asked for."
    )

    example: ClassVar[JsonDict] = {
        "id": "0f4c1d2a9b7e",
        "name": "web-1",
        "removed": True,
        "released_ports": [8001],
        "removed_volumes": [],
    }


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
