"""Bodies of creates that are refused: wrong fields, and what is no JSON object at all."""

import json
from typing import Any

import docker
import pytest

from tests.conftest import Service

from .support import assert_problem, nothing_changes, short_json

pytestmark = pytest.mark.engine

SURROGATE = "\ud800"
VOLUME = "orchestration-test-volume"

BAD_FIELDS: list[dict[str, Any]] = [
    {"nmae": "web"},
    {"privileged": True},
    {"HostConfig": {"Binds": ["/:/host"]}},
    {SURROGATE: 1},
    {"x" * 10_000: 1},
    # names
    {"name": ""},
    {"name": "a"},
    {"name": "x" * 10_240},
    {"name": "x" * 129},
    {"name": "-web"},
    {"name": "web server"},
    {"name": "web/1"},
    {"name": "../web"},
    {"name": "wéb"},
    {"name": "web\n"},
    {"name": "web\u0000"},
    {"name": SURROGATE * 2},
    {"name": "create"},
    {"name": "running"},
    {"name": "stats"},
    {"name": 17},
    {"name": ["web"]},
    # images
    {"image": ""},
    {"image": "UPPER"},
    {"image": "two words"},
    {"image": "../etc"},
    {"image": "http://example.com/x"},
    {"image": "x:"},
    {"image": "x" * 600},
    {"image": f"x{SURROGATE}"},
    {"image": 5},
    # ports
    {"port": 0},
    {"port": -1},
    {"port": 65_536},
    {"port": 10**30},
    {"port": "28001"},
    {"port": 28001.5},
    {"port": True},
    {"container_ports": []},
    {"container_ports": [0]},
    {"container_ports": [65_536]},
    {"container_ports": [-5]},
    {"container_ports": ["70000/tcp"]},
    {"container_ports": ["53/http"]},
    {"container_ports": ["5000/tcp", 5000]},
    {"container_ports": ["5010-5000"]},
    {"container_ports": ["5000-6000"]},
    {"container_ports": ["53/tcp+udp", "53/udp"]},
    {"container_ports": [True]},
    {"container_ports": [None]},
    {"container_ports": 5000},
    {"container_ports": list(range(1, 70))},
    # limits
    {"memory": "lots"},
    {"memory": ""},
    {"memory": "512x"},
    {"memory": "m"},
    {"memory": "-1"},
    {"memory": -1},
    {"memory": 0},
    {"memory": "1m"},
    {"memory": 5_000_000},
    {"memory": 10**30},
    {"memory": "9" * 5000},
    {"memory": "512 512"},
    {"memory": "1e9"},
    {"memory": True},
    {"memory": ["512m"]},
    {"cpus": 0},
    {"cpus": -1},
    {"cpus": "many"},
    {"cpus": 1e308},
    {"cpus": float("nan")},
    {"cpus": float("inf")},
    {"pids": 0},
    {"pids": -1},
    {"pids": 1.5},
    {"pids": 10**30},
    # the rest
    {"env": {"A=B": "x"}},
    {"env": {"": "x"}},
    {"env": {"A": 1}},
    {"env": {"A": None}},
    {"env": {"A": "x\u0000y"}},
    {"env": {"A": SURROGATE}},
    {"env": {SURROGATE: "x"}},
    {"env": ["A=B"]},
    {"command": []},
    {"command": ""},
    {"command": "   "},
    {"command": [""]},
    {"command": "echo 'unclosed"},
    {"command": ["sh", 1]},
    {"command": ["sh", "a\u0000b"]},
    {"command": ["sh", SURROGATE]},
    {"command": f"echo {SURROGATE}"},
    {"command": {"run": "sh"}},
    {"labels": {"orchestration-api.managed": "false"}},
    {"labels": {"orchestration-api.other": "x"}},
    {"labels": {"": "x"}},
    {"labels": {"team": 1}},
    {"labels": {"team": SURROGATE}},
    {"restart_policy": "sometimes"},
    {"restart_policy": "on-failure:-1"},
    {"restart_policy": "always:3"},
    {"restart_policy": ""},
    {"entrypoint": ""},
    {"entrypoint": ["", "x"]},
    {"user": "a b"},
    {"workdir": "/proc/self/fd/8"},
    {"hostname": "a.b"},
    {"shm_size": "1k"},
    {"tmpfs": {"/": "1m"}},
    {"tmpfs": ["/a:exec"]},
    {"ulimits": {"nofile": 1 << 30}},
    {"stop_signal": "SIGFOO"},
    {"stop_timeout": 301},
    {"healthcheck": {"test": ["CMD"]}},
    {"extra_hosts": {"host": "host-gateway"}},
    {"dns": ["127.0.0.1"]},
    {"platform": "windows/amd64"},
    {"read_only": "yes"},
    {"tty": 1},
    {"volumes": ["/etc:/data"]},
    {"volumes": ["/var/run/docker.sock:/sock"]},
    {"volumes": ["./here:/data"]},
    {"volumes": ["../up:/data"]},
    {"volumes": ["~:/data"]},
    {"volumes": [VOLUME]},
    {"volumes": [f"{VOLUME}:relative"]},
    {"volumes": [f"{VOLUME}:/"]},
    {"volumes": [f"{VOLUME}://"]},
    {"volumes": [f"{VOLUME}:/./"]},
    {"volumes": [f"{VOLUME}:/a/../../b"]},
    {"volumes": [f"{VOLUME}:/data:exec"]},
    {"volumes": [":/data"]},
    {"volumes": [f"{VOLUME}:/data", "other:/data"]},
    {"volumes": {VOLUME: "/data"}},
    {"volumes": [f"{VOLUME}:/{SURROGATE}"]},
    {"pull": "sometimes"},
    {"pull": True},
    {"start": "yes"},
    {"start": 1},
    {"wait": -1},
    {"wait": 1e9},
    {"wait": float("nan")},
    {"wait": "long"},
]


