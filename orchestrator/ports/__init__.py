"""Which container has which host port; never one for two."""

from .allocator import (
    PortAllocator,
    Reservation,
)
from .record import (
    port_in_use,
)
from .refused import (
    RefusedPorts,
)

__all__ = [
    "PortAllocator",
    "RefusedPorts",
    "Reservation",
    "port_in_use",
]
