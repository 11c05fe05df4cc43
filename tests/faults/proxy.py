"""A proxy in front of an engine's socket that delays, cuts, truncates or swallows what passes.

It understands as much HTTP as it takes to tell one request from the next, so that a fault can be
put at a named step: before a request reaches the engine, or after the engine has answered and
before the service has heard of it. No switch in the product is needed for that.
"""

import re
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

When = Literal["request", "answer"]

# Answers without an end, or with a long wait for it: passed on byte by byte. An import is not one:
# it is the same call as a pull, and has the files with it.
_STREAMS = re.compile(r"/(events|attach|build|images/load|images/create(?!\S*fromSrc))\b")


@dataclass
class Exchange:
    """A request of the service and, once there is one, the engine's answer; raw, both."""

    method: str
    path: str  # with its query, without the API version
    request: bytes
    answer: bytes = b""
    cut_after: bool = False  # nothing follows the answer
    began: float = field(default_factory=time.monotonic)

    @property
    def step(self) -> str:
        """The same for the same call about another container: "POST /containers/{id}/start"."""
        path = self.path.partition("?")[0]
        path = re.sub(r"^/(containers)/(?!create$|json$)[^/]+", r"/\1/{id}", path)
        path = re.sub(r"^/(volumes|networks)/(?!create$)[^/]+", r"/\1/{id}", path)
        path = re.sub(r"^/images/.+/(json|history)", r"/images/{id}/\1", path)
        return f"{self.method} {path}"


Action = Callable[[Exchange], None]


class CutError(Exception):
    """Raised by an action: both ends of the connection are closed at once."""


class SwallowedError(Exception):
    """Raised by an action: the connection stays open, and nothing comes of it any more."""


def cut(_: Exchange) -> None:
    raise CutError


def swallow(_: Exchange) -> None:
    raise SwallowedError


def delay(seconds: float) -> Action:
    return lambda _: time.sleep(seconds)


def truncate(length: int) -> Action:
    """Of the answer, the service gets the first `length` bytes, and then the end."""

    def do(exchange: Exchange) -> None:
        exchange.answer = exchange.answer[:length]
        exchange.cut_after = True

    return do


class Rule:
    """Does something to the exchanges it matches: not to the first `skip` of them, then `times`
    times (None: always).
    """

    def __init__(
        self,
        matches: Callable[[Exchange], bool],
        when: When,
        do: Action,
        *,
        skip: int = 0,
        times: int | None = 1,
    ) -> None:
        self.hits = 0
        self.hit = threading.Event()
        self._matches, self._when, self._do = matches, when, do
        self._skip, self._left = skip, times
        self._lock = threading.Lock()

    def apply(self, when: When, exchange: Exchange) -> None:
        if when != self._when or not self._matches(exchange):
            return
        with self._lock:
            if self._skip:
                self._skip -= 1
                return
            if self._left == 0:
                return
            self._left = None if self._left is None else self._left - 1
            self.hits += 1
        self.hit.set()
        self._do(exchange)


