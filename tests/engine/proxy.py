"""Stands between a service and the engine's socket, and does what a healthy engine never does."""

import os
import socket
import threading
from contextlib import suppress
from pathlib import Path

import pytest

ENGINE = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")


class Proxy:
    """Passes bytes between a socket of its own and the engine's.

    But not while `flows` is unset: then all are held back, as if the engine were frozen. And while
    `tells` is unset, what comes on the connections that asked for events is dropped.
    """

    def __init__(self, path: Path | None) -> None:
        """At a path, or without one on a TCP port: a service sees no processes through that."""
        if not ENGINE.startswith("unix://"):
            pytest.skip(f"the engine at {ENGINE} has no socket for a proxy to stand in front of")
        self.flows, self.tells = threading.Event(), threading.Event()
        self.flows.set()
        self.tells.set()
        self.subscriptions = 0  # how often somebody has asked for events
        self._sockets: list[socket.socket] = []
        self._streams: set[socket.socket] = set()  # the engine's sides of those with events
        family = socket.AF_INET if path is None else socket.AF_UNIX
        self._listener = self._keep(socket.socket(family))
        self._listener.bind(("127.0.0.1", 0) if path is None else str(path))
        place = self._listener.getsockname()
        self.address = f"tcp://127.0.0.1:{place[1]}" if path is None else f"unix://{path}"
        self._listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self.flows.set()
        for each in self._sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _keep(self, opened: socket.socket) -> socket.socket:
        self._sockets.append(opened)
        return opened

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client = self._keep(self._listener.accept()[0])
                engine = self._keep(socket.socket(socket.AF_UNIX))
                engine.connect(ENGINE.removeprefix("unix://"))
                for passing in (self._ask, self._answer):
                    threading.Thread(target=passing, args=(client, engine), daemon=True).start()

    def _ask(self, client: socket.socket, engine: socket.socket) -> None:
        with suppress(OSError):
            while data := client.recv(65536):
                if b"/events" in data.partition(b"\r\n")[0]:
                    self._streams.add(engine)
                    self.subscriptions += 1
                self.flows.wait()
                engine.sendall(data)
            engine.shutdown(socket.SHUT_WR)

    def _answer(self, client: socket.socket, engine: socket.socket) -> None:
        with suppress(OSError):
            while data := engine.recv(65536):
                self.flows.wait()
                if engine not in self._streams or self.tells.is_set():
                    client.sendall(data)
            client.shutdown(socket.SHUT_WR)
