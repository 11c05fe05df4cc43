"""What is in a container: reads, changes nothing."""

from .environment import (
    Environments,
)
from .program import (
    Programs,
    program_of,
)

__all__ = [
    "Environments",
    "Programs",
    "program_of",
]
