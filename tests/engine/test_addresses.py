"""Containers answer on all addresses of the host; each answer has one that the asker can use."""

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

import docker
import httpx
import pytest

from orchestrator.addresses import bracketed
from tests.conftest import IMAGE, Service, wait_until

from .proxy import Proxy
from .support import (
    SLEEP,
    act,
    assert_problem,
    fetch,
    listening,
    nothing_changes,
    port_of,
    port_range,
    unique,
)

pytestmark = pytest.mark.engine

Inspect = Callable[[str], dict[str, Any]]
Start = Callable[..., Service]


@pytest.fixture(scope="module")
def ipv6(docker_client: docker.DockerClient) -> None:
    """Skips where `docker run -p` publishes on IPv4 alone: the engine's host has no IPv6."""
    made = docker_client.containers.run(
        IMAGE, ["sleep", "60"], detach=True, ports={"5000/tcp": None}
    )
    try:
        made.reload()
        bound = made.attrs["NetworkSettings"]["Ports"]["5000/tcp"]
        if not any(":" in binding["HostIp"] for binding in bound):
            pytest.skip("the engine's host has no IPv6")
        if not socket.has_ipv6:
            pytest.skip("this machine has no IPv6")
    finally:
        made.remove(force=True)


@pytest.fixture
def from_afar(start_service: Start) -> Iterator[Start]:
    """Starts services that are told of their engine's address, and see no processes of its host."""
    with ExitStack() as proxies:

        def start(**settings: str) -> Service:
            proxy = Proxy(None)
            proxies.callback(proxy.close)
            return start_service(DOCKER_HOST=proxy.address, **settings)

        yield start


def published(details: dict[str, Any]) -> set[tuple[str, int]]:
    """The addresses and ports that a container is published on, as the engine tells them."""
    ports = details["NetworkSettings"]["Ports"].values()
    return {(each["HostIp"], int(each["HostPort"])) for bound in ports for each in bound or ()}


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=5, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


# IPv4 and IPv6


@pytest.mark.usefixtures("ipv6")
def test_a_clone_answers_on_both(service: Service, inspect: Inspect) -> None:
    container = service.created()
    port = port_of(container)
    assert published(inspect(container["id"])) == {("0.0.0.0", port), ("::", port)}
    assert container["ports"] == {"5000/tcp": f"0.0.0.0:{port}"}
    assert fetch(port).status_code == 200
    assert answers(f"http://[::1]:{port}")
    row = service.port_row(port)
    assert (row["state"], row["container_id"]) == ("in_use", container["id"])


@pytest.mark.usefixtures("ipv6")
@pytest.mark.parametrize(
    ("setting", "addresses"),
    [("0.0.0.0", {"0.0.0.0"}), ("0.0.0.0,::", {"0.0.0.0", "::"}),
     ("127.0.0.1,::1", {"127.0.0.1", "::1"}), ("::1", {"::1"})],
)  # fmt: skip
def test_the_setting_takes_a_list(
    start_service: Start, inspect: Inspect, setting: str, addresses: set[str]
) -> None:
    service = start_service(ports=4, PUBLISH_ADDRESS=setting)
    container = service.created(container_ports=[5000, 5001])
    shown = bracketed(setting.partition(",")[0])
    first, second = port_range(service)[:2]
    assert container["ports"] == {"5000/tcp": f"{shown}:{first}", "5001/tcp": f"{shown}:{second}"}
    expected = {(address, port) for address in addresses for port in (first, second)}
    assert published(inspect(container["id"])) == expected
    wait_until(lambda: answers(container["url"]), 20, f"{container['url']} answers")
    act(service, container["id"], "stop", timeout=0)
    assert act(service, container["id"], "start")["ports"] == container["ports"]
    assert published(inspect(container["id"])) == expected


@pytest.mark.usefixtures("ipv6")
@pytest.mark.parametrize("address", ["::", "::1"])
@pytest.mark.parametrize("seen", [True, False])
def test_a_port_that_is_taken_on_ipv6_alone_is_taken(
    start_service: Start,
    from_afar: Start,
    docker_client: docker.DockerClient,
    address: str,
    seen: bool,
) -> None:
    """Whether the service can look at the host or goes by what the engine says."""
    service = (start_service if seen else from_afar)(ports=4)
    ports = port_range(service)
    with listening(ports[0], address, only=True):
        container = service.created(container_ports=[5000, 5001], command=SLEEP)
        assert {port_of(container), port_of(container, "5001/tcp")} <= set(ports[1:])
        with nothing_changes(service, docker_client):
            assert_problem(
                service.create(port=ports[0], command=SLEEP), 409, "port-in-use", port=ports[0]
            )
    mine = docker_client.api.containers(all=True, filters={"label": service.label})
    assert [entry["Id"][:12] for entry in mine] == [container["id"]]


@pytest.mark.usefixtures("ipv6")
@pytest.mark.parametrize("seen", [True, False])
def test_a_container_moves_when_its_port_is_taken_on_ipv6(
    start_service: Start, from_afar: Start, inspect: Inspect, seen: bool
) -> None:
    service = (start_service if seen else from_afar)(ports=4)
    container = service.created(name=unique(), command=SLEEP)
    act(service, container["id"], "stop", timeout=0)
    with listening(port_of(container), "::", only=True):
        moved = act(service, container["id"], "start")
    assert moved["port_changed"]
    assert moved["previous_ports"] == container["ports"]
    assert published(inspect(moved["id"])) == {("0.0.0.0", moved["port"]), ("::", moved["port"])}
    assert moved["port"] != container["port"]


