"""Decides which port is given out next, and counts how many there are in each state. Pure.

The port that has been free for longest comes first; one that is remembered for a stopped container
is given away only when none is free. Queues and counts are brought in line whenever something is
learned about a port, so that each question takes constant time, but for `busy`, which walks the
ports in use, and the first `take` after memories that came out of order, which sorts them once.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import get_args

from ..models import PortState
from .record import PortRecord


class PortOrder:
    """The ports of a range in the order in which they are given out, all of them free at first."""

    def __init__(self, ports: Iterable[int]) -> None:
        # Insertion order is the order of use: the head has been free, or held, for longest.
        self._free: OrderedDict[int, None] = OrderedDict.fromkeys(ports)
        self._remembered: OrderedDict[int, datetime] = OrderedDict()  # and when it was released
        self._remembered_in_order = True
        self._held: OrderedDict[int, None] = OrderedDict()
        self._busy: dict[int, None] = {}
        # Names outlive their containers, so that a successor gets the same address. Bounded.
        self._names: OrderedDict[str, dict[str, int]] = OrderedDict()
        self._most_names = 4 * len(self._free)
        states: tuple[PortState, ...] = get_args(PortState)
        self._counts = dict.fromkeys(states, 0) | {"free": len(self._free)}

    def settle(self, port: PortRecord) -> None:
        """Puts a port where it belongs by what is known about it, and notes its state in it."""
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

    # What can be given out

    def is_free(self, port: int) -> bool:
        """Whether a port is free, and has not been withdrawn."""
        return port in self._free

    def left(self) -> int:
        """How many ports `take` can still give: free and remembered ones."""
        return len(self._free) + len(self._remembered)

    def take(self) -> int:
        """Takes the next of the ports that can be given out; there must be one."""
        if self._free:
            return self._free.popitem(last=False)[0]
        if not self._remembered_in_order:
            by_release = sorted(self._remembered.items(), key=lambda item: item[1])
            self._remembered = OrderedDict(by_release)
            self._remembered_in_order = True
        return self._remembered.popitem(last=False)[0]

    def withdraw(self, port: int) -> None:
        """Takes this port from those that can be given out, until it is settled again."""
        self._free.pop(port, None)
        self._remembered.pop(port, None)

    # Which ports a name had

    def remember_name(self, name: str, ports: Mapping[int, str]) -> None:
        """Notes which ports a container of this name has, each with its container port."""
        self._names.pop(name, None)
        self._names[name] = {container_port: port for port, container_port in ports.items()}
        while len(self._names) > self._most_names:
            self._names.popitem(last=False)

    def of_name(self, name: str | None) -> Mapping[str, int]:
        """The ports that the last container of this name had, by container port."""
        return self._names.get(name or "", {})

    # Holds, which end in the order in which they were made or renewed

    def hold(self, port: int) -> None:
        """Puts a port at the end of those that are held, also if it is one of them already."""
        self._held.pop(port, None)
        self._held[port] = None

    def lift(self, port: int) -> None:
        """Takes a port from those that are held. One that is not held is left alone."""
        self._held.pop(port, None)

    def is_held(self, port: int) -> bool:
        """Whether a port is held for a while."""
        return port in self._held

    def held(self) -> Iterable[int]:
        """The ports that are held, the one whose hold ends first at the head."""
        return iter(self._held)

    # What there is

    def count(self, state: PortState) -> int:
        """How many ports are in a state."""
        return self._counts[state]

    def busy(self) -> list[int]:
        """The ports that are not free, in order of their numbers."""
        return sorted(self._busy)
