"""Images to clone from."""

from .pulls import (
    Images,
)

__all__ = [
    "Images",
]
