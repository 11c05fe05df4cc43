"""Counts what containers may have at most: each, all of this service together, and those of a key.

Exact within one service, however many creates are under way: each is admitted before anything is
pulled or made, and counts from then on, as an admission first and then as the container that it has
made, never as both. Admission waits for nothing, so no other create can come in between.

What the engine may have made for a create whose answer was lost counts once it is seen; it is then
taken away again (see `leftovers`).
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ..callers import Caller
from ..errors import OverLimit, QuotaExceeded
from ..labels import LABEL_CREATE, LABEL_CREATED_BY
from ..models import Limits
from ..quantities import NANO, megabytes
from ..settings import Settings
from ..state import Inventory

RESOURCES = ("memory", "cpus", "pids")  # of which what is promised counts


@dataclass(eq=False)
class Admission:
    """A create that counts because it is under way. `create_id` marks the container that it is
    about to make: once a container with this mark is in memory, that one counts instead.
    """

    limits: Limits
    owner: str | None  # the name of the caller's key
    create_id: str | None = None
    ports: int = 0  # host ports that it is about to take

    def about_to_make(self, create_id: str) -> None:
        """Notes the mark of the container that is made next."""
        self.create_id = create_id


class Quotas:
    """Admits creates as long as there is room for what they ask for.

    The settings see to it that no container is made without a limit where there is a ceiling.
    `written` says how many bytes all containers of ours have written, as last counted.
    """

    def __init__(
        self, inventory: Inventory, settings: Settings, written: Callable[[], int] = lambda: 0
    ) -> None:
        self._inventory = inventory
        self._settings = settings
        self._written = written
        self._admitted: set[Admission] = set()

    @contextmanager
    def admit(self, wanted: Limits, caller: Caller) -> Iterator[Admission]:
        """Counts a create as long as it is under way. Raises OverLimit or QuotaExceeded, and then
        nothing counts.
        """
        self._check_one(wanted)
        self._check_all(wanted, caller)
        admission = Admission(wanted, caller.name)
        self._admitted.add(admission)
        try:
            yield admission
        finally:
            self._admitted.discard(admission)

    def take_ports(self, admission: Admission, ports: int, caller: Caller) -> None:
        """Counts so many host ports for a create that is admitted, in place of those before. Raises
        QuotaExceeded, and then they are as they were.
        """
        allowed = self._settings.ports_per_key
        if allowed and caller.name is not None:
            counted = self._counted()
            has = sum(each.ports for each in counted if each.owner == caller.name)
            if has - admission.ports + ports > allowed:
                raise QuotaExceeded(
                    f'The key "{caller.name}" may have {allowed} host ports, and has'
                    f" {has - admission.ports}; this container is to have {ports}. Remove a"
                    " container, name fewer in container_ports, or have the operator raise"
                    " PORTS_PER_KEY.",
                    resource="ports",
                    used=has - admission.ports,
                    asked=ports,
                    allowed=allowed,
                )
        admission.ports = ports

    def _check_one(self, wanted: Limits) -> None:
        for resource in (*RESOURCES, "disk"):
            most, asked = self._setting("max", resource), _units(wanted, resource)
            if most and asked > most:
                raise OverLimit(
                    f"A container may have {_shown(resource, most)} at most, and this one is to"
                    f" have {_shown(resource, asked)}. Ask for less, or have the operator raise"
                    f" MAX_{resource.upper()}.",
                    resource=resource,
                    asked=_number(resource, asked),
                    allowed=_number(resource, most),
                )

    def _check_all(self, wanted: Limits, caller: Caller) -> None:
        self._check_written()
        allowed = self._allowed(caller)
        totals = {resource: self._setting("total", resource) for resource in RESOURCES}
        if not allowed and not any(totals.values()):
            return
        counted = list(self._counted())
        if allowed:
            has = sum(each.owner == caller.name for each in counted)
            if has >= allowed:
                raise QuotaExceeded(
                    f'The key "{caller.name}" may have {allowed} containers, and has {has}. Remove'
                    " one, or have the operator raise CONTAINERS_PER_KEY, or the key's own number"
                    " in API_KEY_FILE.",
                    resource="containers",
                    used=has,
                    asked=1,
                    allowed=allowed,
                )
        for resource, total in totals.items():
            used = sum(_units(each.limits, resource) for each in counted)
            asked = _units(wanted, resource)
            if total and used + asked > total:
                raise QuotaExceeded(
                    f"All containers together may have {_shown(resource, total)}, and have"
                    f" {_shown(resource, used)}; this one is to have {_shown(resource, asked)}."
                    " Remove a container, ask for less, or have the operator raise"
                    f" TOTAL_{resource.upper()}.",
                    resource=resource,
                    used=_number(resource, used),
                    asked=_number(resource, asked),
                    allowed=_number(resource, total),
                )

    def _check_written(self) -> None:
        """What counts is what they have written, not what they may write."""
        total = self._settings.total_disk
        if total and (written := self._written()) >= total:
            raise QuotaExceeded(
                f"All containers together may write {megabytes(total)} to disk, and have written"
                f" {megabytes(written)}. Remove a container, or have the operator raise"
                " TOTAL_DISK.",
                resource="disk",
                used=written,
                allowed=total,
            )

    def _allowed(self, caller: Caller) -> int:
        """How many containers the caller's key may have; 0 is any number."""
        if caller.name is None:
            return 0
        own = caller.containers
        return self._settings.containers_per_key if own is None else own

    def _counted(self) -> Iterable[Admission]:
        """What each container has, and whose it is: those that exist, in whatever state, and those
        that are about to. One that is being moved has a successor by then, which counts for both.
        """
        ours = [container for container in self._inventory.each() if container.managed]
        moved = {earlier for container in ours for earlier in container.earlier_ids}
        made = {container.labels.get(LABEL_CREATE) for container in ours}
        for container in ours:
            if container.full_id not in moved:
                limits = container.given_limits or container.limits
                owner = container.labels.get(LABEL_CREATED_BY)
                yield Admission(limits, owner, ports=len(container.own_ports))
        for admission in self._admitted:
            if admission.create_id is None or admission.create_id not in made:
                yield admission

    def _setting(self, kind: str, resource: str) -> int:
        value: float = getattr(self._settings, f"{kind}_{resource}")
        return _whole(resource, value)


def _units(limits: Limits, resource: str) -> int:
    """Bytes, billionths of a CPU, or processes: whole numbers, so that sums are exact. 0 where
    there is no limit, as on containers that were made before there was a total.
    """
    return _whole(resource, getattr(limits, resource) or 0)


def _whole(resource: str, value: float) -> int:
    return round(value * NANO) if resource == "cpus" else int(value)


def _number(resource: str, units: int) -> float:
    return units / NANO if resource == "cpus" else units


def _shown(resource: str, units: int) -> str:
    if resource in ("memory", "disk"):
        return f"{megabytes(units)} of {resource}"
    return f"{units / NANO:g} CPUs" if resource == "cpus" else f"{units} processes"
