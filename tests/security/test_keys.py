"""Keys, attacked over HTTP: none, wrong ones, one that may only read, on every route there is."""

import base64
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from main import create_app
from orchestrator.settings import Settings
from tests.browser.conftest import Visit
from tests.conftest import ROOT, Service, wait_until
from tests.engine.support import SLEEP, assert_problem

pytestmark = pytest.mark.engine

READ, WRITE, OTHER = "read-" * 8, "write-" * 8, "other-" * 8
Start = Callable[..., Service]

ROUTES = [
    (method.upper(), path.replace("{id}", "nobody").replace("{port}", "8001"))
    for path, methods in create_app(Settings()).openapi()["paths"].items()
    for method in methods
]
PAGES = ["/docs", "/redoc", "/openapi.json", "/docs/oauth2-redirect", "/nothing",
         "/static-offline-docs/swagger-ui-bundle.js", "/health/live/", "//health/live",
         "/health/live/../../containers", "/health/live%2f"]  # fmt: skip
CLOSED = [each for each in ROUTES if each[1] != "/health/live"] + [("GET", each) for each in PAGES]


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def basic(key: str, user: str = "me") -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{key}".encode()).decode()}


@pytest.fixture
def keyed(start_service: Start, tmp_path: Path) -> Service:
    file = tmp_path / "keys"
    file.write_text(f"# the dashboard looks only\ndash read {READ}\nci write {WRITE}\n")
    service = start_service(API_KEY_FILE=str(file), HOST="127.0.0.1")
    # Streams would go on for ever for whoever is let in.
    service.client.timeout = httpx.Timeout(20)
    return service


def test_nothing_but_liveness_is_answered_without_a_key(keyed: Service) -> None:
    client = keyed.client
    assert client.get("/health/live").status_code == 200
    wrong: list[dict[str, str]] = [
        bearer(OTHER), bearer(WRITE[:-1]), bearer(WRITE + "x"), bearer(WRITE.upper()),
        {"Authorization": "Bearer"}, {"Authorization": WRITE},
        bearer("ci"), bearer(f"{WRITE}, {WRITE}"),
        {"Authorization": f"Token {WRITE}"}, basic(OTHER), basic("", WRITE),
        {"Authorization": "Basic %%%"}, {"Authorization": "Basic"},
    ]  # fmt: skip
    for method, path in CLOSED:
        problem = assert_problem(client.request(method, path), 401, "unauthenticated")
        assert "Bearer" in problem["detail"]
        for headers in wrong:
            answer = client.request(method, path, headers=headers)
            assert_problem(answer, 401, "unauthenticated")
            assert answer.headers["www-authenticate"].startswith('Bearer realm="')
            assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    for number in (0, 1):  # two headers: neither counts
        pair = [("Authorization", f"Bearer {key}") for key in (WRITE, OTHER)]
        answer = client.get("/containers", headers=pair[::-1] if number else pair)
        assert_problem(answer, 401, "unauthenticated")
    log = keyed.log()
    assert not any(key in log for key in (READ, WRITE, OTHER))


def test_a_key_in_the_url_or_a_cookie_does_not_count(keyed: Service) -> None:
    for headers in ({"Cookie": f"key={WRITE}"}, {"X-API-Key": WRITE}):
        answer = keyed.client.get("/containers", headers=headers)
        assert_problem(answer, 401, "unauthenticated")
    answer = keyed.client.get("/containers", params={"access_token": OTHER})
    assert_problem(answer, 401, "unauthenticated")


def test_a_key_that_may_only_read_changes_nothing(keyed: Service) -> None:
    for method, path in ROUTES:
        if method in ("GET", "HEAD"):
            continue
        answer = keyed.client.request(method, path, headers=bearer(READ))
        problem = assert_problem(answer, 403, "insufficient-scope")
        assert '"dash"' in problem["detail"]
        assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]
    for method in ("PUT", "PATCH", "PURGE"):
        answer = keyed.client.request(method, "/containers", headers=bearer(READ))
        assert_problem(answer, 403, "insufficient-scope")
    for path in (
        "/containers",
        "/metrics",
        "/docs",
        "/openapi.json",
        "/health",
        "/ports",
        "/volumes",
    ):
        assert keyed.client.get(path, headers=bearer(READ)).status_code == 200, path


