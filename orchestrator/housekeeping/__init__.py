"""What the service does by itself, again and again. Each has a `run_once`.

loop  finishes and takes away what crashes left
"""

from .loop import Housekeeping

__all__ = ["Housekeeping"]
