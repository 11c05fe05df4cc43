"""Tells how much room a disk of this machine has left."""

import os


def free_bytes(path: str) -> int | None:
    """Returns the bytes that are free for everybody on the file system that a path is on, as `df`
    shows them; None where that cannot be seen. On a network's file system this may block.
    """
    try:
        found = os.statvfs(path)
    except (OSError, ValueError):
        return None
    return found.f_bavail * found.f_frsize
