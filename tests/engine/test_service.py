"""The service itself: its index, its health, its documentation, its start and its end."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import docker
import httpx
import pytest

from tests.conftest import ROOT, Service, free_port, wait_until

from .support import (
    COUNTS,
    SLEEP,
    assert_problem,
    assert_sentence,
    at_once,
    port_range,
    wait_for_event,
)

pytestmark = pytest.mark.engine

CONTRACT = {
    ("GET", "/"),
    ("GET", "/health"),
    ("GET", "/health/live"),
    ("GET", "/health/ready"),
    ("POST", "/containers/create"),
    ("GET", "/containers"),
    ("GET", "/containers/running"),
    ("GET", "/containers/{id}"),
    ("POST", "/containers/{id}/start"),
    ("POST", "/containers/{id}/stop"),
    ("POST", "/containers/{id}/restart"),
    ("DELETE", "/containers/{id}"),
    ("GET", "/containers/{id}/stats"),
    ("GET", "/system/stats"),
    ("GET", "/system/stats/history"),
    ("GET", "/ports"),
    ("GET", "/ports/{port}"),
}


def operations(schema: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for part in value.values():
            yield from references(part)
    elif isinstance(value, list):
        for part in value:
            yield from references(part)


def resolve(schema: dict[str, Any], reference: str) -> Any:
    assert reference.startswith("#/")
    found: Any = schema
    for part in reference[2:].split("/"):
        found = found[part]
    return found


# Index and OpenAPI


def test_index_lists_every_endpoint_that_openapi_has(service: Service) -> None:
    index = service.get("/")
    schema = service.get("/openapi.json")
    assert index.keys() == {"name", "version", "links", "endpoints"}
    assert index["name"] == "Docker Orchestration API"
    assert index["version"] == schema["info"]["version"]
    listed = {(entry["method"], entry["path"]): entry["summary"] for entry in index["endpoints"]}
    assert len(listed) == len(index["endpoints"])
    assert listed == {
        (method, path): operation["summary"] for method, path, operation in operations(schema)
    }
    assert listed.keys() >= CONTRACT
    assert all(listed.values())


def test_index_links_lead_somewhere(service: Service) -> None:
    links = service.get("/")["links"]
    assert links.keys() >= {"docs", "redoc", "openapi"}
    for link in links.values():
        assert service.client.get(link).status_code == 200


def test_openapi_describes_each_operation(service: Service) -> None:
    schema = service.get("/openapi.json")
    tags = {tag["name"] for tag in schema["tags"]}
    for method, path, operation in operations(schema):
        assert operation["summary"], (method, path)
        assert operation["description"], (method, path)
        assert set(operation["tags"]) <= tags, (method, path)
        assert operation["tags"], (method, path)
    for reference in set(references(schema)):
        assert resolve(schema, reference)


def test_openapi_has_an_example_for_each_operation(service: Service) -> None:
    schema = service.get("/openapi.json")

    def has_example(part: dict[str, Any]) -> bool:
        if "$ref" in part:
            part = resolve(schema, part["$ref"])
        parts = [part["items"]] if "items" in part else part.get("anyOf", [])[:1]
        return "example" in part or "examples" in part or any(map(has_example, parts))

    without = []
    for method, path, operation in operations(schema):
        responses = operation["responses"]
        (content,) = responses.get("200", responses.get("201"))["content"].values()
        answer = content.get("schema")
        if answer is None:  # a stream: what each event is
            answer = content["itemSchema"]["properties"]["data"]["contentSchema"]
        if not (has_example(content) or has_example(answer)):
            without.append(f"{method} {path}")
    assert without == []


def test_openapi_names_the_problems_of_each_operation(service: Service) -> None:
    schema = service.get("/openapi.json")
    problems = {
        (method, path): {
            status
            for status, response in operation["responses"].items()
            if "application/problem+json" in response.get("content", {})
        }
        for method, path, operation in operations(schema)
    }
    assert problems["POST", "/containers/create"] >= {"404", "409", "422", "503", "504"}
    assert problems["GET", "/containers"] >= {"422", "503"}
    assert problems["GET", "/containers/{id}"] >= {"404", "409"}
    for verb in ("start", "stop", "restart"):
        assert problems["POST", f"/containers/{{id}}/{verb}"] >= {"403", "404", "409", "503"}
    assert problems["DELETE", "/containers/{id}"] >= {"403", "404", "409", "503"}
    assert problems["GET", "/containers/{id}/stats"] >= {"404", "409"}
    assert problems["GET", "/ports/{port}"] >= {"404", "422"}


# Documentation without internet


class Addresses(HTMLParser):
    """Everything a page loads or links to."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if name in ("src", "href") and value]


