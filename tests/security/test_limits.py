"""Every limit is answered with a problem document, and whoever meets one stops nobody else.

Over sockets of the test's own, for no client sends what must be sent here. The services need no
engine: limits come before it.
"""

import json
import re
import resource
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Service, wait_until

JSON = b"Host: localhost\r\nContent-Type: application/json\r\n"

SECONDS = 20  # that no answer takes
Start = Callable[..., Service]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    services: list[Service] = []

    def start(**settings: str) -> Service:
        service = Service(tmp_path, {"DOCKER_HOST": "unix:///nonexistent.sock", **settings})
        services.append(service)
        service.start()
        return service

    yield start
    for service in services:
        service.stop()
        service.client.close()


def connect(service: Service) -> socket.socket:
    return socket.create_connection(("127.0.0.1", service.port), SECONDS)


def read_to_the_end(connection: socket.socket) -> bytes:
    found = b""
    while data := connection.recv(65536):
        found += data
    return found


def problem_in(answer: bytes) -> dict[str, Any]:
    """The last answer of a connection, which must be a problem document with a request's id."""
    head, _, body = re.split(rb"(?=HTTP/1\.1 \d)", answer)[-1].partition(b"\r\n\r\n")
    lines = head.decode().lower().split("\r\n")
    assert "content-type: application/problem+json" in lines
    problem: dict[str, Any] = json.loads(body)
    assert int(lines[0].split()[1]) == problem["status"]
    assert f"x-request-id: {problem['request_id']}" in lines
    return problem


def sent(service: Service, data: bytes) -> dict[str, Any]:
    with connect(service) as connection:
        connection.sendall(data)
        return problem_in(read_to_the_end(connection))


def test_what_is_too_slow_is_told_so(start: Start) -> None:
    service = start(REQUEST_TIMEOUT="0.5")
    for part in (
        b"",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX-A: ",
        b"POST /containers/create HTTP/1.1\r\n" + JSON + b"Content-Length: 50\r\n\r\n{",
        b"POST /containers/x/stop HTTP/1.1\r\n"
        + JSON
        + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\nGET /",
    ):
        problem = sent(service, part)
        assert (problem["status"], problem["code"]) == (408, "request-too-slow"), part


def test_bytes_now_and_then_win_no_time(start: Start) -> None:
    service = start(REQUEST_TIMEOUT="0.5")
    for head in (
        b"GET / HTTP/1.1\r\nX-A: ",
        b"POST /x HTTP/1.1\r\n" + JSON + b"Content-Length: 5000\r\n\r\n",
    ):
        with connect(service) as connection:
            connection.sendall(head)
            connection.settimeout(0.05)
            answer = b""
            for _ in range(400):
                try:
                    answer = connection.recv(65536)
                    break
                except TimeoutError:
                    connection.sendall(b"a")
            connection.settimeout(SECONDS)
            answer += read_to_the_end(connection)
            assert problem_in(answer)["code"] == "request-too-slow"


