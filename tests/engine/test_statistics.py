"""What containers use, measured against what they are known to do: by the kernel's files, and by
the engine's statistics where a service cannot read those.
"""

import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import docker
import httpx
import psutil
import pytest

from orchestrator.payloads import parse_engine_stats
from tests.conftest import Service, wait_until

from .cpu_record import CpuRecord
from .support import BUSY, SLEEP, assert_problem, at_once, fetch, port_of, wait_for_output

pytestmark = pytest.mark.engine

Ask = Callable[..., list[dict[str, Any]]]

MIB = 1024 * 1024
FIELDS = {
    "container_id", "name", "cpu_percent", "memory_usage", "memory_limit", "memory_percent",
    "network_rx", "network_tx", "timestamp", "cpu_percent_of_host", "cpu_percent_of_limit",
    "cpu_periods", "cpu_throttled_periods", "cpu_throttled_s", "memory_usage_bytes",
    "memory_limit_bytes", "memory_cache_bytes", "oom_kills", "network_rx_bytes",
    "network_tx_bytes", "block_read_bytes", "block_write_bytes", "pids", "sampled_at", "age_s",
    "interval_s", "source", "networks",
}  # fmt: skip
HOLD_100_MIB = "import time; held = bytearray(b'x') * (100 << 20); print('held', flush=True)"
CACHE_100_MIB = (
    "dd if=/dev/zero of=/tmp/big bs=1M count=100 conv=fsync && cat /tmp/big > /dev/null"
    " && echo cached && sleep 300"
)


