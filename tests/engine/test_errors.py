"""Every error of the contract: a problem document that helps, and nothing has changed."""

import json
import uuid
from collections.abc import Callable
from typing import Any

import docker
import httpx
import psutil
import pytest
from docker.errors import NotFound

from tests.conftest import Service, wait_until

from .support import (
    SLEEP,
    assert_problem,
    at_once,
    listening,
    nothing_changes,
    port_of,
    port_range,
)

pytestmark = pytest.mark.engine

# Nothing listens there, so a pull fails at once wherever the engine runs.
UNREACHABLE = "localhost:9/orchestration-test/none:1"
VERBS = ("start", "stop", "restart")


def unique() -> str:
    return f"test-{uuid.uuid4().hex[:12]}"


def ask(service: Service, verb: str, key: str) -> httpx.Response:
    """A mutation or `stats` of one container."""
    if verb == "delete":
        return service.client.delete(f"/containers/{key}")
    if verb == "get":
        return service.client.get(f"/containers/{key}")
    if verb == "stats":
        return service.client.get(f"/containers/{key}/stats")
    return service.client.post(f"/containers/{key}/{verb}")


# Bodies


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
    {"container_ports": ["5000-5010"]},
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


def _shown(body: Any) -> str:
    text = json.dumps(body)
    return text if len(text) <= 50 else f"{text[:44]}...{len(text)}"


@pytest.mark.parametrize("body", BAD_FIELDS, ids=_shown)
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


# What only the engine can refuse


@pytest.mark.parametrize("init", [True, False])
def test_a_command_that_does_not_exist_leaves_nothing(
    service: Service, docker_client: docker.DockerClient, init: bool
) -> None:
    name = unique()
    # A file that is not for running, a directory, and a name that no directory of PATH has.
    for command in (["/nope"], ["no-such-program"], ["/etc"], ["/etc/passwd"], ["./nope"], ["etc"]):
        with nothing_changes(service, docker_client):
            answer = service.create(name=name, command=command, init=init)
            problem = assert_problem(answer, 422, "start-refused")
        assert command[0] in problem["detail"]
    # The name is to be had.
    assert service.created(name=name, start=False)["name"] == name


@pytest.mark.parametrize("init", [True, False])
def test_a_failed_create_leaves_no_volume_of_its_own(
    named_volume: str, service: Service, docker_client: docker.DockerClient, init: bool
) -> None:
    volume = [f"{named_volume}:/data"]
    assert_problem(
        service.create(volumes=volume, command=["/nope"], init=init), 422, "start-refused"
    )
    with pytest.raises(NotFound):
        docker_client.volumes.get(named_volume)
    # One that was there before stays, in use or not.
    user = service.created(volumes=volume, start=False)
    assert_problem(
        service.create(volumes=volume, command=["/nope"], init=init), 422, "start-refused"
    )
    assert service.client.delete(f"/containers/{user['id']}").status_code == 200
    assert_problem(
        service.create(volumes=volume, command=["/nope"], init=init), 422, "start-refused"
    )
    assert docker_client.volumes.get(named_volume).name == named_volume


def test_more_cpus_than_there_are_is_refused(
    service: Service, docker_client: docker.DockerClient
) -> None:
    with nothing_changes(service, docker_client):
        answer = service.create(cpus=4000)
        assert_problem(answer, 422, "invalid-request")


def test_a_name_in_use_is_a_conflict(
    service: Service, docker_client: docker.DockerClient, run_outside: Callable[..., Any]
) -> None:
    ours = service.created(start=False)["name"]
    theirs = run_outside(command=SLEEP).name
    for name in (ours, theirs):
        with nothing_changes(service, docker_client):
            problem = assert_problem(service.create(name=name), 409, "name-in-use", name=name)
        assert name in problem["detail"]


@pytest.mark.parametrize(
    ("pull", "status", "code"),
    [("missing", 404, "image-not-found"), ("always", 503, "image-pull-failed")],
)
def test_a_pull_that_fails_is_explained(
    service: Service, docker_client: docker.DockerClient, pull: str, status: int, code: str
) -> None:
    with nothing_changes(service, docker_client):
        answer = service.create(image=UNREACHABLE, pull=pull)
        problem = assert_problem(answer, status, code, image=UNREACHABLE)
    assert UNREACHABLE in problem["detail"]
    assert "cannot reach its registry" in problem["detail"]


