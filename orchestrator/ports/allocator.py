"""The allocator gives host ports out, and keeps account of who has which. Pure, synchronous, in
memory; no I/O and no threads.

It never gives one port to two owners, and a port leaves its account as soon as nothing speaks for
it any more.

What is known about a port comes from four sources (`record` derives its state from them):

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
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime

from ..errors import PortNotFound, PortOutOfRange, PortsExhausted
from ..models import Container, PortBounds, PortRow, PortSummary, PortTable
from ..quantities import PortRange
from .order import PortOrder
from .record import Claim, Hold, PortRecord, port_given_away, port_in_use
from .reservation import Reservation

# A claim that the engine's listing does not explain is freed on this sighting, not before: a
# listing may lag behind an event, and a port given twice is worse than one that is free late.
SIGHTINGS = 3


class PortAllocator:
    """Gives out the ports of one range, first those that have been free for longest: on a fresh
    range, the lowest ones.

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
        self._order = PortOrder(self._ports)
        self._by_container: dict[str, set[int]] = {}
        self._unexplained: dict[str, int] = {}  # container id -> calls of repair in a row
        if api_port in ports:
            self._ports[api_port].hold = Hold("this API", float("inf"), datetime.now(UTC))
            self._order.settle(self._ports[api_port])

    @property
    def capacity(self) -> int:
        """How many ports there are to give out when nobody has any."""
        return self.range.size - (self.api_port in self.range)

    # Giving out

    def reserve(
        self,
        container_ports: Sequence[str],
        *,
        name: str | None = None,
        pinned: int | None = None,
    ) -> Reservation:
        """Reserves one port for each container port, all or none.

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
        for container_port, port in self._order.of_name(name).items():
            if container_port in container_ports and self._order.is_free(port) and port != pinned:
                chosen.setdefault(container_port, port)
        for port in chosen.values():
            self._order.withdraw(port)
        ports = {key: chosen.get(key) or self._order.take() for key in container_ports}
        return self._begin(name, ports)

    def reserve_own(self, container: Container) -> Reservation:
        """Reserves the ports that a stopped container had, for its start; those outside the range
        are left to the engine. Those that a process holds are tried, since it may have gone.

        Raises PortGivenAway when one of them belongs to somebody else by now.
        """
        mine: dict[str, int] = {}
        for number, container_port in container.own_ports.items():
            port = self._ports.get(number)
            if port is None:
                continue
            if not port.open_to(container.full_id):
                raise port_given_away(port.row())
            mine[container_port] = number
        for number in mine.values():
            self._order.withdraw(number)
        return self._begin(container.name, mine)

    def reserve_for_move(self, container: Container, refused: Collection[int] = ()) -> Reservation:
        """Reserves ports for a stopped container that cannot have all of its own: those of them
        that nobody else has stay, and each of the others, and of the `refused`, is replaced by
        another of the range. Ports outside the range stay, unless they were refused, unreserved.

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
            self._order.withdraw(number)
        if self._order.left() < len(lost):
            for number in kept.values():
                self._order.settle(self._ports[number])
            raise self._exhausted(len(lost))
        return self._begin(container.name, kept | {key: self._order.take() for key in lost})

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
            self._order.settle(port)
        self._index(container.full_id, now)
        if container.managed and container.own_ports:
            self._order.remember_name(container.name, container.own_ports)

    def forget(self, container_id: str) -> None:
        """Drops what is known of a container that is gone. One that was never seen is a no-op."""
        self._unexplained.pop(container_id, None)
        for number in self._by_container.pop(container_id, ()):
            port = self._ports[number]
            port.claims.pop(container_id, None)
            port.memories.pop(container_id, None)
            self._order.settle(port)

    def hold(self, port: int, held_by: str | None = None) -> None:
        """Holds a port that something else than a container has: it is external for a while, from
        now on. A port out of the range is a no-op, and so is the API's own.
        """
        entry = self._ports.get(port)
        if entry is None or (entry.hold is not None and entry.hold.until == float("inf")):
            return
        since = entry.hold.since if entry.hold is not None else datetime.now(UTC)
        entry.hold = Hold(held_by, self._clock() + self._hold_seconds, since)
        self._order.hold(port)
        self._order.settle(entry)

    def hold_exactly(self, listeners: Mapping[int, str | None]) -> None:
        """Holds these ports, by whom, and lifts every other hold: the host was looked over."""
        for number in [number for number in self._order.held() if number not in listeners]:
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
        return self._order.left()

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
        """Counts the ports in each state."""
        self._expire_holds()
        return PortSummary(
            range=PortBounds(first=self.range.first, last=self.range.last),
            api_port=self.api_port,
            total=self.range.size,
            available=self.available,
            in_use=self._order.count("in_use"),
            reserved=self._order.count("reserved"),
            remembered=self._order.count("remembered"),
            external=self._order.count("external"),
        )

    def table(self) -> PortTable:
        """Lists a row for each port that is not free, in order, below the summary."""
        summary = self.summary()
        rows = [self._ports[number].row() for number in self._order.busy()]
        return PortTable(**summary.model_dump(), ports=rows)

    def row(self, port: int) -> PortRow:
        """Tells the state of one port, and who has it. Raises PortNotFound outside the range."""
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

    def _begin(self, name: str | None, ports: Mapping[str, int]) -> Reservation:
        reservation = Reservation(name, ports, self._end)
        for number in ports.values():
            self._ports[number].reservation = reservation
            self._order.settle(self._ports[number])
        return reservation

    def _end(self, reservation: Reservation, container_id: str | None, name: str | None) -> None:
        """Ends a reservation, with a claim of the container in its place if one is given."""
        for container_port, number in reservation.ports.items():
            port = self._ports[number]
            if port.reservation is not reservation:
                continue
            port.reservation = None
            if container_id is not None and name is not None:
                if self._order.is_held(number):  # the engine has just proved it wrong
                    self._lift(number)
                now = datetime.now(UTC)
                claim = Claim(container_id, name, container_port, managed=True, since=now)
                port.claims.setdefault(container_id, claim)
                self._by_container.setdefault(container_id, set()).add(number)
            self._order.settle(port)

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

    def _expire_holds(self) -> None:
        now = self._clock()
        while (number := next(iter(self._order.held()), None)) is not None:
            hold = self._ports[number].hold
            if hold is not None and hold.until > now:
                return
            self._lift(number)

    def _lift(self, number: int) -> None:
        self._order.lift(number)
        self._ports[number].hold = None
        self._order.settle(self._ports[number])
