"""A random mixture of requests, commands of others and faults; after each, all must agree.

`python -m tests.faults.random_steps --steps 10000 --seed 1` takes as many steps as it is told and
says how far it got; `test_random_faults` lets Hypothesis choose them.
"""

import argparse
import random
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx

from tests.conftest import Service
from tests.engine.support import at_once

from .consistency import consistent, is_managed, port_range, told
from .private_engine import PrivateEngine, RefusedError, own_network, told_to_end, why_not
from .proxy import CutError, Exchange, Proxy, cut
from .steps import is_husk, kill, wait_for_no_husks

# Picks one of the numbers from 0 to less than its argument; who picks them decides what happens.
Pick = Callable[[int], int]

# Few, so that ports run out, are given away and are taken by others. Patience covers the slowest
# way to notice a change: the next full listing.
SETTINGS = {"PORT_RANGE": "8001-8016", "ENGINE_TIMEOUT": "5", "HUSK_GRACE": "2"}
PATIENCE = 45.0
FULL = 12  # with this many containers, one is removed before another is made
LABEL_KEY = "orchestration-api.idempotency-key"


class World:
    """An engine, a proxy and a service, and what may happen to them. Every action keeps a trace."""

    def __init__(self, engine: PrivateEngine, proxy: Proxy, service: Service) -> None:
        self.engine, self.proxy, self.service = engine, proxy, service
        self.trace: list[str] = []
        self.slowest = 0.0
        # Containers that an answer has confirmed, but for those that anybody asked to remove.
        self._confirmed: dict[str, str] = {}
        self._listeners: list[socket.socket] = []

    def reset(self) -> None:
        """An empty engine and a service that knows it is empty."""
        self._stop_listening()
        self.proxy.clear()
        self.engine.clear()
        self._confirmed.clear()
        consistent(self.service, self.engine, PATIENCE)
        self.trace = []

    def close(self) -> None:
        self._stop_listening()

    def step(self, action: str, pick: Pick) -> None:
        """One action, and then a quiet moment."""
        self.trace.append(action)
        ACTIONS[action][1](self, pick)
        self.check()

    def check(self) -> None:
        """What must hold in a quiet moment."""
        self.slowest = max(self.slowest, consistent(self.service, self.engine, PATIENCE))
        entries = self.engine.containers()
        there = {entry["Id"][:12] for entry in entries}
        names = {entry["Names"][0][1:] for entry in entries if is_managed(entry)}
        for container, name in list(self._confirmed.items()):
            # A start may have moved it to another id, under its name.
            assert container in there or name in names, f"{container} ({name}) is lost"
        keys = Counter(
            entry["Labels"][LABEL_KEY]
            for entry in entries
            if LABEL_KEY in entry["Labels"] and not is_husk(entry)
        )
        assert all(times == 1 for times in keys.values()), f"containers per key: {keys}"

    def end(self) -> None:
        """What must hold a while after the last fault."""
        self.proxy.clear()
        wait_for_no_husks(self.engine, PATIENCE)
        self.check()

    # Requests

    def create(self, pick: Pick) -> None:
        self._make_room(pick)
        self._create({"start": True})

    def create_only(self, pick: Pick) -> None:
        self._make_room(pick)
        self._create({"start": False})

    def create_named(self, pick: Pick) -> None:
        self._make_room(pick)
        self._create({"name": f"name-{pick(4)}", "start": pick(2) == 0})

    def create_with_key(self, pick: Pick) -> None:
        self._make_room(pick)
        number = pick(4)
        self._create({"start": number % 2 == 0}, {"Idempotency-Key": f"key-{number}"})

    def create_pinned(self, pick: Pick) -> None:
        self._make_room(pick)
        ports = port_range(self.service)
        self._create({"port": ports[pick(len(ports))], "start": pick(3) == 0})

    def create_with_volume(self, pick: Pick) -> None:
        self._make_room(pick)
        self._create({"volumes": [f"volume-{pick(3)}:/data"], "start": pick(2) == 0})

    def start(self, pick: Pick) -> None:
        self._change("start", pick)

    def stop(self, pick: Pick) -> None:
        self._change("stop", pick)

    def restart(self, pick: Pick) -> None:
        self._change("restart", pick)

    def remove(self, pick: Pick) -> None:
        if (entry := self._one_of(self._managed(), pick)) is not None:
            volumes = "&volumes=true" if pick(2) else ""
            self._request("DELETE", f"/containers/{self._forget(entry)}?force=true{volumes}")

    def remove_volume(self, pick: Pick) -> None:
        self._request("DELETE", f"/volumes/volume-{pick(3)}")

    def several_at_once(self, pick: Pick) -> None:
        """Requests and commands that meet."""
        calls: list[Callable[[], object]] = []
        managed = self._managed()
        for _ in range(2 + pick(3)):
            what, entry = pick(6), self._one_of(managed, pick)
            if what == 0 or entry is None:
                calls.append(lambda: self._create({"start": False}, confirm=False))
                continue
            container = entry["Id"][:12]
            if what in (1, 2):
                verb = ("start", "stop")[what - 1]
                path = f"/containers/{container}/{verb}"
                calls.append(lambda path=path: self._request("POST", path))  # type: ignore[misc]
            elif what == 3:
                self._forget(entry)
                path = f"/containers/{container}?force=true"
                calls.append(lambda path=path: self._request("DELETE", path))  # type: ignore[misc]
            elif what == 4:
                calls.append(lambda c=container: self._docker("POST", f"/containers/{c}/kill"))  # type: ignore[misc]
            else:
                calls.append(lambda c=container: self._docker("POST", f"/containers/{c}/start"))  # type: ignore[misc]
        at_once(calls)

    # Others, with docker

    def docker_run(self, pick: Pick) -> None:
        self._make_room(pick)
        ports = port_range(self.service)
        with suppress(RefusedError):
            self.engine.run(port=ports[pick(len(ports))])

    def docker_remove(self, pick: Pick) -> None:
        if (entry := self._one_of(self.engine.containers(), pick)) is not None:
            self._forget(entry)
            self.engine.remove_container(entry["Id"])

    def docker_stop(self, pick: Pick) -> None:
        self._docker_on_one("stop?t=0", "running", pick)

    def docker_start(self, pick: Pick) -> None:
        self._docker_on_one("start", "exited", pick)

    def docker_kill(self, pick: Pick) -> None:
        self._docker_on_one("kill", "running", pick)

    def docker_pause(self, pick: Pick) -> None:
        self._docker_on_one("pause", "running", pick)

    def docker_unpause(self, pick: Pick) -> None:
        self._docker_on_one("unpause", "paused", pick)

    def docker_rename(self, pick: Pick) -> None:
        if (entry := self._one_of(self.engine.containers(), pick)) is not None:
            name = f"renamed-{pick(4)}"
            if self._docker("POST", f"/containers/{entry['Id']}/rename?name={name}"):
                container = entry["Id"][:12]
                if container in self._confirmed:
                    self._confirmed[container] = name

    # Faults

    def cut_connections(self, _: Pick) -> None:
        self.proxy.cut_all()

    def cut_a_call(self, pick: Pick) -> None:
        """The next mutation's call to the engine is lost before or after the engine does it."""
        method = ("POST", "POST", "DELETE")[pick(3)]
        self.proxy.on(method, "", when=("request", "answer")[pick(2)], do=cut)
        (self.create, self.start, self.remove)[pick(3)](pick)
        self.proxy.clear()

    def freeze(self, pick: Pick) -> None:
        self.engine.freeze()
        timer = threading.Timer(0.3, self.engine.thaw)
        timer.start()
        (self.create_only, self.stop)[pick(2)](pick)
        timer.join()

    def silence_events(self, _: Pick) -> None:
        self.proxy.silence_streams()

    def kill_service(self, _: Pick) -> None:
        kill(self.service)
        self.service.start()

    def kill_service_at_work(self, pick: Pick) -> None:
        """Before or after a call of the engine, in the middle of a request."""

        def do(_: Exchange) -> None:
            kill(self.service)
            raise CutError

        self.proxy.on("*", "^/containers/", when=("request", "answer")[pick(2)], do=do)
        with suppress(httpx.TransportError):
            (self.create, self.start, self.stop, self.remove)[pick(4)](pick)
        self.proxy.clear()
        kill(self.service)
        self.service.start()

    def kill_engine(self, _: Pick) -> None:
        self.engine.restart()

    def listen(self, pick: Pick) -> None:
        """A process of the host, this one, listens on a port, in the place of an earlier one."""
        self._stop_listening()
        ports = port_range(self.service)
        listener = socket.socket()
        try:
            listener.bind(("0.0.0.0", ports[pick(len(ports))]))
            listener.listen()
        except OSError:  # a container has it
            listener.close()
        else:
            self._listeners.append(listener)

    # Within

    def _stop_listening(self) -> None:
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()

    def _managed(self) -> list[dict[str, Any]]:
        return [entry for entry in self.engine.containers() if is_managed(entry)]

    def _one_of(self, entries: list[dict[str, Any]], pick: Pick) -> dict[str, Any] | None:
        ordered = sorted(entries, key=lambda entry: (entry["Created"], entry["Id"]))
        return ordered[pick(len(ordered))] if ordered else None

    def _make_room(self, pick: Pick) -> None:
        while len(entries := self.engine.containers()) >= FULL:
            if (entry := self._one_of(entries, pick)) is not None:
                self._forget(entry)
                self.engine.remove_container(entry["Id"])

    def _forget(self, entry: dict[str, Any]) -> str:
        """The container's id; from now on it may go."""
        container = str(entry["Id"][:12])
        self._confirmed.pop(container, None)
        name = entry["Names"][0][1:]
        self._confirmed = {key: each for key, each in self._confirmed.items() if each != name}
        return container

    def _create(
        self, body: dict[str, Any], headers: dict[str, str] | None = None, *, confirm: bool = True
    ) -> None:
        answer = self._request("POST", "/containers/create", json=body, headers=headers)
        if answer.is_success and confirm:
            self._confirm(answer.json())

    def _change(self, verb: str, pick: Pick) -> None:
        if (entry := self._one_of(self._managed(), pick)) is None:
            return
        path = f"/containers/{entry['Id'][:12]}/{verb}?timeout=0"
        answer = self._request("POST", path if verb != "start" else path.partition("?")[0])
        if answer.is_success:
            self._confirm(answer.json())

    def _confirm(self, container: dict[str, Any]) -> None:
        """What an answer says is so when it arrives."""
        self._confirmed[container["id"]] = container["name"]
        state = self.engine.inspect(container["id"])["State"]["Status"]
        assert state == container["state"], f"answered {container}, but it is {state}"

    def _request(self, method: str, path: str, **options: Any) -> httpx.Response:
        answer = self.service.client.request(method, path, **options)
        self.trace[-1] += f" {method} {path} {options.get('json') or ''}: {answer.status_code}"
        assert answer.status_code in (200, 201, 404, 409, 503, 504), answer.text
        return answer

    def _docker_on_one(self, verb: str, state: str, pick: Pick) -> None:
        """On a container in this state, or on any when there is none."""
        entries = self.engine.containers()
        fitting = [entry for entry in entries if entry["State"] == state]
        if (entry := self._one_of(fitting or entries, pick)) is not None:
            self._docker("POST", f"/containers/{entry['Id']}/{verb}")

    def _docker(self, method: str, path: str) -> bool:
        """A command that the engine may refuse; whether it was done."""
        self.trace[-1] += f" {path[:24]}{path[76:]}"
        try:
            self.engine.call(method, path)
        except RefusedError as error:
            self.trace[-1] += f" refused with {error.status}"
            return False
        return True