def test_an_image_that_is_there_need_not_be_in_a_registry_unless_it_must(
    service: Service, docker_client: docker.DockerClient, bare_image: str
) -> None:
    local = f"localhost:9/{bare_image}"
    docker_client.images.get(bare_image).tag(local)
    try:
        assert service.created(image=local, command=["/empty"], start=False)["image"] == local
        with nothing_changes(service, docker_client):
            answer = service.create(image=local, pull="always", start=False)
            assert_problem(answer, 503, "image-pull-failed", image=local)
    finally:
        docker_client.images.remove(local, force=True)


def test_a_missing_image_that_may_not_be_pulled_is_not_found(
    service: Service, docker_client: docker.DockerClient
) -> None:
    for image in (UNREACHABLE, "no-such-image", "base-api-server:no-such-tag"):
        with nothing_changes(service, docker_client):
            answer = service.create(image=image, pull="never")
            problem = assert_problem(answer, 404, "image-not-found", image=image)
        assert image in problem["detail"]


# Which container


@pytest.mark.parametrize("verb", ["get", "stats", "delete", *VERBS])
@pytest.mark.parametrize("key", ["no-such-container", "f" * 64, "x" * 5_120, "%20", "%ff", "é"])
def test_an_unknown_container_is_not_found(
    service: Service, docker_client: docker.DockerClient, verb: str, key: str
) -> None:
    with nothing_changes(service, docker_client):
        assert_problem(ask(service, verb, key), 404, "container-not-found")


def test_an_ambiguous_beginning_of_ids_is_a_conflict(
    service: Service, docker_client: docker.DockerClient
) -> None:
    # Sixteen hexadecimal digits, so two of seventeen begin with the same one.
    answers = at_once([lambda: service.created(start=False)] * 17)
    ids = [answer["id"] for answer in answers]
    digit = next(mine[0] for mine in ids if sum(other[0] == mine[0] for other in ids) > 1)
    for verb in ("get", "stats", "delete", *VERBS):
        with nothing_changes(service, docker_client):
            problem = assert_problem(ask(service, verb, digit), 409, "ambiguous-id")
        assert len(problem["matches"]) > 1
        assert all(match[0] == digit for match in problem["matches"])
        if len(problem["matches"]) < 20:
            assert {mine for mine in ids if mine[0] == digit} <= set(problem["matches"])


def test_a_container_is_found_by_name_id_and_beginning_of_its_id(
    service: Service, inspect: Callable[[str], dict[str, Any]]
) -> None:
    container = service.created(start=False)
    full_id = inspect(container["id"])["Id"]
    for key in (container["id"], full_id, full_id[:20], container["name"]):
        assert service.get(f"/containers/{key}") == container
    # A name goes before the beginning of an id.
    namesake = service.created(start=False, name=full_id[:8])
    assert service.get(f"/containers/{full_id[:8]}") == namesake
    # The beginning of a name is not enough.
    name = service.created(start=False, name=unique())["name"]
    assert_problem(service.client.get(f"/containers/{name[:-1]}"), 404, "container-not-found")


# Ports


def test_a_pinned_port_outside_the_range_is_refused(
    service: Service, docker_client: docker.DockerClient
) -> None:
    ports = port_range(service)
    for port in (1, 80, ports[0] - 1, ports[-1] + 1, service.port, 65_535):
        with nothing_changes(service, docker_client):
            problem = assert_problem(
                service.create(port=port),
                422,
                "port-out-of-range",
                port=port,
                first=ports[0],
                last=ports[-1],
            )
        assert f"{ports[0]}-{ports[-1]}" in problem["detail"]


