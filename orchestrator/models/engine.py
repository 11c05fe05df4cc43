"""Holds what the engine tells and no answer shows as it is: version, images, networks, listings."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .containers import Container


@dataclass(frozen=True)
class EngineInfo:
    """Which engine answers."""

    version: str
    api_version: str


@dataclass(frozen=True)
class Listed:
    """An entry of the engine's listing: enough to tell whether a container has changed."""

    full_id: str
    names: tuple[str, ...]  # without the slash
    state: str
    ports: frozenset[int]  # host ports that it publishes

    def agrees(self, container: Container) -> bool:
        """Whether it tells nothing new about a container."""
        return (
            self.state == container.state
            and container.name in self.names
            and (
                not container.runs
                or container.state == "restarting"
                or self.ports == set(container.held_ports)
            )
        )


@dataclass(frozen=True)
class Image:
    """An image on the engine, and what its containers inherit."""

    reference: str  # what it was asked for by
    id: str | None = None
    names: tuple[str, ...] = ()  # references with a tag or a digest
    comment: str = ""  # of who made it
    labels: Mapping[str, str] = field(default_factory=dict)
    exposed_ports: tuple[str, ...] = ()  # container ports, the lowest first
    user: str = ""
    program: tuple[str, ...] = ()  # entry point
    command: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    directory: str = ""
    layers: int = 0
    health_check_works: bool = True  # or there is none
    has_health_check: bool = False
    too_often: tuple[str, ...] = ()  # of its health check: fields with too short an interval
    platform: str = ""  # like "linux/amd64" or "linux/arm/v7"; empty where the engine says nothing

    def is_for(self, platform: str | None) -> bool:
        """Whether it is for a platform; any will do for None. A variant counts where both have
        one.
        """
        if platform is None or not self.platform:
            return True
        wanted, found = platform.split("/"), self.platform.split("/")
        return all(a == b for a, b in zip(wanted, found, strict=False))


@dataclass(frozen=True)
class Layer:
    """One step in the making of an image."""

    size: int  # bytes that it added; 0 for one that changed only the configuration
    comment: str  # of who made it


@dataclass(frozen=True)
class Network:
    """A network of the engine."""

    name: str
    options: Mapping[str, str]


@dataclass(frozen=True)
class Blueprint:
    """All that makes a container what it is, for one that is the same but for its ports.

    Opaque: only `payloads` looks into what the engine said of it, and only `engine` uses it.
    """

    container: Container
    running: bool
    image_id: str  # of the image that it was made from
    networks: tuple[str, ...]  # those that it is on beside the one that it is created with
    inspection: Mapping[str, Any] = field(repr=False)  # GET /containers/{id}/json