# How often each action is chosen, of the sum of all.
ACTIONS: dict[str, tuple[int, Callable[[World, Pick], None]]] = {
    "create": (8, World.create),
    "create_only": (20, World.create_only),
    "create_named": (10, World.create_named),
    "create_with_key": (10, World.create_with_key),
    "create_pinned": (6, World.create_pinned),
    "create_with_volume": (6, World.create_with_volume),
    "start": (10, World.start),
    "stop": (12, World.stop),
    "restart": (4, World.restart),
    "remove": (14, World.remove),
    "remove_volume": (3, World.remove_volume),
    "several_at_once": (10, World.several_at_once),
    "docker_run": (3, World.docker_run),
    "docker_remove": (6, World.docker_remove),
    "docker_stop": (4, World.docker_stop),
    "docker_start": (4, World.docker_start),
    "docker_kill": (4, World.docker_kill),
    "docker_pause": (3, World.docker_pause),
    "docker_unpause": (3, World.docker_unpause),
    "docker_rename": (3, World.docker_rename),
    "cut_connections": (4, World.cut_connections),
    "cut_a_call": (5, World.cut_a_call),
    "freeze": (2, World.freeze),
    "silence_events": (1, World.silence_events),
    "kill_service": (1, World.kill_service),
    "kill_service_at_work": (2, World.kill_service_at_work),
    "kill_engine": (1, World.kill_engine),
    "listen": (3, World.listen),
}