def test_a_pinned_port_of_another_container_is_in_use(
    service: Service, docker_client: docker.DockerClient
) -> None:
    holder = service.created(command=SLEEP)
    port = port_of(holder)
    with nothing_changes(service, docker_client):
        problem = assert_problem(
            service.create(port=port),
            409,
            "port-in-use",
            port=port,
            container_id=holder["id"],
            container_name=holder["name"],
        )
    assert str(port) in problem["detail"]
    assert holder["name"] in problem["detail"]


def test_a_pinned_port_of_a_foreign_container_is_in_use(
    service: Service, docker_client: docker.DockerClient, run_outside: Callable[..., Any]
) -> None:
    port = port_range(service)[40]
    foreign = run_outside(command=SLEEP, ports={"5000/tcp": port})
    wait_until(lambda: service.port_row(port)["state"] == "external", 2)
    with nothing_changes(service, docker_client):
        problem = assert_problem(
            service.create(port=port), 409, "port-in-use", port=port, state="external"
        )
    assert foreign.name in problem["detail"]


def test_a_pinned_port_of_a_process_is_in_use(
    start_service: Callable[..., Service], docker_client: docker.DockerClient
) -> None:
    service = start_service()
    port = port_range(service)[5]
    with listening(port):
        # The first time the engine refuses; the second time the service knows.
        for _ in range(2):
            before = service.get("/containers", label=service.label)
            problem = assert_problem(service.create(port=port), 409, "port-in-use", port=port)
            assert service.get("/containers", label=service.label) == before == []
            assert not docker_client.api.containers(all=True, filters={"label": service.label})
            assert str(port) in problem["detail"]
            assert f'process "{psutil.Process().name()}"' in problem["detail"]


@pytest.mark.parametrize("port", [0, 1, 70_000, 10**20, -1])
def test_a_port_outside_the_range_is_not_found(service: Service, port: int) -> None:
    assert_problem(service.client.get(f"/ports/{port}"), 404, "port-not-found", port=port)


@pytest.mark.parametrize("port", ["abc", "1.5", "%20", "0x50"])
def test_a_port_that_is_no_number_is_refused(service: Service, port: str) -> None:
    assert_problem(service.client.get(f"/ports/{port}"), 422, "invalid-request")


# Parameters


@pytest.mark.parametrize(
    "parameters",
    [
        {"state": "flying"},
        {"managed": "perhaps"},
        {"nmae": "web"},
        {"name": "x" * 5_120},
        {"label": ["x"] * 30},
    ],
    ids=_shown,
)
def test_a_bad_filter_is_refused(service: Service, parameters: dict[str, Any]) -> None:
    answer = service.client.get("/containers", params=parameters)
    problem = assert_problem(answer, 422, "invalid-request")
    assert next(iter(parameters)) in problem["detail"]


@pytest.mark.parametrize("verb", ["stop", "restart", "delete"])
@pytest.mark.parametrize("seconds", ["-1", "301", "soon", "1.5", "1e1", ""])
def test_a_bad_timeout_is_refused(
    service: Service, docker_client: docker.DockerClient, verb: str, seconds: str
) -> None:
    container = service.created(start=False)
    path = f"/containers/{container['id']}"
    method, path = ("DELETE", path) if verb == "delete" else ("POST", f"{path}/{verb}")
    with nothing_changes(service, docker_client):
        answer = service.client.request(method, path, params={"timeout": seconds})
        problem = assert_problem(answer, 422, "invalid-request")
    assert "timeout" in problem["detail"]


def test_a_bad_force_is_refused(service: Service, docker_client: docker.DockerClient) -> None:
    container = service.created(start=False)
    with nothing_changes(service, docker_client):
        answer = service.client.delete(f"/containers/{container['id']}?force=perhaps")
        assert_problem(answer, 422, "invalid-request")


# States


def test_statistics_of_a_container_that_does_not_run_are_a_conflict(service: Service) -> None:
    created = service.created(start=False)
    stopped = service.created(command=SLEEP)
    assert service.client.post(f"/containers/{stopped['id']}/stop?timeout=0").status_code == 200
    for container in (created, stopped):
        problem = assert_problem(
            ask(service, "stats", container["name"]),
            409,
            "container-not-running",
            id=container["id"],
            name=container["name"],
        )
        assert container["name"] in problem["detail"]


