"""Reads answers from a connection, and knows what no answer of the service may be."""

import json
import re
import socket
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from .registry import Fault

# A line of a trace, a module, an installed package: nothing that a caller should read.
TELLTALE = re.compile(rb'Traceback \(most recent|File "/|site-packages|/[\w./-]+\.py\b')
MOST = 64 << 20  # bytes of one answer


@dataclass(frozen=True)
class Answer:
    """An answer as it came."""

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""

    def header(self, name: str) -> str | None:
        """The value of the first header of that name, in small letters."""
        return next((value for each, value in self.headers if each == name), None)

    @property
    def json(self) -> Any:
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise Fault(f"a body that is not JSON: {self.body[:60]!r}") from error

    @property
    def problem(self) -> dict[str, Any] | None:
        """The problem document that it is."""
        if (self.header("content-type") or "").partition(";")[0] != "application/problem+json":
            return None
        if not self.body:
            return None  # of HEAD
        found = self.json
        return found if isinstance(found, dict) else None

    @property
    def code(self) -> str | None:
        return str(self.problem.get("code")) if self.problem else None

    def __str__(self) -> str:
        return f"{self.status} {self.code}" if self.code else str(self.status)


class Reader:
    """Reads the answers of a connection, one after the other."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._kept = b""

    def next(self, method: str = "GET") -> Answer | None:
        """The next answer; None where the connection ends without one."""
        head = self._until(b"\r\n\r\n")
        if head is None:
            if self._kept:
                raise Fault(f"what comes is no answer: {self._kept[:60]!r}")
            return None
        first, *lines = head.decode("latin-1").split("\r\n")
        found = re.fullmatch(r"HTTP/1\.[01] (\d{3})(?: .*)?", first)
        if found is None:
            raise Fault(f"what comes is no answer: {first[:60]!r}")
        status = int(found[1])
        if status == 100:
            return self.next(method)
        pairs = (line.partition(":") for line in lines)
        headers = [(name.lower(), value.strip()) for name, _, value in pairs]
        answer = Answer(status, headers)
        if method == "HEAD" or status in (204, 304) or status < 200:
            return answer
        if (answer.header("transfer-encoding") or "").lower() == "chunked":
            return Answer(status, headers, self._chunks())
        length = answer.header("content-length")
        return Answer(status, headers, self._rest() if length is None else self._exactly(length))

    def all(self) -> list[Answer]:
        """All answers up to the end of the connection."""
        found = []
        while (answer := self.next()) is not None:
            found.append(answer)
        return found

    def _more(self) -> bool:
        try:
            data = self._connection.recv(65536)
        except ConnectionError:
            return False
        self._kept += data
        if len(self._kept) > MOST:
            raise Fault(f"an answer of more than {MOST >> 20} MB")
        return bool(data)

    def _until(self, end: bytes) -> bytes | None:
        while end not in self._kept:
            if not self._more():
                return None
        found, _, self._kept = self._kept.partition(end)
        return found

    def _exactly(self, length: str) -> bytes:
        size = int(length)
        while len(self._kept) < size:
            if not self._more():
                raise Fault(f"an answer that ends after {len(self._kept)} of {size} bytes")
        found, self._kept = self._kept[:size], self._kept[size:]
        return found

    def _rest(self) -> bytes:
        while self._more():
            pass
        found, self._kept = self._kept, b""
        return found

    def _chunks(self) -> bytes:
        found = []
        while True:
            line = self._until(b"\r\n")
            if line is None:
                raise Fault("an answer in chunks that has no end")
            size = int(line.partition(b";")[0], 16)
            found.append(self._exactly(str(size)))
            self._until(b"\r\n")
            if not size:
                return b"".join(found)


def check(answer: Answer | None, *, problems: bool = True) -> Answer:
    """Raises Fault for what no answer may be: none where one is due, a 500, an error that is no
    problem document or has not its own request's id, text about the inside of the service.

    Without `problems` an error may look in any way: it may be another server's.
    """
    if answer is None:
        raise Fault("the connection was closed without an answer")
    if answer.status in (500, 501) or not 200 <= answer.status < 600:
        raise Fault(f"the answer is {answer}")
    if answer.status >= 400 and (found := TELLTALE.search(answer.body)):
        raise Fault(f"{answer} tells of the inside: {found[0].decode('latin-1')!r}")
    if problems and answer.status >= 400 and answer.body:
        problem = answer.problem
        if problem is None and answer.status == 503 and b'"docker"' in answer.body:
            return answer  # GET /health, which says how everything is
        if problem is None:
            raise Fault(f"{answer.status} is no problem document: {answer.body[:60]!r}")
        if problem.get("status") != answer.status:
            raise Fault(f"{answer} has a problem document of status {problem.get('status')}")
        if not problem.get("request_id") or problem["request_id"] != answer.header("x-request-id"):
            raise Fault(f"{answer} has another request's id")
    return answer


class Tally:
    """What was seen, answer by answer; all is tried before a fault is told."""

    def __init__(self) -> None:
        self._seen: Counter[str] = Counter()
        self._faults: list[str] = []

    def add(self, what: object, answer: Answer | None, *allowed: int | str) -> Answer | None:
        """Counts an answer, which must have one of these statuses or codes, if there are any.
        `what` says which request it was.
        """
        text = "closed" if answer is None else str(answer)
        self._seen[text] += 1
        fits = answer is not None and (answer.status in allowed or answer.code in allowed)
        if allowed and not fits and not (answer is None and "closed" in allowed):
            self.fault(what, f"{text}, not {' or '.join(map(str, allowed))}")
        return answer

    def fault(self, what: object, text: str) -> None:
        name = what.decode("latin-1") if isinstance(what, bytes) else str(what)
        name = name if len(name) <= 80 else f"{name[:77]}…"
        self._faults.append(f"{' '.join(name.split())}: {text}")

    def seen(self, also: str = "") -> str:
        """What was seen; raises Fault if any of it was one."""
        if self._faults:
            more = len(self._faults) - 3
            told = "; ".join(self._faults[:3])
            raise Fault(told + (f"; and {more} more" if more > 0 else ""))
        counted = ", ".join(f"{count} × {text}" for text, count in self._seen.most_common(6))
        return ", ".join(filter(None, [counted, also]))
