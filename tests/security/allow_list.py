"""A socket in front of the engine's that lets through only the routes of docs/engine-routes.md."""

import re
import socket
import threading
from contextlib import suppress
from pathlib import Path

from tests.conftest import ROOT

DOCUMENT = ROOT / "docs" / "engine-routes.md"
_ROW = re.compile(r"^\| `([A-Z]+)` \| `(/[^`]+)` \| (.+) \|$", re.MULTILINE)

Route = tuple[str, str]


def documented() -> list[Route]:
    """Method and path of every row of the document's table."""
    return [(method, path) for method, path, _ in _ROW.findall(DOCUMENT.read_text())]


def pattern(path: str) -> re.Pattern[str]:
    """What the paths that a documented one stands for look like, with an API version or without."""
    escaped = re.escape(path).replace(r"\{image\}", ".+")
    return re.compile(r"(/v1\.[0-9]+)?" + re.sub(r"\\\{\w+\\\}", "[^/]+", escaped))


class AllowList:
    """Answers 403 to all that is not in `routes`; `asked` and `refused` say what came."""

    def __init__(self, path: Path, engine: Path, routes: list[Route]) -> None:
        self.address = f"unix://{path}"
        self.asked: set[Route] = set()
        self.refused: list[str] = []
        self._engine = engine
        self._routes = [(method, path, pattern(path)) for method, path in routes]
        self._sockets: list[socket.socket] = []
        self._listener = self._keep(socket.socket(socket.AF_UNIX))
        self._listener.bind(str(path))
        self._listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        for each in list(self._sockets):
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
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        """One request for each connection: what comes after it has nothing that could be asked."""
        with suppress(OSError), client:
            request = b""
            while b"\r\n\r\n" not in request:
                if not (data := client.recv(65536)):
                    return
                request += data
            head, _, body = request.partition(b"\r\n\r\n")
            first, *fields = head.decode("latin-1").split("\r\n")
            if not self._allows(first):
                self.refused.append(first)
                client.sendall(
                    b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                )
                return
            kept = [field for field in fields if not field.lower().startswith("connection:")]
            lines = "\r\n".join([first, *kept, "Connection: close", "", ""])
            engine = self._keep(socket.socket(socket.AF_UNIX))
            with engine:
                engine.connect(str(self._engine))
                engine.sendall(lines.encode("latin-1") + body)
                threading.Thread(target=_pass, args=(client, engine), daemon=True).start()
                _pass(engine, client)

    def _allows(self, first: str) -> bool:
        method, target, _ = first.split(" ")
        path = target.partition("?")[0]
        for allowed, route, regex in self._routes:
            if method == allowed and regex.fullmatch(path):
                self.asked.add((method, route))
                return True
        return False


def _pass(source: socket.socket, target: socket.socket) -> None:
    """Passes bytes on until one side ends, and ends the other then."""
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
