"""POST /containers/create: what a caller gets, and what the engine then really has."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import docker
import pytest

from tests.conftest import IMAGE, Service, wait_until

from .support import GRACEFUL, SLEEP, at_once, fetch, port_of, port_range, unique, wait_for_output

pytestmark = pytest.mark.engine

Inspect = Callable[[str], dict[str, Any]]

CONTAINER_FIELDS = {
    "id", "name", "status", "image", "ports", "created", "state", "health", "started_at",
    "finished_at", "exit_code", "reason", "oom_killed", "restart_count", "labels", "env",
    "managed", "url", "host", "port", "limits", "written_bytes", "port_changed", "previous_ports",
    "previous_id",
}  # fmt: skip
RFC3339_UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def bindings(details: dict[str, Any]) -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = details["HostConfig"]["PortBindings"]
    return found


def test_a_container_is_cloned_and_answers_on_its_port(service: Service, inspect: Inspect) -> None:
    name = unique()
    answer = service.create(name=name)
    assert answer.status_code == 201, answer.text
    container = answer.json()
    details = inspect(container["id"])
    port = port_of(container)

    assert container.keys() == CONTAINER_FIELDS
    assert details["Id"][:12] == container["id"]
    assert re.fullmatch(r"[0-9a-f]{12}", container["id"])
    assert answer.headers["location"] == f"/containers/{container['id']}"
    assert container["name"] == name
    assert details["Name"] == f"/{name}"
    assert container["status"] == container["state"] == "running"
    assert container["image"] == IMAGE
    assert container["ports"] == {"5000/tcp": f"0.0.0.0:{port}"}
    assert port in port_range(service)
    assert container["url"] == f"http://127.0.0.1:{port}"  # as the service is called
    assert (container["host"], container["port"]) == ("127.0.0.1", port)
    assert container["managed"] is True
    assert container["health"] == "starting"
    assert container["limits"] == {
        "memory": 512 * 1024 * 1024,
        "cpus": 1.0,
        "pids": 512,
        "disk": None,
    }
    assert container["finished_at"] is None
    assert container["exit_code"] is None
    for field in ("created", "started_at"):
        assert RFC3339_UTC.fullmatch(container[field])
        age = datetime.now(UTC) - datetime.fromisoformat(container[field])
        assert timedelta(seconds=-5) < age < timedelta(minutes=5)

    health = fetch(port)
    assert health.status_code == 200
    assert health.json()["status"] == "healthy"
    assert health.json()["hostname"] == container["id"]


def test_the_answer_is_what_get_says_afterwards(service: Service) -> None:
    answer = service.create(command=SLEEP)
    container = answer.json()
    by_location = service.get(answer.headers["location"])
    assert by_location == container
    assert service.get(f"/containers/{container['name']}") == container
    listed = service.get("/containers", label=service.label)
    assert listed == [container]
    assert container in service.get("/containers/running")
    assert service.port_row(port_of(container)) == {
        "port": port_of(container),
        "state": "in_use",
        "container_id": container["id"],
        "container_name": container["name"],
        "container_port": "5000/tcp",
        "since": container["started_at"],
        "held_by": None,
    }


@pytest.mark.parametrize("body", [{}, None, "none"])
def test_nothing_needs_to_be_said(
    start_service: Callable[..., Service], body: dict[str, Any] | str | None
) -> None:
    service = start_service(ports=3)
    arguments = {} if body == "none" else {"json": body}
    answer = service.client.post("/containers/create", **arguments)  # type: ignore[arg-type]
    assert answer.status_code == 201, answer.text
    assert answer.json()["image"] == IMAGE
    assert answer.json()["name"]
    assert port_of(answer.json()) == port_range(service)[0]


def test_env_is_seen_by_the_container(
    service: Service, inspect: Inspect, docker_client: docker.DockerClient
) -> None:
    env = {"GREETING": "hällo wörld = 1", "EMPTY": "", "MULTI": "a\nb", "lower": '"quoted"'}
    code = "import json, os; print(json.dumps(dict(os.environ)), flush=True)"
    container = service.created(env=env, command=["python3", "-c", code])
    wait_for_output(docker_client, container["id"], "}")
    seen = json.loads(docker_client.api.logs(container["id"]))
    assert {name: seen.get(name) for name in env} == env
    assert "GREETING=hällo wörld = 1" in inspect(container["id"])["Config"]["Env"]


def test_a_command_as_a_list_is_taken_word_by_word(service: Service, inspect: Inspect) -> None:
    command = ["sh", "-c", "exec sleep 300 # $HOME 'and more'"]
    container = service.created(command=command)
    assert inspect(container["id"])["Config"]["Cmd"] == command


def test_a_command_as_a_string_is_split_as_a_shell_would(
    service: Service, inspect: Inspect
) -> None:
    container = service.created(command="sh -c 'exec sleep 300' \"$HOME\"")
    assert inspect(container["id"])["Config"]["Cmd"] == ["sh", "-c", "exec sleep 300", "$HOME"]


def test_labels_are_kept_and_found(service: Service, inspect: Inspect) -> None:
    team = unique("team")
    container = service.created(command=SLEEP, labels={"team": team, "empty": ""})
    other = service.created(command=SLEEP)
    for labels in (container["labels"], inspect(container["id"])["Config"]["Labels"]):
        assert labels["team"] == team
        assert labels["empty"] == ""
        assert labels["orchestration-api.managed"] == "true"
    port = port_of(container)
    assert container["labels"]["orchestration-api.ports"] == str(port)

    def ids(**filters: Any) -> list[str]:
        return [found["id"] for found in service.get("/containers", **filters)]

    assert ids(label=f"team={team}") == [container["id"]]
    assert ids(label=["team", service.label]) == [container["id"]]
    assert ids(label="team=another-one") == []
    assert ids(label=service.label) == [other["id"], container["id"]]
    assert ids(label=service.label, name=container["name"]) == [container["id"]]
    assert ids(label=service.label, managed="false") == []


def test_lists_can_be_filtered_by_state(service: Service) -> None:
    running = service.created(command=SLEEP)
    created = service.created(command=SLEEP, start=False)
    exited = service.created(command=SLEEP)
    assert service.client.post(f"/containers/{exited['id']}/stop?timeout=0").status_code == 200

    def ids(path: str = "/containers", **filters: Any) -> list[str]:
        if path == "/containers":
            filters["label"] = service.label
        mine = {running["id"], created["id"], exited["id"]}
        return [found["id"] for found in service.get(path, **filters) if found["id"] in mine]

    assert ids() == [exited["id"], created["id"], running["id"]]
    assert ids(state="running") == [running["id"]]
    assert ids(state="created") == [created["id"]]
    assert ids(state="exited") == [exited["id"]]
    assert ids("/containers/running") == [running["id"]]


@pytest.mark.parametrize(
    ("memory", "size"),
    [
        ("256m", 256 << 20),
        ("1g", 1 << 30),
        ("1.5G", 3 << 29),
        ("64MiB", 64 << 20),
        ("67108864", 64 << 20),
        (67108864, 64 << 20),
    ],
)
def test_memory_is_limited(
    service: Service, inspect: Inspect, memory: str | int, size: int
) -> None:
    container = service.created(memory=memory, start=False)
    assert container["limits"]["memory"] == size
    assert inspect(container["id"])["HostConfig"]["Memory"] == size


def test_cpus_and_pids_are_limited(service: Service, inspect: Inspect) -> None:
    container = service.created(cpus=0.5, pids=64, command=SLEEP)
    assert container["limits"] == {"memory": 512 << 20, "cpus": 0.5, "pids": 64, "disk": None}
    host = inspect(container["id"])["HostConfig"]
    assert host["NanoCpus"] == 500_000_000
    assert host["PidsLimit"] == 64


@pytest.mark.parametrize(
    ("policy", "name", "retries"),
    [
        ("no", "no", 0),
        ("always", "always", 0),
        ("unless-stopped", "unless-stopped", 0),
        ("on-failure", "on-failure", 0),
        ("on-failure:3", "on-failure", 3),
    ],
)
def test_the_restart_policy_is_set(
    service: Service, inspect: Inspect, policy: str, name: str, retries: int
) -> None:
    container = service.created(restart_policy=policy, start=False)
    expected = {"Name": name, "MaximumRetryCount": retries}
    assert inspect(container["id"])["HostConfig"]["RestartPolicy"] == expected


def test_a_named_volume_outlives_its_container(
    named_volume: str, service: Service, docker_client: docker.DockerClient
) -> None:
    writer = service.created(volumes=[f"{named_volume}:/data"], command=SLEEP)
    write = ["sh", "-c", "echo kept > /data/file"]
    assert docker_client.containers.get(writer["id"]).exec_run(write, user="0").exit_code == 0
    assert service.client.delete(f"/containers/{writer['id']}?force=true").status_code == 200
    reader = service.created(volumes=[f"{named_volume}:/data:ro"], command=SLEEP)
    target = docker_client.containers.get(reader["id"])
    assert target.exec_run(["cat", "/data/file"]).output == b"kept\n"
    assert target.exec_run(write, user="0").exit_code != 0


def test_every_container_port_gets_a_port(service: Service, inspect: Inspect) -> None:
    container = service.created(container_ports=[5000, "5001/tcp", "53/udp"], command=SLEEP)
    assert container["ports"].keys() == {"5000/tcp", "5001/tcp", "53/udp"}
    ports = [port_of(container, key) for key in ("5000/tcp", "5001/tcp", "53/udp")]
    assert len(set(ports)) == 3
    assert set(ports) <= set(port_range(service))
    assert container["labels"]["orchestration-api.ports"] == ",".join(map(str, ports))
    assert bindings(inspect(container["id"])) == {
        key: [{"HostIp": "", "HostPort": str(port)}]
        for key, port in zip(("5000/tcp", "5001/tcp", "53/udp"), ports, strict=True)
    }
    for key, port in zip(("5000/tcp", "5001/tcp", "53/udp"), ports, strict=True):
        row = service.port_row(port)
        assert (row["state"], row["container_port"]) == ("in_use", key)


def test_the_ports_that_the_image_exposes_are_the_default(
    service: Service, build_image: Callable[..., str], bare_image: str
) -> None:
    exposing = build_image("EXPOSE 6000/udp 4000", "VOLUME /data")
    container = service.created(image=exposing, command=SLEEP)
    assert container["ports"].keys() == {"4000/tcp", "5000/tcp", "6000/udp"}
    silent = service.created(image=bare_image, command=["/empty"], start=False)
    assert silent["image"] == bare_image
    rows = [row for row in service.get("/ports")["ports"] if row["container_id"] == silent["id"]]
    assert [row["container_port"] for row in rows] == ["5000/tcp"]


def test_a_pinned_port_is_given(service: Service) -> None:
    pinned = port_range(service)[-2]
    container = service.created(port=pinned)
    assert container["ports"] == {"5000/tcp": f"0.0.0.0:{pinned}"}
    assert fetch(pinned).status_code == 200


def test_a_pinned_port_is_the_first_container_ports(service: Service) -> None:
    pinned = port_range(service)[-3]
    container = service.created(port=pinned, container_ports=["7000/udp", 5000], command=SLEEP)
    assert port_of(container, "7000/udp") == pinned
    assert port_of(container, "5000/tcp") != pinned


def test_without_start_it_is_created_only(service: Service, inspect: Inspect) -> None:
    container = service.created(start=False)
    assert container["status"] == container["state"] == "created"
    assert container["ports"] == {}
    assert container["url"] is None
    assert container["started_at"] is None
    assert container["exit_code"] is None
    details = inspect(container["id"])
    assert details["State"]["Status"] == "created"
    [[binding]] = bindings(details).values()
    assert service.port_row(int(binding["HostPort"]))["state"] == "remembered"

    started = service.client.post(f"/containers/{container['id']}/start")
    assert started.status_code == 200
    assert started.json()["status"] == "running"
    assert port_of(started.json()) == int(binding["HostPort"])
    assert fetch(port_of(started.json())).status_code == 200


def test_pull_never_uses_what_is_there(service: Service) -> None:
    assert service.created(pull="never", start=False)["image"] == IMAGE
    assert service.created(pull="missing", image=IMAGE, start=False)["image"] == IMAGE


def test_wait_answers_when_the_container_is_healthy(
    service: Service, build_image: Callable[..., str]
) -> None:
    image = build_image('HEALTHCHECK --interval=1s --start-period=1ms CMD ["true"]')
    container = service.created(image=image, command=SLEEP, wait=30)
    assert (container["health"], container["status"]) == ("healthy", "running")


def test_wait_answers_when_the_container_is_unhealthy(
    service: Service, build_image: Callable[..., str]
) -> None:
    image = build_image('HEALTHCHECK --interval=1s --start-period=1ms --retries=1 CMD ["false"]')
    container = service.created(image=image, command=SLEEP, wait=30)
    assert (container["health"], container["status"]) == ("unhealthy", "running")


def test_wait_ends_with_the_container(service: Service, build_image: Callable[..., str]) -> None:
    image = build_image("HEALTHCHECK --interval=30s CMD true")
    container = service.created(image=image, command=["sh", "-c", "sleep 1; exit 3"], wait=20)
    assert (container["status"], container["exit_code"]) == ("exited", 3)
    assert container["ports"] == {}


def test_wait_ends_after_its_seconds(service: Service, build_image: Callable[..., str]) -> None:
    image = build_image("HEALTHCHECK --interval=30s CMD true")
    container = service.created(image=image, command=SLEEP, wait=0.5)
    assert (container["health"], container["status"]) == ("starting", "running")


def test_a_container_that_ends_at_once_is_created_nevertheless(service: Service) -> None:
    container = service.created(command=["false"], wait=10)
    found = service.get(f"/containers/{container['id']}")
    assert found["name"] == container["name"]
    ended = wait_until(
        lambda: (now := service.get(f"/containers/{container['id']}"))["state"] == "exited" and now
    )
    assert ended["exit_code"] == 1
    assert ended["ports"] == {}


def test_settings_change_the_defaults(
    start_service: Callable[..., Service], build_image: Callable[..., str], inspect: Inspect
) -> None:
    image = build_image("EXPOSE 4000")
    service = start_service(DEFAULT_IMAGE=image, DEFAULT_MEMORY="128m", PUBLISH_ADDRESS="127.0.0.1")
    container = service.created(container_ports=[5000])
    port = port_range(service)[0]
    assert container["image"] == image
    assert container["limits"]["memory"] == 128 << 20
    assert container["ports"] == {"5000/tcp": f"127.0.0.1:{port}"}
    assert container["url"] == f"http://127.0.0.1:{port}"
    assert bindings(inspect(container["id"]))["5000/tcp"][0]["HostIp"] == "127.0.0.1"
    assert fetch(port).status_code == 200


def test_nothing_of_the_host_is_given_to_a_container(service: Service, inspect: Inspect) -> None:
    container = service.created(command=GRACEFUL)
    host = inspect(container["id"])["HostConfig"]
    assert host["Privileged"] is False
    assert not host["Binds"]
    assert not host["CapAdd"]
    assert not host["Devices"]
    assert host["NetworkMode"].startswith("orchestration-api-"), "never the default bridge"
    assert host["PidMode"] == ""
    assert host["IpcMode"] in ("private", "shareable", "")


def test_names_made_at_the_same_time_are_given_once(service: Service) -> None:
    name = unique("race")
    answers = at_once([lambda: service.create(name=name, command=SLEEP)] * 6)
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [201, 409, 409, 409, 409, 409]
    for answer in answers:
        if answer.status_code == 409:
            assert answer.json()["code"] == "name-in-use"
    listed = service.get("/containers", label=service.label)
    assert [found["name"] for found in listed] == [name]
    table = service.get("/ports")
    assert (table["in_use"], table["reserved"], table["remembered"]) == (1, 0, 0)
