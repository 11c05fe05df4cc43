"""The engine is the truth: what others do to it is seen, and so is what was just done here."""

from collections.abc import Callable
from typing import Any

import docker
import pytest
from docker.errors import APIError

from tests.conftest import Service, wait_until

from .support import (
    GRACEFUL,
    SLEEP,
    assert_problem,
    at_once,
    port_of,
    port_range,
    unique,
    wait_for_output,
)

pytestmark = pytest.mark.engine

# What an event's delay may be here; it is milliseconds, but the machine may be busy.
SEEN_WITHIN = 2.0


def port_state(service: Service, port: int) -> str:
    found: str = service.port_row(port)["state"]
    return found


def sees(service: Service, container: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """The container, once the service shows these fields."""

    def shown() -> Any:
        answer = service.client.get(f"/containers/{container['id']}")
        found = answer.json() if answer.status_code == 200 else {}
        return found if found.items() >= fields.items() else None

    found: dict[str, Any] = wait_until(shown, SEEN_WITHIN, f"{fields} of {container['name']}")
    return found


def test_docker_stop_and_start_are_seen(
    service: Service, docker_client: docker.DockerClient
) -> None:
    container = service.created(command=GRACEFUL)
    wait_for_output(docker_client, container["id"], "ready")
    docker_client.api.stop(container["id"])
    stopped = sees(service, container, state="exited", exit_code=7, ports={}, url=None)
    assert stopped["finished_at"] is not None
    wait_until(lambda: port_state(service, port_of(container)) == "remembered", SEEN_WITHIN)
    docker_client.api.start(container["id"])
    sees(service, container, state="running", exit_code=None, ports=container["ports"])
    wait_until(lambda: port_state(service, port_of(container)) == "in_use", SEEN_WITHIN)


def test_docker_kill_is_seen(service: Service, docker_client: docker.DockerClient) -> None:
    container = service.created(command=SLEEP)
    docker_client.api.kill(container["id"])
    sees(service, container, state="exited", exit_code=137)
    wait_until(lambda: port_state(service, port_of(container)) == "remembered", SEEN_WITHIN)


def test_the_end_of_a_program_is_seen(service: Service) -> None:
    container = service.created(command=["sh", "-c", "sleep 0.5; exit 4"])
    wait_until(lambda: service.get(f"/containers/{container['id']}")["exit_code"] == 4, 10)
    wait_until(lambda: port_state(service, port_of(container)) == "remembered", SEEN_WITHIN)


def test_docker_rm_is_seen(service: Service, docker_client: docker.DockerClient) -> None:
    container = service.created(command=SLEEP)
    docker_client.api.remove_container(container["id"], force=True)
    wait_until(
        lambda: service.client.get(f"/containers/{container['id']}").status_code == 404,
        SEEN_WITHIN,
    )
    wait_until(lambda: port_state(service, port_of(container)) == "free", SEEN_WITHIN)
    assert service.get("/containers", label=service.label) == []
    assert_problem(
        service.client.delete(f"/containers/{container['id']}"), 404, "container-not-found"
    )


def test_docker_restart_is_seen(service: Service, docker_client: docker.DockerClient) -> None:
    container = service.created(command=SLEEP)
    docker_client.api.restart(container["id"], timeout=0)
    wait_until(
        lambda: (
            (now := service.get(f"/containers/{container['id']}"))["state"] == "running"
            and now["started_at"] > container["started_at"]
        ),
        SEEN_WITHIN,
    )
    wait_until(lambda: port_state(service, port_of(container)) == "in_use", SEEN_WITHIN)


def test_docker_pause_and_unpause_are_seen(
    service: Service, docker_client: docker.DockerClient
) -> None:
    container = service.created(command=SLEEP)
    docker_client.api.pause(container["id"])
    sees(service, container, state="paused", status="paused", ports=container["ports"])
    assert port_state(service, port_of(container)) == "in_use"
    assert container["id"] not in [found["id"] for found in service.get("/containers/running")]
    docker_client.api.unpause(container["id"])
    sees(service, container, state="running")


def test_docker_rename_is_seen(service: Service, docker_client: docker.DockerClient) -> None:
    container = service.created(name=unique(), command=SLEEP)
    name = unique()
    docker_client.api.rename(container["id"], name)
    sees(service, container, name=name)
    assert service.get(f"/containers/{name}")["id"] == container["id"]
    assert service.client.get(f"/containers/{container['name']}").status_code == 404
    wait_until(lambda: service.port_row(port_of(container))["container_name"] == name, SEEN_WITHIN)
    successor = service.created(name=container["name"], start=False)
    assert service.get(f"/containers/{container['name']}")["id"] == successor["id"]


def test_docker_update_is_seen(service: Service, docker_client: docker.DockerClient) -> None:
    container = service.created(command=SLEEP, memory="128m")
    docker_client.api.update_container(container["id"], mem_limit="64m", memswap_limit="256m")
    sees(service, container, limits={"memory": 64 << 20, "cpus": 1.0, "pids": 512, "disk": None})


def test_a_container_of_somebody_else_is_shown(
    service: Service, docker_client: docker.DockerClient, run_outside: Callable[..., Any]
) -> None:
    port = port_range(service)[60]
    foreign = run_outside(command=SLEEP, name=unique(), ports={"5000/tcp": port})
    shown = {"id": foreign.id[:12], "name": foreign.name}
    found = sees(service, shown, state="running", managed=False, name=foreign.name)
    assert found["ports"] == {"5000/tcp": f"0.0.0.0:{port}"}
    listed = [entry["id"] for entry in service.get("/containers", managed="false")]
    assert found["id"] in listed
    wait_until(lambda: port_state(service, port) == "external", SEEN_WITHIN)
    foreign.remove(force=True)
    wait_until(lambda: service.client.get(f"/containers/{found['id']}").status_code == 404, 2)


def test_health_is_followed(
    service: Service, docker_client: docker.DockerClient, build_image: Callable[..., str]
) -> None:
    image = build_image(
        'HEALTHCHECK --interval=1s --start-period=1ms --retries=1 CMD ["test", "-e", "/tmp/well"]'
    )
    container = service.created(image=image, command=SLEEP)
    inside = docker_client.containers.get(container["id"])

    def engine_says(health: str) -> bool:
        state = docker_client.api.inspect_container(container["id"])["State"]
        return bool(state["Health"]["Status"] == health)

    assert container["health"] == "starting"
    wait_until(lambda: engine_says("unhealthy"), 20)
    sees(service, container, health="unhealthy")
    assert inside.exec_run(["touch", "/tmp/well"]).exit_code == 0
    wait_until(lambda: engine_says("healthy"), 20)
    sees(service, container, health="healthy")


def test_a_container_without_a_health_check_has_no_health(
    service: Service, build_image: Callable[..., str]
) -> None:
    container = service.created(image=build_image("HEALTHCHECK NONE"), command=SLEEP)
    assert container["health"] is None


def test_a_caller_reads_its_own_writes(
    service: Service, docker_client: docker.DockerClient
) -> None:
    """Each change is followed at once by every question about it; none shows the past."""

    def round_of_changes() -> None:
        container = service.created(command=SLEEP)
        path, port = f"/containers/{container['id']}", port_of(container)
        for _ in range(3):
            assert_seen(container["id"], "running", port, "in_use")
            assert service.client.post(f"{path}/stop?timeout=0").status_code == 200
            assert_seen(container["id"], "exited", port, "remembered")
            assert service.client.post(f"{path}/start").status_code == 200
        assert service.client.delete(f"{path}?force=true").status_code == 200
        assert service.client.get(path).status_code == 404
        assert container["id"] not in ids()
        assert port_state(service, port) != "in_use"

    def ids(**filters: str) -> list[str]:
        return [found["id"] for found in service.get("/containers", **filters)]

    def assert_seen(container: str, state: str, port: int, port_is: str) -> None:
        assert service.get(f"/containers/{container}")["state"] == state
        assert container in ids(state=state)
        assert (container in [found["id"] for found in service.get("/containers/running")]) == (
            state == "running"
        )
        row = service.port_row(port)
        assert (row["state"], row["container_id"]) == (port_is, container)
        assert row in service.get("/ports")["ports"]

    at_once([round_of_changes] * 4)


def test_the_same_container_changed_from_both_sides_ends_in_agreement(
    service: Service, docker_client: docker.DockerClient
) -> None:
    container = service.created(command=SLEEP)
    path = f"/containers/{container['id']}"

    def from_here() -> None:
        for verb in ("stop", "start", "restart") * 2:
            answer = service.client.post(f"{path}/{verb}?timeout=0")
            assert answer.status_code in (200, 409), answer.text

    restarted: list[bool] = []

    def from_outside() -> None:
        for _ in range(5):
            try:
                docker_client.api.restart(container["id"], timeout=0)
                restarted.append(True)
            except APIError as error:  # the engine refuses one that meets another change
                if not str(error.explanation).startswith("Cannot restart container"):
                    raise

    at_once([from_here, from_outside])
    assert restarted

    def agree() -> bool:
        theirs = docker_client.api.inspect_container(container["id"])["State"]["Status"]
        expected = "in_use" if theirs == "running" else "remembered"
        return bool(
            service.get(path)["state"] == theirs
            and port_state(service, port_of(container)) == expected
        )

    wait_until(agree, SEEN_WITHIN)


def test_health_counts_agree_with_the_engine(
    service: Service, docker_client: docker.DockerClient
) -> None:
    def agree() -> bool:
        states = [entry["State"] for entry in docker_client.api.containers(all=True)]
        shown = service.get("/health")["containers"]
        return bool(
            shown["total"] == len(states)
            and all(shown[state] == states.count(state) for state in ("running", "exited"))
        )

    service.created(command=SLEEP)
    service.created(start=False)
    wait_until(agree, 10)