@pytest.fixture(scope="session")
def without_files(
    shared_service: Service, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """A service beside the shared one that has no control groups to read. It sees the same
    containers, and makes none.
    """
    empty = tmp_path_factory.mktemp("no-cgroups")
    settings = {
        "PORT_RANGE": "28100-28101",
        "CGROUP_ROOT": str(empty),
        "ALLOW_UNMANAGED": "read",  # for `ask_of_others`
    }
    service = Service(tmp_path_factory.mktemp("without-files"), settings)
    service.start()
    yield service
    service.stop()
    service.client.close()


@pytest.fixture(scope="session")
def curious(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with the files that tells what containers of others use, and makes none."""
    settings = {"PORT_RANGE": "28102-28103", "ALLOW_UNMANAGED": "read"}
    service = Service(tmp_path_factory.mktemp("curious"), settings)
    service.start()
    yield service
    service.stop()
    service.client.close()


@pytest.fixture(scope="session")
def unprobed(build_image: Callable[..., str]) -> str:
    """The base image without its health check, whose process, and the threads of the runtime that
    starts it, are counted for the moment that they take.
    """
    return build_image("HEALTHCHECK NONE")


@pytest.fixture
def ask(service: Service, without_files: Service) -> Ask:
    """Asks for a container's statistics, at the same time by one source and by the other."""
    return asking(service, without_files)


@pytest.fixture
def ask_of_others(curious: Service, without_files: Service) -> Ask:
    """The same of a container that no service has made."""
    return asking(curious, without_files)


def asking(with_files: Service, without_files: Service) -> Ask:
    """What asks both services, and sees that each has its own source."""

    def ask_one(asked: Service, container: dict[str, Any], query: dict[str, Any]) -> dict[str, Any]:
        # The other service hears of a container from the engine, as of somebody else's.
        wait_for_state(asked, container, "running")
        return stats(asked, container, **query)

    def ask(container: dict[str, Any], **query: Any) -> list[dict[str, Any]]:
        services = (with_files, without_files)
        found = at_once([partial(ask_one, each, container, query) for each in services])
        sources = [each["source"].rstrip("12") for each in found]
        assert sources == ["cgroup-v", "engine"]
        return found

    return ask


def stats(service: Service, container: dict[str, Any], **query: Any) -> dict[str, Any]:
    found: dict[str, Any] = service.get(f"/containers/{container['id']}/stats", **query)
    return found


def wait_for_state(service: Service, container: dict[str, Any], state: str) -> None:
    path = f"/containers/{container['id']}"
    wait_until(lambda: service.client.get(path).json().get("state") == state, 5)


def as_text(size: int) -> str:
    return f"{size / MIB:.2f} MB"


def test_the_answer_has_every_field_and_its_texts_agree_with_its_numbers(
    service: Service, ask: Ask
) -> None:
    container = service.created(memory="256m")
    fetch(port_of(container))
    for found in ask(container):
        assert found.keys() == FIELDS
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
        # The limit is one CPU by default.
        assert found["cpu_percent_of_limit"] == pytest.approx(found["cpu_percent"], abs=0.1)
        assert 5 * MIB < found["memory_usage_bytes"] < 256 * MIB
        assert found["pids"] >= 1
        assert found["networks"] is None
        assert abs(found["timestamp"] - time.time()) < 30
        assert found["sampled_at"].endswith("Z")
        assert found["interval_s"] > 0
        assert 0 <= found["age_s"] < 10


# CPU


def assert_recorded(found: dict[str, Any], record: CpuRecord) -> None:
    """That a CPU figure is what the container had in the time that the figure is the mean of: near
    100 for a busy one, less where other programs of the machine want the cores too.
    """
    share = record.percent(found["timestamp"], found["interval_s"])
    assert found["cpu_percent"] == pytest.approx(share, abs=25)


def test_a_busy_core_is_seen_on_the_first_call(
    service: Service, ask: Ask, docker_client: docker.DockerClient
) -> None:
    container = service.created(command=BUSY)
    with CpuRecord(docker_client, container["id"]) as record:
        answers = ask(container)
    for found in answers:
        assert 10 < found["cpu_percent"] < 140
        assert_recorded(found, record)


def test_a_limited_core_is_seen_as_limited(service: Service, ask: Ask) -> None:
    container = service.created(command=BUSY, cpus=0.3)
    ask(container)
    time.sleep(2)  # the limit holds over periods of 100 ms
    for found in ask(container):
        assert 5 < found["cpu_percent"] < 60
        of_limit = found["cpu_percent"] / 0.3
        assert found["cpu_percent_of_limit"] == pytest.approx(of_limit, abs=0.1)
        assert found["cpu_periods"] >= found["cpu_throttled_periods"] > 0
        assert found["cpu_throttled_s"] > 0


def test_an_idle_container_is_idle(service: Service, ask: Ask) -> None:
    container = service.created(command=SLEEP)
    for found in ask(container):
        assert 0 <= found["cpu_percent"] < 10
        assert found["cpu_throttled_periods"] == 0


def test_questions_at_the_same_time_get_the_same_answer(
    service: Service, ask: Ask, docker_client: docker.DockerClient
) -> None:
    container = service.created(command=BUSY)
    with CpuRecord(docker_client, container["id"]) as record:
        answers = at_once([lambda: ask(container)] * 10)
    for of_one_source in zip(*answers, strict=True):
        assert len({answer["timestamp"] for answer in of_one_source}) <= 3
        for answer in of_one_source:
            assert_recorded(answer, record)


# Memory


def test_the_page_cache_is_no_usage(
    service: Service, ask: Ask, docker_client: docker.DockerClient
) -> None:
    container = service.created(command=["sh", "-c", CACHE_100_MIB], memory="512m")
    wait_for_output(docker_client, container["id"], "cached")
    raw = docker_client.api.stats(container["id"], stream=False)["memory_stats"]
    assert raw["usage"] > 90 * MIB, "the file is in the page cache"
    for found in ask(container):
        assert found["memory_usage_bytes"] < 50 * MIB
        assert found["memory_cache_bytes"] > 50 * MIB
        assert found["block_write_bytes"] is None or found["block_write_bytes"] >= 0


def test_memory_of_a_program_is_usage(
    service: Service, ask: Ask, docker_client: docker.DockerClient
) -> None:
    command = ["python3", "-c", f"{HOLD_100_MIB}; time.sleep(300)"]
    container = service.created(command=command, memory="512m")
    wait_for_output(docker_client, container["id"], "held")
    for found in ask(container):
        assert 95 * MIB < found["memory_usage_bytes"] < 160 * MIB
        assert 18 < found["memory_percent"] < 32


def test_without_a_memory_limit_the_limit_is_the_hosts_memory(
    run_outside: Callable[..., Any], ask_of_others: Ask
) -> None:
    for found in ask_of_others({"id": run_outside(command=SLEEP).id[:12]}):
        assert found["memory_limit_bytes"] == psutil.virtual_memory().total
        assert found["memory_percent"] < 5


def test_a_limit_that_is_changed_is_seen(
    service: Service, ask: Ask, docker_client: docker.DockerClient
) -> None:
    container = service.created(command=SLEEP, memory="64m")
    docker_client.api.update_container(container["id"], mem_limit="128m", memswap_limit="128m")
    wait_until(
        lambda: all(found["memory_limit_bytes"] == 128 * MIB for found in ask(container)), 10
    )


def test_processes_that_the_kernel_killed_for_memory_are_counted(
    service: Service, docker_client: docker.DockerClient
) -> None:
    eat = "python3 -c 'bytearray(1) * (200 << 20)'; echo killed; sleep 300"
    container = service.created(command=["sh", "-c", eat], memory="64m")
    wait_for_output(docker_client, container["id"], "killed")
    wait_until(lambda: stats(service, container)["oom_kills"] >= 1, 10)


def test_threads_are_counted(
    service: Service, ask: Ask, docker_client: docker.DockerClient, unprobed: str
) -> None:
    program = (
        "import threading, time\n"
        "for _ in range(6): threading.Thread(target=time.sleep, args=(300,)).start()\n"
        "print('started', flush=True)"
    )
    container = service.created(image=unprobed, command=["python3", "-c", program])
    wait_for_output(docker_client, container["id"], "started")
    # And the init process.
    assert [found["pids"] for found in ask(container)] == [8, 8]


# Network


def test_traffic_is_counted(service: Service, ask: Ask) -> None:
    container = service.created()
    port = port_of(container)
    fetch(port)
    before = ask(container)
    with httpx.Client(trust_env=False) as client:
        sent = sum(
            len(client.get(f"http://127.0.0.1:{port}/openapi.json").content) for _ in range(50)
        )
    assert sent > 10_000

    def grown(name: str) -> list[int]:
        return [now[name] - then[name] for now, then in zip(ask(container), before, strict=True)]

    wait_until(lambda: all(more >= sent for more in grown("network_tx_bytes")), 10)
    assert all(more > 0 for more in grown("network_rx_bytes"))


def test_each_interface_is_told_when_asked_for(
    service: Service, ask: Ask, docker_client: docker.DockerClient
) -> None:
    container = service.created()
    fetch(port_of(container))
    network = docker_client.networks.create(f"test-{container['id']}")
    try:
        network.connect(container["id"])
        both = {"eth0", "eth1"}  # at first the engine has another name for the new one
        wait_until(
            lambda: all(
                found["networks"].keys() == both for found in ask(container, interfaces=True)
            ),
            10,
        )
        for found in ask(container, interfaces=True):
            assert found["networks"].keys() == both
            for counter in ("rx_bytes", "tx_bytes"):
                total = sum(each[counter] for each in found["networks"].values())
                assert found[f"network_{counter}"] == total > 0
            assert found["networks"]["eth0"]["rx_packets"] > 0
    finally:
        network.disconnect(container["id"], force=True)
        network.remove()


@pytest.mark.parametrize("mode", ["none", "host"])
def test_without_a_network_of_its_own_a_container_has_no_traffic(
    run_outside: Callable[..., Any], ask_of_others: Ask, mode: str
) -> None:
    container = {"id": run_outside(command=SLEEP, network_mode=mode).id[:12]}
    for found in ask_of_others(container, interfaces=True):
        assert (found["network_rx"], found["network_tx_bytes"], found["networks"]) == (None,) * 3
        assert found["memory_usage_bytes"] > 0
        assert found["cpu_percent"] is not None


@pytest.mark.parametrize("mode", ["bridge", "host"])
def test_a_network_that_is_shared_counts_as_that_of_the_other(
    run_outside: Callable[..., Any], ask_of_others: Ask, mode: str
) -> None:
    first = run_outside(command=SLEEP, network_mode=mode)
    second = run_outside(command=SLEEP, network_mode=f"container:{first.id}")
    for each in (first, second):
        for found in ask_of_others({"id": each.id[:12]}, interfaces=True):
            assert (found["networks"] is None) == (mode == "host")


# The course of a container's life


def test_statistics_go_on_after_a_restart(
    service: Service, ask: Ask, docker_client: docker.DockerClient
) -> None:
    container = service.created(command=BUSY)
    ask(container)

    path = f"/containers/{container['id']}/restart?timeout=0"
    assert service.client.post(path).status_code == 200
    with CpuRecord(docker_client, container["id"]) as record:
        answers = ask(container)
    for found in answers:
        assert_recorded(found, record)


def test_a_paused_container_uses_no_cpu(
    service: Service, docker_client: docker.DockerClient, without_files: Service
) -> None:
    container = service.created(command=BUSY)
    docker_client.api.pause(container["id"])

    def uses_none(asked: Service) -> bool:
        return bool(stats(asked, container)["cpu_percent"] < 5)

    for each in (service, without_files):
        wait_for_state(each, container, "paused")
        # What is in memory may be of a moment before.
        wait_until(partial(uses_none, each), 10)


def test_a_container_that_does_not_run_has_no_figures(
    service: Service, without_files: Service
) -> None:
    container = service.created(command=SLEEP)
    stats(service, container)
    service.client.post(f"/containers/{container['id']}/stop?timeout=0")
    never = service.created(command=SLEEP, start=False)
    for each, state in ((container, "exited"), (never, "created")):
        path = f"/containers/{each['id']}/stats"
        for asked in (service, without_files):
            wait_for_state(asked, each, state)
            for what in (path, f"{path}/stream"):
                problem = assert_problem(asked.client.get(what), 409, "container-not-running")
                assert "does not run" in problem["detail"]


# Both sources, and the engine itself


def test_both_sources_say_what_the_engine_says(
    service: Service, without_files: Service, docker_client: docker.DockerClient, unprobed: str
) -> None:
    """On a busy, an idle, an allocating, a page-cache-heavy and a network-heavy container."""
    commands = {
        "busy": BUSY,
        "idle": SLEEP,
        "allocating": ["python3", "-c", f"{HOLD_100_MIB}; time.sleep(300)"],
        "caching": ["sh", "-c", CACHE_100_MIB],
    }
    made = {
        name: service.created(image=unprobed, command=command, cpus=0.4 if name == "busy" else None)
        for name, command in commands.items()
    }
    made["serving"] = service.created(image=unprobed)
    wait_for_output(docker_client, made["allocating"]["id"], "held")
    wait_for_output(docker_client, made["caching"]["id"], "cached")
    for _ in range(20):
        fetch(port_of(made["serving"]), "/openapi.json")
    time.sleep(2)  # what these have cost is behind the first sample of each

    def ask_all(container: dict[str, Any]) -> list[dict[str, Any]]:
        """By both services twice, since a CPU figure is that of the time before the question, and
        by the engine's own measurement of a second in between.
        """
        for asked in (service, without_files):
            stats(asked, container)
        time.sleep(1)
        raw = docker_client.api.stats(container["id"], stream=False)
        sample = parse_engine_stats(raw)
        assert sample is not None
        return [stats(service, container), stats(without_files, container), _figures(raw)]

    with ThreadPoolExecutor(len(made)) as pool:
        answers = dict(zip(made, pool.map(ask_all, made.values()), strict=True))
    for name, (by_files, by_engine, engine) in answers.items():
        assert by_files["source"].startswith("cgroup-v")
        assert by_engine["source"] == "engine"
        for other in (by_engine, engine):
            assert by_files["cpu_percent"] == pytest.approx(other["cpu_percent"], abs=20), name
            for field in ("memory_usage_bytes", "memory_cache_bytes"):
                assert by_files[field] == pytest.approx(other[field], abs=4 * MIB), (name, field)
            assert by_files["memory_limit_bytes"] == other["memory_limit_bytes"]
            assert by_files["pids"] == other["pids"]
            for field in ("network_rx_bytes", "network_tx_bytes"):
                assert by_files[field] == pytest.approx(other[field], abs=3000), (name, field)
            for field in ("block_read_bytes", "block_write_bytes"):
                # Of a container without any, an engine on cgroup v2 says nothing, the kernel 0.
                same = (by_files[field] is None) == (other[field] is None)
                assert same or by_files[field] == 0, (name, field)
    assert answers["busy"][0]["cpu_percent"] > answers["idle"][0]["cpu_percent"] + 10
    assert answers["allocating"][0]["memory_usage_bytes"] > 95 * MIB
    assert answers["caching"][0]["memory_cache_bytes"] > 50 * MIB
    assert answers["serving"][0]["network_tx_bytes"] > 10_000


def _figures(raw: dict[str, Any]) -> dict[str, Any]:
    """What the docker CLI makes of a reply that has two samples."""
    sample = parse_engine_stats(raw)
    assert sample is not None
    now, before = raw["cpu_stats"], raw["precpu_stats"]
    spent = now["cpu_usage"]["total_usage"] - before["cpu_usage"]["total_usage"]
    total = now["system_cpu_usage"] - before["system_cpu_usage"]
    return {
        "cpu_percent": 100 * now["online_cpus"] * spent / total,
        "memory_usage_bytes": sample.memory,
        "memory_cache_bytes": sample.memory_cache,
        "memory_limit_bytes": sample.memory_limit,
        "network_rx_bytes": sample.network_rx,
        "network_tx_bytes": sample.network_tx,
        "block_read_bytes": sample.block_read,
        "block_write_bytes": sample.block_write,
        "pids": sample.pids,
    }
