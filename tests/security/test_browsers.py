"""Pages of other origins, names of other people, bodies that are not JSON: attacked for real."""

import http.server
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.conftest import Service
from tests.engine.support import assert_problem

pytestmark = pytest.mark.engine
Start = Callable[..., Service]


def raw(service: Service, *lines: str) -> int:
    """The status of a request as it is written here."""
    with socket.create_connection(("127.0.0.1", service.port), 10) as connection:
        connection.sendall("\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1"))
        return int(connection.makefile("rb").readline().split()[1])


def test_a_name_of_somebody_else_is_refused(service: Service) -> None:
    for host in (
        "evil.example", "evil.example:80", f"evil.example:{service.port}", "127.0.0.1.evil.example",
        "localhost.evil.example", "evil-localhost", "0.0.0.0", "[::]", "10.0.0.1", "2130706433",
        "127.0.0.1@evil.example", "evil.example#localhost", "localhost,evil.example", "", " ",
        "[::1]evil", "127.0.0.1:80:80",
    ):  # fmt: skip
        for request in ("GET /containers", "POST /containers/x/stop", "GET /docs"):
            got = raw(service, f"{request} HTTP/1.1", f"Host: {host}")
            assert got in (400, 403), (request, host, got)
    answer = service.client.get("/containers", headers={"Host": "evil.example"})
    assert "ALLOWED_HOSTS" in assert_problem(answer, 403, "host-not-allowed")["detail"]
    assert "evil" not in answer.text


def test_more_than_one_name_is_refused(service: Service) -> None:
    for hosts in (("localhost", "evil.example"), ("evil.example", "localhost")):
        lines = [f"Host: {host}" for host in hosts]
        assert raw(service, "GET /containers HTTP/1.1", *lines) in (400, 403)
    assert raw(service, "GET /containers HTTP/1.1") == 400
    assert raw(service, "GET http://evil.example/ports HTTP/1.1", "Host: evil.example") == 403
    assert raw(service, "GET /ports HTTP/1.0") == 200


def test_own_names_are_answered_whatever_the_port(service: Service) -> None:
    for host in ("localhost", "LOCALHOST:1", "api.localhost:99", "127.0.0.1", "127.9.9.9:8000",
                 "[::1]", "[::1]:8000", "localhost."):  # fmt: skip
        assert raw(service, "GET /ports HTTP/1.1", f"Host: {host}") == 200, host


def test_allowed_hosts(start_service: Start) -> None:
    service = start_service(ALLOWED_HOSTS="api,*.example.org")
    for host, status in {
        "api:8000": 200, "a.example.org": 200, "a.b.Example.org": 200, "example.org": 403,
        "aexample.org": 403, "api.evil": 403, "example.org.evil": 403, "*.example.org": 403,
    }.items():  # fmt: skip
        assert raw(service, "GET /ports HTTP/1.1", f"Host: {host}") == status, host
    anything = start_service(ALLOWED_HOSTS="*")
    assert raw(anything, "GET /ports HTTP/1.1", "Host: evil.example") == 200


def test_who_says_it_is_a_page_of_another_origin_changes_nothing(service: Service) -> None:
    container = service.created()
    stop, own = f"/containers/{container['id']}/stop?timeout=0", service.url
    for headers in (
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": ""},
        {"Sec-Fetch-Site": "cross-site", "Origin": own},
        {"Origin": "null"},
        {"Origin": "http://evil.example"},
        {"Origin": "http://127.0.0.1"},
        {"Origin": f"http://localhost:{service.port}"},
        {"Origin": f"http://127.0.0.1:{service.port}.evil.example"},
        {"Origin": "http://127.0.0.1:99999"},
        {"Origin": ""},
    ):
        for method, path in (("POST", stop), ("DELETE", f"/containers/{container['id']}")):
            answer = service.client.request(method, path, headers=headers)
            assert_problem(answer, 403, "cross-origin")
            assert "access-control-allow-origin" not in answer.headers
    assert service.get(f"/containers/{container['id']}")["status"] == "running"
    for headers in ({"Origin": own}, {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"},
                    {}):  # fmt: skip
        assert service.client.post(stop, headers=headers).status_code == 200, headers


def test_a_body_must_say_that_it_is_json(service: Service) -> None:
    def send(**options: Any) -> Any:
        return service.client.post("/containers/create", **options)

    body = b'{"name": "-"}'
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "",
                 "application/jsonp", "text/json", "text/plain; a=application/json"):  # fmt: skip
        answer = send(content=body, headers={"Content-Type": kind})
        assert_problem(answer, 415, "unsupported-media-type")
        answer = send(content=iter([body]), headers={"Content-Type": kind})
        assert_problem(answer, 415, "unsupported-media-type")
    assert_problem(send(content=body), 415, "unsupported-media-type")
    for kind in ("application/json", "Application/JSON; charset=utf-8", "application/x+json"):
        answer = send(content=body, headers={"Content-Type": kind})
        assert_problem(answer, 422, "invalid-request")
    # Nothing at all needs no type.
    assert_problem(service.client.post("/containers/nobody/stop"), 404, "container-not-found")


