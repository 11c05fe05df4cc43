"""Runs attacks one after the other, and looks after each whether the service still answers."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from . import callers, creates, doors, flood, framing, slots
from .registry import ATTACKS, NEEDS, Attack, Fault, Skipped
from .target import ATTACK_SECONDS, Target

HELD, FAULT, SKIPPED = "held", "FAULT", "skipped"
TOPICS = (doors, framing, callers, creates, slots, flood)  # importing them registers the attacks


@dataclass(frozen=True)
class Outcome:
    """What became of an attack; `saw` is why, where it was skipped."""

    attack: str
    tried: str
    outcome: str
    saw: str
    seconds: float


def chosen(only: str | None) -> list[Attack]:
    """The attacks whose name has this in it; all without."""
    return [each for each in ATTACKS if only is None or only in each.name]


def outcomes(target: Target, attacks: Iterable[Attack]) -> Iterator[Outcome]:
    for each in attacks:
        started = time.monotonic()
        kind, saw = _tried(target, each)
        yield Outcome(each.name, each.tries, kind, saw, round(time.monotonic() - started, 1))


def _tried(target: Target, each: Attack) -> tuple[str, str]:
    lacking = [NEEDS[need] for need in each.needs if need not in target.may]
    if lacking:
        return SKIPPED, lacking[0]
    target.give_time(ATTACK_SECONDS)
    try:
        kind, saw = HELD, each.run(target)
    except Skipped as reason:
        kind, saw = SKIPPED, str(reason)
    except Fault as fault:
        kind, saw = FAULT, str(fault)
    except OSError as error:
        kind, saw = FAULT, f"no answer: {error or type(error).__name__}"
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        kind, saw = FAULT, f"an answer that is not what it should be: {error!r}"
    if kind != FAULT and not target.is_alive():
        kind, saw = FAULT, f"afterwards GET /health/live is not answered; before: {saw}"
    return kind, saw
