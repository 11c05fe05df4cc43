"""Requests in all of HTTP's forms, over sockets, for clients would put them into the usual one."""

import http.client
import socket
import time
from typing import NamedTuple

import pytest

from tests.conftest import Service

pytestmark = pytest.mark.engine
HOST = b"Host: localhost\r\n"
JSON = HOST + b"Content-Type: application/json\r\n"
STATIC = b"/static-offline-docs/swagger-ui.css"


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


class Connection:
    """A connection whose bytes are the test's own."""

    def __init__(self, service: Service) -> None:
        self.socket = socket.create_connection(("127.0.0.1", service.port), 20)

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def answer(self, method: str = "GET") -> Answer:
        response = http.client.HTTPResponse(self.socket, method=method)
        try:
            response.begin()
            headers = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, headers, response.read())
        finally:
            response.close()

    def is_kept(self) -> bool:
        """Whether a second request is answered on it."""
        try:
            self.send(b"GET /health/live HTTP/1.1\r\n" + HOST + b"\r\n")
            return self.answer().status == 200
        except (http.client.HTTPException, ConnectionError):
            return False


def ask(service: Service, request: bytes) -> Answer:
    """The answer to a request line and headers, for which the connection is kept."""
    with Connection(service) as connection:
        connection.send(request + b"\r\n")
        answer = connection.answer(request.split()[0].decode())
        assert connection.is_kept()
        return answer


@pytest.mark.parametrize("host", [b"localhost", b"127.0.0.1:8000", b"LOCALHOST:80"])
def test_a_request_as_it_is_sent_to_proxies_means_the_same(service: Service, host: bytes) -> None:
    for target, status in (
        (b"/health/live", 200),
        (b"/containers?state=running", 200),
        (b"/containers?state=nonsense", 422),
        (b"", 200),
        (b"/nowhere", 404),
    ):
        # RFC 9112, 3.2.2: what the Host header says is ignored then.
        for other in (HOST, b"Host: evil.example\r\n"):
            answer = ask(service, b"GET hTTp://" + host + target + b" HTTP/1.1\r\n" + other)
            assert answer.status == status
    answer = ask(service, b"POST http://" + host + b"/containers/nobody/stop HTTP/1.1\r\n" + HOST)
    assert (answer.status, b"container-not-found" in answer.body) == (404, True)


def test_a_request_for_somebody_elses_host_is_refused_in_that_form_too(service: Service) -> None:
    for host in (b"evil.example", b"user@localhost", b"", b"localhost@evil.example"):
        answer = ask(service, b"GET http://" + host + b"/health/live HTTP/1.1\r\n" + HOST)
        assert (answer.status, b"host-not-allowed" in answer.body) == (403, True)
    assert ask(service, b"GET ftp://localhost/health/live HTTP/1.1\r\n" + HOST).status == 404


@pytest.mark.parametrize("target", [b"*", b"http://localhost"])
def test_what_can_be_done_at_all_is_said(service: Service, target: bytes) -> None:
    answer = ask(service, b"OPTIONS " + target + b" HTTP/1.1\r\n" + HOST)
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["allow"] == "DELETE, GET, HEAD, OPTIONS, POST"
    assert ask(service, b"GET * HTTP/1.1\r\n" + HOST).status == 404


def test_methods_are_written_in_capitals_and_one_who_does_not_is_told_so(service: Service) -> None:
    answer = ask(service, b"get /containers HTTP/1.1\r\n" + HOST)
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS, POST")
    assert b"Methods are written in capitals." in answer.body
    assert ask(service, b"BREW /containers HTTP/1.1\r\n" + HOST).status == 405
    # In small letters it is no method that a page of another origin may use.
    answer = ask(service, b"post /containers HTTP/1.1\r\n" + HOST + b"Origin: http://evil\r\n")
    assert answer.status == 403


def test_what_files_can_do_is_said(service: Service) -> None:
    assert ask(service, b"OPTIONS " + STATIC + b" HTTP/1.1\r\n" + HOST).status == 204
    answer = ask(service, b"POST " + STATIC + b" HTTP/1.1\r\n" + HOST)
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS")


@pytest.mark.parametrize("path", [STATIC, b"/openapi.json", b"/containers"])
@pytest.mark.parametrize("coding", [b"gzip", b"identity"])
def test_a_head_says_what_a_get_would(service: Service, path: bytes, coding: bytes) -> None:
    end = (
        path + b" HTTP/1.1\r\n" + HOST + b"X-Request-ID: a\r\nAccept-Encoding: " + coding + b"\r\n"
    )
    got, head = ask(service, b"GET " + end), ask(service, b"HEAD " + end)
    assert head.body == b""
    changing = {"date", "transfer-encoding"}  # of a HEAD nothing is transferred
    assert {name: value for name, value in head.headers.items() if name not in changing} == {
        name: value for name, value in got.headers.items() if name not in changing
    }


