"""Which container has which host port; never one for two.

    allocator    gives ports out, and keeps account of who has which
    reservation  ports kept for one container while it is created or started
    order        which port is next, and how many are in each state
    record       what is known about one port, and the state that follows from it
    refused      a port that the engine refused, found out and held

All but `refused` are pure: they know neither the engine nor the host, whose refusal is the last
word. A port that may be taken is tried, and held when it is refused.
"""

from .allocator import PortAllocator
from .record import port_in_use
from .refused import RefusedPorts
from .reservation import Reservation

__all__ = [
    "PortAllocator",
    "RefusedPorts",
    "Reservation",
    "port_in_use",
]