def test_no_cors_unless_it_is_set(service: Service, start_service: Start) -> None:
    origin = "https://dash.example.org"
    asks = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    for answer in (
        service.client.options("/containers/create", headers=asks),
        service.client.get("/ports", headers={"Origin": origin}),
    ):
        assert not any(name.startswith("access-control") for name in answer.headers)

    client = start_service(CORS_ORIGINS=origin).client
    answer = client.options("/containers/create", headers=asks)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, origin)
    headers = {"Origin": origin, "Sec-Fetch-Site": "cross-site"}
    answer = client.post("/containers/nobody/stop", headers=headers)
    assert_problem(answer, 404, "container-not-found")
    assert answer.headers["access-control-allow-origin"] == origin
    other = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    answer = client.post("/containers/nobody/stop", headers=other)
    assert_problem(answer, 403, "cross-origin")
    assert "access-control-allow-origin" not in answer.headers


def test_every_answer_tells_browsers_what_not_to_do(service: Service) -> None:
    for path in ("/", "/containers", "/nothing", "/containers/nobody", "/metrics", "/docs",
                 "/redoc", "/openapi.json", "/static-offline-docs/swagger-ui.css"):  # fmt: skip
        for host in (None, "evil.example"):
            answer = service.client.get(path, headers={"Host": host} if host else {})
            assert answer.headers["x-content-type-options"] == "nosniff", path
            assert answer.headers["x-frame-options"] == "DENY"
            assert answer.headers["referrer-policy"] == "same-origin"
            assert answer.headers["cross-origin-resource-policy"] == "same-origin"
            policy = answer.headers["content-security-policy"]
            assert policy.startswith("default-src 'none'")
            assert "frame-ancestors 'none'" in policy
            scripts = next((p for p in policy.split("; ") if p.startswith("script-src")), "")
            assert "unsafe" not in scripts
            if "json" in answer.headers["content-type"]:
                assert answer.headers["cache-control"] == "no-store"


PAGE = b"<!doctype html><title>another origin</title><p>Hello."


@pytest.fixture
def another_origin() -> Iterator[str]:
    """The URL of a page that a plain HTTP server on another port serves."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(PAGE)))
            self.end_headers()
            self.wfile.write(PAGE)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()
    thread.join()
    server.server_close()


FETCH = "([url, options]) => fetch(url, options).then(a => [a.type, a.status], e => String(e))"
READ_IT = "url => fetch(url).then(a => a.text(), e => 'refused')"
EMBED = (
    "([tag, url]) => new Promise(done => { const e = document.createElement(tag);"
    " e.onload = () => done('loaded'); e.onerror = () => done('refused'); e.src = url;"
    " document.body.append(e) })"
)


@pytest.mark.browser
def test_a_page_of_another_origin_cannot_stop_a_container(
    browser: Any, service: Service, another_origin: str
) -> None:
    container = service.created()
    path = f"/containers/{container['id']}"
    stop = f"{service.url}{path}/stop?timeout=0"
    context = browser.new_context()
    seen: list[tuple[str, int]] = []
    context.on("response", lambda answer: seen.append((answer.request.method, answer.status)))
    try:
        page = context.new_page()
        page.goto(another_origin)
        for options in (
            {"method": "POST", "mode": "no-cors"},
            {"method": "POST", "mode": "no-cors", "credentials": "include"},
            {"method": "POST", "mode": "no-cors", "body": "{}"},
            {"method": "POST"},
            {"method": "POST", "headers": {"Content-Type": "application/json"}, "body": "{}"},
        ):
            page.evaluate(FETCH, [stop, options])
        page.evaluate(FETCH, [f"{service.url}{path}?force=true", {"method": "DELETE"}])
        page.evaluate("url => navigator.sendBeacon(url)", stop)
        # What is there cannot be read or embedded either.
        assert page.evaluate(READ_IT, f"{service.url}/containers") == "refused"
        script = f"{service.url}/static-offline-docs/swagger-ui-bundle.js"
        assert page.evaluate(EMBED, ["script", script]) == "refused"
        with page.expect_navigation():
            page.evaluate(
                "url => { const f = document.createElement('form'); f.method = 'post';"
                " f.action = url; document.body.append(f); f.submit() }",
                stop,
            )
        assert "cross-origin" in page.content()
        assert ("POST", 403) in seen
        assert service.get(path)["status"] == "running"
    finally:
        context.close()


@pytest.mark.browser
def test_a_page_of_its_own_may(browser: Any, service: Service) -> None:
    container = service.created()
    context = browser.new_context()
    try:
        page = context.new_page()
        page.goto(f"{service.url}/docs")
        stop = f"{service.url}/containers/{container['id']}/stop?timeout=0"
        assert page.evaluate(FETCH, [stop, {"method": "POST"}]) == ["basic", 200]
    finally:
        context.close()
