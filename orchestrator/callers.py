"""Who asks: the key that came with a request, and the address it came from.

`security` finds it out; who may do what, quotas and the audit go by it.
"""

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal

Scope = Literal["read", "write"]


@dataclass(frozen=True)
class Caller:
    """`name` is that of the key, None where keys are not asked for; `peer` an address without its
    port, "-" where there is none, as on a Unix socket. `containers` is how many the key may have,
    where the file of keys says so; 0 is any number.
    """

    name: str | None
    scope: Scope
    peer: str
    containers: int | None = None

    @property
    def identity(self) -> str:
        """What limits count by: the key where there is one, else the address."""
        return f"key:{self.name}" if self.name is not None else f"peer:{self.peer}"


_UNKNOWN = Caller(None, "write", "-")
current: ContextVar[Caller] = ContextVar("caller", default=_UNKNOWN)
