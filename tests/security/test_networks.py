"""What a program in a container of ours reaches: seen from inside, by trying it.

Not the API, on whatever address of the host; not another container, on any of its addresses; but
names of the world outside, and what containers publish on the host.
"""

import json
import socket
from collections.abc import Callable
from typing import Any

import docker
import psutil
import pytest

from tests.conftest import Service, wait_until
from tests.engine.support import fetch, port_of

pytestmark = pytest.mark.engine

Target = tuple[str, int]

# Run in a container: tells which of the targets, [host, port] each, take a TCP connection.
CONNECTS = """
import json, socket, sys
from concurrent.futures import ThreadPoolExecutor

def connects(target):
    try:
        socket.create_connection(target, 3).close()
    except OSError:
        return False
    return True

targets = json.loads(sys.argv[1])
with ThreadPoolExecutor(16) as pool:
    print(json.dumps([each for each, yes in zip(targets, pool.map(connects, targets)) if yes]))
"""
# Run in a container: tells what each of the URLs that answers at all answers to a POST with a key.
ANSWERS = """
import json, sys, urllib.error, urllib.request
found = {}
for url in sys.argv[2:]:
    asking = urllib.request.Request(
        url, b"{}", {"Authorization": "Bearer " + sys.argv[1], "Content-Type": "application/json"}
    )
    try:
        urllib.request.urlopen(asking, timeout=3)
    except urllib.error.HTTPError as error:
        found[url] = [error.code, json.load(error)["code"]]
    except OSError:
        continue
print(json.dumps(found))
"""
# Run in a container: tells which of the targets answer a datagram.
ECHOES = """
import json, socket, sys
answered = []
for host, port in json.loads(sys.argv[1]):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(2)
        try:
            asking.sendto(b"?", (host, port))
            asking.recv(16)
        except OSError:
            continue
        answered.append([host, port])
print(json.dumps(answered))
"""
# A server that answers TCP on 5000 and on 6000, and datagrams on 6001; all but 5000 unpublished.
SERVER = [
    "python3",
    "-ISc",
    "import select, socket\n"
    "tcp = [socket.create_server(('', port)) for port in (5000, 6000)]\n"
    "udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
    "udp.bind(('', 6001))\n"
    "while True:\n"
    "    for ready in select.select([*tcp, udp], [], [])[0]:\n"
    "        if ready is udp:\n"
    "            udp.sendto(b'!', udp.recvfrom(16)[1])\n"
    "            continue\n"
    "        client = ready.accept()[0]\n"
    "        client.recv(65536)\n"
    "        client.sendall(b'HTTP/1.0 200 OK\\r\\n\\r\\n')\n"
    "        client.close()",
]
# Run in a container: what asking for a name comes to.
RESOLVE = """
import socket
try:
    socket.getaddrinfo("example.com", 80)
    print(0)
except socket.gaierror as error:
    print(error.errno)
"""

Run = Callable[..., Any]


@pytest.fixture
def run_in(docker_client: docker.DockerClient) -> Run:
    """Runs a Python program in a container and returns what it prints, which is JSON."""

    def run(container: dict[str, Any], program: str, *arguments: str) -> Any:
        command = ["python3", "-Ic", program, *arguments]
        status, output = docker_client.containers.get(container["id"]).exec_run(command)
        assert isinstance(output, bytes)
        assert status == 0, output
        return json.loads(output)

    return run


def reached(
    run_in: Run, container: dict[str, Any], targets: set[Target], program: str = CONNECTS
) -> set[Target]:
    """Which of these the container reaches, by TCP if `program` does not say otherwise."""
    found = run_in(container, program, json.dumps(sorted(targets)))
    return {(host, port) for host, port in found}


