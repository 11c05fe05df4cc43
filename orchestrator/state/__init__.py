"""What the engine holds, in memory, kept equal to it: list, watch, list again."""

from .inventory import (
    Inventory,
)
from .watcher import (
    Watcher,
)

__all__ = [
    "Inventory",
    "Watcher",
]
