"""How long the service needs after the engine was killed and started again.

Always on an engine of its own, which is killed with `kill -9`, stays away for a moment and is
started again; needs root. Measured from the moment that the engine answers /_ping: until GET
/health is 200, and until the service shows every container in the state that the engine shows.
"""

import argparse
import socket
import threading
import time
from collections.abc import Callable

from .measure import show_times, step, wait_until
from .private_engine import PrivateEngine, private_engine
from .setting import BASE_IMAGE, Bench, Service, bench, service

# Long enough for the service to have tried in vain, and to wait the longest between two tries.
AWAY_SECONDS = 3.0


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    arguments.add_argument("--count", type=int, default=50, help="containers (default: 50)")
    arguments.add_argument("--rounds", type=int, default=5, help="restarts (default: 5)")
    chosen = arguments.parse_args()
    if not (1 <= chosen.count <= 999 and 1 <= chosen.rounds <= 50):
        arguments.error("--count is from 1 to 999, --rounds from 1 to 50")
    with (
        private_engine(BASE_IMAGE) as engine,
        bench(private=False) as made,
        service(made) as api,
    ):
        measure(engine, made, api, chosen.count, chosen.rounds)


def measure(engine: PrivateEngine, made: Bench, api: Service, count: int, rounds: int) -> None:
    with step(f"creating {count}"):
        for number in range(count):
            # Half of them come back with the engine, half are stopped by its end.
            policy = {"restart_policy": "always"} if number % 2 else {}
            answer = api.create(**policy)
            if answer.is_error:
                raise SystemExit(f"a create failed: {answer.text}\n{api.log()}")
    ready = "engine answers /_ping -> GET /health is 200"
    equal = "engine answers /_ping -> all states are the engine's"
    noticed = "engine killed -> GET /health is 503"
    away = "dockerd started -> engine answers /_ping"
    seconds: dict[str, list[float]] = {away: [], noticed: [], ready: [], equal: []}
    for _ in range(rounds):
        with step("killing the engine and starting it again"):
            killed = time.monotonic()
            engine.kill()
            wait_until(lambda: health(api) == 503, 30, "the service notices")
            seconds[noticed].append(time.monotonic() - killed)
            time.sleep(AWAY_SECONDS)
            began = time.monotonic()
            healthy = Moment(lambda: health(api) == 200)
            engine.launch()
            answered = answers_at(engine)
            seconds[away].append(answered - began)
            seconds[ready].append(healthy.at() - answered)
            wait_until(lambda: states(made) == shown(api), 60, "all states are the engine's")
            seconds[equal].append(time.monotonic() - answered)
    show_times(f"Recovery with {count} containers, {rounds} restarts", seconds)


class Moment:
    """Watches in a thread when something becomes true."""

    def __init__(self, holds: Callable[[], bool]) -> None:
        self._found = threading.Event()
        self._at = 0.0
        threading.Thread(target=self._watch, args=(holds,), daemon=True).start()

    def _watch(self, holds: Callable[[], bool]) -> None:
        wait_until(holds, 120, "the service is healthy again", every=0.005)
        self._at = time.monotonic()
        self._found.set()

    def at(self) -> float:
        self._found.wait(120)
        return self._at


def health(api: Service) -> int:
    return api.client.get("/health").status_code


def answers_at(engine: PrivateEngine) -> float:
    """When the engine answered first."""
    path = engine.address.removeprefix("unix://")
    give_up = time.monotonic() + 120
    while time.monotonic() < give_up:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(10)
            try:
                connection.connect(path)
                connection.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
                if b" 200 " in connection.recv(64):
                    return time.monotonic()
            except OSError:
                pass
        time.sleep(0.005)
    raise SystemExit("the engine does not come back")


def states(made: Bench) -> dict[str, str]:
    return {entry["Id"][:12]: entry["State"] for entry in made.list_raw()}


def shown(api: Service) -> dict[str, str]:
    return {each["id"]: each["state"] for each in api.get("/containers")}


if __name__ == "__main__":
    main()
