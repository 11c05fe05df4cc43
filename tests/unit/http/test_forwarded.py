"""What stands before all paths, and which host was called, is settled before anything looks."""

import json
import logging
import re
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request

import main
from orchestrator.callers import digest
from orchestrator.http import audit, called_host, root_of
from orchestrator.settings import Settings
from orchestrator.state import Inventory

pytestmark = pytest.mark.anyio
PROXY = "10.0.0.5"
KEY = "k" * 32


@pytest.fixture(autouse=True)
async def audited() -> AsyncIterator[None]:
    yield
    audit.configure(None)


def app_with(**settings: Any) -> FastAPI:
    chosen = Settings.model_validate({"trusted_proxies": f"{PROXY},fd00::/8"} | settings)
    app = main.create_app(chosen)
    app.state.service = SimpleNamespace(inventory=Inventory(), settings=chosen)

    @app.get("/asked")
    async def asked(request: Request) -> dict[str, Any]:
        scope = request.scope
        found = {"host": called_host(scope), "root": root_of(scope)}
        return found | {"peer": scope["client"][0], "scheme": scope["scheme"]}

    return app


def client_of(peer: str = PROXY, server_root: str = "", **settings: Any) -> httpx.AsyncClient:
    """A client at an address, of a service whose server was told of a root path, or not."""
    app = app_with(**settings)
    transport = httpx.ASGITransport(app, client=(peer, 1), root_path=server_root)
    return httpx.AsyncClient(transport=transport, base_url="http://localhost:8000")


