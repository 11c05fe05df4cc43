"""Images to clone from.

pulls  gets an image, pulled if it must be, once for all who wait for it
"""

from .pulls import Images

__all__ = ["Images"]
