"""What this machine tells: /proc, /sys, psutil. Knows no Docker.

figures        what the host uses, and whose figures those are
cgroups        samples of containers, from the files of their control groups
cgroup_files   what the texts of those files say; pure
listeners      the ports of the host that processes listen on
interfaces     which requests come from our own containers, by the subnets of their bridges
free_space     how much room a disk has left
own_container  the container that this process runs in
open_files     the limit of open files
"""

from .cgroups import CgroupReader
from .figures import Reading, Traffic, find_reader
from .free_space import free_bytes
from .interfaces import BRIDGE_PREFIX, OwnBridges
from .listeners import HostPorts
from .open_files import allow_more_files
from .own_container import own_container_id

__all__ = [
    "BRIDGE_PREFIX",
    "CgroupReader",
    "HostPorts",
    "OwnBridges",
    "Reading",
    "Traffic",
    "allow_more_files",
    "find_reader",
    "free_bytes",
    "own_container_id",
]
