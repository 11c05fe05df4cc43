"""Changes of containers. Each ends in the state that it reports, or leaves nothing.

create        settles a request into a Spec, and has it launched
keyed_create  the same, once for an Idempotency-Key
launch        creates and starts, on one port after another until the engine agrees
lifecycle     start, stop, restart, remove
start         starts what exists on its own ports, or has it moved
move          makes a container once more, on other ports
claim         the container that a caller names, for one change at a time
changes       so many at once, one at a time for a container, each to its end
leftovers     cleans up what failed and interrupted changes left
waits         for another request, or a container's health, while its caller is there
volumes       volumes of ours: listed, removed
networks      which network of ours a container goes on
users         which number the user's name of an image stands for
"""

from .changes import Changes
from .claim import Claims
from .create import Creator
from .keyed_create import KeyedCreates
from .launch import Launcher
from .leftovers import Leftovers
from .lifecycle import Lifecycle
from .move import Mover
from .networks import Networks
from .start import Starter
from .volumes import Volumes
from .waits import Left

__all__ = [
    "Changes",
    "Claims",
    "Creator",
    "KeyedCreates",
    "Launcher",
    "Left",
    "Leftovers",
    "Lifecycle",
    "Mover",
    "Networks",
    "Starter",
    "Volumes",
]
