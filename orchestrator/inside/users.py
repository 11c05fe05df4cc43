"""Finds out which number a user's name stands for in a container that was created, but not started.

It is what the container's /etc/passwd says, read as it lies there: nothing of the image is run for
it. An image may have anything in place of that file. Links are followed as the engine follows them,
which never leads out of the container; what is no file, or longer than any such file is, has no
users.
"""

import base64
import binascii
import json
import re

from ..engine import Engine
from ..models import plain_user

_USERS = "/etc/passwd"
# A file of users is a few kilobytes long.
MOST_BYTES = 1 << 20
_MOST_LINKS = 8

# Go's os.FileMode, https://pkg.go.dev/io/fs#FileMode
_LINK, _TYPES = 1 << 27, 1 << 31 | 1 << 27 | 1 << 26 | 1 << 25 | 1 << 24 | 1 << 21 | 1 << 19
# What useradd takes for a name, capitals and dots as well.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,255}\$?", re.ASCII)


def name_of(user: str) -> str | None:
    """The name in an image's user, like "app" or "app:staff", that is worth looking for."""
    name = user.strip().partition(":")[0]
    return name if _NAME.fullmatch(name) and name != "root" else None


def number_of(passwd: bytes, name: str) -> str | None:
    """The number of a user, where it is one from 1 on, by the text of a passwd(5). As for the
    engine the first line with a name counts.
    """
    for line in passwd.splitlines():
        parts = line.strip().split(b":")
        if parts[0] == name.encode() and len(parts) > 2:
            return plain_user(parts[2].decode("ascii", "replace"))
    return None


def look(status: int, header: str | None) -> str | int | None:
    """What `HEAD /containers/{id}/archive?path=` says of a path: the bytes of a file, or the
    absolute path that it is a link to; None for anything else. `header` is
    X-Docker-Container-Path-Stat.
    """
    if status != 200 or header is None:
        return None
    try:
        described = json.loads(base64.b64decode(header, validate=True))
        mode, size = int(described["mode"]), int(described["size"])
        target = str(described["linkTarget"])
    except (binascii.Error, ValueError, LookupError, TypeError):
        return None
    if mode & _LINK:
        return target if target.startswith("/") else None
    return None if mode & _TYPES else size


class Users:
    """Looks users up in containers that were created, but not started."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def number(self, container_id: str, name: str) -> str | None:
        """The number of a user, where it is one from 1 on. None for root, for one that is not
        there, and where the engine does not show the file. Raises what the engine raises.
        """
        place = _USERS
        for _ in range(_MOST_LINKS):
            found = look(*await self._engine.containers.stat_path(container_id, place))
            if isinstance(found, str):
                place = found
            elif found is None or found > MOST_BYTES:
                return None
            else:
                text = await self._engine.containers.read_file(container_id, place, MOST_BYTES)
                return None if text is None else number_of(text, name)
        return None
