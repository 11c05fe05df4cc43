"""The installation that is attacked: connections to it, callers of it, and containers made
there."""

import json
import secrets
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

from . import addresses
from .answers import Answer, Reader, check
from .registry import NEEDS, Fault, Skipped

SECONDS = 20.0  # that no answer takes
ATTACK_SECONDS = 90.0  # that no attack takes, but for a flood
LABEL = "attack"


class Unusable(Exception):
    """There is nothing to attack at this address, or not with this key; the text says why."""


class Target:
    """An installation, by its URL. Every connection goes to the address that was found first."""

    def __init__(
        self,
        url: str,
        *,
        key: str | None = None,
        other_key: str | None = None,
        image: str | None = None,
        pid: int | None = None,
        full: bool = False,
        anywhere: bool = False,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
            raise Unusable(f"{url!r} is no URL like http://127.0.0.1:8000")
        self.tls = parts.scheme == "https"
        self.port = parts.port or (443 if self.tls else 80)
        self.host = parts.hostname
        self.netloc = parts.netloc
        self.before = parts.path.rstrip("/")  # all paths, where a proxy puts something there
        try:
            self.address = addresses.resolve(self.host, self.port, anywhere=anywhere)
        except (OSError, addresses.NotYours) as error:
            raise Unusable(str(error)) from error
        self.key, self.other_key, self.image, self.pid = key, other_key, image, pid
        self.full = full  # whether a flood is one
        self.prefix = f"attack-{secrets.token_hex(4)}"
        self.may: set[str] = set()  # keys of NEEDS that are there
        self._made: set[str] = set()
        self._asked = 0  # creates whose answer has not come, or will never
        self._deadline = 0.0
        self.give_time(ATTACK_SECONDS)

    @property
    def is_here(self) -> bool:
        """Whether the service, or what stands before it, is on this machine."""
        return addresses.is_own(self.address)

    def look(self) -> str:
        """Finds out what can be tried, and says it in a line; raises Unusable."""
        try:
            live = self.ask("GET", "/health/live", key=None, checked=False)
            if live.status != 200:
                raise Unusable(f"{self.netloc} answers GET /health/live with {live}")
            self._look_at_keys()
            if self._has_own_connections():
                self.may.add("own connections")
        except (OSError, Fault) as error:
            raise Unusable(
                f"nothing that can be attacked answers at {self.netloc}: {error}"
            ) from error
        lacking = [why for need, why in NEEDS.items() if need not in self.may]
        return "; ".join(lacking) or "nothing is left out"

    def _has_own_connections(self) -> bool:
        """Whether what is no HTTP is refused in the service's own words."""
        with suppress(OSError, Fault), self.connection() as connection:
            connection.sendall(b"no HTTP at all\r\n\r\n")
            found = Reader(connection).next()
            return found is not None and found.code == "malformed-request"
        return False

    def _look_at_keys(self) -> None:
        without = self.ask("GET", "/containers", key=None, checked=False)
        if without.status == 401:
            self.may.add("keys")
            if self.key is None:
                return
        mine = self.ask("GET", "/containers", checked=False)
        if mine.status == 401:
            raise Unusable("the service does not take the key")
        self.may.add("caller")
        if mine.status == 200 and mine.header("x-inventory-age") is None:
            self.may.add("engine")
        if self._may_write(self.key):
            self.may.add("writer")
        if self.other_key is not None:
            if self.ask("GET", "/containers", key=self.other_key, checked=False).status == 401:
                raise Unusable("the service does not take the other key")
            if self.key != self.other_key and self._may_write(self.other_key):
                self.may.add("two callers")

    def _may_write(self, key: str | None) -> bool:
        answer = self.ask("POST", f"/containers/{self.prefix}/stop", key=key, checked=False)
        return answer.status not in (401, 403)

    # Requests

    def give_time(self, seconds: float) -> None:
        """Bounds what is sent from now on."""
        self._deadline = time.monotonic() + seconds

    @property
    def seconds_left(self) -> float:
        return self._deadline - time.monotonic()

    @contextmanager
    def connection(self, receive_buffer: int | None = None) -> Iterator[socket.socket]:
        opened = self.connect(receive_buffer)
        try:
            yield opened
        finally:
            opened.close()

    def connect(self, receive_buffer: int | None = None) -> socket.socket:
        """A connection of the caller's own, which it closes."""
        if self.seconds_left <= 0:
            raise TimeoutError("the attack took too long")
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        opened = socket.socket(family, socket.SOCK_STREAM)
        try:
            opened.settimeout(min(SECONDS, self.seconds_left))
            if receive_buffer is not None:
                opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            opened.connect((self.address, self.port))
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.tls:
                opened = ssl.create_default_context().wrap_socket(opened, server_hostname=self.host)
        except BaseException:
            opened.close()
            raise
        return opened

    def request(
        self,
        method: str,
        path: str,
        *lines: str,
        key: str | None = "",
        body: bytes | None = None,
        host: str | None = None,
        keep: bool = False,
    ) -> bytes:
        """A request as it is sent, with headers as they are written here. `key=""` is one's own."""
        head = [f"{method} {self.before}{path} HTTP/1.1", f"Host: {host or self.netloc}"]
        if used := (self.key if key == "" else key):
            head.append(f"Authorization: Bearer {used}")
        head += lines
        if body is not None:
            head.append(f"Content-Length: {len(body)}")
        if not keep:
            head.append("Connection: close")
        return "\r\n".join([*head, "", ""]).encode("utf-8", "surrogateescape") + (body or b"")

    def ask(
        self,
        method: str,
        path: str,
        *lines: str,
        key: str | None = "",
        body: object = None,
        host: str | None = None,
        checked: bool = True,
        seconds: float | None = None,
    ) -> Answer:
        """The answer to one request. A body that is no bytes is sent as JSON."""
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            lines = ("Content-Type: application/json", *lines)
        data = self.request(method, path, *lines, key=key, body=body, host=host)
        with self.connection() as connection:
            connection.settimeout(max(0.1, min(seconds or SECONDS, self.seconds_left)))
            with suppress(ConnectionError):  # refused before its end; the answer may be here
                connection.sendall(data)
            answer = Reader(connection).next(method)
        if not checked and answer is not None:
            return answer
        return check(answer)

    def send(self, data: bytes, *, problems: bool | None = None) -> list[Answer]:
        """All answers to what is sent as it is here, up to the end of the connection."""
        lenient = problems if problems is not None else "own connections" in self.may
        with self.connection() as connection:
            with suppress(ConnectionError):
                connection.sendall(data)
            found = Reader(connection).all()
        return [check(each, problems=lenient) for each in found]

    def is_alive(self, seconds: float = 5.0) -> bool:
        """Whether /health/live is answered within so many seconds, where a refusal for want of
        connections counts as none.
        """
        deadline = time.monotonic() + seconds
        while True:
            self.give_time(seconds + 1)
            with suppress(OSError, Fault):
                if self.ask("GET", "/health/live", key=None).status == 200:
                    return True
            if time.monotonic() > deadline:
                return False
            time.sleep(0.2)

    # Containers

    def name(self) -> str:
        """A name that no container has yet."""
        return f"{self.prefix}-{secrets.token_hex(3)}"

    def create(
        self, *lines: str, key: str | None = "", body: Mapping[str, Any] | None = None, **more: Any
    ) -> Answer:
        """Asks for a container, which is remembered if it is made. It is not started, unless that
        is asked for.
        """
        asked: dict[str, Any] = {"name": self.name(), "start": False} | dict(body or {}) | more
        if self.image is not None:
            asked = {"image": self.image} | asked
        labels = asked.get("labels")
        if labels is None or isinstance(labels, dict):
            asked["labels"] = {LABEL: self.prefix} | (labels or {})
        self._asked += 1
        answer = self.ask("POST", "/containers/create", *lines, key=key, body=asked)
        self._asked -= 1
        self.remember(answer)
        return answer

    def expect_more(self) -> None:
        """Has the end look for some time for what callers have asked for who did not stay."""
        self._asked += 1

    def remember(self, answer: Answer) -> None:
        """Has what an answer says was made removed at the end."""
        if answer.status in (200, 201):
            with suppress(Fault, LookupError, TypeError):
                self._made.add(str(answer.json["id"]))

    def created(self, *lines: str, key: str | None = "", **body: Any) -> dict[str, Any]:
        """A container that must be made for the attack to be tried; raises Skipped."""
        answer = self.create(*lines, key=key, **body)
        if answer.status != 201 or not isinstance(answer.json, dict):
            detail = (answer.problem or {}).get("detail", "")
            raise Skipped(f"a container could not be made: {answer} {detail}"[:200])
        found: dict[str, Any] = answer.json
        return found

    def remove(self, container: str) -> None:
        answer = self.ask("DELETE", f"/containers/{container}?force=true", seconds=60)
        if answer.status in (200, 404):
            self._made.discard(container)

    def clean_up(self) -> list[str]:
        """Removes all that was made; returns what is left."""
        if "writer" not in self.may:
            return []
        left: list[str] = []
        # The service goes on with a create whose caller has gone.
        until = time.monotonic() + (10 if self._asked else 0)
        for attempt in range(1, 8):
            self.give_time(90)
            with suppress(OSError, Fault, LookupError, TypeError):
                left = sorted(self._made | self._found())
                if not left and time.monotonic() > until:
                    return []
            for each in left:
                with suppress(OSError, Fault):
                    self.remove(each)
            time.sleep(0.25 * attempt if left or self._asked else 0)
        return left

    def _found(self) -> set[str]:
        """What has the label, or the prefix in its name: of answers that nobody has read, too."""
        if "engine" not in self.may:
            return set()
        queries = (f"label={LABEL}={self.prefix}", f"name={self.prefix}")
        rows = [self.ask("GET", f"/containers?{query}").json for query in queries]
        return {str(row["id"]) for found in rows for row in found if row["managed"]}