async def asked(client: httpx.AsyncClient, path: str = "/asked", **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with client:
        answer = await client.get(path, headers=named)
    assert answer.status_code == 200, answer.text
    return answer.json()


# What says that /docker stands before all paths: the server, as with `uvicorn --root-path`, the
# setting, or a proxy.
PREFIXED: list[tuple[dict[str, str], dict[str, str]]] = [
    ({"server_root": "/docker"}, {}),
    ({"server_root": "/docker/"}, {}),
    ({"root_path": "/docker"}, {}),
    ({"root_path": "/docker", "server_root": "/docker"}, {}),
    ({}, {"X-Forwarded-Prefix": "/docker"}),
    ({}, {"X-Forwarded-Prefix": "/docker/"}),
    ({"root_path": "/other"}, {"X-Forwarded-Prefix": "/evil, /docker"}),
]
prefixed = pytest.mark.parametrize(("given", "headers"), PREFIXED)
# The proxy takes it away, the proxy passes it on, and the server has put it there besides.
forms = pytest.mark.parametrize("before", ["", "/docker"])


@prefixed
@forms
async def test_a_prefix_is_taken_away_or_passed_on(
    given: dict[str, str], headers: dict[str, str], before: str
) -> None:
    async with client_of(**given) as client:
        found = await client.get(f"{before}/asked", headers=headers)
        nothing = await client.get(f"{before}/nowhere", headers=headers)
    assert found.json()["root"] == "/docker"
    assert nothing.status_code == 404


async def test_what_uvicorn_puts_before_a_path_that_has_it_already() -> None:
    async with client_of(server_root="/docker") as client:
        assert (await client.get("/docker/docker/asked")).json()["root"] == "/docker"
        assert (await client.get("/docker/docker/docker/asked")).status_code == 404


@prefixed
@forms
async def test_everything_is_as_without_a_prefix(
    given: dict[str, str],
    headers: dict[str, str],
    before: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = client_of(api_key=digest(KEY), **given)
    client.headers = httpx.Headers(headers)
    monkeypatch.setattr(logging.getLogger("orchestrator.audit"), "propagate", True)
    async with client:
        assert (await client.get(f"{before}/health/live")).status_code == 200
        assert (await client.get(f"{before}/docs")).status_code == 401
        assert (await client.post(f"{before}/containers/web-1/stop")).status_code == 401
        client.headers["Authorization"] = f"Bearer {KEY}"
        index = (await client.get(f"{before}/")).json()
        assert index["links"]["docs"] == "/docker/docs"
        assert {each["path"] for each in index["endpoints"]} >= {"/health", "/containers/{id}"}
        for page in ("/docs", "/redoc"):
            answer = await client.get(f"{before}{page}")
            assert "script-src" in answer.headers["content-security-policy"]
            loaded = re.findall(r"""(?:src|href|url)\W+["'](/[^"']+)""", answer.text)
            assert f"/docker{'/openapi.json'}" in answer.text
            assert loaded
            for path in loaded:
                assert path.startswith("/docker/")
                assert (await client.get(path.removeprefix("/docker"))).status_code == 200
        described = (await client.get(f"{before}/openapi.json")).json()
        assert [each["url"] for each in described["servers"]] == ["/docker"]
        redirect = await client.get(f"{before}/containers/?state=running")
        assert redirect.status_code == 307
        assert redirect.headers["location"] == "/docker/containers?state=running"
        refused = await client.put(f"{before}/containers/create", json={})
        assert (refused.status_code, refused.headers["allow"]) == (405, "OPTIONS, POST")
    lines = [json.loads(r.message) for r in caplog.records if r.name == "orchestrator.audit"]
    assert [(line["verb"], line["name"]) for line in lines] == [
        ("stop", "web-1"), ("PUT /containers/create", None)
    ]  # fmt: skip


async def test_one_prefix_does_not_stay_for_the_next_request() -> None:
    app = app_with()
    transport = httpx.ASGITransport(app, client=(PROXY, 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        for prefix in ("/a", "/b", ""):
            answer = await client.get("/openapi.json", headers={"X-Forwarded-Prefix": prefix})
            servers = [each["url"] for each in answer.json().get("servers", [])]
            assert servers == ([prefix] if prefix else [])


async def test_a_prefix_that_is_a_path_here_is_not_looked_for() -> None:
    """Of /containers/running nobody could tell whether it begins with the prefix."""
    async with client_of(root_path="/containers") as client:
        assert (await client.get("/containers/health/live")).status_code == 404
        found = await client.get("/health/live")
        assert found.status_code == 200
        assert (await client.get("/")).json()["links"]["docs"] == "/containers/docs"


@pytest.mark.parametrize(
    "prefix", ["", "/", "docker", "//evil.example.org", "/a/../b", '/"><script>', "/a b", "/%2e"]
)
async def test_what_is_no_prefix_counts_for_nothing(prefix: str) -> None:
    assert (await asked(client_of(), x_forwarded_prefix=prefix))["root"] == ""


FORWARDED = {
    "x_forwarded_for": "203.0.113.9",
    "x_forwarded_proto": "https",
    "x_forwarded_host": "docker.example.org",
    "x_forwarded_prefix": "/docker",
}


@pytest.mark.parametrize("proxy", [PROXY, "fd00::1"])
async def test_a_trusted_proxy_is_believed(proxy: str) -> None:
    assert await asked(client_of(proxy), **FORWARDED) == {
        "host": "docker.example.org",
        "root": "/docker",
        "peer": "203.0.113.9",
        "scheme": "https",
    }


@pytest.mark.parametrize("peer", ["127.0.0.1", "10.0.0.6", "2001:db8::1", "testclient"])
async def test_nobody_else_is(peer: str) -> None:
    plain = {"host": "localhost", "root": "", "peer": peer, "scheme": "http"}
    assert await asked(client_of(peer), **FORWARDED) == plain


@pytest.mark.parametrize(
    ("forwarded", "peer"),
    [
        ("203.0.113.9", "203.0.113.9"),
        (" 203.0.113.9 ", "203.0.113.9"),
        ("203.0.113.9:567", "203.0.113.9"),
        ("[2001:db8::9]:5", "2001:db8::9"),
        ("[2001:db8::9]", "2001:db8::9"),
        ("2001:DB8:0:0::9", "2001:db8::9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("6.6.6.6, 203.0.113.9", "203.0.113.9"),
        ("6.6.6.6, 203.0.113.9:1, fd00::2, 10.0.0.5:8080", "203.0.113.9"),
        ("fd00::3, fd00::2", "fd00::3"),
        # What is no address says nothing, and nobody before it counts either.
        ("", PROXY),
        (",", PROXY),
        ("x" * 3000, PROXY),
        ("203.0.113.9, " + "x" * 3000, PROXY),
        ("203.0.113.9, unknown, fd00::2", PROXY),
        ("203.0.113.9,", PROXY),
        ("203.0.113.9:", PROXY),
        ("203.0.113.9:99999", PROXY),
        ("203.0.113.9:1:2", PROXY),
        ("203.0.113.9 203.0.113.8", PROXY),
        ("[203.0.113.9]", PROXY),
        ("203.0.113.009", PROXY),
        ("fe80::1%" + "x" * 3000, PROXY),
        ("[::1", PROXY),
        ("::1]", PROXY),
        ('"203.0.113.9"', PROXY),
        ("for=203.0.113.9", PROXY),
        ("localhost", PROXY),
        ("-", PROXY),
    ],
)
async def test_only_an_address_is_who_asks(forwarded: str, peer: str) -> None:
    assert (await asked(client_of(), x_forwarded_for=forwarded))["peer"] == peer


async def test_headers_of_one_name_are_one_list() -> None:
    async with client_of() as client:
        headers = [("X-Forwarded-For", each) for each in ("6.6.6.6", "203.0.113.9", "fd00::2")]
        assert (await client.get("/asked", headers=headers)).json()["peer"] == "203.0.113.9"


@pytest.mark.parametrize(
    ("forwarded", "scheme"),
    [("https", "https"), ("http, HTTPS", "https"), ("https, http", "http"), ("x" * 99, "http"),
     ("wss", "http")],
)  # fmt: skip
async def test_a_forwarded_scheme_is_one_of_two(forwarded: str, scheme: str) -> None:
    assert (await asked(client_of(), x_forwarded_proto=forwarded))["scheme"] == scheme


@pytest.mark.parametrize(
    ("forwarded", "host"),
    [
        ("docker.example.org:8443", "docker.example.org"),
        ("evil.example.org, Docker.example.org.", "docker.example.org"),
        ("[fd00::5]:8000", "fd00::5"),
        ("10.0.0.7", "10.0.0.7"),
        ("", "localhost"),
        ("a b", "localhost"),
        ("[:::::::]", "localhost"),
        ("http://evil.example.org", "localhost"),
        ('"><script>', "localhost"),
        ("evil.example.org/path", "localhost"),
        ("user@evil.example.org", "localhost"),
    ],
)
async def test_a_forwarded_host_is_one_or_is_not_used(forwarded: str, host: str) -> None:
    assert (await asked(client_of(), x_forwarded_host=forwarded))["host"] == host


async def test_the_host_that_was_called() -> None:
    for called, host in (("127.0.0.1:8000", "127.0.0.1"), ("[::1]:8000", "::1"),
                         ("API.localhost", "api.localhost")):  # fmt: skip
        assert (await asked(client_of(), host=called))["host"] == host
    async with client_of() as client:
        for rubbish in ("evil.example.org", "[::::]", "localhost/x", "a b"):
            refused = await client.get("/asked", headers={"Host": rubbish})
            assert refused.status_code == 403
            assert rubbish not in refused.text
