"""HTTP with as little of a client as there can be: a connection that stays open, and bytes.

A question of 1 ms must not be measured with a client that takes half of it, and the service and the
engine are to be asked in the same way. So not httpx and not the SDK, which have rows of their own.
"""

import http.client
import json
import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Any


class Connection:
    """To a TCP address, "127.0.0.1:8000", or to a socket, "/var/run/docker.sock"."""

    def __init__(self, address: str, timeout: float = 120) -> None:
        if address.startswith("/"):
            self._http: http.client.HTTPConnection = _OverUnixSocket(address, timeout)
        else:
            host, _, port = address.rpartition(":")
            self._http = http.client.HTTPConnection(host, int(port), timeout=timeout)

    def get(self, path: str) -> bytes:
        """The body of a 200; anything else ends the program. A connection that the other side has
        closed meanwhile, as servers do with idle ones, is opened again.
        """
        try:
            answer = self.ask(path)
        except (ConnectionError, http.client.HTTPException):
            self._http.close()
            answer = self.ask(path)
        body = answer.read()
        if answer.status != 200:
            raise SystemExit(f"GET {path}: {answer.status} {body[:500].decode(errors='replace')}")
        return body

    def ask(self, path: str) -> http.client.HTTPResponse:
        """The answer, of which nothing but the head has been read."""
        self._http.request("GET", path)
        return self._http.getresponse()

    def json(self, path: str) -> Any:
        return json.loads(self.get(path))

    def close(self) -> None:
        self._http.close()

    def shut_down(self) -> None:
        """Ends what another thread reads from it."""
        with suppress(OSError):  # the other side was first
            self._http.sock.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> "Connection":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class _OverUnixSocket(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Stream:
    """An answer without an end, read by a thread as it comes and looked at afterwards: whoever
    measures CPU time should spend none on reading JSON meanwhile.
    """

    def __init__(self, address: str, path: str) -> None:
        self._connection = Connection(address)
        self._answer = self._connection.ask(path)
        if self._answer.status != 200:
            text = self._answer.read(500).decode(errors="replace")
            raise SystemExit(f"GET {path}: {self._answer.status} {text}")
        self._chunks: list[bytes] = []
        self._ended = False
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def position(self) -> int:
        """How much has come; ends the program if the other side has ended the answer."""
        if self._ended:
            raise SystemExit("a stream has ended by itself")
        return len(self._chunks)

    def until(self, position: int) -> bytes:
        """What has come up to a position."""
        return b"".join(self._chunks[:position])

    def close(self) -> None:
        self._connection.shut_down()
        self._thread.join(10)
        self._connection.close()

    def _follow(self) -> None:
        try:
            while chunk := self._answer.read1(1 << 20):
                self._chunks.append(chunk)
        except (OSError, http.client.HTTPException, ValueError):
            pass  # closed, by either side
        self._ended = True