def test_http_1_0_is_answered_and_the_connection_closed(service: Service) -> None:
    for headers in (b"", HOST, b"Connection: keep-alive\r\n"):
        with Connection(service) as connection:
            connection.send(b"GET /health/live HTTP/1.0\r\n" + headers + b"\r\n")
            assert connection.answer().body == b'{"status":"alive"}'
            assert not connection.is_kept()
    with Connection(service) as connection:  # it knows no chunks
        connection.send(b"GET /containers/stats/stream?limit=1 HTTP/1.0\r\n\r\n")
        answer = connection.answer()
        assert "transfer-encoding" not in answer.headers
        assert b"event: end" in answer.body


@pytest.mark.parametrize(
    "wanted", [b"bytes=0-3", b"bytes=99999999-", b"bytes=-1", b"lines=1-2", b"x"]
)
def test_no_part_is_given_of_an_answer_but_all_of_it(service: Service, wanted: bytes) -> None:
    for path in (b"/health/live", STATIC):
        whole = ask(service, b"GET " + path + b" HTTP/1.1\r\n" + HOST)
        answer = ask(
            service, b"GET " + path + b" HTTP/1.1\r\n" + HOST + b"Range: " + wanted + b"\r\n"
        )
        assert (answer.status, answer.body) == (200, whole.body)
        assert "accept-ranges" not in answer.headers


def test_a_body_that_waits_to_be_asked_for_is_asked_for(service: Service) -> None:
    head = b"POST /containers/nobody/stop HTTP/1.1\r\n" + JSON
    with Connection(service) as connection:
        connection.send(head + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert connection.socket.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.send(b"{}")
        assert connection.answer().status == 404
        assert connection.is_kept()


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"POST /containers/create HTTP/1.1\r\n" + JSON + b"Content-Length: 99999999\r\n", 413),
        (
            b"POST /x HTTP/1.1\r\n" + HOST + b"Content-Type: text/plain\r\nContent-Length: 9\r\n",
            415,
        ),
        (b"POST /x HTTP/1.1\r\n" + JSON + b"Content-Encoding: gzip\r\nContent-Length: 9\r\n", 415),
        (b"POST /x HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 9\r\n", 403),
    ],
)
def test_a_body_that_is_not_wanted_is_not_asked_for(
    service: Service, head: bytes, status: int
) -> None:
    with Connection(service) as connection:
        connection.send(head + b"Expect: 100-continue\r\n\r\n")
        assert connection.answer().status == status  # http.client would skip a 100, but
    with Connection(service) as connection:
        connection.send(head + b"Expect: 100-continue\r\n\r\n")
        assert connection.socket.recv(100).startswith(b"HTTP/1.1 %d " % status)


def test_an_expectation_without_a_body_changes_nothing(service: Service) -> None:
    for wanted in (b"100-continue", b"wonders"):
        request = b"GET /health/live HTTP/1.1\r\n" + HOST + b"Expect: " + wanted + b"\r\n"
        assert ask(service, request).status == 200


@pytest.mark.parametrize(
    ("version", "lengths"),
    [
        (b"1.1", b"Content-Length: 12\r\nTransfer-Encoding: chunked\r\n"),
        (b"1.0", b"Transfer-Encoding: chunked\r\n"),
    ],
)
def test_a_body_whose_end_others_may_see_elsewhere_is_refused_and_nothing_read_behind_it(
    service: Service, version: bytes, lengths: bytes
) -> None:
    with Connection(service) as connection:
        line = b"POST /containers/nobody/stop HTTP/" + version + b"\r\n"
        behind = b"GET /health/live HTTP/1.1\r\n" + HOST + b"\r\n"
        connection.send(line + JSON + lengths + b"\r\n2\r\n{}\r\n0\r\n\r\n" + behind)
        answer = connection.answer()
        assert (answer.status, answer.headers["connection"]) == (400, "close")
        assert answer.headers["content-type"] == "application/problem+json"
        assert not connection.is_kept()


def test_requests_come_one_behind_the_other_or_with_an_empty_line_between(service: Service) -> None:
    request = b"GET /health/live HTTP/1.1\r\n" + HOST + b"\r\n"
    with Connection(service) as connection:
        connection.send(request * 3)
        received = b""
        while received.count(b'{"status":"alive"}') < 3:
            received += connection.socket.recv(65536)
        time.sleep(0.1)
        connection.send(b"\r\n")
        time.sleep(0.1)
        assert connection.is_kept()
        connection.send(b"\r\n" + request)
        assert connection.answer().status == 200


def test_what_a_client_would_speak_instead_is_not_spoken(service: Service) -> None:
    for headers in (
        b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n",
        b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
    ):
        answer = ask(service, b"GET /health/live HTTP/1.1\r\n" + HOST + headers)
        assert answer.body == b'{"status":"alive"}'
