"""Which container has which host port. Pure, synchronous, in memory; no I/O and no threads.

The allocator hands ports out and keeps account of them. It never gives one port to two owners, and
a port leaves its account as soon as nothing speaks for it any more.

What is known about a port comes from four sources (`port_record` derives its state from them):

* a *reservation*: the port is being given to a container that is being created or started;
* *claims*: containers that publish the port now, ours or not, as the engine described them;
* a *hold*: the engine or the operating system said that something else has the port, for a while;
* *memories*: stopped containers that had the port; the last of them counts.

It does not know whether the engine agrees: the engine's refusal is always the last word, and the
caller then says `hold` and tries on.

All operations take constant time per port asked for, but for `table` and `repair`, which walk the
ports in use, and the first give-away after out-of-order memories, which sorts them once.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Literal, Self

from ..errors import PortGivenAway, PortNotFound, PortOutOfRange, PortsExhausted
from ..models import Container, PortBounds, PortRow, PortState, PortSummary, PortTable
from ..quantities import PortRange
from .record import Claim, Hold, PortRecord, port_in_use

# A claim that the engine's listing does not explain is freed on this sighting, not before: a
# listing may lag behind an event, and a port given twice is worse than one that is free late.
SIGHTINGS = 3

_STATES: tuple[PortState, ...] = ("free", "reserved", "in_use", "remembered", "external")


class Reservation:
    """Ports that are being given to one container. Leaving it without `commit` releases them."""

    def __init__(self, owner: "PortAllocator", name: str | None, ports: Mapping[str, int]) -> None:
        self.name = name
        self.ports = dict(ports)  # container port -> port
        self.since = datetime.now(UTC)
        self._owner = owner
        self._handed_over = False

    def container_port_of(self, port: int) -> str | None:
        return next((key for key, value in self.ports.items() if value == port), None)

    def commit(self, container_id: str, name: str) -> None:
        """The container runs: its ports are in use from now on. Ends the reservation."""
        self._owner._end(self, container_id, name)

    def release(self) -> None:
        """Ends the reservation. One that has ended is left alone, whoever has its ports now."""
        self._owner._end(self)

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


class PortAllocator:
    """The ports of one range, lowest first on a fresh one, the longest free ones after that.

    `api_port` is never given out, wherever it lies. `hold_seconds` is how long a hold lasts that
    nobody renews; `clock` counts seconds for that and never goes back.
    """

    def __init__(
        self,
        ports: PortRange,
        api_port: int,
        *,
        hold_seconds: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.range = ports
        self.api_port = api_port
        self._hold_seconds = hold_seconds
        self._clock = clock
        self._ports = {number: PortRecord(number) for number in range(ports.first, ports.last + 1)}
        # Insertion order is the order of use: the head has been free, or held, for longest.
        self._free: OrderedDict[int, None] = OrderedDict.fromkeys(self._ports)
        self._remembered: OrderedDict[int, datetime] = OrderedDict()
        self._remembered_in_order = True
        self._holds: OrderedDict[int, None] = OrderedDict()
        self._busy: dict[int, None] = {}
        self._counts = dict.fromkeys(_STATES, 0) | {"free": len(self._ports)}
        self._by_container: dict[str, set[int]] = {}
        self._unexplained: dict[str, int] = {}  # container id -> calls of repair in a row
        # Names outlive their containers, so that a successor gets the same address. Bounded.
        self._names: OrderedDict[str, dict[str, int]] = OrderedDict()
        if api_port in ports:
            self._ports[api_port].hold = Hold("this API", float("inf"), datetime.now(UTC))
            self._settle(self._ports[api_port])

    # Giving out

    def reserve(
        self,
        container_ports: Sequence[str],
        *,
        name: str | None = None,
        pinned: int | None = None,
    ) -> Reservation:
        """One port for each container port, all or none.

        `pinned` is the port of the first container port. The others get, in this order: the port
        that a container of this `name` had for the same container port, if it is free; the port
        that has been free for longest; the remembered port that was released first.

        Raises PortOutOfRange or PortInUse for a pinned port, PortsExhausted when too few are left.
        """
        if pinned is not None:
            self._check_pinned(pinned)
        if self.available < len(container_ports):
            raise self._exhausted(len(container_ports))
        chosen = {container_ports[0]: pinned} if pinned is not None else {}
        for container_port, port in self._names.get(name or "", {}).items():
            if container_port in container_ports and port in self._free and port != pinned:
                chosen.setdefault(container_port, port)
        for port in chosen.values():
            self._withdraw(port)
        ports = {key: chosen.get(key) or self._next() for key in container_ports}
        return self._begin(name, ports)

    def reserve_own(self, container: Container) -> Reservation:
        """The ports that a stopped container had, for its start; those outside the range are left
        to the engine, and so are those that a process holds, since it may have gone.

        Raises PortGivenAway when one of them belongs to somebody else by now.
        """
        mine: dict[str, int] = {}
        for number, container_port in container.own_ports.items():
            port = self._ports.get(number)
            if port is None:
                continue
            if not port.open_to(container.full_id):
                row = port.row()
                holder = f'"{row.container_name}"' if row.container_name else "another container"
                raise PortGivenAway(
                    f"Port {number} of this container was given to {holder} while it was stopped."
                    f" Remove {holder}, or create this container anew to get another port.",
                    port=number,
                    container_id=row.container_id,
                    container_name=row.container_name,
                )
            mine[container_port] = number
        for number in mine.values():
            self._withdraw(number)
        return self._begin(container.name, mine)

    def reserve_for_move(self, container: Container, refused: Collection[int] = ()) -> Reservation:
        """Ports for a stopped container that cannot have all of its own: those of them that
        nobody else has stay, and each of the others, and of the `refused`, is replaced by another
        of the range. Ports outside the range stay, unless they were refused, unreserved.

        Raises PortsExhausted when too few are left.
        """
        self._expire_holds()
        kept: dict[str, int] = {}
        lost: list[str] = []
        for number, container_port in container.own_ports.items():
            port = self._ports.get(number)
            if number in refused or (
                port is not None and (port.hold or not port.open_to(container.full_id))
            ):
                lost.append(container_port)
            elif port is not None:
                kept[container_port] = number
        for number in kept.values():
            self._withdraw(number)
        if len(self._free) + len(self._remembered) < len(lost):
            for number in kept.values():
                self._settle(self._ports[number])
            raise self._exhausted(len(lost))
        return self._begin(container.name, kept | {key: self._next() for key in lost})

    # What is seen

    def observe(self, container: Container) -> None:
        """Takes in a container as the engine described it. The same description again is a no-op.

        A running one claims the ports it publishes; a stopped one of ours is remembered at its
        ports; what it held before and holds no more is uncovered. Reservations are not touched.
        """
        self._unexplained.pop(container.full_id, None)
        before = self._by_container.get(container.full_id, set())
        now: set[int] = set()
        for number, container_port in container.held_ports.items():
            if (port := self._ports.get(number)) is not None:
                since = container.started_at or container.created
                self._claim(port, container, container_port, since)
                now.add(number)
        if container.managed and not container.runs:
            released = container.finished_at or container.created
            for number, container_port in container.own_ports.items():
                if (port := self._ports.get(number)) is None:
                    continue
                port.memories[container.full_id] = Claim(
                    container.full_id, container.name, container_port, True, released
                )
                now.add(number)
        for number in before | now:
            port = self._ports[number]
            if number not in container.held_ports:
                port.claims.pop(container.full_id, None)
            if container.runs or number not in now:
                port.memories.pop(container.full_id, None)
            self._settle(port)
        self._index(container.full_id, now)
        if container.managed and container.own_ports:
            self._remember_name(container)

    def forget(self, container_id: str) -> None:
        """The container is gone. Forgetting one that was never seen is a no-op."""
        self._unexplained.pop(container_id, None)
        for number in self._by_container.pop(container_id, ()):
            port = self._ports[number]
            port.claims.pop(container_id, None)
            port.memories.pop(container_id, None)
            self._settle(port)

    def hold(self, port: int, held_by: str | None = None) -> None:
        """Something that is no container has the port: external for a while. No-op out of range."""
        entry = self._ports.get(port)
        if entry is None or (entry.hold is not None and entry.hold.until == float("inf")):
            return
        since = entry.hold.since if entry.hold is not None else datetime.now(UTC)
        entry.hold = Hold(held_by, self._clock() + self._hold_seconds, since)
        self._holds.pop(port, None)
        self._holds[port] = None
        self._settle(entry)

    def hold_exactly(self, listeners: Mapping[int, str | None]) -> None:
        """Holds these ports, by whom, and lifts every other hold: the host was looked over."""
        for number in [number for number in self._holds if number not in listeners]:
            self._lift(number)
        for number, process in listeners.items():
            self.hold(number, f'process "{process}"' if process else None)

    def repair(self, known: Collection[str]) -> list[int]:
        """Drops what is held for containers that are not in `known`, on the third call that sees
        it so; returns the ports. Counts calls, not seconds. Reservations are not touched.
        """
        freed: list[int] = []
        unexplained = [key for key in self._by_container if key not in known]
        self._unexplained = {key: self._unexplained.get(key, 0) + 1 for key in unexplained}
        for container_id, sightings in list(self._unexplained.items()):
            if sightings >= SIGHTINGS:
                freed += self._by_container[container_id]
                self.forget(container_id)
        return freed

    # What is known

    @property
    def available(self) -> int:
        """How many ports can be given out: free ones, and remembered ones if need be."""
        self._expire_holds()
        return self._counts["free"] + self._counts["remembered"]

    def ports_of(self, container_id: str) -> list[int]:
        """The ports that are in use by a container, or remembered for it, in order."""
        return sorted(
            number
            for number in self._by_container.get(container_id, ())
            if self._ports[number].row().container_id == container_id[:12]
        )

    def is_claimed(self, port: int) -> bool:
        """Whether a container publishes the port or is being given it."""
        entry = self._ports.get(port)
        return entry is not None and bool(entry.claims or entry.reservation)

    def summary(self) -> PortSummary:
        self._expire_holds()
        return PortSummary(
            range=PortBounds(first=self.range.first, last=self.range.last),
            api_port=self.api_port,
            total=self.range.size,
            available=self.available,
            in_use=self._counts["in_use"],
            reserved=self._counts["reserved"],
            remembered=self._counts["remembered"],
            external=self._counts["external"],
        )

    def table(self) -> PortTable:
        """The summary, and a row for each port that is not free, in order."""
        summary = self.summary()
        rows = [self._ports[number].row() for number in sorted(self._busy)]
        return PortTable(**summary.model_dump(), ports=rows)

    def row(self, port: int) -> PortRow:
        """One port; PortNotFound outside the range."""
        self._expire_holds()
        if port not in self._ports:
            raise PortNotFound(
                f"Port {port} is outside {self.range}, the ports that this service gives out.",
                port=port,
            )
        return self._ports[port].row()

    # Within

    def _check_pinned(self, pinned: int) -> None:
        if pinned not in self._ports:
            raise PortOutOfRange(
                f"Port {pinned} is outside {self.range}. Pin one of these, or leave `port` out"
                " and the service picks a free one.",
                port=pinned,
                first=self.range.first,
                last=self.range.last,
            )
        self._expire_holds()
        if self._ports[pinned].state not in ("free", "remembered"):
            raise port_in_use(self._ports[pinned].row())

    def _exhausted(self, wanted: int) -> PortsExhausted:
        return PortsExhausted(
            f"All ports of {self.range} are taken: {self.available} left, {wanted} wanted. Remove"
            " or stop a container, or widen PORT_RANGE.",
            wanted=wanted,
            **self.summary().model_dump(),
        )

    def _withdraw(self, port: int) -> None:
        """Takes a port from those that can be given out."""
        self._free.pop(port, None)
        self._remembered.pop(port, None)

    def _next(self) -> int:
        """Takes the next of the ports that can be given out; there must be one."""
        if self._free:
            return self._free.popitem(last=False)[0]
        if not self._remembered_in_order:
            by_release = sorted(self._remembered.items(), key=lambda item: item[1])
            self._remembered = OrderedDict(by_release)
            self._remembered_in_order = True
        return self._remembered.popitem(last=False)[0]

    def _begin(self, name: str | None, ports: Mapping[str, int]) -> Reservation:
        reservation = Reservation(self, name, ports)
        for number in ports.values():
            self._ports[number].reservation = reservation
            self._settle(self._ports[number])
        return reservation

    def _end(
        self, reservation: Reservation, container_id: str | None = None, name: str = ""
    ) -> None:
        """Ends a reservation, with a claim of the container in its place if one is given."""
        for container_port, number in reservation.ports.items():
            port = self._ports[number]
            if port.reservation is not reservation:
                continue
            port.reservation = None
            if container_id is not None:
                if number in self._holds:  # the engine has just proved it wrong
                    self._lift(number)
                now = datetime.now(UTC)
                claim = Claim(container_id, name, container_port, managed=True, since=now)
                port.claims.setdefault(container_id, claim)
                self._by_container.setdefault(container_id, set()).add(number)
            self._settle(port)

    def _claim(
        self, port: PortRecord, container: Container, container_port: str, since: datetime
    ) -> None:
        port.claims[container.full_id] = Claim(
            container.full_id, container.name, container_port, container.managed, since
        )

    def _index(self, container_id: str, numbers: set[int]) -> None:
        if numbers:
            self._by_container[container_id] = numbers
        else:
            self._by_container.pop(container_id, None)

    def _remember_name(self, container: Container) -> None:
        self._names.pop(container.name, None)
        self._names[container.name] = {
            container_port: number for number, container_port in container.own_ports.items()
        }
        while len(self._names) > 4 * self.range.size:
            self._names.popitem(last=False)

    def _expire_holds(self) -> None:
        now = self._clock()
        while self._holds:
            number = next(iter(self._holds))
            hold = self._ports[number].hold
            if hold is not None and hold.until > now:
                return
            self._lift(number)

    def _lift(self, number: int) -> None:
        self._holds.pop(number, None)
        self._ports[number].hold = None
        self._settle(self._ports[number])

    def _settle(self, port: PortRecord) -> None:
        """Brings the queues and counts in line with what is known about a port."""
        state = port.settle()
        self._counts[port.state] -= 1
        self._counts[state] += 1
        port.state = state
        number = port.number
        if state == "free":
            self._free.setdefault(number)
            self._busy.pop(number, None)
        else:
            self._free.pop(number, None)
            self._busy[number] = None
        if state == "remembered" and port.memory is not None:
            released = port.memory.since
            if self._remembered.get(number) != released:
                self._remembered.pop(number, None)
                if self._remembered and next(reversed(self._remembered.values())) > released:
                    self._remembered_in_order = False
                self._remembered[number] = released
        else:
            self._remembered.pop(number, None)
