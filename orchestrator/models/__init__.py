"""The types that travel, asked and answered, each with its example beside it.

    model        what they have in common: they cannot change, and have an example
    containers   a container, its limits, its environment; how many there are
    volumes      a volume of ours
    ports        the ports of the range, their states and owners
    statistics   what containers use: at one moment, over time, as a stream
    host         what the host uses, and whose figures those are
    service      the index, health, and problem documents
    asked        what bodies and queries have in common: no unknown field, and null is left out
    create       what a caller asks for in a create, checked field by field; create_process,
                  create_files and create_network check what a container runs, has on its file
                  system, and finds on its network
    registry_auth a login for a registry, which nothing keeps
    create_texts what the texts of a create look like, for validators and for OpenAPI
    spec         what is to be made: a create with every default settled
    engine       what the engine tells of images, networks and listings
    filters      what a query asks for: which containers, which part of a history
    sample       what a container had used up to one moment, wherever it was counted

A new type is one class in the module of its topic, with its example if it is a whole answer or
body; then it is named here.
"""

from .asked import Asked
from .containers import (
    Container,
    ContainerCounts,
    ContainerEnv,
    Limits,
    Published,
    RemovedContainer,
    State,
)
from .create import (
    CreateRequest,
)
from .create_files import path_of
from .create_network import MOST_PORTS
from .create_process import LEAST_INTERVAL, HealthCheck, Ulimit, Ulimits, plain_user
from .engine import Blueprint, EngineInfo, Image, Layer, Listed, Network
from .filters import (
    ContainerFilter,
    HistoryWindow,
)
from .host import (
    FigureScope,
    HostCpu,
    HostDisk,
    HostHistory,
    HostMemory,
    HostNetwork,
    HostPoint,
    HostStats,
    SystemStats,
)
from .model import (
    examples,
)
from .ports import (
    PortBounds,
    PortRow,
    PortState,
    PortSummary,
    PortTable,
)
from .registry_auth import RegistryAuth
from .sample import (
    Sample,
    Source,
    without_cache,
)
from .service import (
    Alive,
    AuditHealth,
    DockerHealth,
    Endpoint,
    Health,
    Index,
    Problem,
    Ready,
)
from .spec import Confinement, Program, Spec
from .statistics import (
    METRICS_EXAMPLE,
    AllStats,
    ContainerStats,
    End,
    InterfaceCounters,
    StatsHistory,
    StatsPoint,
    StatsTotals,
    StreamEnd,
)
from .volumes import RemovedVolume, Volume

__all__ = [
    "LEAST_INTERVAL",
    "METRICS_EXAMPLE",
    "MOST_PORTS",
    "Alive",
    "AllStats",
    "Asked",
    "AuditHealth",
    "Blueprint",
    "Confinement",
    "Container",
    "ContainerCounts",
    "ContainerEnv",
    "ContainerFilter",
    "ContainerStats",
    "CreateRequest",
    "DockerHealth",
    "End",
    "Endpoint",
    "EngineInfo",
    "FigureScope",
    "Health",
    "HealthCheck",
    "HistoryWindow",
    "HostCpu",
    "HostDisk",
    "HostHistory",
    "HostMemory",
    "HostNetwork",
    "HostPoint",
    "HostStats",
    "Image",
    "Index",
    "InterfaceCounters",
    "Layer",
    "Limits",
    "Listed",
    "Network",
    "PortBounds",
    "PortRow",
    "PortState",
    "PortSummary",
    "PortTable",
    "Problem",
    "Program",
    "Published",
    "Ready",
    "RegistryAuth",
    "RemovedContainer",
    "RemovedVolume",
    "Sample",
    "Source",
    "Spec",
    "State",
    "StatsHistory",
    "StatsPoint",
    "StatsTotals",
    "StreamEnd",
    "SystemStats",
    "Ulimit",
    "Ulimits",
    "Volume",
    "examples",
    "path_of",
    "plain_user",
    "without_cache",
]