@pytest.mark.usefixtures("ipv6")
def test_a_container_of_before_stays_as_it_is_until_it_moves(
    start_service: Start, inspect: Inspect
) -> None:
    service = start_service(ports=4, PUBLISH_ADDRESS="0.0.0.0")
    container = service.created(name=unique(), command=SLEEP)
    port = port_of(container)
    service.stop()
    del service.environment["PUBLISH_ADDRESS"]
    service.start()
    act(service, container["id"], "restart", timeout=0)
    act(service, container["id"], "stop", timeout=0)
    started = act(service, container["id"], "start")
    assert published(inspect(started["id"])) == {("0.0.0.0", port)}
    act(service, container["id"], "stop", timeout=0)
    service.created(port=port, command=SLEEP)
    moved = act(service, container["id"], "start")
    assert moved["previous_ports"] == {"5000/tcp": f"0.0.0.0:{port}"}
    assert published(inspect(moved["id"])) == {("0.0.0.0", moved["port"]), ("::", moved["port"])}


def test_two_host_ports_of_one_container_port_are_both_known(
    service: Service, run_outside: Callable[..., Any]
) -> None:
    first, second = port_range(service)[-2:]
    outside = run_outside(command=SLEEP, ports={"5000/tcp": [("127.0.0.1", second), first]})
    found = wait_until(
        lambda: (
            (now := service.client.get(f"/containers/{outside.id}")).status_code == 200
            and now.json()["ports"]
            and now.json()
        )
    )
    assert found["ports"] == {"5000/tcp": f"0.0.0.0:{first}"}
    assert found["port"] == first
    assert {service.port_row(port)["state"] for port in (first, second)} == {"external"}


# The address for the one who asks


def asked_at(host: str, service: Service, method: str, path: str, **options: Any) -> Any:
    headers = options.pop("headers", {}) | {"Host": f"{host}:{service.port}"}
    answer = service.client.request(method, path, headers=headers, **options)
    assert answer.is_success, answer.text
    return answer.json()


def test_every_answer_has_the_address_as_the_service_was_called(service: Service) -> None:
    key, name = unique(), unique()
    label = dict([service.label.split("=")])
    body = {"name": name, "labels": label, "command": SLEEP}
    ports = set()
    for host in ("localhost", "127.0.0.1", "app.localhost"):
        ask = partial(asked_at, host, service)
        # But for the first, the answer to a repetition.
        made = ask("POST", "/containers/create", headers={"Idempotency-Key": key}, json=body)
        path = f"/containers/{made['id']}"
        shown = [made, ask("GET", path)]
        for listing in ("/containers", "/containers/running"):
            shown += [each for each in ask("GET", listing) if each["id"] == made["id"]]
        shown += [ask("POST", f"{path}/start"), ask("POST", f"{path}/restart?timeout=0")]
        assert [each["host"] for each in shown] == [host] * 6
        assert {each["url"] for each in shown} == {f"http://{host}:{made['port']}"}
        ports |= {each["port"] for each in shown}
    assert len(ports) == 1
    stopped = act(service, name, "stop", timeout=0)
    assert (stopped["url"], stopped["host"], stopped["port"]) == (None, None, None)


def test_a_host_that_is_refused_is_not_in_any_answer(service: Service) -> None:
    for rubbish in ("evil.example.org", "localhost:8000/x", "[::::]"):
        refused = service.client.get("/containers", headers={"Host": rubbish})
        assert_problem(refused, 403, "host-not-allowed")
        assert "evil" not in refused.text
    service.created(command=SLEEP)
    forwarded = {"X-Forwarded-Host": "evil.example.org", "X-Forwarded-Prefix": "/evil"}
    assert "evil" not in service.client.get("/containers", headers=forwarded).text
    assert "evil" not in service.client.get("/", headers=forwarded).text


def test_a_trusted_proxy_says_which_host_and_prefix(start_service: Start) -> None:
    service = start_service(ports=2, TRUSTED_PROXIES="127.0.0.1")
    service.client.headers["X-Forwarded-Host"] = "docker.example.org"
    service.client.headers["X-Forwarded-Prefix"] = "/docker"
    answer = service.create(command=SLEEP)
    made = answer.json()
    assert made["url"] == f"http://docker.example.org:{made['port']}"
    assert answer.headers["location"] == f"/docker/containers/{made['id']}"
    assert service.get(f"/docker/containers/{made['id']}")["host"] == "docker.example.org"


def test_the_operator_says_where_containers_answer(start_service: Start) -> None:
    service = start_service(
        ports=2, PUBLIC_HOST="10.0.0.5", PUBLIC_URL="https://{name}.lab.example.org/{port}/{id}"
    )
    made = service.created(name=unique(), command=SLEEP)
    place = f"{made['port']}/{made['id']}"
    assert made["url"] == f"https://{made['name']}.lab.example.org/{place}"
    assert (made["host"], made["port"]) == ("10.0.0.5", port_of(made))


def test_an_engine_that_is_reached_over_loopback_is_here(from_afar: Start) -> None:
    service = from_afar(ports=2)
    made = service.created(command=SLEEP)
    answer = service.client.get(f"/containers/{made['id']}", headers={"Host": "localhost"})
    assert answer.json()["url"] == f"http://localhost:{made['port']}"


def test_a_setting_puts_a_path_before_all_others(start_service: Start) -> None:
    service = start_service(ports=2, ROOT_PATH="/docker", API_KEY="k" * 32)
    for before in ("", "/docker"):
        assert service.client.get(f"{before}/health/live").status_code == 200
        assert service.client.get(f"{before}/containers").status_code == 401
        answer = service.client.get(
            f"{before}/docs", headers={"Authorization": f"Bearer {'k' * 32}"}
        )
        assert "/docker/static-offline-docs/swagger-ui-bundle.js" in answer.text
        assert "script-src" in answer.headers["content-security-policy"]
