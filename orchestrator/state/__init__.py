"""What the engine holds, in memory, kept equal to it: list, watch, list again.

inventory  every container, by id, name and earlier ids
mirror     brings one container into memory, with its ports, as it is now
written    what containers have written, as last counted
watcher    follows the engine's events and listings, and says how that goes
"""

from .inventory import Inventory, made_with
from .mirror import Mirror, removed_meanwhile
from .watcher import Watcher
from .written import Written

__all__ = ["Inventory", "Mirror", "Watcher", "Written", "made_with", "removed_meanwhile"]
