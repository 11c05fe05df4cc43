"""From `docker stop` to the port being free in GET /ports.

Containers are stopped past the service, one after the other, while a client of the engine's events
and a client of GET /ports watch. Time runs from the engine's own stamp on the `die` event, so that
what is measured is the delay of the news and not the stop itself.
"""

import threading
import time
from typing import Any

from .measure import show_times, step
from .setting import Bench, Service, bench, parser, service


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--count", type=int, default=100, help="containers (default: 100)")
    chosen = arguments.parse_args()
    if not 1 <= chosen.count <= 999:
        arguments.error("--count is from 1 to 999")
    # Away from a service's own range, and from the ephemeral ports.
    with bench(private=chosen.private) as made, service(made, PORT_RANGE="21001-21999") as api:
        measure(made, api, chosen.count)


def measure(made: Bench, api: Service, count: int) -> None:
    with step(f"creating {count}"):
        containers = [api.create() for _ in range(count)]
        for answer in containers:
            answer.raise_for_status()
    events = Events(made)
    seconds: dict[str, list[float]] = {
        "event of the engine at a client": [],
        "engine's own inspection says exited": [],
        "port free in GET /ports": [],
        "`docker stop` as a whole": [],
    }
    event, exited, port_free, whole = seconds.values()
    with step(f"stopping {count}"):
        for answer in containers:
            container = answer.json()
            port = int(container["url"].rpartition(":")[2])
            freed: list[float] = []
            watching = threading.Thread(target=watch, args=(api, port, freed))
            watching.start()
            ended: list[float] = []
            asking = threading.Thread(target=ask, args=(made, container["id"], ended))
            asking.start()
            began = time.time()
            made.client.api.stop(container["id"], timeout=10)
            whole.append(time.time() - began)
            watching.join()
            asking.join()
            died, heard = events.of(container["id"])
            event.append(heard - died)
            exited.append(ended[0] - died)
            port_free.append(freed[0] - died)
    events.close()
    title = f"From the end of a container, {count} containers"
    show_times(title, seconds, "engine's own inspection says exited")


def watch(api: Service, port: int, freed: list[float]) -> None:
    """Asks again and again until the port is not in use; a port of a stopped container is free for
    others, whether or not it is remembered.
    """
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        row = api.get(f"/ports/{port}")
        if row["state"] in ("free", "remembered"):
            freed.append(time.time())
            return
        time.sleep(0.001)


def ask(made: Bench, container: str, ended: list[float]) -> None:
    """Asks the engine itself. It tells of the end first, and answers questions about the container
    only when it has taken down its network, and so freed the port.
    """
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if not made.client.api.inspect_container(container)["State"]["Running"]:
            ended.append(time.time())
            return
        time.sleep(0.001)


class Events:
    """When the engine says that containers ended, by its stamp and by our clock."""

    def __init__(self, made: Bench) -> None:
        self._seen: dict[str, tuple[float, float]] = {}
        self._changed = threading.Condition()
        self._stream: Any = made.client.api.events(
            decode=True, filters={"type": "container", "event": "die"}
        )
        threading.Thread(target=self._follow, daemon=True).start()

    def _follow(self) -> None:
        for event in self._stream:
            with self._changed:
                died = event["timeNano"] / 1_000_000_000
                self._seen[event["Actor"]["ID"][:12]] = (died, time.time())
                self._changed.notify_all()

    def of(self, container: str) -> tuple[float, float]:
        with self._changed:
            self._changed.wait_for(lambda: container in self._seen, 30)
            return self._seen[container]

    def close(self) -> None:
        self._stream.close()


if __name__ == "__main__":
    main()