def take_steps(world: World, steps: int, seed: int) -> None:
    """Prints how far it is; raises what breaks."""
    chance = random.Random(seed)
    names, weights = list(ACTIONS), [weight for weight, _ in ACTIONS.values()]
    done: Counter[str] = Counter()
    began = time.monotonic()
    for number in range(1, steps + 1):
        action = chance.choices(names, weights)[0]
        world.step(action, chance.randrange)
        done[action] += 1
        if number % 100 == 0 or number == steps:
            seconds = time.monotonic() - began
            print(
                f"{number} steps, seed {seed}, {seconds:.0f} s, {number / seconds:.1f} a second,"
                f" no invariant broken; slowest agreement {world.slowest:.2f} s",
                flush=True,
            )
    world.end()
    print(", ".join(f"{name} {times}" for name, times in sorted(done.items())))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    arguments = parser.parse_args()
    if reason := why_not():
        print(reason, file=sys.stderr)
        return 2
    with own_network(), told_to_end(), tempfile.TemporaryDirectory(prefix="faults-") as directory:
        engine = PrivateEngine()
        try:
            engine.start()
            engine.load_image()
            proxy = Proxy(Path(directory) / "proxy.sock", engine.socket)
            service = Service(Path(directory), {"DOCKER_HOST": proxy.address} | SETTINGS)
            service.start()
            world = World(engine, proxy, service)
            try:
                take_steps(world, arguments.steps, arguments.seed)
            except BaseException as error:
                print(f"seed {arguments.seed}, step {len(world.trace)}: {error!r}")
                print("\n".join(["The last steps:", *world.trace[-30:]]))
                print("\n".join(["The service's log:", *told(service)]))
                raise
            finally:
                world.close()
                kill(service)
                service.client.close()
                proxy.close()
        finally:
            engine.remove()
    return 0


if __name__ == "__main__":
    sys.exit(main())
