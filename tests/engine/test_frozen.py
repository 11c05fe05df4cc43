"""An engine that stops answering: a proxy in front of its socket holds the bytes back."""

import os
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from tests.conftest import Service, wait_until

pytestmark = pytest.mark.engine

ENGINE = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")


class Proxy:
    """Passes bytes between a socket of its own and the engine's, but for the time it is frozen."""

    def __init__(self, path: Path) -> None:
        self.address = f"unix://{path}"
        self.flows = threading.Event()
        self.flows.set()
        self._sockets: list[socket.socket] = []
        self._listener = self._keep(socket.socket(socket.AF_UNIX))
        self._listener.bind(str(path))
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
                for pair in ((client, engine), (engine, client)):
                    threading.Thread(target=self._pass, args=pair, daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self.flows.wait()
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[Proxy]:
    if not ENGINE.startswith("unix://"):
        pytest.skip(f"the engine at {ENGINE} has no socket that a proxy could stand in front of")
    proxy = Proxy(tmp_path / "engine.sock")
    yield proxy
    proxy.close()


def test_a_frozen_engine_freezes_nothing_that_does_not_need_it(
    proxy: Proxy, start_service: Callable[..., Service]
) -> None:
    service = start_service(DOCKER_HOST=proxy.address)
    container = service.created(start=False)
    proxy.flows.clear()

    def health(_: int) -> httpx.Response:
        return httpx.get(f"{service.url}/health", timeout=10, trust_env=False)

    # More at once than there are threads for: each has its answer in time, none waits its turn.
    with ThreadPoolExecutor(12) as threads:
        for answer in threads.map(health, range(12)):
            assert answer.status_code == 503
            assert "did not answer within 2 seconds" in answer.json()["docker"]["problem"]
    assert service.client.get("/health/live", timeout=2).status_code == 200
    answer = service.client.get(f"/containers/{container['id']}", timeout=2)
    assert answer.json() == container

    proxy.flows.set()
    wait_until(lambda: health(0).status_code == 200, 40, "the service is well again")
    assert service.created(start=False)["state"] == "created"
