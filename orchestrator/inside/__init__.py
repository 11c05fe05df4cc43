"""What is in a container: reads, changes nothing.

environment  the values of its variables, for those who may see them
program      whether the program that it is to run is there
"""

from .environment import Environments
from .program import Programs

__all__ = ["Environments", "Programs"]
