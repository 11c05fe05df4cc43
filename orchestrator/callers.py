"""Says who sent a request: the key that came with it, and the address it came from.

`http.door` finds it out; access, quotas and the audit go by it. Of a key itself, only its digest is
ever kept.
"""

import hashlib
import re
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Literal

Scope = Literal["read", "write"]

SHORTEST_KEY = 32  # characters
_KEY = re.compile(rf"[!-~]{{{SHORTEST_KEY},512}}")


class BadKeys(ValueError):
    """Keys that cannot be used. The message is one line without a key."""


def digest(key: str) -> bytes:
    """Makes what is kept of a key; raises BadKeys where it is too short, or has a space in it."""
    if not _KEY.fullmatch(key):
        raise BadKeys(
            f"a key has {SHORTEST_KEY} to 512 characters of printable ASCII without spaces;"
            " `openssl rand -hex 32` makes one"
        )
    return hashlib.sha256(key.encode()).digest()


@dataclass(frozen=True)
class Caller:
    """Who sent a request.

    `name` is that of the key, None where keys are not asked for; `peer` an address without its
    port, "-" where there is none, as on a Unix socket. `containers` is how many the key may have,
    where the file of keys says so; 0 is any number. `admitted` says whether the key still counts:
    what goes on for long asks it again and again.
    """

    name: str | None
    scope: Scope
    peer: str
    containers: int | None = None
    admitted: Callable[[], bool] = field(default=lambda: True, compare=False, repr=False)

    @property
    def identity(self) -> str:
        """What limits count by: the key where there is one, else the address."""
        return f"key:{self.name}" if self.name is not None else f"peer:{self.peer}"


_UNKNOWN = Caller(None, "write", "-")
current: ContextVar[Caller] = ContextVar("caller", default=_UNKNOWN)
