"""Holds the connections that are open, and says which gives way when there are too many.

An idle connection gives way to a new one, so that whoever opens them in numbers stops nobody else:
first one without a valid key, or whose answers are not read; and so does one whose request has not
been let in, or is being refused. Only where all are at work is a new one refused.
"""

from collections.abc import Collection
from typing import Protocol


class Held(Protocol):
    """One connection, as far as it matters for who gives way."""

    peer: str
    idle_since: float
    keyed: bool  # whether the last request was let in by a key

    @property
    def idle(self) -> bool:
        """Whether no complete request is under way."""

    @property
    def let_in(self) -> bool:
        """Whether the door has let in the request that came last."""

    @property
    def unread(self) -> bool:
        """Whether more waits for its reader than is answered ahead."""

    @property
    def stalled(self) -> bool:
        """Whether an answer under way has been waiting for its reader for some time."""

    def give_way(self) -> None:
        """Closes it, with what nobody reads."""


class Connections:
    """Holds the open connections, by peer."""

    def __init__(self, most: int, most_per_peer: int) -> None:
        self._most = most
        self._most_per_peer = most_per_peer
        self._by_peer: dict[str, set[Held]] = {}
        self._count = 0

    def add(self, new: Held) -> bool:
        """Takes one more, if need be in place of the one that has been idle longest; returns
        whether there was room.
        """
        of_peer = self._by_peer.get(new.peer, set())
        if len(of_peer) >= self._most_per_peer and not self._close_one(of_peer):
            return False
        if self._count >= self._most:
            everybody = [each for found in self._by_peer.values() for each in found]
            if not self._close_one(everybody):
                return False
        self._by_peer.setdefault(new.peer, set()).add(new)
        self._count += 1
        return True

    def discard(self, old: Held) -> None:
        """Forgets one that is closed; one that is not held is left alone."""
        of_peer = self._by_peer.get(old.peer, set())
        if old in of_peer:
            of_peer.remove(old)
            self._count -= 1
            if not of_peer:
                del self._by_peer[old.peer]

    def _close_one(self, found: Collection[Held]) -> bool:
        """Closes one that may give way: first of those without a valid key or that do not read,
        then of the address that has most, then the one that has been idle longest.
        """
        may_go = [each for each in found if each.idle or each.stalled or not each.let_in]
        if not may_go:
            return False
        first = min(
            may_go,
            key=lambda each: (
                each.keyed and not each.unread,
                -len(self._by_peer[each.peer]),
                each.idle_since,
            ),
        )
        self.discard(first)
        first.give_way()
        return True
