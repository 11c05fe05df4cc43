"""What this machine tells: /proc, /sys and psutil. Knows no Docker."""

from .cgroups import (
    CgroupReader,
)
from .figures import (
    Reading,
    Traffic,
    find_reader,
)
from .interfaces import (
    BRIDGE_PREFIX,
    OwnBridges,
)
from .listeners import (
    HostPorts,
)
from .open_files import (
    allow_more_files,
)
from .own_container import (
    own_container_id,
)

__all__ = [
    "BRIDGE_PREFIX",
    "CgroupReader",
    "HostPorts",
    "OwnBridges",
    "Reading",
    "Traffic",
    "allow_more_files",
    "find_reader",
    "own_container_id",
]
