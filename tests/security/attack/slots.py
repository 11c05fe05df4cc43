"""The places that all share: waits, changes and streams of one caller leave others theirs."""

import secrets
import threading
import time
from collections import Counter
from contextlib import ExitStack, suppress
from typing import Any

from .answers import Answer, Reader, Tally
from .registry import Fault, attack
from .target import LABEL, Target

PLACES = 60  # that a caller must find free again; MAX_CHANGES is 128 unless it is set
# Every program ignores it unless it says otherwise, so that a stop takes all of its time.
IGNORED = "SIGWINCH"


def _others(target: Target) -> Answer:
    """What another caller sees, or the same one where there is no other."""
    return target.ask("GET", "/containers", key=target.other_key or "")


@attack("writer", "engine")
def waits_of_callers_who_left(target: Target) -> str:
    """200 creates with one Idempotency-Key that wait for health, and whose callers hang up."""
    import json

    name, key = target.name(), secrets.token_hex(8)
    asked: dict[str, Any] = {
        "name": name, "wait": 60, "labels": {LABEL: target.prefix}, "init": True,
        "healthcheck": {"test": ["CMD", "true"], "interval": 3600, "start_period": 3600},
    }  # fmt: skip
    if target.image is not None:
        asked["image"] = target.image
    data = target.request(
        "POST", "/containers/create", "Content-Type: application/json", f"Idempotency-Key: {key}",
        body=json.dumps(asked).encode(), keep=True,
    )  # fmt: skip
    target.expect_more()
    for _ in range(200):
        with target.connection() as connection:
            connection.sendall(data)
    tally, until = Tally(), time.monotonic() + 30
    while not (free := _places(target)) and time.monotonic() < until:
        time.sleep(0.5)
    if not free:
        tally.fault("200 callers", "who left still have places, 30 s later")
    tally.add("others", _others(target), 200)
    while not (rows := target.ask("GET", f"/containers?name={name}").json):
        if time.monotonic() > until:
            break
        time.sleep(0.5)
    if len(rows) != 1:
        tally.fault(name, f"{len(rows)} containers were made")
    return tally.seen(f"{PLACES} places free again, {len(rows)} container made")


def _places(target: Target) -> bool:
    """Whether so many changes at once are all let in."""
    with ExitStack() as stack:
        opened = [stack.enter_context(target.connection()) for _ in range(PLACES)]
        for each in opened:
            each.sendall(target.request("POST", f"/containers/{target.prefix}/stop"))
        found = [Reader(each).next() for each in opened]
    return all(each is not None and each.status == 404 for each in found)


class _AtOnce:
    """The same change of one container, by so many callers at the same moment."""

    def __init__(self, target: Target, path: str, count: int) -> None:
        self.seen: Counter[str] = Counter()
        self._target = target
        self._path = path
        self._threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(count)]
        for each in self._threads:
            each.start()

    def _ask(self) -> None:
        try:
            self.seen[str(self._target.ask("POST", self._path))] += 1
        except (OSError, Fault) as error:
            self.seen[f"fault: {error}"] += 1

    def end(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        for each in self._threads:
            each.join(max(0.0, until - time.monotonic()))

    @property
    def faults(self) -> list[str]:
        return [each for each in self.seen if each.startswith("fault: ")]


@attack("writer", "engine")
def stops_of_one_container(target: Target) -> str:
    """60 stops of a container that ignores its stop signal; others are served meanwhile."""
    made = target.created(start=True, stop_signal=IGNORED)
    tally = Tally()
    stops = _AtOnce(target, f"/containers/{made['id']}/stop?timeout=6", 60)
    started = time.monotonic()
    tally.add("another's create", target.create(key=target.other_key or ""), 201)
    tally.add("another's list", _others(target), 200)
    took = time.monotonic() - started
    stops.end(30)
    if stops.faults or stops.seen["200"] != 60:
        tally.fault("60 stops", f"{dict(stops.seen)}")
    return tally.seen(f"60 stops: {dict(stops.seen)}; others served within {took:.1f} s")


@attack("writer", "engine")
def changes_of_one_container(target: Target) -> str:
    """40 restarts of one container, whose callers hang up; others are served, it is removed."""
    made = target.created(start=True)
    tally = Tally()
    data = target.request("POST", f"/containers/{made['id']}/restart?timeout=0", keep=True)
    with ExitStack() as stack:
        for _ in range(40):
            stack.enter_context(target.connection()).sendall(data)
        started = time.monotonic()
        other = target.create(key=target.other_key or "")
        tally.add("another's create", other, 201)
        with suppress(Fault, LookupError):
            path = f"/containers/{other.json['id']}/start"
            tally.add("another's start", target.ask("POST", path), 200)
        took = time.monotonic() - started
    started = time.monotonic()
    path = f"/containers/{made['id']}?force=true"
    # Where too many wait for the container, for some time.
    while (answer := target.ask("DELETE", path, seconds=80)).code == "too-busy":
        time.sleep(0.5)
    tally.add("the removal", answer, 200)
    waited = time.monotonic() - started
    return tally.seen(f"others served within {took:.1f} s, removed after {waited:.1f} s")


@attack("caller")
def many_streams(target: Target) -> str:
    """120 streams of one caller that are never read; others have their answers and a stream."""
    tally, worst = Tally(), 0.0
    with ExitStack() as stack:
        for number in range(120):
            connection = stack.enter_context(target.connection(4096))
            path = f"/containers/stats/stream?every={1 if number % 2 else 3600}"
            connection.sendall(target.request("GET", path, keep=True))
        for _ in range(20):
            started = time.monotonic()
            tally.add("another", _others(target), 200, 503)
            tally.add("liveness", target.ask("GET", "/health/live", key=None), 200)
            worst = max(worst, time.monotonic() - started)
            time.sleep(0.1)
        if "two callers" in target.may:
            stream = target.ask("GET", "/containers/stats/stream?limit=1", key=target.other_key)
            tally.add("another's stream", stream, 200)
    return tally.seen(f"within {worst * 1000:.0f} ms")