class Proxy:
    """Listens on `path` for as long as it is open, and passes on to the socket at `engine`."""

    def __init__(self, path: Path, engine: Path) -> None:
        self.address = f"unix://{path}"
        self.engine = engine
        self.exchanges: list[Exchange] = []
        self._rules: list[Rule] = []
        self._open: set[socket.socket] = set()
        self._streams: dict[socket.socket, bool] = {}  # the engine's end -> whether it is silenced
        self._lock = threading.Lock()
        self._closed = False
        self._path = path
        path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(256)
        threading.Thread(target=self._accept, name="proxy", daemon=True).start()

    def on(
        self,
        method: str,
        path: str,
        *,
        when: When,
        do: Action,
        times: int | None = 1,
    ) -> Rule:
        """From now on, `do` happens to requests whose path, query included, matches `path`."""

        def matches(exchange: Exchange) -> bool:
            return method in ("*", exchange.method) and re.search(path, exchange.path) is not None

        return self._add(Rule(matches, when, do, times=times))

    def at(self, step: str, *, nth: int = 0, when: When, do: Action) -> Rule:
        """`do` happens once, to the `nth` exchange from now on, counted from 0, of this step."""
        return self._add(Rule(lambda exchange: exchange.step == step, when, do, skip=nth))

    def _add(self, rule: Rule) -> Rule:
        self._rules.append(rule)
        return rule

    def clear(self) -> None:
        """Drops all rules; what they hold up already, they hold up."""
        self._rules = []

    def cut_all(self) -> None:
        """Cuts every connection there is; new ones are welcome."""
        with self._lock:
            for each in self._open:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def silence_streams(self) -> int:
        """Whatever is streamed now stays open, but is never heard of again; says how many."""
        with self._lock:
            for each in self._streams:
                self._streams[each] = True
            return len(self._streams)

    @contextmanager
    def recorded(self) -> Iterator[list[str]]:
        """The steps of the exchanges that begin meanwhile, in order, complete at the end."""
        steps: list[str] = []
        first = len(self.exchanges)
        yield steps
        steps += [exchange.step for exchange in self.exchanges[first:]]

    def close(self) -> None:
        self._closed = True
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut_all()
        deadline = time.monotonic() + 5
        while self._open and time.monotonic() < deadline:
            time.sleep(0.01)
        self._path.unlink(missing_ok=True)

    # Within

    def _accept(self) -> None:
        with suppress(OSError):
            while not self._closed:
                client = self._listener.accept()[0]
                with self._lock:
                    self._open.add(client)
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        engine = socket.socket(socket.AF_UNIX)
        with self._lock:
            self._open.add(engine)
        try:
            engine.connect(str(self.engine))
            from_client, from_engine = _Reader(client), _Reader(engine)
            while self._exchange(client, engine, from_client, from_engine):
                pass
        except SwallowedError:
            with suppress(OSError):
                while client.recv(65536):
                    pass
        except (CutError, OSError, EOFError):
            pass
        finally:
            with self._lock:
                self._open -= {client, engine}
                self._streams.pop(engine, None)
            client.close()
            engine.close()

    def _exchange(
        self,
        client: socket.socket,
        engine: socket.socket,
        from_client: "_Reader",
        from_engine: "_Reader",
    ) -> bool:
        """Passes on one request and its answer; whether more may come."""
        head = from_client.head()
        method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ", 2)
        body = from_client.body(head)
        exchange = Exchange(method, re.sub(r"^/v[\d.]+(?=/)", "", target), head + body)
        stream = _STREAMS.search(exchange.path) is not None
        if not stream:
            self.exchanges.append(exchange)
        self._apply("request", exchange)
        engine.sendall(exchange.request)
        if stream:
            with self._lock:
                self._streams[engine] = False
            self._pump(client, engine)
            return False
        head = from_engine.head()
        bodiless = head[9:12] in (b"204", b"304") or method == "HEAD"
        exchange.answer = head + (b"" if bodiless else from_engine.body(head, answer=True))
        self._apply("answer", exchange)
        client.sendall(exchange.answer)
        return not exchange.cut_after

    def _apply(self, when: When, exchange: Exchange) -> None:
        for rule in list(self._rules):
            rule.apply(when, exchange)

    def _pump(self, client: socket.socket, engine: socket.socket) -> None:
        """Passes bytes on both ways until either end closes."""
        while True:
            for ready in select.select([client, engine], [], [])[0]:
                data = ready.recv(65536)
                if not data:
                    return
                if ready is client:
                    engine.sendall(data)
                elif not self._streams.get(engine):
                    client.sendall(data)


class _Reader:
    """Cuts messages out of what a socket receives."""

    def __init__(self, source: socket.socket) -> None:
        self._source = source
        self._buffer = b""

    def head(self) -> bytes:
        return self._until(b"\r\n\r\n")

    def body(self, head: bytes, *, answer: bool = False) -> bytes:
        """The body that belongs to a head, framed as it came."""
        low = head.lower()
        if re.search(rb"\r\ntransfer-encoding: *chunked", low):
            parts = []
            while True:
                size = self._until(b"\r\n")
                parts += [size, self._exactly(int(size.split(b";")[0], 16) + 2)]
                if int(size.split(b";")[0], 16) == 0:
                    return b"".join(parts)
        if length := re.search(rb"\r\ncontent-length: *(\d+)", low):
            return self._exactly(int(length[1]))
        return self._rest() if answer else b""

    def _until(self, end: bytes) -> bytes:
        while end not in self._buffer:
            self._receive()
        found, _, self._buffer = self._buffer.partition(end)
        return found + end

    def _exactly(self, length: int) -> bytes:
        while len(self._buffer) < length:
            self._receive()
        found, self._buffer = self._buffer[:length], self._buffer[length:]
        return found

    def _rest(self) -> bytes:
        with suppress(EOFError):
            while True:
                self._receive()
        found, self._buffer = self._buffer, b""
        return found

    def _receive(self) -> None:
        data = self._source.recv(65536)
        if not data:
            raise EOFError
        self._buffer += data