def addresses_of_host() -> set[str]:
    """Every IPv4 and IPv6 address of every interface of the host; those of a link are tried on the
    interface that containers have.
    """
    return {
        address.address.replace(f"%{name}", "%eth0")
        for name, addresses in psutil.net_if_addrs().items()
        for address in addresses
        if address.family in (socket.AF_INET, socket.AF_INET6)
    }


def endpoint(client: docker.DockerClient, container: dict[str, Any]) -> dict[str, Any]:
    """How a container is on its network, which must be its only one."""
    details = client.api.inspect_container(container["id"])
    ((_, found),) = details["NetworkSettings"]["Networks"].items()
    return dict(found)


def addresses_of(client: docker.DockerClient, container: dict[str, Any]) -> set[str]:
    found = endpoint(client, container)
    return {found["IPAddress"], found["GlobalIPv6Address"], container["name"]} - {""}


@pytest.fixture
def serving(service: Service) -> list[dict[str, Any]]:
    """Two containers that serve."""
    containers = [service.created(command=SERVER) for _ in range(2)]
    for container in containers:
        fetch(port_of(container))
    return containers


def is_here(client: docker.DockerClient, container: dict[str, Any]) -> bool:
    """Whether the engine's bridges are on this host, so that its addresses are those seen here."""
    return endpoint(client, container)["Gateway"] in addresses_of_host()


def test_the_api_is_out_of_reach_on_every_address_of_the_host(
    start_service: Callable[..., Service], docker_client: docker.DockerClient, run_in: Run
) -> None:
    service = start_service(HOST="")  # as if it was not set
    inside, neighbour = (service.created(command=SERVER) for _ in range(2))
    fetch(port_of(neighbour))
    if not is_here(docker_client, inside):
        pytest.skip("the engine is on another host")
    hosts = addresses_of_host() | {endpoint(docker_client, inside)["Gateway"]}
    assert "127.0.0.1" in hosts
    assert any(not host.startswith("127.") for host in hosts)

    api = {(host, service.port) for host in hosts}
    published = {(host, port_of(neighbour)) for host in hosts}
    found = reached(run_in, inside, api | published)
    # The question is asked well: the host is reached from there, at a port that is published.
    assert (endpoint(docker_client, inside)["Gateway"], port_of(neighbour)) in found
    assert not found & api


def test_an_api_for_all_does_not_answer_to_containers(
    start_service: Callable[..., Service], docker_client: docker.DockerClient, run_in: Run
) -> None:
    """One that listens on every address, and whose key the container has got hold of."""
    key = "0123456789abcdef" * 2
    service = start_service(HOST="0.0.0.0", API_KEY=key, ALLOWED_HOSTS="*")
    service.client.headers["Authorization"] = f"Bearer {key}"
    inside = service.created(command=SERVER)
    if not is_here(docker_client, inside):
        pytest.skip("the engine is on another host")
    hosts = addresses_of_host() | {endpoint(docker_client, inside)["Gateway"]}
    urls = [f"http://{host}:{service.port}/" for host in hosts if ":" not in host]

    def answers() -> dict[str, list[Any]]:
        return dict(run_in(inside, ANSWERS, key, *urls))

    found = answers()
    assert f"http://{endpoint(docker_client, inside)['Gateway']}:{service.port}/" in found
    assert list(found.values()) == [[403, "from-container"]] * len(found)
    audited = [line for line in service.log().splitlines() if '"outcome": "from-container"' in line]
    assert len(audited) == len(found)
    assert service.client.get("/health").status_code == 200, "others are answered"

    service.stop()
    service.environment["ALLOW_FROM_CONTAINERS"] = "true"
    service.start()
    # Past the door; this path does not take that method.
    assert set(map(tuple, answers().values())) == {(405, "method-not-allowed")}


def test_nor_is_the_api_reached_by_names_of_the_host(
    service: Service, serving: list[dict[str, Any]], run_in: Run
) -> None:
    names = {socket.gethostname(), "localhost", "host.docker.internal", "gateway.docker.internal"}
    assert not reached(run_in, serving[0], {(name, service.port) for name in names})