@pytest.mark.parametrize("page", ["/docs", "/redoc"])
def test_documentation_refers_to_no_foreign_host(service: Service, page: str) -> None:
    answer = service.client.get(page)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    parser = Addresses()
    parser.feed(answer.text)
    assets = [urljoin(service.url + page, found) for found in parser.found]
    assert any(urlsplit(asset).path.endswith(".js") for asset in assets)
    for asset in assets:
        assert urlsplit(asset).netloc == urlsplit(service.url).netloc, asset
        served = service.client.get(asset)
        assert served.status_code == 200, asset
        assert served.content, asset
        if asset.endswith(".css"):
            assert not re.search(r"(@import|url\()\s*['\"]?(https?:)?//", served.text)
    assert not re.search(r"https?://(?!127\.0\.0\.1|localhost)", answer.text)


# Health


def test_health_shows_the_engine_the_containers_and_the_ports(
    service: Service, docker_client: docker.DockerClient
) -> None:
    service.created(command=SLEEP)
    health = service.get("/health")
    version = docker_client.version()
    assert health["status"] == "healthy"
    assert health["docker"]["status"] == "connected"
    assert health["docker"]["version"] == version["Version"]
    assert health["docker"]["api_version"] in (version["ApiVersion"], docker_client.api.api_version)
    states = ("running", "paused", "restarting", "created", "exited", "removing", "dead")
    containers = health["containers"]
    assert containers["total"] == sum(containers[state] for state in states)
    assert 1 <= containers["managed"] <= containers["total"]
    assert containers["running"] >= 1
    ports = port_range(service)
    assert health["ports"]["range"] == {"first": ports[0], "last": ports[-1]}
    assert health["ports"]["api_port"] == service.port
    assert {name: health["ports"][name] for name in COUNTS} == {
        "total": len(ports),
        "available": len(ports) - 1,
        "in_use": 1,
        "reserved": 0,
        "remembered": 0,
        "external": 0,
    }
    assert 0 <= health["listing_age_s"] < 60
    assert health["uptime_s"] > 0
    assert health["version"] == service.get("/")["version"]


def test_live_and_ready(service: Service) -> None:
    assert service.get("/health/live") == {"status": "alive"}
    assert service.get("/health/ready") == {"status": "ready"}


# Requests


def test_each_request_has_an_id_of_its_own(service: Service) -> None:
    ids = {service.client.get("/health/live").headers["x-request-id"] for _ in range(20)}
    assert len(ids) == 20


def test_a_callers_own_request_id_is_kept(service: Service) -> None:
    headers = {"X-Request-ID": "build-7.step_2"}
    answer = service.client.get("/containers/no-such-container", headers=headers)
    assert answer.headers["x-request-id"] == "build-7.step_2"
    assert_problem(answer, 404, "container-not-found", request_id="build-7.step_2")


@pytest.mark.parametrize("given", ["", "x" * 65, "two words", "<script>", "é"])
def test_an_unsuitable_request_id_is_replaced(service: Service, given: str) -> None:
    headers = [(b"X-Request-ID", given.encode())]
    answer = service.client.get("/health/live", headers=headers)
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,64}", answer.headers["x-request-id"])
    assert answer.headers["x-request-id"] != given


def test_an_unknown_path_is_a_problem(service: Service) -> None:
    assert_problem(service.client.get("/nowhere"), 404, "no-such-endpoint")
    assert_problem(service.client.get("/containers/a/b/c"), 404, "no-such-endpoint")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/containers", "GET"),
        ("PUT", "/containers/create", "POST"),
        ("POST", "/ports", "GET"),
        ("GET", "/containers/some/start", "POST"),
    ],
)
def test_a_wrong_method_is_a_problem(
    service: Service, method: str, path: str, allowed: str
) -> None:
    answer = service.client.request(method, path)
    assert_problem(answer, 405, "method-not-allowed")
    assert allowed in answer.headers["allow"]


def test_reads_at_the_same_time_are_all_answered(service: Service) -> None:
    service.created(start=False)
    paths = ["/", "/health", "/containers", "/containers/running", "/ports", "/system/stats"]
    answers = at_once([lambda path=path: service.client.get(path) for path in paths * 5])  # type: ignore[misc]
    assert [answer.status_code for answer in answers] == [200] * len(answers)


# Without an engine


@pytest.fixture(scope="module")
def lonely_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    settings = {"DOCKER_HOST": "unix:///nonexistent.sock"}
    service = Service(tmp_path_factory.mktemp("lonely"), settings)
    service.start()
    yield service
    service.stop()
    service.client.close()


