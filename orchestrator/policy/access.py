"""Decides what may be done with a container: all with those of this service, with others what
ALLOW_UNMANAGED says, and with the one that the service runs in no change ever.

Everybody's containers are in the list, in the counts of /health and in the table of ports.
"""

from ..callers import Caller
from ..errors import InsufficientScope, NotManaged
from ..models import Container
from ..settings import Unmanaged


class Access:
    """Knows which containers may be read and changed. `own_id` is the full id of the container that
    this service runs in, None outside of one.
    """

    def __init__(self, unmanaged: Unmanaged, own_id: str | None) -> None:
        self._unmanaged = unmanaged
        self._own_id = own_id

    def may_read(self, container: Container) -> bool:
        """Whether anybody may know what a container uses."""
        return self._unmanaged != "false" or self._is_ours(container)

    def require_read(self, container: Container) -> None:
        """Raises NotManaged unless what a container uses may be known."""
        if not self.may_read(container):
            who = (
                "is the one that this service runs in"
                if container.full_id == self._own_id
                else "was not created by this service"
            )
            raise _refused(
                container,
                f"{who}, and nothing is told of it but what the list shows. Use docker, or set"
                " ALLOW_UNMANAGED=read.",
            )

    def require_change(self, container: Container) -> None:
        """Raises NotManaged unless a container may be started, stopped and removed."""
        if container.full_id == self._own_id:
            raise _refused(
                container,
                "is the one that this service runs in, which it never changes. Use docker on the"
                " host.",
            )
        if self._unmanaged != "true" and not container.managed:
            raise _refused(
                container,
                "was not created by this service, which leaves it alone. Use docker, or set"
                " ALLOW_UNMANAGED=true.",
            )

    def require_values(self, container: Container) -> None:
        """Raises NotManaged unless the values of a container's environment may be shown."""
        if not self._is_ours(container):
            raise _refused(
                container,
                "is not one of those whose environment this service shows: it shows that of"
                " containers it has created. Use docker.",
            )

    def _is_ours(self, container: Container) -> bool:
        return container.managed and container.full_id != self._own_id


def require_write_scope(caller: Caller) -> None:
    """Raises InsufficientScope when the caller's key may only read."""
    if caller.scope != "write":
        raise InsufficientScope(
            f'The key "{caller.name}" may only read, and this shows values that may be secrets.'
            " Use one with the scope write."
        )


def _refused(container: Container, reason: str) -> NotManaged:
    return NotManaged(
        f'Container "{container.name}" {reason}', id=container.id, name=container.name
    )
