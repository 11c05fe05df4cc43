"""Two checkouts of this project side by side: warm reads, and creates, this one beside another.

Both services run on one engine, in ports of their own, and are asked in turns. Reads come over one
connection, and over 16 at once in windows of a few seconds. `--before` is another checkout, as
`git worktree add` makes one; what it imports besides itself is what is installed here.
"""

import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from .measure import in_turns, percentile, show_times, step, table
from .plain_http import Connection
from .setting import LABEL, Bench, Service, bench, parser, service

CONNECTIONS = 16
WINDOWS = 5


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--before", type=Path, required=True, help="another checkout")
    arguments.add_argument("--containers", type=int, default=20, help="that exist (default: 20)")
    arguments.add_argument("--rounds", type=int, default=500, help="of each read (default: 500)")
    arguments.add_argument("--creates", type=int, default=20, help="of each (default: 20)")
    arguments.add_argument("--seconds", type=float, default=2, help="of a window (default: 2)")
    chosen = arguments.parse_args()
    before = chosen.before.resolve()
    if not (before / "main.py").is_file():
        sys.exit(f"--before {before} is no checkout: it has no main.py")
    with (
        bench(private=chosen.private) as made,
        service(made, PORT_RANGE="21001-21999") as after,
        service(made, checkout=before, PORT_RANGE="22001-22999") as earlier,
    ):
        with step(f"making {chosen.containers} containers"):
            for _ in range(chosen.containers):
                after.create().raise_for_status()
        services = {"before": earlier, "now": after}
        reads(services, made.running()[0], chosen.rounds, chosen.seconds)
        creates(made, services, chosen.creates)


def reads(services: dict[str, Service], container: str, rounds: int, window_s: float) -> None:
    one = f"/containers/{container[:12]}"
    for path in ("/health/live", one, f"{one}/stats", "/containers", "/ports"):
        shown = path.replace(container[:12], "{id}")
        connections = {name: Connection(api.address) for name, api in services.items()}
        calls = {name: partial(each.get, path) for name, each in connections.items()}
        seconds = in_turns(calls, rounds)
        for connection in connections.values():
            connection.close()
        show_times(f"GET {shown}, one connection", seconds, "before")
        at_once(f"GET {shown}, {CONNECTIONS} connections", services, path, window_s)


def at_once(title: str, services: dict[str, Service], path: str, window_s: float) -> None:
    """A table of answers a second, the median of the windows, and of how long each took."""
    rates: dict[str, list[float]] = {name: [] for name in services}
    seconds: dict[str, list[float]] = {name: [] for name in services}
    for _ in range(WINDOWS):
        for name, api in services.items():
            taken = window(api.address, path, window_s)
            rates[name].append(len(taken) / window_s)
            seconds[name] += taken
    base = median(rates["before"])
    rows = [
        (
            name,
            f"{median(rates[name]):.0f}",
            f"{median(rates[name]) / base:.2f}",
            f"{median(seconds[name]) * 1000:.1f}",
            f"{percentile(seconds[name], 99) * 1000:.1f}",
        )
        for name in services
    ]
    table(title, ("", "a second", "ratio", "median ms", "p99 ms"), rows)


def window(address: str, path: str, window_s: float) -> list[float]:
    """The seconds of each answer within a window of so many seconds, over all connections."""
    found: list[float] = []
    end = time.perf_counter() + window_s

    def ask() -> None:
        with Connection(address) as connection:
            began = time.perf_counter()
            while began < end:
                connection.get(path)
                now = time.perf_counter()
                found.append(now - began)
                began = now

    threads = [threading.Thread(target=ask) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def creates(made: Bench, services: dict[str, Service], count: int) -> None:
    def by(api: Service) -> Callable[[], Any]:
        return lambda: api.create(labels={LABEL: made.label}).raise_for_status().json()["id"]

    calls = {name: by(api) for name, api in services.items()}
    with step(f"creating {count} with each"):
        seconds = made.time_creates(calls, count)
    show_times(f"Until a container runs, {count} with each", seconds, "before")


if __name__ == "__main__":
    main()
