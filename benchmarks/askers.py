"""Who asks for samples of all containers all the time: the service's stream, the engine, the CLI.

Each can say how many samples have come since a moment, so that what they cost can be divided.
"""

import json
import subprocess
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, Self

import psutil

from .measure import timed, wait_until
from .plain_http import Connection, Stream
from .setting import Bench, Service

# Connections with which the engine is asked about all containers.
AT_ONCE = 8


def parse_events(text: bytes) -> list[Any]:
    """The data of all complete server-sent events (html.spec.whatwg.org, 9.2) that have some."""
    found = []
    for event in text.replace(b"\r\n", b"\n").split(b"\n\n")[:-1]:
        lines = event.split(b"\n")
        data = [line[5:].strip() for line in lines if line.startswith(b"data:")]
        if data:
            found.append(json.loads(b"\n".join(data)))
    return found


class Source(Protocol):
    """Somebody who asks for samples of all containers, all the time."""

    processes: Sequence[psutil.Process]  # of its own, that spend CPU time

    def mark(self) -> None:
        """Samples count from here on."""

    def samples(self) -> int:
        """How many have come since the mark."""


class ServiceStream:
    """An open stream of the service. A sample is counted once, however often it is sent."""

    processes: Sequence[psutil.Process] = ()

    def __init__(self, api: Service) -> None:
        self._stream = Stream(api.address, "/containers/stats/stream")
        self._mark = 0
        wait_until(self._kinds, 30, "the stream says something of a container")
        self.kind = "/".join(sorted(self._kinds()))

    def mark(self) -> None:
        self._mark = self._stream.position()

    def samples(self) -> int:
        return self._samples(self._stream.position()) - self._samples(self._mark)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def _samples(self, until: int) -> int:
        return len(
            {
                (each["container_id"], each["sampled_at"])
                for event in self._events(until)
                for each in event["containers"]
            }
        )

    def _kinds(self) -> set[str]:
        """Where its samples come from."""
        events = self._events(self._stream.position())
        return {each["source"] for event in events for each in event["containers"]}

    def _events(self, until: int) -> list[Any]:
        """Those that have figures in them."""
        found = parse_events(self._stream.until(until))
        return [event for event in found if "containers" in event]


class OneShots:
    """Asks the engine about all, once a second, or again at once where that takes longer."""

    processes: Sequence[psutil.Process] = ()

    def __init__(self, made: Bench, ids: Sequence[str]) -> None:
        self._mark = 0
        self._ended = threading.Event()
        self._sweep = OneShotSweep(made, ids)
        self._pool = ThreadPoolExecutor(1)

    def mark(self) -> None:
        self._mark = self._sweep.count

    def samples(self) -> int:
        if self._asking.done():
            self._asking.result()  # raises what has ended it
        return self._sweep.count - self._mark

    def __enter__(self) -> Self:
        self._asking = self._pool.submit(self._go_on)
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._pool.shutdown()
        self._sweep.close()

    def _go_on(self) -> None:
        while not self._ended.is_set():
            seconds = timed(lambda: self._sweep.run(self._ended))
            self._ended.wait(max(0.0, 1 - seconds))


class OneShotSweep:
    """One question to the engine about each container, over a few connections at a time."""

    def __init__(self, made: Bench, ids: Sequence[str]) -> None:
        paths = [made.stats_path(each, one_shot=True) for each in ids]
        self._connections = [Connection(made.socket) for _ in range(AT_ONCE)]
        self._shares = [paths[number::AT_ONCE] for number in range(AT_ONCE)]
        self._pool = ThreadPoolExecutor(AT_ONCE)
        self._counts = [0] * AT_ONCE  # each written by one thread

    @property
    def count(self) -> int:
        """Of all answers so far."""
        return sum(self._counts)

    def run(self, ended: threading.Event | None = None) -> None:
        def ask(number: int) -> None:
            for path in self._shares[number]:
                if ended is not None and ended.is_set():
                    return
                self._connections[number].get(path)
                self._counts[number] += 1

        list(self._pool.map(ask, range(AT_ONCE)))

    def close(self) -> None:
        self._pool.shutdown()
        for connection in self._connections:
            connection.close()


class DockerStatsEnded(Exception):
    """The command gave up: with many containers the engine is too late for it."""


class DockerStats:
    """`docker stats` of all as it shows them on a screen. The engine takes samples of all that are
    watched in one loop, so a stream of one of them tells how often.
    """

    def __init__(self, made: Bench, ids: Sequence[str]) -> None:
        self._count = len(ids)
        self._mark = 0
        output = made.directory / "docker-stats"
        with output.open("wb") as file:
            self._process = subprocess.Popen(
                ["docker", "stats", "--format", "{{.ID}} {{.CPUPerc}}", *ids], stdout=file
            )
        self.processes: Sequence[psutil.Process] = [psutil.Process(self._process.pid)]
        try:
            wait_until(
                lambda: (
                    self._process.poll() is not None or output.read_bytes().count(b"\n") >= len(ids)
                ),
                120,
                "docker stats shows all",
            )
            self._stream = Stream(made.socket, made.stats_path(ids[0], stream=True))
        except BaseException:
            self._end()
            raise

    def mark(self) -> None:
        self._mark = self._lines()

    def samples(self) -> int:
        if self._process.poll() is not None:
            raise DockerStatsEnded
        return (self._lines() - self._mark) * self._count

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()
        self._end()

    def _end(self) -> None:
        self._process.kill()
        self._process.wait(10)

    def _lines(self) -> int:
        return self._stream.until(self._stream.position()).count(b"\n")
