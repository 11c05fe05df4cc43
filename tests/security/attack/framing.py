"""Where requests begin and end: two lengths, odd bytes, too much, too slow, unread, broken off.

Where another server has the connections (`uvicorn main:app`, a proxy), its refusals may look in any
way, and what it takes is not the service's to refuse.
"""

import select
import socket
import struct
import threading
import time
from contextlib import ExitStack, suppress

from .answers import Answer, Reader, Tally
from .registry import Fault, attack
from .target import Target

JSON = "Content-Type: application/json"
SLOW_SECONDS = 45.0  # REQUEST_TIMEOUT, 30 seconds unless it is set, and more


def _after(target: Target) -> bytes:
    """A second request, which a server would find behind the first if it took that for shorter."""
    return target.request("GET", "/nothing-of-the-kind-was-asked-for", key=None)


@attack()
def two_lengths(target: Target) -> str:
    """Requests that end in two places, with a second one hidden behind the first."""
    chunked = "Transfer-Encoding: chunked"
    tally = Tally()
    for lines in (
        ("Content-Length: 12", chunked), (chunked, "Content-Length: 0"),
        ("TRANSFER-ENCODING:\tChunked", "content-length: 12"), (chunked, chunked),
        ("Transfer-Encoding: gzip, chunked",), ("Transfer-Encoding: identity",),
        ("Transfer-Encoding : chunked",), ("Transfer-Encoding: xchunked",),
        ("Transfer-Encoding: chunked, identity",), ("Transfer-Encoding:\x0bchunked",),
        ("Content-Length: 12", "Content-Length: 13"), ("Content-Length: 12, 13",),
        ("Content-Length: +12",), ("Content-Length: 0x0c",), ("Content-Length: -1",),
        ("Content-Length: 1 2",), ("Content-Length: ١٢",), ("Content-Length : 12",),
        ("Content-Length:",),
    ):  # fmt: skip
        for method in ("POST", "GET"):
            head = target.request(method, "/containers/nobody/stop", JSON, *lines, keep=True)
            answers = target.send(head + b"2\r\n{}\r\n0\r\n\r\n" + _after(target))
            first = answers[0] if answers else None
            tally.add(f"{method} with {lines}", first, 400, 411, 501, "closed")
            if len(answers) > 1:
                tally.fault(f"{method} with {lines}", f"{len(answers)} requests were seen in it")
    head = target.request("POST", "/containers/nobody/stop", JSON, chunked, keep=True)
    old = head.replace(b" HTTP/1.1", b" HTTP/1.0", 1)
    answers = target.send(old + b"2\r\n{}\r\n0\r\n\r\n" + _after(target))
    tally.add("chunks in HTTP/1.0", answers[0] if answers else None, 400, 411, 501, "closed")
    return tally.seen()


@attack()
def bodies_in_chunks(target: Target) -> str:
    """Chunks of wrong, huge or endless sizes, with extensions and trailers in numbers."""
    tally = Tally()
    head = target.request(
        "POST", "/containers/nobody/stop", JSON, "Transfer-Encoding: chunked", keep=True
    )
    for body in (
        b"xyz\r\n", b"-1\r\n", b"ffffffffffffffffff\r\n", b"0x2\r\n{}\r\n0\r\n\r\n",
        b"2\n{}\n0\n\n",
        b"2;" + b"a" * 70_000 + b"\r\n{}\r\n0\r\n\r\n", b"2\r\n{}xx\r\n0\r\n\r\n",
        b" 2\r\n{}\r\n0\r\n\r\n",
        b"0\r\n" + b"X-A: b\r\n" * 9000 + b"\r\n", (b"2710\r\n" + b"x" * 10_000 + b"\r\n") * 9,
    ):  # fmt: skip
        with target.connection() as connection:
            with suppress(ConnectionError):
                connection.sendall(head + body)
                connection.shutdown(socket.SHUT_WR)
            first = _first(connection)
        tally.add(body[:20], first)
        if first is not None and not 400 <= first.status < 500:
            tally.fault(body[:20], f"answered with {first}")
    return tally.seen()


def _first(connection: socket.socket) -> Answer | None:
    """What comes first; None where the connection ends without an answer."""
    with suppress(ConnectionError):
        return Reader(connection).next()
    return None


