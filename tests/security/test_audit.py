"""What an operator reads afterwards: who asked for which change, and what became of it."""

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, Service, wait_until
from tests.engine.support import SLEEP

Start = Callable[..., Service]
FIELDS = ["time", "request_id", "key", "peer", "verb", "container", "name", "image", "ports"]
FIELDS += ["outcome", "status", "seconds"]
SECRET = "s3cr3t-Xq7-value"
LONELY = {"DOCKER_HOST": "unix:///nonexistent.sock"}


def lines_in(text: str) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in text.splitlines() if line.startswith('{"time"')]
    return [line for line in found if "verb" in line]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    services: list[Service] = []

    def start(**settings: str) -> Service:
        services.append(Service(tmp_path, LONELY | settings))
        services[-1].start()
        return services[-1]

    yield start
    for service in services:
        service.stop()
        service.client.close()


@pytest.mark.engine
def test_each_change_leaves_a_line_and_no_secret(start_service: Start, tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    service = start_service(AUDIT_LOG=str(path), LOG_LEVEL="debug")
    wait_until(lambda: service.client.get("/containers").status_code == 200)
    env = {"PASSWORD": SECRET}
    made = service.created(command=SLEEP, env=env)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for verb in ("stop", "start", "restart"):
        service.client.post(f"/containers/{made['id']}/{verb}?timeout=0")
    # Each kind of a create that fails.
    failing: list[dict[str, Any]] = [
        {"name": made["name"]},
        {"image": "orchestration-test-none:1", "pull": "never"},
        {"image": "localhost:9/orchestration-test/none:1"},
        {"command": ["no-such-program"]},
        {"port": 1},
        {"port": int(next(iter(made["ports"].values())).rpartition(":")[2])},
        {"memory": "lots"},
        {"env": {"PASSWORD": [SECRET]}},
        {"env": {f"A={SECRET}": SECRET}},
        {SECRET: 1},
    ]
    codes = [service.create(**({"env": env} | body)).json()["code"] for body in failing]
    service.client.post(
        "/containers/create",
        content=f'{{"env": {{"A": "{SECRET}"',
        headers={"Content-Type": "application/json"},
    )
    service.client.delete(f"/containers/{made['id']}?force=true")
    service.client.delete("/containers/nobody")
    service.client.get("/containers")

    lines = lines_in(path.read_text())
    assert all(list(line) == FIELDS for line in lines)
    assert all((line["key"], line["peer"]) == (None, "127.0.0.1") for line in lines)
    assert [(line["verb"], line["outcome"]) for line in lines] == [
        *((verb, "ok") for verb in ("create", "stop", "start", "restart")),
        *(("create", code) for code in codes),
        ("create", "invalid-request"),
        ("remove", "ok"),
        ("remove", "container-not-found"),
    ]
    for line in (*lines[:4], lines[-2]):
        assert (line["container"], line["name"]) == (made["id"], made["name"])
        assert line["image"] == made["image"]
    assert lines[0]["ports"] == made["ports"]
    assert lines[4]["name"] == made["name"]
    assert lines[5]["image"] == "orchestration-test-none:1"
    assert lines[-1]["name"] == "nobody"
    assert SECRET not in path.read_text() + service.log()


def test_refused_requests_have_a_line_with_bounded_text(start: Start) -> None:
    service = start()
    answers = [
        service.client.post("/containers/create", content=b"x" * 70_000),
        service.client.delete("/containers/" + "x" * 7_000),
        service.client.patch("/nowhere"),
        service.client.put("/containers/create"),
        service.client.post("/containers/web-1/stop", headers={"Host": "evil.example"}),
        service.client.delete("/containers/containers", headers={"Origin": "http://evil.example"}),
    ]
    wait_until(lambda: len(lines_in(service.log())) == len(answers))
    lines = lines_in(service.log())
    assert [line["status"] for line in lines] == [answer.status_code for answer in answers]
    assert [line["outcome"] for line in lines] == [answer.json()["code"] for answer in answers]
    assert [line["request_id"] for line in lines] == [
        answer.headers["x-request-id"] for answer in answers
    ]
    # What the request was meant to do, also where it was refused before anybody looked at that.
    verbs = ["create", "remove", "unmatched", "PUT /containers/create", "stop", "remove"]
    assert [line["verb"] for line in lines] == verbs
    assert [line["name"] for line in lines[-2:]] == ["web-1", "containers"]
    assert max(len(json.dumps(line)) for line in lines) < 2_000


def test_only_an_address_becomes_the_peer(start: Start) -> None:
    service = start(TRUSTED_PROXIES="127.0.0.1")
    said = ["x" * 3000, "fe80::1%" + "x" * 3000, "6.6.6.6, " + "x" * 3000, "203.0.113.9:567"]
    for each in said:
        service.client.post("/nowhere", headers={"X-Forwarded-For": each})
    wait_until(lambda: len(lines_in(service.log())) == len(said))
    peers = [line["peer"] for line in lines_in(service.log())]
    assert peers == ["127.0.0.1", "127.0.0.1", "127.0.0.1", "203.0.113.9"]
    assert "xxxx" not in service.log()


def test_a_file_that_was_rotated_is_opened_again(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    service = start(AUDIT_LOG=str(path))
    service.client.post("/one")
    wait_until(lambda: len(lines_in(path.read_text())) == 1)
    path.rename(tmp_path / "audit.log.1")
    service.client.post("/two")
    # A line is written when its answer has gone out.
    wait_until(lambda: path.exists() and len(lines_in(path.read_text())) == 1)
    assert len(lines_in((tmp_path / "audit.log.1").read_text())) == 1
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_logs_as_json_are_json_on_every_line(start: Start) -> None:
    service = start(LOG_FORMAT="json")
    request_id = service.client.get("/nowhere").headers["x-request-id"]
    service.client.post("/nowhere")
    found = [json.loads(line) for line in service.log().splitlines()]
    logged = [line for line in found if "logger" in line]
    assert {"orchestrator.state.watcher", "uvicorn.access"} <= {line["logger"] for line in logged}
    assert all({"time", "level", "request_id", "message"} <= line.keys() for line in logged)
    assert any(line["request_id"] == request_id for line in logged)


def test_a_directory_that_goes_is_told_and_nothing_is_passed_over(
    start: Start, tmp_path: Path
) -> None:
    path = tmp_path / "audit" / "log"
    path.parent.mkdir()
    service = start(AUDIT_LOG=str(path))

    def audit() -> Any:
        return service.client.get("/health").json()["audit"]

    def metric(name: str) -> float:
        text = service.client.get("/metrics").text
        return float(text.split(f"\norchestration_api_audit_{name} ")[1].split()[0])

    assert audit() == {"status": "written", "lost": 0, "problem": None}
    assert (metric("writable"), metric("lines_lost_total")) == (1, 0)
    path.parent.rename(tmp_path / "gone")
    told = audit()
    assert (told["status"], told["lost"]) == ("lost", 0)
    assert "No such file" in told["problem"]
    for _ in range(3):
        assert service.client.post("/containers/nobody/stop").status_code != 500
    wait_until(lambda: audit()["lost"] == 3)
    assert (metric("writable"), metric("lines_lost_total")) == (0, 3)
    assert service.log().count("The audit cannot be written") == 1
    assert "Traceback" not in service.log()
    assert [line["verb"] for line in lines_in(service.log())] == ["stop"] * 3
    (tmp_path / "gone").rename(path.parent)
    assert audit() == {"status": "written", "lost": 3, "problem": None}
    assert metric("writable") == 1
    assert json.loads(path.read_text().splitlines()[-1])["lost"] == 3
    service.client.post("/containers/nobody/stop")
    wait_until(lambda: len(lines_in(path.read_text())) == 1)


@pytest.mark.engine
def test_changes_are_refused_where_the_audit_is_required_and_lost(
    start_service: Start, tmp_path: Path
) -> None:
    path = tmp_path / "audit" / "log"
    path.parent.mkdir()
    service = start_service(AUDIT_LOG=str(path), AUDIT_REQUIRED="true")
    made = service.created(command=SLEEP)
    ways: list[Callable[[], object]] = [
        lambda: path.parent.rename(tmp_path / "gone"),
        lambda: os.mkfifo(path),
        lambda: path.mkdir(),
    ]
    for way in ways:
        if path.exists():
            path.unlink()
        way()
        before = service.get("/containers", label=service.label)
        for method, asked in (
            ("POST", "/containers/create"),
            ("POST", f"/containers/{made['id']}/stop?timeout=0"),
            ("DELETE", f"/containers/{made['id']}?force=true"),
        ):
            answer = service.client.request(method, asked)
            assert (answer.status_code, answer.json()["code"]) == (503, "audit-unavailable")
            assert int(answer.headers["retry-after"]) > 0
        assert service.get("/containers", label=service.label) == before
        assert service.get("/health")["audit"]["status"] == "lost"
        if path.is_dir():
            path.rmdir()
        elif path.exists():
            path.unlink()
        path.parent.mkdir(exist_ok=True)
        answer = service.client.post(f"/containers/{made['id']}/restart?timeout=0")
        assert answer.status_code == 200, answer.text
    assert "Traceback" not in service.log()


def test_a_file_that_others_could_read_is_its_owners(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    path.touch()
    path.chmod(0o644)
    start(AUDIT_LOG=str(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("kind", "reason"),
    [("none", "No such file"), ("pipe", "not a regular file"), ("directory", "not a regular file"),
     ("device", "not a regular file")],
)  # fmt: skip
def test_a_path_that_cannot_be_written_ends_the_start_with_one_line(
    tmp_path: Path, kind: str, reason: str
) -> None:
    os.mkfifo(tmp_path / "pipe")
    paths = {"none": "/nonexistent/audit.log", "pipe": str(tmp_path / "pipe"),
             "directory": str(tmp_path), "device": "/dev/full"}  # fmt: skip
    ended = subprocess.run(
        [sys.executable, "main.py"],
        cwd=ROOT,
        env=os.environ | {"AUDIT_LOG": paths[kind]},
        capture_output=True,
        text=True,
        timeout=180,  # a busy machine takes long for the import alone
        check=False,
    )
    assert ended.returncode != 0
    (line,) = ended.stderr.splitlines()
    assert "AUDIT_LOG" in line
    assert reason in line