@pytest.mark.parametrize("body", BAD_FIELDS, ids=short_json)
def test_a_bad_field_is_refused(
    service: Service, docker_client: docker.DockerClient, body: dict[str, Any]
) -> None:
    with nothing_changes(service, docker_client):
        answer = service.client.post(
            "/containers/create",
            content=json.dumps(body),  # with \\ud800, NaN and Infinity as Python writes them
            headers={"Content-Type": "application/json"},
        )
        problem = assert_problem(answer, 422, "invalid-request")
    assert docker_client.volumes.list(filters={"name": VOLUME}) == []
    field = next(iter(body))
    if field.isascii() and len(field) < 60:
        assert field in problem["detail"]


@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [
        (b"{", "application/json", 422),
        (b"nonsense", "application/json", 422),
        (b'{"name": "web",}', "application/json", 422),
        (b"\xff\xfe\x00", "application/json", None),
        (b"[" * 100_000, "application/json", None),
        (b'{"port": ' + b"9" * 5000 + b"}", "application/json", None),
        (b"[]", "application/json", 422),
        (b'"web"', "application/json", 422),
        (b"17", "application/json", 422),
        (b"true", "application/json", 422),
        (b'{"name": "web-no-type"}', None, 415),
        (b'{"name": "web-text"}', "text/plain", 415),
        (b"name=web-form", "application/x-www-form-urlencoded", 415),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_body_that_is_no_json_object_is_refused(
    service: Service,
    docker_client: docker.DockerClient,
    content: bytes,
    content_type: str | None,
    status: int | None,
) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    with nothing_changes(service, docker_client):
        answer = service.client.post("/containers/create", content=content, headers=headers)
    assert 400 <= answer.status_code < 500, answer.text
    problem = assert_problem(answer, status or answer.status_code, answer.json()["code"])
    if content_type is None or "json" not in content_type:
        assert "application/json" in problem["detail"]
    elif content[:1] in (b"{", b"n") and status:
        assert "JSON" in problem["detail"]


@pytest.mark.parametrize("body", [b"\xff\xfe", b'{"a":' * 100_000])
def test_a_body_that_cannot_be_read(service: Service, body: bytes) -> None:
    answer = service.client.post(
        "/containers/create", content=body[:60_000], headers={"Content-Type": "application/json"}
    )

    assert answer.status_code == 422
    assert answer.json()["code"] == "invalid-request"
    assert service.get("/ports")["ports"] == []


def test_all_that_is_wrong_is_named(service: Service) -> None:
    answer = service.client.post(
        "/containers/create", json={"name": "-", "memory": "lots", "what": 1}
    )
    problem = assert_problem(answer, 422, "invalid-request")
    assert {found["field"] for found in problem["errors"]} == {"name", "memory", "what"}
    assert all(found["message"] for found in problem["errors"])


def test_what_was_sent_is_not_repeated(service: Service) -> None:
    answer = service.client.post(
        "/containers/create", json={"env": {"PASSWORD": 12345, "TOKEN": ["hunter2"]}}
    )
    assert_problem(answer, 422, "invalid-request")
    assert "12345" not in answer.text
    assert "hunter2" not in answer.text
