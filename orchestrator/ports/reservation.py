"""A reservation keeps ports for one container while it is created or started. Pure.

It is acquired at once and let go on leaving, unless the container runs by then: better a port that
is missing for a moment than one that two containers are given.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Literal, Self


class Reservation:
    """Ports that are being given to one container. Leaving it without `commit` releases them.

    `end` is told that it is over, with the id and name of the container that has the ports now, or
    None and None. It must leave alone a reservation that has ended before.
    """

    def __init__(
        self,
        name: str | None,
        ports: Mapping[str, int],
        end: "Callable[[Reservation, str | None, str | None], None]",
    ) -> None:
        self.name = name
        self.ports = dict(ports)  # container port -> port
        self.since = datetime.now(UTC)
        self._end = end
        self._handed_over = False

    def container_port_of(self, port: int) -> str | None:
        """Finds the container port that one of its ports is for; None for any other port."""
        return next((key for key, value in self.ports.items() if value == port), None)

    def commit(self, container_id: str, name: str) -> None:
        """Ends it because the container runs: its ports are in use from now on."""
        self._end(self, container_id, name)

    def release(self) -> None:
        """Ends it. One that has ended is left alone, whoever has its ports now."""
        self._end(self, None, None)

    def hand_over(self) -> None:
        """Leaving it does not release it any more: somebody else will."""
        self._handed_over = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> Literal[False]:
        if not self._handed_over:
            self.release()
        return False
