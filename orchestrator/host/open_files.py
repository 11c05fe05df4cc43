"""Raises this process's limit of open files, and tells how many of them a reader may keep open.

Each connection takes one, and so does each file of the kernel that is kept open to be read again.
"""

import resource
from contextlib import suppress

# Of a limit on open files, what is left to everything else: sockets of callers and of the engine.
RESERVED_FILES = 1024


def allow_more_files() -> None:
    """Raises this process's limit of open files as far as it may go; never fails."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # macOS allows less than it says
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def files_allowed() -> int:
    """Returns how many files a reader may keep open; 0 where the limit leaves no room for that."""
    return max(0, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - RESERVED_FILES)
