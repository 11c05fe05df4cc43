"""What is in a container: reads, changes nothing.

environment  the values of its variables, for those who may see them
program      whether the program that it is to run is there
users        which number a user's name stands for
"""

from .environment import Environments
from .program import Programs
from .users import Users, name_of

__all__ = ["Environments", "Programs", "Users", "name_of"]