def test_a_key_that_may_write(keyed: Service) -> None:
    keyed.client.headers.update(bearer(WRITE))
    container = keyed.created()
    for headers in ({"Authorization": f"bearer   {WRITE}"}, basic(WRITE), basic(WRITE, "")):
        answer = keyed.client.post(f"/containers/{container['id']}/stop?timeout=0", headers=headers)
        assert answer.status_code == 200, answer.text
    assert WRITE not in keyed.log()


def test_only_a_browser_that_opens_a_page_is_asked_for_a_password(keyed: Service) -> None:
    page = keyed.client.get("/docs", headers={"Accept": "text/html,*/*;q=0.8"})
    assert any(each.startswith("Basic ") for each in page.headers.get_list("www-authenticate"))
    script = keyed.client.get("/docs", headers={"Accept": "*/*"})
    assert not any("Basic" in each for each in script.headers.get_list("www-authenticate"))


def test_the_file_is_read_again_when_it_changes(keyed: Service) -> None:
    def status(key: str) -> int:
        return keyed.client.get("/ports", headers=bearer(key)).status_code

    file = Path(keyed.environment["API_KEY_FILE"])
    assert (status(READ), status(OTHER)) == (200, 401)
    file.write_text(f"new read {OTHER}\n")
    wait_until(lambda: status(OTHER) == 200)
    assert status(READ) == 401
    file.write_text(f"new read {READ} and more\n")
    wait_until(lambda: "API_KEY_FILE has changed and cannot be used" in trigger(keyed, status))
    assert (status(OTHER), status(READ)) == (200, 401)
    file.unlink()
    wait_until(lambda: "it cannot be read" in trigger(keyed, status))
    assert status(OTHER) == 200
    assert not any(key in keyed.log() for key in (READ, WRITE, OTHER))


@pytest.mark.parametrize(
    "after", [f"ci write {WRITE}\n", f"dash read {OTHER}\nci write {WRITE}\n",
              f"other read {READ}\nci write {WRITE}\n"], ids=["gone", "changed", "renamed"],
)  # fmt: skip
def test_an_open_stream_ends_when_its_key_is_revoked(keyed: Service, after: str) -> None:
    """Also one that is in the middle of a wait; nobody presents a key meanwhile."""
    keyed.client.headers.update(bearer(WRITE))
    made = keyed.created(command=SLEEP)
    paths = ["/containers/stats/stream", f"/containers/{made['id']}/stats/stream"]
    asked = [(f"{path}?every={every}", READ) for path in paths for every in (1, 3600)]
    told: dict[tuple[str, str], list[str]] = {each: [] for each in [*asked, (paths[0], WRITE)]}

    def follow(each: tuple[str, str]) -> None:
        with httpx.stream(
            "GET", keyed.url + each[0], headers=bearer(each[1]), timeout=30, trust_env=False
        ) as opened:
            for line in opened.iter_lines():
                told[each].append(line)

    threads = [threading.Thread(target=follow, args=(each,), daemon=True) for each in told]
    for thread in threads:
        thread.start()
    wait_until(lambda: all(any("data:" in line for line in lines) for lines in told.values()), 20)
    Path(keyed.environment["API_KEY_FILE"]).write_text(after)
    for thread in threads[:-1]:
        thread.join(20)
        assert not thread.is_alive()
    for each in asked:
        assert [line for line in told[each] if line][-2:] == [
            "event: end", 'data: {"reason": "key-revoked"}'
        ]  # fmt: skip
    before = len(told[paths[0], WRITE])
    wait_until(lambda: len(told[paths[0], WRITE]) > before, 20, "another key's stream goes on")
    keyed.stop()
    threads[-1].join(20)