@attack()
def what_is_no_http(target: Target) -> str:
    """Other protocols, other versions, and bytes at random."""
    tally = Tally()
    host = f"Host: {target.netloc}\r\n".encode()
    for data in (
        b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", b"SSH-2.0-x\r\n\r\n", b"\x00" * 500 + b"\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET / HTTP/9.9\r\n" + host + b"\r\n",
        b"GET /\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"GET  / HTTP/1.1\r\n" + host + b"\r\n",
        b"GET / HTTP/1.1 \r\n" + host + b"\r\n", b"\xff\xfe\r\n\r\n", b" GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + host + b"no colon\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\n" + host + b"\r\n",
        b"GET / HTTP/1.1\r\n" + host + b"X-A: \x00\r\n\r\n",
        b"GET nothing HTTP/1.1\r\n" + host + b"\r\n",
        b"GET / HTTP/1.1\r\n" + host + b": nameless\r\n\r\n", b"*" * 3000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + host + b"X(A): b\r\n\r\n",
    ):  # fmt: skip
        with target.connection() as connection:
            with suppress(ConnectionError):
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
            tally.add(data[:24], _checked(target, _first(connection)))
    return tally.seen()


def _checked(target: Target, answer: Answer | None) -> Answer | None:
    """Raises Fault as all answers do; one that another server refuses may look in any way."""
    from .answers import check

    own = "own connections" in target.may
    return None if answer is None and not own else check(answer, problems=own)


@attack()
def headers_in_texts(target: Target) -> str:
    """Line ends in paths, queries and values, which would bring headers into an answer."""
    tally = Tally()
    evil = "%0d%0aX-Evil:%20yes%0d%0a%0d%0a"
    for path in (f"/{evil}", f"/containers/{evil}", f"/containers?name={evil}", f"/docs?{evil}",
                 f"/ports/{evil}", f"//{evil}", f"/containers/{evil}/", "/%0aX-Evil:yes",
                 "/%E5%98%8A%E5%98%8DX-Evil:yes"):  # fmt: skip
        for answer in target.send(target.request("GET", path)):
            tally.add(path, answer)
            if answer.header("x-evil") or b"\nX-Evil: yes\r\n" in answer.body:
                tally.fault(path, "a header was brought into the answer")
    for value in ("a\rX-Evil: yes", "a\nX-Evil: yes", "a\x00b", "a\r\n\tfolded: yes"):
        for name in ("X-Request-ID", "Idempotency-Key", "Origin", "If-None-Match"):
            data = target.request("GET", "/containers", f"{name}: {value}")
            for answer in target.send(data):
                tally.add(f"{name}: {value}", answer)
                if answer.header("x-evil"):
                    tally.fault(f"{name}: {value}", "a header was brought into the answer")
    return tally.seen()


@attack("own connections")
def too_much(target: Target) -> str:
    """Heads, URLs and bodies that are larger than anybody needs, also such as only say so."""
    tally = Tally()
    host = f"Host: {target.netloc}\r\n".encode()
    get, post = (
        b"GET / HTTP/1.1\r\n" + host,
        target.request("POST", "/containers/create", keep=True),
    )
    post = post.removesuffix(b"\r\n") + f"{JSON}\r\n".encode()
    for data, *allowed in (
        (get + b"X-A: " + b"x" * 100_000, 431), (get + b"A: b\r\n" * 101 + b"\r\n", 401, 431),
        (b"GET /" + b"x" * 100_000, 414, 431), (get + b"X" * 100_000, 431, 400),
        (b"GET /" + b"x" * 8192 + b" HTTP/1.1\r\n" + host + b"\r\n", 401, 414),
        (b"GET /?" + b"x" * 9000 + b" HTTP/1.1\r\n" + host + b"\r\n", 401, 414),
        (post + b"Content-Length: 99999999999999999999\r\n\r\n", 401, 403, 413),
        (post + b"Content-Length: 1000000000\r\n\r\n" + b"x" * 200_000, 401, 403, 413),
        (post + b"Content-Length: " + b"9" * 9000 + b"\r\n\r\n", 400, 401, 403, 413, 431),
        (post + b"Transfer-Encoding: chunked\r\n\r\n"
         + (b"2710\r\n" + b"x" * 10_000 + b"\r\n") * 900,
         401, 403, 413),
    ):  # fmt: skip
        with target.connection() as connection:
            # 9 MB are not taken: they are sent beside the reading, for as long as it goes.
            sender = threading.Thread(target=_pour, args=(connection, data), daemon=True)
            sender.start()
            first = _checked(target, _first(connection))
            tally.add(data[:40], first, *allowed)
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            sender.join()
    return tally.seen()


def _pour(connection: socket.socket, data: bytes) -> None:
    with suppress(OSError):
        connection.sendall(data)


