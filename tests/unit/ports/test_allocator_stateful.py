"""PortAllocator against a model that is plain enough to be seen to be right.

The model keeps facts per port and derives everything from them anew each time: no queues, no
counts, no indexes. After every step all that the allocator says must be what the model says.
"""

import sys
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
)

from orchestrator.errors import PortGivenAway, PortInUse, PortOutOfRange, PortsExhausted
from orchestrator.models import Container, PortRow
from orchestrator.ports import PortAllocator, Reservation
from orchestrator.quantities import PortRange

from ..examples import at, container

FIRST, LAST = 8001, 8005
HOLD_SECONDS = 60
FOREVER = float("inf")

ports = st.integers(FIRST, LAST)
ports_and_beyond = st.integers(FIRST - 1, LAST + 1)
container_ports = st.sampled_from(["5000/tcp", "5001/tcp", "53/udp"])
names = st.sampled_from(["web", "db"])


@dataclass
class Claimed:
    """A container's claim of a port, or its memory of one. Unknown `since` is not compared."""

    name: str
    container_port: str
    managed: bool
    since: datetime | None


@dataclass
class Port:
    """What is known about one port."""

    number: int
    free_since: int  # the step; less is longer ago
    reservation: Reservation | None = None
    claims: dict[str, Claimed] = field(default_factory=dict)  # by container
    held_until: float = 0
    held_by: str | None = None
    memories: dict[str, Claimed] = field(default_factory=dict)  # by container
    was_free: bool = True

    def state(self, now: float) -> str:
        if self.reservation is not None:
            return "reserved"
        if any(claim.managed for claim in self.claims.values()):
            return "in_use"
        if self.claims or self.held_until > now:
            return "external"
        return "remembered" if self.memories else "free"

    def memory(self) -> tuple[str, Claimed] | None:
        """The container that had the port last."""
        return max(self.memories.items(), key=lambda item: item[1].since or at(0), default=None)

    def open_to(self, container_id: str) -> bool:
        """Whether a container may start here: it has the port, or nobody and it had it last."""
        if self.reservation is not None:
            return False
        if self.claims:
            return container_id in self.claims
        memory = self.memory()
        return memory is None or memory[0] == container_id

    def holders(self, now: float) -> dict[str, Claimed]:
        """The containers that a row may name."""
        if self.state(now) == "reserved":
            return {}
        if self.claims:
            ours = {key: claim for key, claim in self.claims.items() if claim.managed}
            return ours or self.claims
        memory = self.memory()
        return dict([memory]) if memory is not None and self.held_until <= now else {}