def trigger(service: Service, status: Callable[[str], int]) -> str:
    """The log after a request: the file is looked at when a key is presented."""
    status(OTHER)
    return service.log()


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"HOST": "0.0.0.0"}, "HOST='0.0.0.0' can be reached from elsewhere"),
        ({"HOST": "::"}, "HOST='::' can be reached from elsewhere"),
        ({"API_KEY": "secret-but-short"}, "API_KEY cannot be used: a key has 32"),
        ({"API_KEY_FILE": "/nonexistent"}, "API_KEY_FILE cannot be used: it cannot be read"),
    ],
)
def test_the_start_is_refused_with_one_line(
    start_service: Start, settings: dict[str, str], reason: str
) -> None:
    service = start_service(wait=False, **settings)
    assert service.process is not None
    assert service.process.wait(30) != 0
    (line,) = service.log().splitlines()
    assert line.startswith(f"docker-orchestration-api: {reason}")
    assert "secret-but-short" not in line


def own_address() -> str:
    """An address of this machine that is not loopback; nothing is sent to find it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has loopback addresses only")
        address: str = probe.getsockname()[0]
    return address


@pytest.mark.parametrize(("said", "status"), [("false", 401), ("true", 200)])
def test_uvicorn_on_all_addresses_answers_loopback_only(
    start_uvicorn: Start, said: str, status: int
) -> None:
    address = own_address()
    service = start_uvicorn(ALLOW_ANONYMOUS=said)
    assert service.client.get("/ports").status_code == 200
    with httpx.Client(base_url=f"http://{address}:{service.port}", trust_env=False) as client:
        for path in ("/ports", "/health", "/docs"):
            assert client.get(path).status_code == status, path
        assert client.get("/health/live").status_code == 200


@pytest.fixture
def start_uvicorn(start_service: Start, monkeypatch: pytest.MonkeyPatch) -> Start:
    """As start_service, by `uvicorn main:app --host 0.0.0.0`, which the settings do not know of."""

    def command(self: Service, *, wait: bool = True) -> None:
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "uvicorn", "main:app", "--host", "0.0.0.0",
                 "--port", str(self.port)],
                cwd=ROOT, env=self.environment, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        wait_until(self.answers, 30, "the service answers")

    monkeypatch.setattr(Service, "start", command)
    return start_service


def test_a_forwarded_address_is_believed_from_trusted_proxies_only(start_service: Start) -> None:
    forwarded = {"X-Forwarded-For": "203.0.113.9"}
    for settings, believed in (({}, False), ({"TRUSTED_PROXIES": "127.0.0.1"}, True),
                               ({"TRUSTED_PROXIES": "10.0.0.5"}, False)):  # fmt: skip
        service = start_service(**settings)
        assert service.client.get("/ports", headers=forwarded).status_code == 200
        wait_until(lambda service=service: '"GET /ports' in service.log())  # type: ignore[misc]
        assert ("203.0.113.9" in service.log()) is believed, settings


def test_the_description_declares_the_key(keyed: Service) -> None:
    document: dict[str, Any] = keyed.client.get("/openapi.json", headers=bearer(READ)).json()
    assert document["security"] == [{"key": []}]
    assert document["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    assert document["paths"]["/health/live"]["get"]["security"] == []


@pytest.mark.browser
def test_authorize_in_swagger_ui(browser: Any, keyed: Service) -> None:
    from playwright.sync_api import expect

    context = browser.new_context(
        viewport={"width": 1280, "height": 2000},
        http_credentials={"username": "me", "password": READ},
    )
    visit = Visit(context, keyed)
    keyed.client.headers.update(bearer(WRITE))
    try:
        page = visit.open("/docs")
        page.locator(".btn.authorize").first.click()
        page.locator(".auth-container input").fill(WRITE)
        page.locator(".auth-container .authorize").click()
        page.locator(".btn-done").click()
        found = page.locator('.opblock-post:has([data-path="/containers/create"])')
        found.locator(".opblock-summary-control").click()
        found.get_by_role("button", name="Try it out").click()
        found.get_by_role("button", name="Execute").click()
        answer = found.locator(".live-responses-table tbody tr.response")
        expect(answer).to_be_visible(timeout=30_000)
        assert answer.locator(".response-col_status").inner_text().strip() == "201"
        visit.settle()
        assert visit.foreign == []
        assert visit.troubles == []
    finally:
        context.close()
        for path in visit.created:
            keyed.client.delete(path, params={"force": True})
