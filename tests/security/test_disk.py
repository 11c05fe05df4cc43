"""What containers write: limited where the engine can, counted, and refused when it is too much."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import docker
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import Service, wait_until
from tests.engine.support import (
    SLEEP,
    act,
    ask,
    assert_problem,
    listening,
    nothing_changes,
    port_of,
    unique,
)
from tests.faults.private_engine import PrivateEngine, own_network, told_to_end, why_not

pytestmark = pytest.mark.engine

MIB = 1024 * 1024
Start = Callable[..., Service]


def write(client: docker.DockerClient, container: str, megabytes: int) -> None:
    """Has a container write a file to its own file system."""
    code, output = client.containers.get(container).exec_run(
        ["dd", "if=/dev/zero", f"of=/tmp/{unique()}", "bs=1M", f"count={megabytes}"]
    )
    assert code == 0, output


def written(service: Service, container: str) -> int:
    found: int = service.get(f"/containers/{container}", size=True)["written_bytes"]
    return found


def limits_disk(client: docker.DockerClient) -> bool:
    return client.info()["Driver"] in ("btrfs", "zfs")


def test_what_a_container_has_written_is_told_to_who_asks(
    service: Service, docker_client: docker.DockerClient
) -> None:
    container = service.created(command=SLEEP, memory="64m")
    assert container["written_bytes"] is None
    assert written(service, container["id"]) < MIB
    write(docker_client, container["id"], 200)  # three times its memory
    assert 200 * MIB <= written(service, container["name"]) < 202 * MIB
    assert service.get(f"/containers/{container['id']}")["written_bytes"] is None
    act(service, container["id"], "stop", timeout=0)
    assert written(service, container["id"]) >= 200 * MIB


def test_what_others_have_written_is_their_business(
    service: Service, start_service: Start, run_outside: Callable[..., Any]
) -> None:
    other = run_outside(command=SLEEP)
    wait_until(lambda: ask(service, other.id, "get").status_code == 200)
    assert_problem(ask(service, other.id, "get", size=True), 403, "not-managed")
    assert isinstance(written(start_service(ALLOW_UNMANAGED="read"), other.id), int)


def test_what_was_written_before_a_move_counts(
    start_service: Start, docker_client: docker.DockerClient
) -> None:
    service = start_service()
    container = service.created(command=SLEEP)
    write(docker_client, container["id"], 20)
    act(service, container["id"], "stop", timeout=0)
    with listening(port_of(container)):
        moved = act(service, container["id"], "start")
    assert moved["port_changed"]
    assert 20 * MIB <= written(service, moved["id"]) < 22 * MIB
    write(docker_client, moved["id"], 3)
    assert 23 * MIB <= written(service, moved["id"]) < 25 * MIB


def test_a_limit_that_would_not_be_held_is_refused_and_a_default_left_out(
    start_service: Start, docker_client: docker.DockerClient
) -> None:
    if limits_disk(docker_client):
        pytest.skip("this engine's storage can limit what a container writes")
    service = start_service(DEFAULT_DISK="1g", MAX_DISK="2g")
    with nothing_changes(service, docker_client):
        for disk in ("16m", 2**30, "1t"):
            problem = assert_problem(service.create(disk=disk), 422, "disk-limit-unsupported")
            assert "`disk`" in problem["detail"]
    assert service.created(start=False)["limits"]["disk"] is None
    # One whose storage does not tell warns when it was asked for a limit.
    warnings = service.get("/health")["warnings"]
    assert any("DEFAULT_DISK and MAX_DISK are not held" in each for each in warnings)


def test_what_all_have_written_is_a_quota(
    start_service: Start, docker_client: docker.DockerClient
) -> None:
    service = start_service(TOTAL_DISK="300m", DISK_INTERVAL="1")
    container = service.created(command=SLEEP)
    write(docker_client, container["id"], 300)

    def refused() -> bool:
        return service.create(start=False).status_code == 403

    wait_until(refused, 20, "it has been counted")
    problem = assert_problem(
        service.create(start=False), 403, "quota-exceeded", resource="disk", allowed=300 * MIB
    )
    assert problem["used"] >= 300 * MIB
    # What is there goes on, and removing it makes room at once.
    act(service, container["id"], "restart", timeout=0)
    act(service, container["id"], "delete", force=True)
    after = service.create(start=False)
    others = after.json()["used"] if after.status_code == 403 else 0  # other services' containers
    assert others <= problem["used"] - 300 * MIB


def test_metrics_tell_what_containers_have_written(
    start_service: Start, docker_client: docker.DockerClient
) -> None:
    service = start_service(DISK_INTERVAL="1")
    container = service.created(command=SLEEP)
    write(docker_client, container["id"], 10)

    def told() -> float | None:
        families = text_string_to_metric_families(service.client.get("/metrics").text)
        for family in families:
            for sample in family.samples:
                is_it = sample.labels.get("name") == container["name"]
                if is_it and sample.name == "container_fs_usage_bytes":
                    return sample.value
        return None

    assert told() is None  # nobody had asked
    wait_until(lambda: (told() or 0) >= 10 * MIB, 20, "it has been counted")


def test_a_disk_that_is_nearly_full_takes_no_container(
    start_service: Start, docker_client: docker.DockerClient
) -> None:
    service = start_service(MIN_FREE_DISK="16t")
    if service.get("/health")["warnings"]:
        pytest.skip("the engine's disk cannot be seen from here")
    with nothing_changes(service, docker_client):
        answer = service.create()
        problem = assert_problem(answer, 507, "disk-low", least=16 * 2**40)
        assert problem["free"] < problem["least"]
        assert int(answer.headers["Retry-After"]) > 0
    start_service(MIN_FREE_DISK="1m").created(start=False)


def test_of_an_engine_that_is_away_nothing_is_said(start_service: Start) -> None:
    service = start_service(MIN_FREE_DISK="16t", DOCKER_HOST="tcp://127.0.0.1:9")
    answer = service.client.get("/health")
    assert (answer.status_code, answer.json()["warnings"]) == (503, [])


@contextmanager
def engine_on(kind: str, tmp_path: Path) -> Iterator[PrivateEngine]:
    """An engine with its data on a file system of this kind."""
    reason = why_not()
    if reason is None and shutil.which(f"mkfs.{kind}") is None:
        reason = f"mkfs.{kind} is not installed"
    elif reason is None and f"\t{kind}\n" not in Path("/proc/filesystems").read_text():
        reason = f"the kernel knows no {kind}"
    if reason:
        pytest.skip(reason)
    image = tmp_path / "disk"
    with image.open("wb") as file:
        os.truncate(file.fileno(), 800 * MIB)
    subprocess.run([f"mkfs.{kind}", "-q", image], check=True, capture_output=True)
    with own_network(), told_to_end():
        engine = PrivateEngine()
        try:
            subprocess.run(["mount", "-o", "loop", image, engine.data], check=True)
            engine.start()
            engine.load_image()
            yield engine
        finally:
            engine.remove()


def fill(engine: PrivateEngine, container: str, megabytes: int) -> None:
    """Has a container write with nothing but a shell, as far as it can."""
    script = "s=0123456789abcdef; for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do s=$s$s; done"
    script += f"; i=0; while [ $i -lt {megabytes} ]; do echo $s || exit; i=$((i+1)); done > /f"
    body = {"Cmd": ["sh", "-c", script]}
    command = engine.call("POST", f"/containers/{container}/exec", body=body)["Id"]
    engine.call("POST", f"/exec/{command}/start", body={"Detach": True})
    wait_until(lambda: not engine.call("GET", f"/exec/{command}/json")["Running"], 60)


@contextmanager
def service_on(engine: PrivateEngine, tmp_path: Path) -> Iterator[Service]:
    settings = {"DOCKER_HOST": engine.address, "DEFAULT_DISK": "16m", "MAX_DISK": "64m"}
    service = Service(tmp_path, settings | {"PORT_RANGE": "8001-8999"})
    service.start()
    try:
        wait_until(lambda: service.client.get("/health").status_code == 200)
        yield service
    finally:
        service.stop()
        service.client.close()


def test_storage_that_tells_nothing_is_asked_and_a_default_left_out(tmp_path: Path) -> None:
    """XFS may have been mounted with pquota or, as here, without."""
    with engine_on("xfs", tmp_path) as engine, service_on(engine, tmp_path) as service:
        assert service.get("/health")["warnings"] == []
        assert service.created()["limits"]["disk"] is None
        assert "overlay2 on xfs" in service.get("/health")["warnings"][0]
        assert_problem(service.create(disk="16m"), 422, "disk-limit-unsupported")
        assert len(engine.containers()) == 1


def test_a_limit_holds_where_the_storage_can_after_a_move_too(tmp_path: Path) -> None:
    with engine_on("btrfs", tmp_path) as engine, service_on(engine, tmp_path) as service:
        assert service.get("/health")["warnings"] == []
        container = service.created()
        assert container["limits"]["disk"] == 16 * MIB
        fill(engine, container["id"], 40)
        assert 8 * MIB < written(service, container["id"]) <= 16 * MIB
        assert_problem(service.create(disk="65m"), 403, "over-limit", resource="disk")
        larger = service.created(disk="48m")
        fill(engine, larger["id"], 40)
        assert written(service, larger["id"]) >= 40 * MIB
        act(service, container["id"], "stop", timeout=0)
        act(service, larger["id"], "stop", timeout=0)
        with listening(port_of(container)), listening(port_of(larger)):
            moved = act(service, larger["id"], "start")
            assert moved["port_changed"]
            assert moved["limits"]["disk"] == 48 * MIB
            # On btrfs, what it has written is in its image by then, which counts as well.
            assert_problem(ask(service, container["id"], "start"), 422, "start-refused")
        assert service.get(f"/containers/{container['id']}")["state"] == "exited"