def test_without_an_engine_the_process_is_alive_and_says_what_is_wrong(
    lonely_service: Service,
) -> None:
    assert lonely_service.get("/health/live") == {"status": "alive"}
    answer = lonely_service.client.get("/health")
    assert answer.status_code == 503
    health = answer.json()
    assert health["status"] == "unhealthy"
    assert health["docker"]["status"] == "disconnected"
    assert health["docker"]["version"] is None
    assert_sentence(health["docker"]["problem"])
    assert health["listing_age_s"] is None


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/health/ready"),
        ("GET", "/containers"),
        ("GET", "/containers/running"),
        ("GET", "/containers/some"),
        ("GET", "/containers/some/stats"),
        ("GET", "/system/stats"),
        ("GET", "/system/stats/history"),
        ("GET", "/ports"),
        ("GET", "/ports/28001"),
        ("POST", "/containers/create"),
        ("POST", "/containers/some/start"),
        ("POST", "/containers/some/stop"),
        ("POST", "/containers/some/restart"),
        ("DELETE", "/containers/some"),
    ],
)
def test_without_an_engine_requests_are_asked_to_come_back(
    lonely_service: Service, method: str, path: str
) -> None:
    answer = lonely_service.client.request(method, path)
    assert_problem(answer, 503, "engine-unavailable")
    assert int(answer.headers["retry-after"]) > 0


def test_without_an_engine_the_pages_are_there(lonely_service: Service) -> None:
    for path in ("/", "/docs", "/redoc", "/openapi.json"):
        assert lonely_service.client.get(path).status_code == 200


def test_without_an_engine_the_service_ends_when_told_to(lonely_service: Service) -> None:
    lonely_service.stop()
    assert "Traceback" not in lonely_service.log()
    lonely_service.start()


# Start and end


def run_to_its_end(command: list[str], **settings: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"HOST": "127.0.0.1", "PORT": str(free_port())} | settings
    return subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT_RANGE", "abc"),
        ("PORT", "99999"),
        ("DEFAULT_MEMORY", "lots"),
        ("PUBLISH_ADDRESS", "nowhere"),
    ],
)
def test_a_bad_setting_ends_the_start_with_one_line(name: str, value: str) -> None:
    ended = run_to_its_end(["main.py"], **{name: value})
    assert ended.returncode not in (0, None)
    lines = (ended.stdout + ended.stderr).splitlines()
    assert len(lines) == 1, lines
    assert name in lines[0]
    assert value in lines[0]
    assert_sentence(lines[0])


def test_a_bad_setting_ends_uvicorn_main_app_too() -> None:
    ended = run_to_its_end(["-m", "uvicorn", "main:app"], PORT_RANGE="abc")
    assert ended.returncode not in (0, None)
    assert len((ended.stdout + ended.stderr).splitlines()) == 1
    assert "PORT_RANGE" in ended.stderr


def test_uvicorn_main_app_serves(tmp_path: Path, docker_client: docker.DockerClient) -> None:
    port = free_port()
    log = tmp_path / "uvicorn.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", "main:app", "--port", str(port)],
            cwd=ROOT,
            stdout=output,
            stderr=output,
        )
    try:

        def answers() -> bool:
            assert process.poll() is None, log.read_text()
            try:
                answer = httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False)
            except httpx.TransportError:
                return False
            return answer.status_code == 200

        wait_until(answers, 30, "uvicorn main:app answers")
    finally:
        process.terminate()
        process.wait(30)


def test_nothing_is_done_by_an_import_alone(tmp_path: Path) -> None:
    ended = run_to_its_end(
        ["-c", "import main, threading; print(threading.active_count())"], PORT_RANGE="abc"
    )
    assert (ended.returncode, ended.stdout.strip()) == (0, "1")


def test_the_first_answer_knows_the_containers_that_are_there(
    start_service: Callable[..., Service],
) -> None:
    service = start_service()
    container = service.created(command=SLEEP)
    service.stop()
    service.start(wait=False)

    def first_answer() -> httpx.Response | None:
        try:
            return service.client.get("/containers", params={"label": service.label})
        except httpx.TransportError:
            return None

    answer = wait_until(first_answer, 30, "the first answer")
    assert answer.status_code == 200
    assert [found["id"] for found in answer.json()] == [container["id"]]


def test_the_end_of_the_service_waits_for_the_mutation_under_way(
    start_service: Callable[..., Service],
    docker_client: docker.DockerClient,
    inspect: Callable[[str], dict[str, Any]],
) -> None:
    service = start_service()
    container = service.created(command=SLEEP)

    def stop_container() -> int:
        answer = service.client.post(f"/containers/{container['id']}/stop?timeout=2")
        return answer.status_code

    def stop_service() -> int:
        wait_for_event(docker_client, container["id"], "kill")
        service.stop(signal.SIGTERM)
        return 0

    assert at_once([stop_container, stop_service])[0] == 200
    assert inspect(container["id"])["State"]["Status"] == "exited"
    assert "Traceback" not in service.log()