class Ports(RuleBasedStateMachine):
    containers = Bundle("containers")
    reservations = Bundle("reservations")

    @initialize(
        target=containers,
        api_inside=st.booleans(),
        stopped=st.dictionaries(ports, st.tuples(st.integers(0, 1000), names)),
    )
    def begin(self, api_inside: bool, stopped: dict[int, tuple[int, str]]) -> Any:
        """A service that starts, and finds stopped containers: port -> when it ended, name."""
        self.now = 0.0
        self.step = 0
        self.serial = 0
        self.api_port = FIRST + 2 if api_inside else FIRST - 1
        self.allocator = PortAllocator(
            PortRange(FIRST, LAST),
            self.api_port,
            hold_seconds=HOLD_SECONDS,
            clock=lambda: self.now,
        )
        self.ports = {n: Port(n, free_since=n - LAST - 1) for n in range(FIRST, LAST + 1)}
        if api_inside:
            self.ports[self.api_port].held_until = FOREVER
            self.ports[self.api_port].held_by = "this API"
        self.names: dict[str, dict[str, int]] = {}  # name -> container port -> port
        self.known: dict[str, Container] = {}
        self.starts: dict[int, Container] = {}  # id of a reservation -> whom it starts
        self.sightings: dict[str, int] = {}
        for number, (ended, name) in stopped.items():
            found = self.somebody_creates({number: "5000/tcp"}, managed=True, name=name)
            self.observe_stopped(found, ended)
        return multiple(*self.known)

    # Giving out

    @rule(
        target=reservations,
        wanted=st.lists(container_ports, min_size=1, max_size=3, unique=True),
        name=st.none() | names,
        pinned=st.none() | ports_and_beyond,
    )
    def reserve(self, wanted: list[str], name: str | None, pinned: int | None) -> Any:
        free = [p for p in self.ports.values() if p.state(self.now) == "free"]
        remembered = [p for p in self.ports.values() if p.state(self.now) == "remembered"]
        if pinned is not None and pinned not in self.ports:
            with pytest.raises(PortOutOfRange):
                self.allocator.reserve(wanted, name=name, pinned=pinned)
            return multiple()
        if pinned is not None and self.ports[pinned] not in free + remembered:
            with pytest.raises(PortInUse) as refused:
                self.allocator.reserve(wanted, name=name, pinned=pinned)
            self.check_holder(self.ports[pinned], refused.value.fields)
            return multiple()
        if len(free) + len(remembered) < len(wanted):
            with pytest.raises(PortsExhausted):
                self.allocator.reserve(wanted, name=name, pinned=pinned)
            return multiple()
        reservation = self.allocator.reserve(wanted, name=name, pinned=pinned)
        given = reservation.ports
        assert list(given) == wanted
        assert len(set(given.values())) == len(wanted)
        assert self.api_port not in given.values()
        earlier = self.names.get(name or "", {})
        taken = {pinned} if pinned is not None else set()
        for index, container_port in enumerate(wanted):
            port = earlier.get(container_port)
            if pinned is not None and index == 0:
                assert given[container_port] == pinned
            elif port in self.ports and self.ports[port] in free and port not in taken:
                assert given[container_port] == port
                taken.add(port)
        free = [p for p in free if p.number not in taken]
        remembered = [p for p in remembered if p.number not in taken]
        for container_port, number in given.items():
            if number in taken:
                continue
            port_given = self.ports[number]
            if free:
                assert port_given in free, "a remembered port while there was a free one"
                assert port_given.free_since == min(p.free_since for p in free), container_port
                free.remove(port_given)
            else:
                assert port_given in remembered
                assert released(port_given) == min(map(released, remembered))
                remembered.remove(port_given)
        return self.begin_reservation(reservation)

    @rule(target=reservations, found=containers)
    def reserve_own(self, found: str) -> Any:
        mine = self.known[found]
        own = {n: self.ports[n] for n in mine.own_ports if n in self.ports}
        closed = [n for n, port in own.items() if not port.open_to(found)]
        if closed:
            with pytest.raises(PortGivenAway) as refused:
                self.allocator.reserve_own(mine)
            number = refused.value.fields["port"]
            assert number in closed
            fields = refused.value.fields
            assert fields.get("container_id") != mine.id
            return multiple()
        reservation = self.allocator.reserve_own(mine)
        assert reservation.ports == {mine.own_ports[n]: n for n in own}
        self.starts[id(reservation)] = mine
        return self.begin_reservation(reservation)

    def begin_reservation(self, reservation: Reservation) -> Reservation:
        for number in reservation.ports.values():
            assert self.ports[number].reservation is None, "given twice"
            self.ports[number].reservation = reservation
        return reservation

    @rule(reservation=reservations)
    def release(self, reservation: Reservation) -> None:
        """Also of reservations that ended before."""
        reservation.release()
        self.end(reservation)

    @rule(target=containers, reservation=reservations)
    def commit(self, reservation: Reservation) -> Any:
        """Also of reservations that ended before."""
        mine = self.starts.get(id(reservation))
        if mine is None:
            own = {n: key for key, n in reservation.ports.items()}
            mine = container(self.new_id(), name=reservation.name, ports=own)
        reservation.commit(mine.full_id, mine.name)
        mine_now = self.end(reservation)
        for number in mine_now:
            if self.ports[number].held_until != FOREVER:
                self.ports[number].held_until = 0
            self.ports[number].claims.setdefault(
                mine.full_id, Claimed(mine.name, mine.own_ports[number], True, None)
            )
        if mine.full_id in self.known:
            return multiple()
        self.known[mine.full_id] = mine
        return mine.full_id

    def end(self, reservation: Reservation) -> list[int]:
        """Ends a reservation; the ports that it still had."""
        mine = [p.number for p in self.ports.values() if p.reservation is reservation]
        for number in mine:
            self.ports[number].reservation = None
        return mine

    # What is seen

    @rule(
        target=containers,
        own=st.dictionaries(ports_and_beyond, container_ports, max_size=2).filter(
            lambda own: len(set(own.values())) == len(own)
        ),
        managed=st.booleans(),
        name=st.none() | names,
    )
    def somebody_creates(self, own: dict[int, str], managed: bool, name: str | None) -> str:
        found = container(
            self.new_id(), name=name, managed=managed, ports=own, created=at(self.serial)
        )
        self.known[found.full_id] = found
        return found.full_id

    @rule(found=containers, other_ports=st.none() | st.sets(ports_and_beyond, max_size=3))
    def observe_running(self, found: str, other_ports: set[int] | None) -> None:
        """On its own ports, or on others, as with ranges and several addresses."""
        mine = self.known[found]
        held = mine.own_ports if other_ports is None else dict.fromkeys(other_ports, "5000/tcp")
        self.observe(mine.model_copy(update={"state": "running", "held_ports": held}))

    @rule(found=containers, ended=st.integers(0, 1000))
    def observe_stopped(self, found: str, ended: int) -> None:
        """In any order: after a restart of the service, memories come as the engine lists them."""
        self.serial += 1
        finished = at(ended + self.serial / 1_000_000)  # no two at the same moment
        self.observe(
            self.known[found].model_copy(
                update={"state": "exited", "held_ports": {}, "finished_at": finished}
            )
        )

    @rule(found=containers)
    def observe_created(self, found: str) -> None:
        self.serial += 1
        created = at(self.serial + self.serial / 1_000_000)
        self.observe(
            self.known[found].model_copy(
                update={"state": "created", "held_ports": {}, "created": created}
            )
        )

    def observe(self, seen: Container) -> None:
        self.allocator.observe(seen)
        self.allocator.observe(seen)  # no-op
        self.known[seen.full_id] = seen
        self.sightings.pop(seen.full_id, None)
        self.drop(seen.full_id)
        for number, container_port in seen.held_ports.items():
            if number in self.ports:
                self.ports[number].claims[seen.full_id] = Claimed(
                    seen.name, container_port, seen.managed, seen.started_at or seen.created
                )
        if not seen.managed:
            return
        if not seen.runs:
            released = seen.finished_at or seen.created
            for number, container_port in seen.own_ports.items():
                if number in self.ports:
                    self.ports[number].memories[seen.full_id] = Claimed(
                        seen.name, container_port, True, released
                    )
        if seen.own_ports:
            self.names[seen.name] = {key: number for number, key in seen.own_ports.items()}

    @rule(found=consumes(containers))
    def forget(self, found: str) -> None:
        self.allocator.forget(found)
        self.allocator.forget(found)  # no-op
        self.drop(found)
        self.sightings.pop(found, None)

    def drop(self, found: str) -> None:
        for port in self.ports.values():
            port.claims.pop(found, None)
            port.memories.pop(found, None)

    @rule(data=st.data())
    def repair(self, data: st.DataObject) -> None:
        holding = sorted(
            {key for port in self.ports.values() for key in (*port.claims, *port.memories)}
        )
        known = data.draw(st.sets(st.sampled_from(holding))) if holding else set()
        self.sightings = {
            key: self.sightings.get(key, 0) + 1 for key in holding if key not in known
        }
        freed = []
        for key, times in list(self.sightings.items()):
            if times == 3:
                freed += [
                    p.number for p in self.ports.values() if key in p.claims or key in p.memories
                ]
                self.drop(key)
                del self.sightings[key]
        assert sorted(self.allocator.repair(known)) == sorted(freed)

    @rule(port=ports_and_beyond, by=st.none() | st.just('process "nginx"'))
    def hold(self, port: int, by: str | None) -> None:
        self.allocator.hold(port, by)
        self.model_hold(port, by)

    def model_hold(self, number: int, by: str | None) -> None:
        if number in self.ports and self.ports[number].held_until != FOREVER:
            self.ports[number].held_until = self.now + HOLD_SECONDS
            self.ports[number].held_by = by

    @rule(listeners=st.dictionaries(ports_and_beyond, st.none() | st.just("nginx"), max_size=3))
    def hold_exactly(self, listeners: dict[int, str | None]) -> None:
        self.allocator.hold_exactly(listeners)
        for number, port in self.ports.items():
            if number not in listeners and port.held_until != FOREVER:
                port.held_until = 0
        for number, process in listeners.items():
            self.model_hold(number, f'process "{process}"' if process else None)

    @rule(seconds=st.sampled_from([1, HOLD_SECONDS - 1, HOLD_SECONDS]))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds

    # What must always be true

    @invariant()
    def says_what_the_model_says(self) -> None:
        self.step += 1
        states = {}
        for number, port in self.ports.items():
            states[number] = port.state(self.now)
            if states[number] == "free" and not port.was_free:
                port.free_since = self.step
            port.was_free = states[number] == "free"
        counts = {
            state: list(states.values()).count(state)
            for state in ("free", "reserved", "in_use", "remembered", "external")
        }
        assert self.allocator.available == counts["free"] + counts["remembered"]
        table = self.allocator.table()
        assert table.model_dump(exclude={"ports"}) == self.allocator.summary().model_dump()
        assert table.total == len(self.ports) == sum(counts.values())
        assert table.available == counts["free"] + counts["remembered"]
        assert table.reserved == counts["reserved"]
        assert table.in_use == counts["in_use"]
        assert table.remembered == counts["remembered"]
        assert table.external == counts["external"]
        assert [row.port for row in table.ports] == [n for n in states if states[n] != "free"]
        for row in table.ports:
            assert row == self.allocator.row(row.port)
        for number, state in states.items():
            self.check_row(self.ports[number], state, self.allocator.row(number))
            claimed = bool(self.ports[number].claims) or state == "reserved"
            assert self.allocator.is_claimed(number) == claimed

    def check_row(self, port: Port, state: str, row: PortRow) -> None:
        assert (row.port, row.state) == (port.number, state)
        if state == "free":
            assert row == PortRow(port=port.number, state="free")
            return
        assert row.since is not None
        assert row.since.tzinfo is not None
        if port.reservation is not None:
            keys = [key for key, n in port.reservation.ports.items() if n == port.number]
            assert [row.container_port] == keys
            assert row.container_name == port.reservation.name
            assert row.container_id is None
            return
        self.check_holder(port, row.model_dump())
        if row.container_id is not None:
            holder = port.holders(self.now)[row.container_id]
            assert row.container_port == holder.container_port
            assert holder.since in (None, row.since)

    def check_holder(self, port: Port, shown: dict[str, Any]) -> None:
        """That a row or an error names the one who has a port."""
        holders = port.holders(self.now)
        if port.reservation is not None:
            assert shown.get("container_name") == port.reservation.name
        elif holders:
            assert shown["container_name"] == holders[shown["container_id"]].name
        else:
            assert shown["held_by"] == (port.held_by or "a process of the host")

    def new_id(self) -> str:
        self.serial += 1
        return f"c{self.serial}"

    def teardown(self) -> None:
        """Once everybody has gone, every port can be had again: nothing has leaked."""
        if not hasattr(self, "ports") or sys.exc_info()[0] is not None:
            return  # it has not begun, or has failed already
        for port in self.ports.values():
            if port.reservation is not None:
                self.release(port.reservation)
        for found in list(self.known):
            self.allocator.forget(found)
            self.drop(found)
        self.now += HOLD_SECONDS
        self.says_what_the_model_says()
        free = set(self.ports) - {self.api_port}
        given = [self.allocator.reserve(["5000/tcp"]).ports["5000/tcp"] for _ in free]
        assert set(given) == free
        with pytest.raises(PortsExhausted):
            self.allocator.reserve(["5000/tcp"])


def released(port: Port) -> datetime:
    memory = port.memory()
    assert memory is not None
    assert memory[1].since is not None
    return memory[1].since


TestPorts = Ports.TestCase
TestPorts.settings = settings(max_examples=500, stateful_step_count=40, report_multiple_bugs=False)