@attack("own connections")
def slow_senders(target: Target) -> str:
    """Heads and bodies that come byte by byte, from 40 callers, and never end."""
    head = target.request("GET", "/", keep=True)[:-2] + b"X-A: "
    sized = target.request("POST", "/containers/create", JSON, "Content-Length: 5000", keep=True)
    chunked = target.request(
        "POST", "/containers/create", JSON, "Transfer-Encoding: chunked", keep=True
    )
    starts = (b"", head, sized, chunked)
    started, tally, worst = time.monotonic(), Tally(), 0.0
    with ExitStack() as stack:
        waiting = {}
        for number in range(40):
            connection = stack.enter_context(target.connection())
            connection.sendall(starts[number % 4])
            waiting[connection] = Reader(connection)
        while waiting and time.monotonic() - started < SLOW_SECONDS:
            for connection in waiting:
                with suppress(ConnectionError):
                    connection.sendall(b"a")
            for connection in select.select(list(waiting), [], [], 0)[0]:
                with suppress(ConnectionError):
                    if (answer := waiting[connection].next()) is not None:
                        tally.add(
                            "a slow sender", _checked(target, answer), 401, 403, 408, 413, 400
                        )
                    else:
                        tally.add("a slow sender", None, "closed")
                del waiting[connection]
            asked = time.monotonic()
            if target.ask("GET", "/health/live", key=None).status != 200:
                raise Fault("meanwhile GET /health/live was refused")
            worst = max(worst, time.monotonic() - asked)
            time.sleep(0.2)
    if waiting:
        tally.fault(f"{len(waiting)} of 40", f"still waited for after {SLOW_SECONDS:g} s")
    took = time.monotonic() - started
    return tally.seen(f"all ended after {took:.0f} s, others answered within {worst * 1000:.0f} ms")


@attack()
def answers_that_nobody_reads(target: Target) -> str:
    """60 connections with 1,500 requests each at once, whose answers nobody reads."""
    from . import process

    many = target.request("GET", "/containers", keep=True) * 1500
    pid = process.find(target)
    before = None
    with suppress(OSError):
        before = process.holds(pid) if pid is not None else None
    worst, refused = 0.0, 0
    with ExitStack() as stack:
        connections = [stack.enter_context(target.connection(2048)) for _ in range(60)]
        rest = dict.fromkeys(connections, many)
        for connection in connections:
            connection.setblocking(False)
        for _ in range(12):
            for connection, data in rest.items():
                with suppress(OSError):
                    rest[connection] = data[connection.send(data[:32768]) :]
            asked = time.monotonic()
            try:
                refused += target.ask("GET", "/health/live", key=None).status != 200
            except (OSError, Fault):
                refused += 1
            worst = max(worst, time.monotonic() - asked)
            time.sleep(0.25)
        after = None
        with suppress(OSError):
            after = process.holds(pid) if pid is not None else None
    if refused:
        raise Fault(f"meanwhile {refused} of 12 requests of others were not answered")
    told = f"12 of 12 requests of others answered, within {worst * 1000:.0f} ms"
    if before is not None and after is not None:
        grown = (after.memory - before.memory) / (1 << 20)
        if grown > 200 and "own connections" in target.may:
            raise Fault(f"{told}, but its memory grew by {grown:.0f} MB")
        told += f"; memory grew by {grown:.1f} MB"
    return told


@attack()
def requests_at_once(target: Target) -> str:
    """200 requests in one go on one connection, which are answered in their order."""
    data = b"".join(
        target.request("GET", "/health/live", f"X-Request-ID: n-{n}", key=None, keep=n < 199)
        for n in range(200)
    )
    answers = target.send(data)
    ids = [answer.header("x-request-id") for answer in answers]
    if ids != [f"n-{n}" for n in range(200)]:
        raise Fault(f"{len(answers)} answers, the first with {ids[:3]}")
    return "200 answers in their order"


@attack()
def idle_connections(target: Target) -> str:
    """400 connections that say nothing, or begin and say no more."""
    tally = Tally()
    with ExitStack() as stack:
        for number in range(400):
            connection = stack.enter_context(target.connection())
            if number % 2:
                connection.sendall(b"GET / HTTP/1.1\r\nX-A: ")
        for _ in range(20):
            tally.add("another", target.ask("GET", "/health/live", key=None), 200)
    return tally.seen()


@attack()
def broken_off(target: Target) -> str:
    """Requests that are broken off at each byte of their head and body, half of them by a reset."""
    data = target.request("POST", "/containers/nobody/stop", JSON, body=b'{"name": "-"}', keep=True)
    for end in range(0, len(data) + 1):
        with target.connection() as connection:
            if end % 2:
                reset(connection)
            connection.sendall(data[:end])
    answer = target.ask("GET", "/health/live", key=None)
    if answer.status != 200:
        raise Fault(f"afterwards GET /health/live is {answer}")
    return f"{len(data) + 1} broken off, then {answer}"


def reset(connection: socket.socket) -> None:
    """Has its close be a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
