"""Who asks: headers by which a caller would be somebody else, and keys of requests that are another
caller's.
"""

import secrets
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

from .answers import Tally
from .registry import Fault, Skipped, attack
from .target import Target

STREAMS = 60  # more than MAX_STREAMS, which is 50 unless it is set


def _names(target: Target, number: int) -> list[str]:
    address = f"198.51.100.{number % 250 + 1}"
    return [f"X-Forwarded-For: {address}", f"X-Real-IP: {address}", f"Forwarded: for={address}",
            f"True-Client-IP: {address}", f"X-Client-IP: {address}"]  # fmt: skip


@attack("caller")
def somebody_elses_address(target: Target) -> str:
    """A caller with another address in X-Forwarded-For for each stream, to have more of them."""
    refused = [_refused_streams(target, named=named) for named in (False, True)]
    if not refused[0]:
        raise Skipped(f"more than {STREAMS} streams are allowed to one caller here")
    told = f"of {STREAMS} streams {refused[0]} were refused, and with other addresses {refused[1]}"
    if refused[1] < refused[0]:
        raise Fault(
            f"{told} (TRUSTED_PROXIES would do that, or uvicorn without --no-proxy-headers)"
        )
    return told


def _refused_streams(target: Target, *, named: bool) -> int:
    refused = 0
    with ExitStack() as stack:
        for number in range(STREAMS):
            lines = _names(target, number) if named else []
            connection = stack.enter_context(target.connection())
            connection.sendall(
                target.request("GET", "/containers/stats/stream?every=60", *lines, keep=True)
            )
            head = b""
            while b"\r\n" not in head and (more := connection.recv(4096)):
                head += more
            status = head.split(b" ")[1:2]
            if status not in ([b"200"], [b"429"]):
                raise Fault(f"a stream was answered with {head[:40]!r}")
            refused += status == [b"429"]
    # They count for as long as the service has not seen that they are closed.
    for _ in range(40):
        answer = _opens(target)
        if answer:
            return refused
    raise Fault("streams that were closed still count, ten seconds later")


def _opens(target: Target) -> bool:
    import time

    time.sleep(0.25)
    with target.connection() as connection:
        connection.sendall(target.request("GET", "/containers/stats/stream?every=60", keep=True))
        return b" 200 " in connection.recv(4096)


@attack()
def addresses_that_are_none(target: Target) -> str:
    """X-Forwarded-For with thousands of letters, line ends, scripts and broken addresses."""
    tally = Tally()
    for value in ("x" * 3000, "1.1.1.1," * 900, "::1, ::1%eth0", "999.1.1.1", "<script>", "'--",
    ",,,",
                  "[::1]:80", "unknown", "for=1.1.1.1", "\x7f",
                  "é" * 100, "127.0.0.1"):  # fmt: skip
        for path in ("/nothing", "/containers/nobody"):
            for answer in target.send(target.request("GET", path, f"X-Forwarded-For: {value}")):
                tally.add(value, answer, 400, 401, 404, 503)
                if len(value) > 20 and value.encode() in answer.body:
                    tally.fault(value, "the answer repeats it")
    return tally.seen()


@attack()
def another_place(target: Target) -> str:
    """X-Forwarded-Host, -Prefix and -Proto, which would have answers lead elsewhere."""
    tally = Tally()
    lines = ["X-Forwarded-Host: evil.example", "X-Forwarded-Prefix: /evil.example",
             "X-Forwarded-Proto: ftp", "Forwarded: host=evil.example;proto=https",
             "X-Original-URL: /health/live", "X-Rewrite-URL: /health/live", "X-Host: evil.example",
             "X-Forwarded-Server: evil.example", "X-Original-Host: evil.example"]  # fmt: skip
    for path in (
        "/",
        "/docs",
        "/openapi.json",
        "/containers",
        "/containers/",
        "/redoc",
        "/nothing",
    ):
        answer = target.ask("GET", path, *lines)
        tally.add(path, answer)
        everything = answer.body + repr(answer.headers).encode()
        if b"evil.example" in everything:
            tally.fault(path, "the answer leads to evil.example (a trusted proxy may do that)")
        if answer.body == b'{"status":"alive"}':
            tally.fault(path, "another path was answered than was asked for")
    return tally.seen()


@attack("writer", "engine")
def one_key_at_once(target: Target) -> str:
    """Eight creates with one Idempotency-Key at the same moment make one container."""
    key, name = secrets.token_hex(8), target.name()
    body = {"name": name}
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(target.create, f"Idempotency-Key: {key}", body=body) for _ in range(8)]
        answers = [each.result() for each in asked]
    tally = Tally()
    for each in answers:
        tally.add("a create", each, 200, 201)
    ids = {each.json["id"] for each in answers if each.status in (200, 201)}
    if len(ids) > 1:
        tally.fault("one key", f"{len(ids)} containers")
    other = target.create(f"Idempotency-Key: {key}", body={"name": name, "env": {"A": "1"}})
    tally.add("the key with another body", other, 422)
    return tally.seen()


@attack("writer", "engine")
def keys_that_are_none(target: Target) -> str:
    """Idempotency-Keys that are empty, too long, doubled, or no plain text."""
    tally = Tally()
    for value in ("", "x" * 256, "a b", "é", "a\x7f", "a\tb"):
        tally.add(f"Idempotency-Key: {value}", target.create(f"Idempotency-Key: {value}"), 400, 422)
    return tally.seen()


@attack("two callers", "writer", "engine")
def keys_of_another_caller(target: Target) -> str:
    """An Idempotency-Key that another API key has used is answered with nothing of the other's."""
    key = secrets.token_hex(8)
    line = f"Idempotency-Key: {key}"
    bodies: list[dict[str, Any]] = [{"env": {"MINE": "1"}}, {"env": {"MINE": "1"}}]
    mine = target.create(line, body=bodies[0])
    theirs = target.create(line, key=target.other_key, body=bodies[1])
    tally = Tally()
    tally.add("mine", mine, 201)
    tally.add("the same of another key", theirs, 201)
    if mine.json.get("id") == theirs.json.get("id"):
        tally.fault("the same of another key", "answered with the container of the first")
    other = target.create(line, key=target.other_key, body={"env": {"OTHER": "2"}})
    tally.add("another body of the other key", other, 422)
    return tally.seen()