CREATE = (
    b"POST /containers/create HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
)


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (CREATE + b"Content-Length: 65537\r\n\r\n", 413, "body-too-large"),
        (CREATE + b"Content-Length: 65537\r\n\r\n" + b"x" * 65537, 413, "body-too-large"),
        (CREATE + b"Content-Length: 99999999999999999999\r\n\r\n", 413, "body-too-large"),
        (
            CREATE
            + b"Transfer-Encoding: chunked\r\n\r\n"
            + (b"2710\r\n" + b"x" * 10000 + b"\r\n") * 9,
            413,
            "body-too-large",
        ),
        (
            b"POST /containers/x/stop HTTP/1.1\r\n" + JSON + b"Content-Length: 65537\r\n\r\n",
            413,
            "body-too-large",
        ),
        (b"GET /" + b"x" * 8192 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414, "url-too-long"),
        (b"GET /?" + b"x" * 8192 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414, "url-too-long"),
        (
            b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"A: b\r\n" * 100 + b"\r\n",
            431,
            "headers-too-large",
        ),
        (b"GET / HTTP/1.1\r\nX-A: " + b"x" * 100_000, 431, "headers-too-large"),
        (b"GET /" + b"x" * 100_000, 431, "headers-too-large"),
        (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400, "malformed-request"),
        (b"SSH-2.0-x\r\n\r\n", 400, "malformed-request"),
        (b"GET / HTTP/1.1\r\n\r\n", 400, "malformed-request"),
        (CREATE + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n", 400, "malformed-request"),
        (CREATE + b"Content-Length: -1\r\n\r\n", 400, "malformed-request"),
        # Where such a request ends, two servers may see differently (RFC 9112, 6.1 and 6.3).
        *[
            (
                head + b"\r\n2\r\n{}\r\n0\r\n\r\n" + b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
                400,
                "malformed-request",
            )
            for head in (
                CREATE + b"Content-Length: 12\r\nTransfer-Encoding: chunked\r\n",
                CREATE + b"Transfer-Encoding: chunked\r\nContent-Length: 0\r\n",
                CREATE + b"TRANSFER-ENCODING:\tChunked\r\ncontent-length: 12\r\n",
                CREATE.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n",
                CREATE + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
                CREATE + b"Transfer-Encoding: gzip, chunked\r\n",
                CREATE + b"Transfer-Encoding: identity\r\n",
                CREATE + b"Transfer-Encoding : chunked\r\n",
                CREATE + b"Content-Length: 12\r\nContent-Length: 13\r\n",
                CREATE + b"Content-Length: 12, 13\r\n",
                CREATE + b"Content-Length: +12\r\n",
                b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n"
                b"Transfer-Encoding: chunked\r\n",
            )
        ],
        (
            b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n\x00\x01garbage\r\n\r\n",
            400,
            "malformed-request",
        ),
    ],
    ids=lambda value: repr(value[:30]) if isinstance(value, bytes) else None,
)
def test_what_is_too_large_or_no_http_is_told_so(
    small_service: Service, data: bytes, status: int, code: str
) -> None:
    with connect(small_service) as connection:
        connection.sendall(data)
        first = b""
        while code.encode() not in first and (more := connection.recv(65536)):
            first += more
    problem = problem_in(first)
    assert (problem["status"], problem["code"]) == (status, code)


@pytest.fixture(scope="module")
def small_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = Service(
        tmp_path_factory.mktemp("limits"),
        {"DOCKER_HOST": "unix:///nonexistent.sock", "KEEP_ALIVE": "5"},
    )
    service.start()
    yield service
    service.stop()
    service.client.close()
    assert "Traceback" not in service.log()


def test_a_body_of_the_most_is_taken(small_service: Service) -> None:
    body = b'{"image": "' + b"x" * (65536 - 13) + b'"}'
    assert len(body) == 65536
    headers = {"Content-Type": "application/json"}
    answer = small_service.client.post("/containers/create", content=body, headers=headers)
    assert answer.status_code in (422, 503)


REFUSED = b"POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n"
ALIVE = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"


def one_answer(connection: socket.socket) -> bytes:
    """The next answer of a connection that is kept, up to the end of its body."""
    answer = b""
    while not (found := re.search(rb"content-length: (\d+)\r\n(?s:.*?)\r\n\r\n", answer)) or len(
        answer
    ) < found.end() + int(found[1]):
        data = connection.recv(65536)
        assert data, f"closed in the middle: {answer!r}"
        answer += data
    return answer


@pytest.mark.parametrize(
    ("length", "body"),
    [
        (b"Transfer-Encoding: chunked", [b"4\r\nab", b"cd\r\n", b"0\r\n\r\n"]),
        (b"Content-Length: 4", [b"ab", b"cd"]),
        (b"Content-Length: 60000", [b"a" * 30_000, b"b" * 30_000]),
    ],
    ids=["chunked", "small", "large"],
)
def test_a_connection_is_kept_when_the_answer_comes_before_the_end_of_the_body(
    small_service: Service, length: bytes, body: list[bytes]
) -> None:
    with connect(small_service) as connection:
        for rest in (body, body, [b"".join(body) + ALIVE], body):
            connection.sendall(REFUSED + length + b"\r\n\r\n")
            assert problem_in(one_answer(connection))["code"] == "unsupported-media-type"
            for part in rest:
                connection.sendall(part)
            if not rest[-1].endswith(ALIVE):
                connection.sendall(ALIVE)
            assert one_answer(connection).startswith(b"HTTP/1.1 200 ")


def test_a_connection_that_was_kept_like_that_is_closed_when_it_is_idle(
    small_service: Service,
) -> None:
    with connect(small_service) as connection:
        connection.sendall(REFUSED + b"Content-Length: 4\r\n\r\n")
        one_answer(connection)
        connection.sendall(b"abcd")
        assert read_to_the_end(connection) == b""


