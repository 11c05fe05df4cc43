"""What containers and the host use, measured against what they are known to do."""

import re
import time
from collections.abc import Callable
from typing import Any, TypeVar

import docker
import httpx
import psutil
import pytest

from tests.conftest import Service, wait_until

from .support import BUSY, SLEEP, at_once, fetch, port_of

pytestmark = pytest.mark.engine

T = TypeVar("T")

MIB = 1024 * 1024
FIELDS = {
    "container_id", "name", "cpu_percent", "memory_usage", "memory_limit", "memory_percent",
    "network_rx", "network_tx", "timestamp", "cpu_percent_of_host", "memory_usage_bytes",
    "memory_limit_bytes", "memory_cache_bytes", "network_rx_bytes", "network_tx_bytes",
    "block_read_bytes", "block_write_bytes", "pids", "sampled_at", "interval_s", "source",
}  # fmt: skip


def stats(service: Service, container: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = service.get(f"/containers/{container['id']}/stats")
    return found


def as_text(size: int) -> str:
    return f"{size / MIB:.2f} MB"


def test_the_answer_has_every_field_and_its_texts_agree_with_its_numbers(service: Service) -> None:
    container = service.created(memory="256m")
    fetch(port_of(container))
    found = stats(service, container)
    assert found.keys() >= FIELDS
    assert found["container_id"] == container["id"]
    assert found["name"] == container["name"]
    assert found["memory_limit_bytes"] == 256 * MIB
    assert found["memory_limit"] == "256.00 MB"
    for name in ("memory_usage", "memory_limit", "network_rx", "network_tx"):
        assert found[name] == as_text(found[f"{name}_bytes"])
        assert re.fullmatch(r"\d+\.\d\d MB", found[name])
    percent = 100 * found["memory_usage_bytes"] / found["memory_limit_bytes"]
    assert found["memory_percent"] == pytest.approx(percent, abs=0.01)
    assert found["cpu_percent_of_host"] == pytest.approx(
        found["cpu_percent"] / psutil.cpu_count(), abs=0.1
    )
    assert 5 * MIB < found["memory_usage_bytes"] < 256 * MIB
    assert found["pids"] >= 1
    assert abs(found["timestamp"] - time.time()) < 30
    assert found["sampled_at"].endswith("Z")
    assert found["interval_s"] > 0


def cpu_seconds(client: docker.DockerClient, container: dict[str, Any]) -> float:
    """CPU time that the container's only process has had, as the kernel tells this process."""
    process = psutil.Process(client.api.inspect_container(container["id"])["State"]["Pid"])
    times = process.cpu_times()
    return times.user + times.system


def share_of_a_core(
    client: docker.DockerClient, container: dict[str, Any], ask: Callable[[], T]
) -> tuple[T, float]:
    """What `ask` returns, and the percentage of a core that the container had meanwhile: near 100
    for a busy one, less where other programs of the machine want the cores too.
    """
    begun, before = time.monotonic(), cpu_seconds(client, container)
    answer = ask()
    spent = cpu_seconds(client, container) - before
    return answer, 100 * spent / (time.monotonic() - begun)


def test_a_busy_core_is_seen_on_the_first_call(
    service: Service, docker_client: docker.DockerClient
) -> None:
    container = service.created(command=BUSY)
    found, share = share_of_a_core(docker_client, container, lambda: stats(service, container))
    assert 10 < found["cpu_percent"] < 140
    assert found["cpu_percent"] == pytest.approx(share, abs=40)


def test_a_limited_core_is_seen_as_limited(service: Service) -> None:
    container = service.created(command=BUSY, cpus=0.3)
    stats(service, container)
    time.sleep(1)  # the limit holds over periods of 100 ms
    assert 5 < stats(service, container)["cpu_percent"] < 60


def test_an_idle_container_is_idle(service: Service) -> None:
    container = service.created(command=SLEEP)
    assert 0 <= stats(service, container)["cpu_percent"] < 10


def test_the_page_cache_is_no_usage(service: Service, docker_client: docker.DockerClient) -> None:
    container = service.created(command=SLEEP, memory="512m")
    write = "dd if=/dev/zero of=/tmp/big bs=1M count=100 conv=fsync && cat /tmp/big > /dev/null"
    inside = docker_client.containers.get(container["id"])
    assert inside.exec_run(["sh", "-c", write]).exit_code == 0

    raw = docker_client.api.stats(container["id"], stream=False)["memory_stats"]
    assert raw["usage"] > 90 * MIB, "the file is in the page cache"
    found = stats(service, container)
    assert found["memory_usage_bytes"] < 50 * MIB
    assert found["memory_cache_bytes"] > 50 * MIB
    assert found["block_write_bytes"] is None or found["block_write_bytes"] >= 0


def test_memory_of_a_program_is_usage(service: Service, docker_client: docker.DockerClient) -> None:
    hold = "import time; held = bytearray(b'x') * (100 << 20); print('held', flush=True)"
    container = service.created(
        command=["python3", "-c", f"{hold}; time.sleep(300)"], memory="512m"
    )
    wait_until(lambda: b"held" in docker_client.api.logs(container["id"]), 20)
    found = stats(service, container)
    assert 95 * MIB < found["memory_usage_bytes"] < 160 * MIB
    assert 18 < found["memory_percent"] < 32


def test_traffic_is_counted(service: Service) -> None:
    container = service.created()
    port = port_of(container)
    fetch(port)
    before = stats(service, container)
    with httpx.Client(trust_env=False) as client:
        sent = sum(
            len(client.get(f"http://127.0.0.1:{port}/openapi.json").content) for _ in range(50)
        )
    assert sent > 10_000
    wait_until(
        lambda: stats(service, container)["network_tx_bytes"] >= before["network_tx_bytes"] + sent,
        10,
    )
    after = stats(service, container)
    assert after["network_rx_bytes"] > before["network_rx_bytes"]


def test_questions_at_the_same_time_get_the_same_answer(
    service: Service, docker_client: docker.DockerClient
) -> None:
    container = service.created(command=BUSY)
    answers, share = share_of_a_core(
        docker_client, container, lambda: at_once([lambda: stats(service, container)] * 10)
    )
    assert len({answer["timestamp"] for answer in answers}) <= 3
    for answer in answers:
        assert answer["cpu_percent"] == pytest.approx(share, abs=40)


def test_statistics_go_on_after_a_restart(
    service: Service, docker_client: docker.DockerClient
) -> None:
    container = service.created(command=BUSY)
    stats(service, container)
    path = f"/containers/{container['id']}/restart?timeout=0"
    assert service.client.post(path).status_code == 200
    found, share = share_of_a_core(docker_client, container, lambda: stats(service, container))
    assert found["cpu_percent"] == pytest.approx(share, abs=40)


def test_a_paused_container_uses_no_cpu(
    service: Service, docker_client: docker.DockerClient
) -> None:
    container = service.created(command=BUSY)
    docker_client.api.pause(container["id"])
    wait_until(lambda: service.get(f"/containers/{container['id']}")["state"] == "paused", 2)
    assert stats(service, container)["cpu_percent"] < 5