def test_the_start_of_a_paused_container_is_a_conflict(
    service: Service, docker_client: docker.DockerClient
) -> None:
    container = service.created(command=SLEEP)
    docker_client.api.pause(container["id"])
    wait_until(lambda: service.get(f"/containers/{container['id']}")["state"] == "paused", 2)
    with nothing_changes(service, docker_client):
        problem = assert_problem(ask(service, "start", container["id"]), 409, "container-paused")
    assert container["name"] in problem["detail"]


@pytest.mark.parametrize("verb", [*VERBS, "delete"])
@pytest.mark.parametrize("state", ["running", "exited"])
def test_a_container_of_somebody_else_is_left_alone(
    service: Service,
    docker_client: docker.DockerClient,
    run_outside: Callable[..., Any],
    inspect: Callable[[str], dict[str, Any]],
    verb: str,
    state: str,
) -> None:
    port = port_range(service)[42]
    foreign = run_outside(command=SLEEP, ports={"5000/tcp": port})
    if state == "exited":
        foreign.kill()
    found = wait_until(
        lambda: next(
            (now for now in service.get("/containers", state=state) if now["name"] == foreign.name),
            None,
        ),
        2,
    )
    assert found["managed"] is False
    before = inspect(foreign.id)
    with nothing_changes(service, docker_client):
        problem = assert_problem(
            ask(service, verb, foreign.name),
            403,
            "not-managed",
            id=foreign.id[:12],
            name=foreign.name,
        )
    assert foreign.name in problem["detail"]
    after = inspect(foreign.id)
    assert after["State"] == before["State"]
    assert after["HostConfig"] == before["HostConfig"]


def test_the_operator_may_allow_it(
    start_service: Callable[..., Service], run_outside: Callable[..., Any]
) -> None:
    service = start_service(ALLOW_UNMANAGED="true")
    port = port_range(service)[3]
    foreign = run_outside(command=SLEEP, ports={"5000/tcp": port})
    wait_until(lambda: service.port_row(port)["state"] == "external", 2)
    stopped = service.client.post(f"/containers/{foreign.name}/stop?timeout=0")
    assert (stopped.status_code, stopped.json()["state"]) == (200, "exited")
    assert service.port_row(port)["state"] == "free"
    started = service.client.post(f"/containers/{foreign.name}/start")
    assert (started.status_code, port_of(started.json())) == (200, port)
    assert service.port_row(port)["state"] == "external"
    assert service.client.delete(f"/containers/{foreign.name}?force=true").status_code == 200
    assert service.port_row(port)["state"] == "free"


# Ports exhausted


def test_a_full_range_is_said_to_be_full(
    start_service: Callable[..., Service], docker_client: docker.DockerClient
) -> None:
    service = start_service(ports=3)
    for _ in range(3):
        service.created(command=SLEEP)
    with nothing_changes(service, docker_client):
        answer = service.create(name=unique())
        problem = assert_problem(
            answer, 503, "ports-exhausted", total=3, available=0, in_use=3, wanted=1
        )
    assert int(answer.headers["retry-after"]) > 0
    assert "PORT_RANGE" in problem["detail"]


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/containers/anything", "DELETE, GET"),
        ("/containers/create", "POST"),
        ("/containers/running", "GET"),
        ("/containers/stats", "GET"),
    ],
)
def test_a_method_that_a_path_does_not_have(service: Service, path: str, allowed: str) -> None:
    answer = service.client.options(path)

    assert answer.status_code == 405
    assert answer.headers["Allow"] == allowed
    assert answer.json()["code"] == "method-not-allowed"


@pytest.mark.parametrize("body", [b"\xff\xfe", b'{"a":' * 100_000])
def test_a_body_that_cannot_be_read(service: Service, body: bytes) -> None:
    answer = service.client.post(
        "/containers/create", content=body[:60_000], headers={"Content-Type": "application/json"}
    )

    assert answer.status_code == 422
    assert answer.json()["code"] == "invalid-request"
    assert service.get("/ports")["ports"] == []