def test_containers_do_not_reach_each_other(
    docker_client: docker.DockerClient, serving: list[dict[str, Any]], run_in: Run
) -> None:
    inside, other = serving
    theirs = addresses_of(docker_client, other)
    assert not reached(run_in, inside, {(at, port) for at in theirs for port in (5000, 6000)})
    assert not reached(run_in, inside, {(at, 6001) for at in theirs}, ECHOES)
    # The question is asked well: the container itself is reached there.
    own = endpoint(docker_client, inside)["IPAddress"]
    assert len(reached(run_in, inside, {(own, 5000), (own, 6000)})) == 2
    assert reached(run_in, inside, {(own, 6001)}, ECHOES)


def test_containers_of_others_and_ours_do_not_reach_each_other(
    docker_client: docker.DockerClient,
    serving: list[dict[str, Any]],
    run_outside: Callable[..., Any],
    run_in: Run,
) -> None:
    foreign = run_outside(command=SERVER)
    other = {"id": foreign.id, "name": foreign.name}
    own = endpoint(docker_client, other)["IPAddress"]
    wait_until(lambda: reached(run_in, other, {(own, 5000)}), what="the other one serves")
    assert not reached(run_in, serving[0], {(own, 5000), (own, 6000)})
    ours = endpoint(docker_client, serving[0])["IPAddress"]
    assert not reached(run_in, other, {(ours, 5000), (ours, 6000)})


def test_what_a_container_publishes_is_reached_through_the_host(
    docker_client: docker.DockerClient,
    serving: list[dict[str, Any]],
    run_outside: Callable[..., Any],
    run_in: Run,
) -> None:
    inside, other = serving
    assert fetch(port_of(other)).status_code == 200
    foreign = {"id": run_outside(command=["sleep", "300"]).id}
    for asking in (inside, foreign):
        published = {(endpoint(docker_client, asking)["Gateway"], port_of(other))}
        assert reached(run_in, asking, published) == published


def test_published_on_the_loopback_alone_it_is_not_reached_by_other_containers(
    start_service: Callable[..., Service], docker_client: docker.DockerClient, run_in: Run
) -> None:
    service = start_service(PUBLISH_ADDRESS="127.0.0.1")
    inside, other = (service.created(command=SERVER) for _ in range(2))
    port = int(other["ports"]["5000/tcp"].removeprefix("127.0.0.1:"))
    assert fetch(port).status_code == 200
    hosts = addresses_of_host() | {endpoint(docker_client, inside)["Gateway"]}
    assert not reached(run_in, inside, {(host, port) for host in hosts})


def test_with_allow_icc_containers_reach_each_other(
    start_service: Callable[..., Service],
    docker_client: docker.DockerClient,
    serving: list[dict[str, Any]],
    run_in: Run,
) -> None:
    service = start_service(ALLOW_ICC="true")
    inside, other = (service.created(command=SERVER) for _ in range(2))
    fetch(port_of(other))
    at = endpoint(docker_client, other)["IPAddress"]
    assert reached(run_in, inside, {(at, 6000)}) == {(at, 6000)}
    assert reached(run_in, inside, {(at, 6001)}, ECHOES) == {(at, 6001)}
    apart = endpoint(docker_client, serving[0])["IPAddress"]
    assert not reached(run_in, inside, {(apart, 5000), (apart, 6000)}), "not those of the other way"


def test_names_of_the_world_outside_are_resolved(
    serving: list[dict[str, Any]], run_in: Run
) -> None:
    """As the host resolves them: where it hears that there is no such name, a container does."""
    try:
        socket.getaddrinfo("example.com", 80)
        here = 0
    except socket.gaierror as error:
        here = error.errno or 0
    if here == socket.EAI_AGAIN:
        pytest.skip("the host itself has no name server that answers")
    assert run_in(serving[0], RESOLVE) == here
