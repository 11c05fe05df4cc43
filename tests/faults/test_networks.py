"""A bridge that is really full, networks that are really gone: what a caller notices of it.

The bridge is filled with pairs of virtual interfaces, which cost nothing, instead of containers.
"""

import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.conftest import Service, wait_until

from .private_engine import PrivateEngine, RefusedError

# linux/net/bridge/br_private.h: BR_MAX_PORTS is 1 << 10, and number 0 is not used.
BRIDGE_PORTS = 1023
# All interfaces of a group go at once; one by one they take 17 ms each.
GROUP = 999


class Filling:
    """Interfaces on a bridge, instead of containers."""

    def __init__(self) -> None:
        self._pairs = 0

    def fill(self, bridge: str, ports: int = BRIDGE_PORTS) -> None:
        commands: list[str] = []
        for _ in range((ports + 1) // 2):
            self._pairs += 1
            one, other = f"fill-{self._pairs}", f"fill-{self._pairs}-b"
            commands.append(f"link add {one} group {GROUP} type veth peer name {other}")
            commands += [f"link set {end} master {bridge}" for end in (one, other)]
        self._ip(commands)

    def remove(self) -> None:
        self._ip([f"link delete group {GROUP}"])

    def _ip(self, commands: list[str]) -> None:
        # Of an odd number of ports, the last pair's second one is refused.
        batch = "\n".join(commands)
        subprocess.run(["ip", "-force", "-batch", "-"], input=batch, text=True, capture_output=True)


@pytest.fixture
def filling(engine: PrivateEngine) -> Iterator[Filling]:
    """Fills bridges; at the end all that are not the engine's own are gone, and it is empty."""
    filling = Filling()
    yield filling
    filling.remove()
    engine.clear()
    engine.call("POST", "/networks/prune")


def networks_of(engine: PrivateEngine, container: str) -> list[str]:
    return sorted(engine.inspect(container)["NetworkSettings"]["Networks"])


def ours(engine: PrivateEngine) -> list[str]:
    names = [each["Name"] for each in engine.call("GET", "/networks")]
    return sorted(name for name in names if name.startswith("orchestration-api-"))


def fill_the_first(service: Service, filling: Filling) -> None:
    """The first network, which the service makes when it needs it, is full."""
    service.created(name="zero")
    assert service.client.delete("/containers/zero").is_success
    filling.fill("br-orch-api-1")


def take_all_subnets(engine: PrivateEngine) -> None:
    for number in range(100):
        try:
            engine.call("POST", "/networks/create", body={"Name": f"other-{number}"})
        except RefusedError:
            return
    raise AssertionError("the engine has more than 100 subnets")


def test_the_engine_refuses_to_start_on_a_full_bridge(
    engine: PrivateEngine, filling: Filling
) -> None:
    """What all this is about: an engine by itself does not start the container."""
    filling.fill("docker0")  # any bridge; this one is there
    with pytest.raises(RefusedError, match="exchange full"):
        engine.run(port=8500)


def test_containers_are_on_a_network_of_ours_and_kept_apart(
    engine: PrivateEngine, service: Service, filling: Filling
) -> None:
    container = service.created(name="one")
    assert networks_of(engine, container["id"]) == ["orchestration-api-1"]
    network = engine.call("GET", "/networks/orchestration-api-1")
    assert network["Labels"] == {"orchestration-api.managed": "true"}
    assert network["Options"]["com.docker.network.bridge.enable_icc"] == "false"


def test_a_network_that_was_made_the_other_way_takes_no_new_container(
    engine: PrivateEngine, start_service: Callable[..., Service], filling: Filling
) -> None:
    apart = start_service()
    before = apart.created(name="before")
    together = start_service(ALLOW_ICC="true", PORT_RANGE="9001-9099")
    after = together.created(name="after")
    assert networks_of(engine, after["id"]) == ["orchestration-api-2"]
    network = engine.call("GET", "/networks/orchestration-api-2")
    assert network["Options"]["com.docker.network.bridge.enable_icc"] == "true"
    assert networks_of(engine, apart.created(name="next")["id"]) == ["orchestration-api-1"]
    assert together.client.post("/containers/before/restart?timeout=0").status_code == 200
    assert networks_of(engine, before["id"]) == ["orchestration-api-1"], "it stays where it was"


def test_a_container_of_an_earlier_version_starts_and_moves_on_the_default_bridge(
    engine: PrivateEngine, service: Service, filling: Filling
) -> None:
    earlier = service.created(name="one")
    service.client.post("/containers/one/stop", params={"timeout": 0})
    for verb, network in (("disconnect", "orchestration-api-1"), ("connect", "bridge")):
        body = {"Container": earlier["id"]}
        engine.call("POST", f"/networks/{network}/{verb}", body=body)
    assert service.client.post("/containers/one/start").status_code == 200
    assert networks_of(engine, earlier["id"]) == ["bridge"]
    service.client.post("/containers/one/stop", params={"timeout": 0})
    engine.run(port=8001)
    answer = service.client.post("/containers/one/start")
    assert answer.status_code == 200, answer.text
    assert answer.json()["port_changed"] is True
    assert networks_of(engine, answer.json()["id"]) == ["bridge"]
    service.client.post("/containers/one/stop", params={"timeout": 0})
    filling.fill("docker0")
    assert service.client.post("/containers/one/start").status_code == 200
    assert networks_of(engine, answer.json()["id"]) == ["orchestration-api-1"]


def test_a_create_on_a_full_bridge_succeeds_on_another_network(
    engine: PrivateEngine, service: Service, filling: Filling
) -> None:
    fill_the_first(service, filling)
    first, second = service.created(name="one"), service.created(name="two")
    assert (first["state"], second["state"]) == ("running", "running")
    assert networks_of(engine, first["id"]) == ["orchestration-api-2"]
    assert networks_of(engine, second["id"]) == ["orchestration-api-2"]
    assert [row["port"] for row in service.get("/ports")["ports"]] == [8002, 8003]
    assert len(engine.containers()) == 2, "no husk of the refused start is left"
    (network,) = [
        each for each in engine.call("GET", "/networks") if each["Name"] == "orchestration-api-2"
    ]
    assert network["Labels"] == {"orchestration-api.managed": "true"}


def test_a_start_on_a_full_bridge_succeeds_with_the_same_id_and_port(
    engine: PrivateEngine, service: Service, filling: Filling
) -> None:
    container = service.created(name="one")
    service.client.post("/containers/one/stop", params={"timeout": 0})
    filling.fill("br-orch-api-1")
    answer = service.client.post("/containers/one/start")
    assert answer.status_code == 200, answer.text
    assert answer.json()["id"] == container["id"]
    assert answer.json()["ports"] == container["ports"]
    assert networks_of(engine, container["id"]) == ["orchestration-api-2"]


def test_services_that_need_a_network_at_the_same_time_make_one(
    engine: PrivateEngine, start_service: Callable[..., Service], filling: Filling
) -> None:
    services = [start_service(PORT_RANGE=block) for block in ("8001-8099", "8101-8199")]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: services[number % 2].create(), range(8)))
    assert [answer.status_code for answer in answers] == [201] * 8
    assert ours(engine) == ["orchestration-api-1"]
    for answer in answers:
        assert networks_of(engine, answer.json()["id"]) == ["orchestration-api-1"]


