"""Changes of containers. Each ends in the state that it reports, or leaves nothing."""

from .keyed_create import (
    IdempotentCreates,
)
from .lifecycle import (
    Lifecycle,
)
from .networks import (
    Networks,
)

__all__ = [
    "IdempotentCreates",
    "Lifecycle",
    "Networks",
]
