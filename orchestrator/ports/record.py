"""A record keeps what is known about one host port, source by source, and derives its state. Pure.

The sources are kept apart so that none can undo another: the state is the first of reservation,
claims, hold and memory that is there, and what goes uncovers what was true beneath it.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from ..errors import PortGivenAway, PortInUse
from ..models import PortRow, PortState


class ReservedFor(Protocol):
    """Who a port is being given to."""

    @property
    def name(self) -> str | None: ...

    @property
    def since(self) -> datetime: ...

    def container_port_of(self, port: int) -> str | None: ...


@dataclass(slots=True)
class Claim:
    """A container publishes the port, or did until it was stopped."""

    container_id: str
    name: str
    container_port: str
    managed: bool
    since: datetime


@dataclass(slots=True)
class Hold:
    """Something that is no container has the port, until the allocator's clock says so much."""

    held_by: str | None
    until: float
    since: datetime


@dataclass(slots=True)
class PortRecord:
    """What is known about one port; claims and memories by the container's full id."""

    number: int
    state: PortState = "free"
    reservation: ReservedFor | None = None
    claims: dict[str, Claim] = field(default_factory=dict)
    hold: Hold | None = None
    memories: dict[str, Claim] = field(default_factory=dict)

    def settle(self) -> PortState:
        """Derives the state from the sources; `state` is left to who counts the states."""
        if self.reservation is not None:
            return "reserved"
        if any(claim.managed for claim in self.claims.values()):
            return "in_use"
        if self.claims or self.hold is not None:
            return "external"
        return "remembered" if self.memory is not None else "free"

    @property
    def memory(self) -> Claim | None:
        """The stopped container that had the port last."""
        return max(self.memories.values(), key=lambda memory: memory.since, default=None)

    def claim(self) -> Claim | None:
        """The claim that the state is about: one of ours before others'."""
        return max(self.claims.values(), key=lambda claim: claim.managed, default=None)

    def open_to(self, container_id: str) -> bool:
        """Whether a container may start on the port: it is its own, or no container's."""
        if self.reservation is not None:
            return False
        if self.claims:
            return container_id in self.claims
        return self.memory is None or self.memory.container_id == container_id

    def row(self) -> PortRow:
        """Tells the state and who has the port, as the API does."""
        if self.reservation is not None:
            return PortRow(
                port=self.number,
                state=self.state,
                container_name=self.reservation.name,
                container_port=self.reservation.container_port_of(self.number),
                since=self.reservation.since,
            )
        claim = self.claim()
        if claim is None and self.hold is not None:
            return PortRow(
                port=self.number,
                state=self.state,
                since=self.hold.since,
                held_by=self.hold.held_by or "a process of the host",
            )
        claim = claim or self.memory
        if claim is None:
            return PortRow(port=self.number, state=self.state)
        return PortRow(
            port=self.number,
            state=self.state,
            container_id=claim.container_id[:12],
            container_name=claim.name,
            container_port=claim.container_port,
            since=claim.since,
            held_by=f'container "{claim.name}"' if self.state == "external" else None,
        )


def port_in_use(row: PortRow) -> PortInUse:
    """Makes the error for a port that is not to be had, from the row that says who has it."""
    if row.state == "reserved":
        holder = "is being given to another container"
    elif row.state == "external":
        holder = f"is held by {row.held_by}"
    else:
        holder = f'is in use by container "{row.container_name}"'
    return PortInUse(
        f"Port {row.port} {holder}. Pin another one, or leave `port` out and the service picks a"
        " free one.",
        port=row.port,
        state=row.state,
        held_by=row.held_by,
        container_id=row.container_id,
        container_name=row.container_name,
    )


def port_given_away(row: PortRow) -> PortGivenAway:
    """Makes the error for a container's own port that is another one's by now, from its row."""
    holder = f'"{row.container_name}"' if row.container_name else "another container"
    return PortGivenAway(
        f"Port {row.port} of this container was given to {holder} while it was stopped."
        f" Remove {holder}, or create this container anew to get another port.",
        port=row.port,
        container_id=row.container_id,
        container_name=row.container_name,
    )
