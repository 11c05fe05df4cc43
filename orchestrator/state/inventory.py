"""Keeps in memory what the engine holds, as the engine last described it.

Guarantees: every container in here came from an inspection; reading never waits. Whether it is up
to date is the watcher's business; `age` says how long ago a full listing confirmed it.
"""

import asyncio
import re
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable

from ..errors import AmbiguousId, ContainerNotFound
from ..labels import LABEL_CREATED_BY, LABEL_KEY
from ..models import Container, ContainerCounts

# As much of an id as the API shows, or more. A container may be called like that, by others.
_ID = re.compile("[0-9a-f]{12,64}")


class Inventory:
    """Holds every container of the engine, and finds them by id, name and earlier ids."""

    def __init__(self) -> None:
        self._containers: dict[str, Container] = {}
        self._names: dict[str, str] = {}  # name -> full id
        # full id before a move -> full ids since; two, while the next move is under way
        self._successors: defaultdict[str, set[str]] = defaultdict(set)
        self._waiters: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._first_seen: dict[str, float] = {}  # full id -> time.monotonic
        self._listed_at: float | None = None

    def put(self, container: Container) -> None:
        previous = self._containers.get(container.full_id)
        if previous is not None and previous.name != container.name:
            self._drop_name(previous)
        self._containers[container.full_id] = container
        self._names[container.name] = container.full_id
        self._first_seen.setdefault(container.full_id, time.monotonic())
        for earlier in container.earlier_ids:
            self._successors[earlier].add(container.full_id)
        self._wake(container.full_id)

    def remove(self, full_id: str) -> None:
        """Forgets a container. One that is not in here is a no-op."""
        container = self._containers.pop(full_id, None)
        self._first_seen.pop(full_id, None)
        if container is not None:
            self._drop_name(container)
            for earlier in container.earlier_ids:
                self._successors[earlier].discard(full_id)
                if not self._successors[earlier]:
                    del self._successors[earlier]
        self._wake(full_id)

    def peek(self, full_id: str) -> Container | None:
        return self._containers.get(full_id)

    def get(self, key: str) -> Container:
        """Finds a container by its id, its name, or an unambiguous beginning of its id, in this
        order; twelve digits, as the API shows them, are an id. The ids that a moved container had
        before count, once they are no other container's.

        Raises ContainerNotFound, or AmbiguousId with the containers that match.
        """
        full_id = key if key in self._containers else self._names.get(key)
        if full_id is None or (full_id != key and _ID.fullmatch(key) and self._beginning_with(key)):
            matches = self._beginning_with(key) if key else set()
            if len(matches) > 1:
                raise AmbiguousId(
                    f'"{key}" is the beginning of {len(matches)} ids. Give more characters.',
                    matches=[self._containers[found].id for found in sorted(matches)[:20]],
                )
            if not matches:
                shown = key if len(key) <= 64 else key[:61] + "..."
                raise ContainerNotFound(
                    f'There is no container "{shown}". GET /containers lists all there are.',
                    id=shown,
                )
            full_id = matches.pop()
        return self._containers[full_id]

    def with_id_like(self, text: str) -> Container | None:
        """A container whose id, or one that it had before, begins with a text."""
        for full_id in self._beginning_with(text):
            return self._containers[full_id]
        return None

    def known_for(self, full_id: str) -> float:
        """Seconds since a container was first seen, by a clock that nobody sets; 0 for none."""
        first = self._first_seen.get(full_id)
        return 0.0 if first is None else time.monotonic() - first

    def all(self) -> list[Container]:
        """Every container, the newest first."""
        return sorted(self._containers.values(), key=lambda container: container.created)[::-1]

    def successors(self, full_id: str) -> list[Container]:
        """Lists what moves have made of a container, in the order of the moves."""
        found = [self._containers[each] for each in self._successors.get(full_id, ())]
        return sorted(found, key=lambda each: len(each.earlier_ids))

    def each(self) -> Iterable[Container]:
        """Every container, in no order that means anything."""
        return self._containers.values()

    def keyed(self, owner: str | None, key: str) -> Container | None:
        """The container that an idempotency key of this owner has made. One that is being moved
        counts, and not what it is moved to, which has all of its labels.
        """
        for container in self._containers.values():
            if (
                container.managed
                and made_with(container, owner, key)
                and not any(earlier in self._containers for earlier in container.earlier_ids)
            ):
                return container
        return None

    def ids(self) -> Iterable[str]:
        return self._containers.keys()

    def counts(self) -> ContainerCounts:
        states = Counter(container.state for container in self._containers.values())
        return ContainerCounts(
            total=len(self._containers),
            managed=sum(container.managed for container in self._containers.values()),
            running=states["running"],
            paused=states["paused"],
            restarting=states["restarting"],
            created=states["created"],
            exited=states["exited"],
            removing=states["removing"],
            dead=states["dead"],
        )

    async def wait_until(
        self, full_id: str, holds: Callable[[Container], bool], seconds: float
    ) -> Container | None:
        """The container once `holds` is true of it, or as it is after `seconds`; None once gone."""
        changed = asyncio.Event()
        self._waiters[full_id].add(changed)
        try:
            async with asyncio.timeout(seconds):
                while (container := self.peek(full_id)) is not None and not holds(container):
                    changed.clear()
                    await changed.wait()
        except TimeoutError:
            pass
        finally:
            self._waiters[full_id].discard(changed)
            if not self._waiters[full_id]:
                del self._waiters[full_id]
        return self.peek(full_id)

    def confirm(self) -> None:
        """Notes that a full listing agrees with what is in here."""
        self._listed_at = time.monotonic()

    @property
    def age(self) -> float | None:
        """Seconds since the last full listing; None before the first."""
        return None if self._listed_at is None else time.monotonic() - self._listed_at

    def _beginning_with(self, key: str) -> set[str]:
        matches = {found for found in self._containers if found.startswith(key)}
        return matches | {
            self._nearest(successors)
            for earlier, successors in self._successors.items()
            if earlier.startswith(key) and earlier not in self._containers
        }

    def _nearest(self, successors: Iterable[str]) -> str:
        return min(successors, key=lambda each: len(self._containers[each].earlier_ids))

    def _drop_name(self, container: Container) -> None:
        # A successor may have taken the name before the predecessor's removal was seen.
        if self._names.get(container.name) == container.full_id:
            del self._names[container.name]

    def _wake(self, full_id: str) -> None:
        for waiter in self._waiters.get(full_id, ()):
            waiter.set()


def made_with(container: Container, owner: str | None, key: str) -> bool:
    """Whether a container of ours was made with an idempotency key by the key of this name; by
    nobody's where no keys are asked for.
    """
    labels = container.labels
    return labels.get(LABEL_KEY) == key and (labels.get(LABEL_CREATED_BY) or None) == owner