@pytest.mark.parametrize(
    "rest", [b"", b"a" * 200_000, b"1\r\nno chunk"], ids=["none", "much", "garbage"]
)
def test_a_body_that_does_not_end_after_the_answer_is_not_waited_for(
    small_service: Service, rest: bytes
) -> None:
    length = b"Transfer-Encoding: chunked" if rest.startswith(b"1") else b"Content-Length: 9000000"
    with connect(small_service) as connection:
        connection.sendall(REFUSED + length + b"\r\n\r\n")
        assert problem_in(one_answer(connection))["code"] == "unsupported-media-type"
        connection.sendall(rest)
        assert read_to_the_end(connection) == b""


@pytest.fixture
def many_files() -> Iterator[None]:
    """Room for the test's own ends of its connections, of which a shell has 1,024 as a rule."""
    before, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY and most < 2048:
        pytest.skip(f"needs 2,048 open files, and {most} is the limit here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(before, 2048), most))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (before, most))


@pytest.mark.usefixtures("many_files")
def test_a_thousand_idle_connections_stop_nobody(start: Start) -> None:
    service = start()
    with ExitStack() as stack:
        for number in range(1000):
            connection = stack.enter_context(connect(service))
            if number % 2:
                connection.sendall(b"GET / HTTP/1.1\r\nX-A: ")
        for _ in range(20):
            with connect(service) as fresh:
                fresh.sendall(b"GET / HTTP/1.0\r\n\r\n")
                assert read_to_the_end(fresh).startswith(b"HTTP/1.1 200")


def test_the_connection_that_was_idle_longest_gives_way(start: Start) -> None:
    service = start(MAX_CONNECTIONS="4", MAX_CONNECTIONS_PER_PEER="3")
    service.client.close()
    with ExitStack() as stack:
        idle = [stack.enter_context(connect(service)) for _ in range(4)]
        assert read_to_the_end(idle[0]) == b""
        for each in idle[1:]:
            each.sendall(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert each.recv(65536).startswith(b"HTTP/1.1 200")


def test_a_request_whose_answer_nobody_reads_does_not_stay_under_way(start: Start) -> None:
    service = start(REQUEST_TIMEOUT="2", MAX_REQUESTS="2")
    # One answer that is more than the kernel takes: of several, the next would not be begun.
    script = b"/static-offline-docs/swagger-ui-bundle.js"
    many = b"GET " + script + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"

    def overloaded() -> bool:
        return bool(service.client.get("/docs").status_code == 503)

    assert not overloaded()
    with ExitStack() as stack:
        for _ in range(2):
            connection = stack.enter_context(socket.socket())
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(("127.0.0.1", service.port))
            connection.sendall(many)
        wait_until(overloaded, SECONDS, "both places are taken")
        wait_until(lambda: not overloaded(), SECONDS, "they are free again")


def test_those_without_a_key_that_do_not_read_give_way(start: Start) -> None:
    """All places are taken from two addresses, with requests whose refusals nobody reads."""
    key = "k" * 32
    service = start(API_KEY=key, MAX_CONNECTIONS="6", MAX_CONNECTIONS_PER_PEER="3")
    service.client.close()
    many = b"GET /containers HTTP/1.1\r\nHost: localhost\r\n\r\n" * 1500
    mine = (
        b"GET /ports HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n\r\n" % key.encode()
    )

    def from_peer(peer: str) -> socket.socket:
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        connection.bind((peer, 0))
        connection.settimeout(SECONDS)
        connection.connect(("127.0.0.1", service.port))
        return connection

    with ExitStack() as stack:
        for number in range(6):
            unread = stack.enter_context(from_peer(f"127.0.0.{2 + number % 2}"))
            unread.setblocking(False)
            with suppress(OSError):
                unread.send(many)
        kept = stack.enter_context(from_peer("127.0.0.9"))
        for _ in range(10):
            # One that has a key, and was here before, is not among those that give way.
            kept.sendall(mine)
            assert b"HTTP/1.1 503" in one_answer(kept)  # there is no engine
            fresh = stack.enter_context(from_peer("127.0.0.4"))
            fresh.sendall(ALIVE)
            assert one_answer(fresh).startswith(b"HTTP/1.1 200 ")
        answered = service.log().count('"GET /containers HTTP/1.1" 401')
        assert 0 < answered <= 6, "what stands behind a refusal at the door is not looked at"


def test_without_a_key_no_place_is_held_by_what_has_not_been_answered(start: Start) -> None:
    """All places are taken, again and again, by callers without a key who come faster than they
    are refused.
    """
    key = "k" * 32
    service = start(API_KEY=key, MAX_CONNECTIONS="20", MAX_CONNECTIONS_PER_PEER="10")
    service.client.close()
    mine = (
        b"GET /ports HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n\r\n" % key.encode()
    )
    for _ in range(10):
        with ExitStack() as stack:
            for number in range(60):
                one = stack.enter_context(socket.socket())
                one.bind((f"127.0.0.{2 + number % 6}", 0))
                one.connect(("127.0.0.1", service.port))
                with suppress(OSError):
                    one.sendall(b"GET /containers HTTP/1.1\r\nHost: localhost\r\n\r\n" * 20)
            kept = stack.enter_context(socket.socket())
            kept.bind(("127.0.0.9", 0))
            kept.settimeout(SECONDS)
            kept.connect(("127.0.0.1", service.port))
            kept.sendall(mine)
            assert b"HTTP/1.1 503" in one_answer(kept)  # there is no engine


def test_requests_sent_at_once_are_all_answered_to_one_who_is_let_in(
    small_service: Service,
) -> None:
    """A refusal that is not the door's ends nothing: here, of a path that there is not."""
    wrong = b"GET /none HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with socket.create_connection(("127.0.0.1", small_service.port), SECONDS) as connection:
        connection.sendall(wrong + ALIVE + wrong + ALIVE)
        answers = b""
        while answers.count(b'{"status":"alive"}') < 2:
            data = connection.recv(4096)
            assert data, answers
            answers += data
        assert answers.count(b"HTTP/1.1 404 ") == 2


def test_what_is_sent_at_once_is_answered_in_full_to_a_slow_reader(
    small_service: Service,
) -> None:
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        connection.settimeout(SECONDS)
        connection.connect(("127.0.0.1", small_service.port))
        connection.sendall(ALIVE * 100)
        answers = b""
        while answers.count(b'{"status":"alive"}') < 100:
            data = connection.recv(500)
            assert data
            answers += data
        connection.sendall(ALIVE)
        assert one_answer(connection).startswith(b"HTTP/1.1 200 ")


STREAM = b"GET /containers/stats/stream HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.mark.engine
def test_streams_requests_and_connections_at_work_are_counted(
    start_service: Callable[..., Service],
) -> None:
    service = start_service(
        MAX_STREAMS="2", MAX_REQUESTS="3", MAX_CONNECTIONS="4", MAX_CONNECTIONS_PER_PEER="4"
    )
    wait_until(lambda: service.client.get("/containers").status_code == 200)
    service.client.close()

    def asked(data: bytes) -> dict[str, Any]:
        with connect(service) as connection:
            connection.sendall(
                data.replace(b"Host: localhost\r\n", b"Host: localhost\r\nConnection: close\r\n")
            )
            return problem_in(read_to_the_end(connection))

    with ExitStack() as stack:
        for _ in range(2):
            stream = stack.enter_context(connect(service))
            stream.sendall(STREAM)
            assert stream.recv(65536).startswith(b"HTTP/1.1 200")
        problem = asked(STREAM)
        assert (problem["status"], problem["code"]) == (429, "too-many-streams")

    def begun() -> bool:
        with connect(service) as again:
            again.sendall(STREAM)
            return again.recv(65536).startswith(b"HTTP/1.1 200")

    wait_until(begun, what="those that were closed count no more")


@pytest.mark.engine
def test_requests_in_flight_and_busy_connections_are_refused_aloud(
    start_service: Callable[..., Service],
) -> None:
    service = start_service(MAX_REQUESTS="2", MAX_CONNECTIONS="3", MAX_CONNECTIONS_PER_PEER="3")
    wait_until(lambda: service.client.get("/containers").status_code == 200)
    with ExitStack() as stack:
        for _ in range(2):
            stream = stack.enter_context(connect(service))
            stream.sendall(STREAM)
            assert stream.recv(65536).startswith(b"HTTP/1.1 200")
        answer = service.client.get("/containers")
        assert (answer.status_code, answer.json()["code"]) == (503, "overloaded")
        assert int(answer.headers["retry-after"]) > 0
        assert service.client.get("/health/live").status_code == 200


@pytest.mark.engine
def test_where_all_connections_are_at_work_a_new_one_is_refused(
    start_service: Callable[..., Service],
) -> None:
    service = start_service(MAX_CONNECTIONS="2", MAX_CONNECTIONS_PER_PEER="2")
    wait_until(lambda: service.client.get("/containers").status_code == 200)
    with ExitStack() as stack:
        for _ in range(2):
            stream = stack.enter_context(connect(service))
            stream.sendall(STREAM)
            assert stream.recv(65536).startswith(b"HTTP/1.1 200")
        problem = sent(service, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (problem["status"], problem["code"]) == (503, "too-many-connections")
