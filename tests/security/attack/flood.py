"""Many requests of all kinds, and many that are broken off: what the service holds afterwards is
what
it held before.

In a small size, unless `--flood` is said.
"""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

from . import process
from .answers import Answer, Reader, check
from .framing import reset
from .registry import Fault, attack
from .target import Target

SENDERS = 8
SMALL, FULL = (600, 600), (20_000, 30_000)  # mixed, broken off
SECONDS = 900.0
# What is held afterwards may be more by so much: what a service keeps of whatever it has done once.
MORE_MEMORY, MORE_DESCRIPTORS = 48 << 20, 16
SETTLE_SECONDS = 15.0
SLOWEST = 5.0  # seconds that another caller waits at most


def _mixture(target: Target) -> list[bytes]:
    """Requests of all kinds; none of them makes anything."""
    ask, kind = target.request, "Content-Type: application/json"
    gets = ["/", "/health/live", "/health", "/containers", "/containers/running", "/ports",
    "/volumes",
            "/containers/nobody", "/containers/stats", "/system/stats", "/nothing", "/metrics",
            "/containers?state=running&name=x", "/ports/1", "/openapi.json", "/containers/%00",
            "/containers/stats/stream?limit=1&every=x", "/docs"]  # fmt: skip
    bodies = [b'{"name": "-"}', b"[" * 500, b'{"Privileged": true}', b"\xff", b'{"memory": "lots"}']
    found = [ask("GET", path, keep=True) for path in gets]
    found += [ask("GET", path, key="w" * 40, keep=True) for path in gets[:6]]
    found += [ask("POST", "/containers/create", kind, body=each, keep=True) for each in bodies]
    found += [ask("POST", "/containers/create", "Content-Type: text/plain", body=b"x", keep=True)]
    found += [ask("POST", "/containers/nobody/stop", keep=True)]
    found += [ask("DELETE", "/containers/nobody", "Origin: http://evil.example", keep=True)]
    found += [ask("GET", "/containers", keep=True, host="evil.example")]
    found += [ask("GET", "/" + "x" * 8300, keep=True), ask("OPTIONS", "/containers", keep=True)]
    return found


class _Flood:
    """Sends by several senders at once, while somebody else asks whether the service is alive."""

    def __init__(self, target: Target, send: Callable[["_Flood", int], None], count: int) -> None:
        self.target = target
        self.seen: Counter[str] = Counter()
        self.faults: list[str] = []
        self.slowest = 0.0
        self._over = threading.Event()
        share = count // SENDERS
        senders = [threading.Thread(target=self._run, args=(send, share)) for _ in range(SENDERS)]
        watcher = threading.Thread(target=self._watch)
        for each in (*senders, watcher):
            each.daemon = True
            each.start()
        try:
            for each in senders:
                each.join(max(1.0, target.seconds_left))
        finally:
            self._over.set()
            watcher.join(30)

    def _run(self, send: Callable[["_Flood", int], None], count: int) -> None:
        try:
            send(self, count)
        except (OSError, Fault, ValueError) as error:
            self.faults.append(f"{error or type(error).__name__}")

    @property
    def ended(self) -> bool:
        return self._over.is_set() or bool(self.faults)

    def _watch(self) -> None:
        while not self._over.wait(0.25):
            started = time.monotonic()
            with suppress(OSError, Fault):
                answer = self.target.ask("GET", "/health/live", key=None)
                if answer.status != 200:
                    self.faults.append(f"meanwhile GET /health/live was {answer}")
            self.slowest = max(self.slowest, time.monotonic() - started)

    def told(self) -> str:
        if self.faults:
            raise Fault("; ".join(self.faults[:3]))
        if self.slowest > SLOWEST:
            raise Fault(f"meanwhile GET /health/live took {self.slowest:.1f} s")
        return f"others answered within {self.slowest * 1000:.0f} ms"


def _mixed(flood: _Flood, count: int) -> None:
    """On connections that are kept; where one is closed, on another."""
    mixture, chance = _mixture(flood.target), random.Random(count)
    strict = "own connections" in flood.target.may
    left = count
    while left > 0 and not flood.ended:
        with flood.target.connection() as connection:
            reader, new = Reader(connection), True
            while left > 0:
                try:
                    connection.sendall(chance.choice(mixture))
                    answer = reader.next()
                except ConnectionError:
                    answer = None
                if answer is None and not new:
                    break  # a kept connection may be closed at any time
                checked: Answer = check(answer, problems=strict)
                flood.seen[f"{checked.status // 100}xx"] += 1
                left, new = left - 1, False
                if (checked.header("connection") or "").lower() == "close":
                    break


def _broken_off(flood: _Flood, count: int) -> None:
    mixture, chance = _mixture(flood.target), random.Random(count)
    stream = flood.target.request("GET", "/containers/stats/stream", keep=True)
    for number in range(count):
        if flood.ended:
            return
        data = chance.choice(mixture)
        with flood.target.connection() as connection, suppress(ConnectionError):
            if number % 2:
                reset(connection)
            kind = number % 6
            if kind < 3:
                connection.sendall(data[: chance.randrange(len(data))])
            elif kind == 3:
                connection.sendall(data)
            elif kind == 4:
                connection.sendall(data * 20)
            else:
                connection.sendall(stream)
                if number % 4 == 1:
                    connection.recv(1)
        flood.seen["broken off"] += 1


def _flooded(target: Target, send: Callable[[_Flood, int], None], count: int) -> str:
    target.give_time(SECONDS)
    pid = process.find(target)
    _Flood(target, send, min(count, 400))  # whatever a first time leaves is not counted
    before = _settled(pid, None)
    started = time.monotonic()
    flood = _Flood(target, send, count)
    took = time.monotonic() - started
    after = _settled(pid, before)
    told = f"{sum(flood.seen.values()):,} in {took:.0f} s ({_counted(flood.seen)}), {flood.told()}"
    if before is None or after is None:
        return f"{told}; memory and descriptors: not seen, --pid would tell"
    told += f"; before {before}, after {after}"
    if after.descriptors > before.descriptors + MORE_DESCRIPTORS:
        raise Fault(f"{told}: descriptors are left open")
    if after.memory > before.memory + MORE_MEMORY:
        raise Fault(f"{told}: memory is kept")
    return told


def _settled(pid: int | None, before: process.Holds | None) -> process.Holds | None:
    """What the process holds once connections are closed; at the latest after some seconds."""
    if pid is None:
        return None
    until = time.monotonic() + (SETTLE_SECONDS if before is not None else 2.0)
    try:
        found = process.holds(pid)
        while time.monotonic() < until:
            time.sleep(0.5)
            found = process.holds(pid)
            if before is not None and found.descriptors <= before.descriptors:
                break
    except OSError:
        return None
    return found


def _counted(seen: Counter[str]) -> str:
    return ", ".join(f"{count:,} × {what}" for what, count in sorted(seen.items()))


@attack()
def mixed_requests(target: Target) -> str:
    """Requests of all kinds, good and bad, by eight callers at once."""
    return _flooded(target, _mixed, (FULL if target.full else SMALL)[0])


@attack()
def aborted_requests(target: Target) -> str:
    """Requests that are broken off before, within, and behind their end, by eight at once."""
    return _flooded(target, _broken_off, (FULL if target.full else SMALL)[1])