def test_a_network_that_was_removed_is_made_again(
    engine: PrivateEngine, service: Service, filling: Filling
) -> None:
    service.created(name="one")
    service.client.post("/containers/one/stop", params={"timeout": 0})
    engine.call("POST", "/networks/prune")  # takes the networks of stopped containers, too
    assert ours(engine) == []
    answer = service.client.post("/containers/one/start")
    assert answer.status_code == 200, answer.text
    assert ours(engine) == ["orchestration-api-1"]
    assert networks_of(engine, "one") == ["orchestration-api-1"]
    assert service.create(name="two").status_code == 201


def test_when_no_network_can_be_had_the_answer_says_what_to_do(
    engine: PrivateEngine, service: Service, filling: Filling
) -> None:
    take_all_subnets(engine)
    answer = service.create(name="one")
    assert_full(answer)
    assert engine.containers() == []
    assert service.get("/ports")["ports"] == []
    engine.call("POST", "/networks/prune")
    assert service.create(name="one").status_code == 201, "a subnet is free again"


def assert_full(answer: httpx.Response) -> None:
    assert answer.status_code == 503, answer.text
    assert answer.json()["code"] == "network-full"
    assert "docker network prune" in answer.json()["detail"]
    assert int(answer.headers["retry-after"]) > 0


FILTER = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
CONNECT = "import socket,sys; socket.create_connection((sys.argv[1], 5000), 2)"


@pytest.fixture
def filtering(engine: PrivateEngine) -> Iterator[Path]:
    """Whether the host of the engine, which is this network namespace, filters bridges."""
    if not FILTER.exists():
        pytest.skip("this kernel does not filter bridges here")
    yield FILTER
    FILTER.write_text("1")


def reaches(engine: PrivateEngine, one: str, other: str) -> bool:
    """Whether a packet gets from one container to another: a closed port refuses it, then."""
    pid = str(engine.inspect(one)["State"]["Pid"])
    (network,) = engine.inspect(other)["NetworkSettings"]["Networks"].values()
    words = ["nsenter", "-t", pid, "-n", sys.executable, "-c", CONNECT, network["IPAddress"]]
    return "refused" in subprocess.run(words, capture_output=True, text=True).stderr


def test_a_host_that_stops_to_filter_is_noticed_and_new_containers_are_kept_apart(
    engine: PrivateEngine, service: Service, filling: Filling, filtering: Path
) -> None:
    for name in ("one", "two", "three"):
        service.created(name=name)
    service.client.post("/containers/three/stop", params={"timeout": 0})
    assert service.get("/health")["warnings"] == []
    assert not reaches(engine, "one", "two")
    filtering.write_text("0")
    wait_until(lambda: service.get("/health")["warnings"], 60, "it is told")
    health = service.get("/health")
    assert health["status"] == "healthy"
    assert "bridge-nf-call-iptables" in health["warnings"][0]
    assert health["warnings"][0] in service.log()
    for verb, name in (("create", "new"), ("start", "three")):
        if verb == "create":
            service.created(name=name)
        else:
            assert service.client.post(f"/containers/{name}/start").status_code == 200
        filtering.write_text("0")  # the engine sets it, when it makes a network
        assert networks_of(engine, name) != ["orchestration-api-1"]
        assert not reaches(engine, "one", name)
        assert not reaches(engine, name, "one")
        wait_until(lambda: service.get("/health")["warnings"], 60, "it is told")
    filtering.write_text("1")
    wait_until(lambda: not service.get("/health")["warnings"], 60, "it is well again")
    assert not reaches(engine, "one", "two")
    assert networks_of(engine, service.created(name="next")["id"]) == ["orchestration-api-1"]
