"""What an attack is, and how it ends: it returns what it saw, or raises Fault or Skipped."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .target import Target

Run = Callable[["Target"], str]


class Fault(Exception):
    """The service did what it must not do; the text says what."""


class Skipped(Exception):
    """The attack could not be tried here; the text says why."""


@dataclass(frozen=True)
class Attack:
    """One attack: `topic/name`, what it tries, and what it cannot be tried without."""

    name: str
    tries: str
    needs: tuple[str, ...]
    run: Run


# Why an attack is skipped that needs this.
NEEDS = {
    "keys": "the service asks for no keys",
    "caller": "needs --key",
    "writer": "needs --key with one that may change things",
    "engine": "the service's engine does not answer",
    "two callers": "needs --other-key with another one that may change things",
    "own connections": "another server has the connections: `uvicorn main:app`, or a proxy",
}

ATTACKS: list[Attack] = []


def attack(*needs: str) -> Callable[[Run], Run]:
    """Registers a function; its module and name are the attack's name, its docstring's first line
    is what it tries. What it needs are keys of NEEDS.
    """

    def register(run: Run) -> Run:
        assert set(needs) <= NEEDS.keys()
        name = f"{run.__module__.rpartition('.')[2]}/{run.__name__.replace('_', '-')}"
        tries = (run.__doc__ or "").strip().partition("\n")[0].rstrip(".")
        assert tries, name
        ATTACKS.append(Attack(name, tries, needs, run))
        return run

    return register
