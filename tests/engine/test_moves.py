"""A stopped container whose port is taken moves to another one, and nothing in it is lost."""

import io
import signal
import tarfile
from collections.abc import Callable, Iterator
from typing import Any

import docker
import pytest

from tests.conftest import IMAGE, Service, wait_until

from .odd_images import odd_image
from .support import (
    SLEEP,
    act,
    assert_problem,
    at_once,
    counts,
    listening,
    nothing_changes,
    port_of,
    port_range,
    remove,
    unique,
)

pytestmark = pytest.mark.engine

IMAGES = "orchestration-api-moved"
Inspect = Callable[[str], dict[str, Any]]


def stopped(service: Service, **body: Any) -> dict[str, Any]:
    """A container as it was before it was stopped."""
    container = service.created(**{"command": SLEEP} | body)
    act(service, container["id"], "stop", timeout=0)
    return container


def moved_images(client: docker.DockerClient, service: Service) -> set[str]:
    """The commits of the test's containers, whose labels they have."""
    images = client.images.list(IMAGES, filters={"label": service.label})
    return {tag for image in images for tag in image.tags}


def write(client: docker.DockerClient, container: str, path: str, text: str) -> None:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        entry = tarfile.TarInfo(path.lstrip("/"))
        entry.size = len(text)
        tar.addfile(entry, io.BytesIO(text.encode()))
    assert client.api.put_archive(container, "/", archive.getvalue())


def read(client: docker.DockerClient, container: str, path: str) -> str:
    chunks, _ = client.api.get_archive(container, path)
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as tar:
        entry = tar.extractfile(tar.getmembers()[0])
        assert entry is not None
        return entry.read().decode()


@pytest.fixture
def taken(service: Service) -> Callable[..., None]:
    """Takes a port of a stopped container away: another one is pinned to it."""

    def take(container: dict[str, Any], container_port: str = "5000/tcp") -> None:
        service.created(command=SLEEP, port=port_of(container, container_port))

    return take


def test_a_start_moves_a_container_whose_port_was_given_away(
    service: Service,
    docker_client: docker.DockerClient,
    inspect: Inspect,
    taken: Callable[..., None],
) -> None:
    wishes = {
        "name": unique() + "x" * 100,
        "env": {"GREETING": "hello world"},
        "labels": {"team": "blue"},
        "memory": "64m",
        "cpus": 0.5,
        "pids": 50,
        "restart_policy": "on-failure:3",
    }
    before = stopped(service, **wishes)
    write(docker_client, before["id"], "/tmp/kept", "by the move")
    old = inspect(before["id"])
    taken(before)

    after = act(service, before["id"], "start")
    assert after["id"] != before["id"]
    assert (after["state"], after["name"]) == ("running", before["name"])
    assert port_of(after) != port_of(before)
    assert after["image"] == before["image"]
    assert after["port_changed"] is True
    assert after["previous_ports"] == before["ports"]
    assert after["previous_id"] == before["id"]
    assert after["limits"] == before["limits"]
    assert after["labels"]["team"] == "blue"
    assert read(docker_client, after["id"], "/tmp/kept") == "by the move"

    new = inspect(after["id"])
    for field in ("Env", "Cmd", "Entrypoint", "User", "WorkingDir", "Healthcheck", "ExposedPorts"):
        assert new["Config"].get(field) == old["Config"].get(field), field
    assert {**new["HostConfig"], "PortBindings": {}, "Mounts": None} == {
        **old["HostConfig"],
        "PortBindings": {},
        "Mounts": None,
    }
    assert new["Config"]["Hostname"] == after["id"]
    with pytest.raises(docker.errors.NotFound):
        inspect(old["Id"])
    assert len(moved_images(docker_client, service)) == 1

    # The old id leads to it, whole or in part, and so does the name.
    for key in (old["Id"], before["id"], before["id"][:10], before["name"], after["id"]):
        assert service.get(f"/containers/{key}")["id"] == after["id"]
    assert service.get(f"/containers/{after['id']}")["port_changed"] is False
    assert service.port_row(port_of(after))["container_id"] == after["id"]
    assert counts(service)["reserved"] == 0

    assert act(service, before["id"], "stop", timeout=0)["id"] == after["id"]
    again = act(service, before["id"], "start")
    assert (again["id"], again["ports"]) == (after["id"], after["ports"])
    assert again["port_changed"] is False
    remove(service, before["id"])
    assert service.client.get(f"/containers/{before['id']}").status_code == 404
    assert moved_images(docker_client, service) == set()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_the_old_id_leads_to_it_after_a_restart_of_the_service(
    start_service: Callable[..., Service], how: signal.Signals
) -> None:
    service = start_service()
    before = stopped(service)
    service.created(command=SLEEP, port=port_of(before))
    after = act(service, before["id"], "start")
    service.stop(how)
    service.start()
    found = service.get(f"/containers/{before['id']}")
    assert found["id"] == after["id"]
    assert (found["previous_id"], found["previous_ports"]) == (before["id"], before["ports"])
    remove(service, before["id"])


def test_it_moves_as_often_as_it_must(
    service: Service, docker_client: docker.DockerClient, taken: Callable[..., None]
) -> None:
    first = stopped(service)
    write(docker_client, first["id"], "/tmp/first", "1")
    ids = [first["id"]]
    now = first
    for number in range(3):
        taken(now)
        now = act(service, first["id"], "start")
        assert now["port_changed"]
        assert now["previous_id"] == ids[-1]
        ids.append(now["id"])
        write(docker_client, now["id"], f"/tmp/{number}", "x")
        act(service, now["id"], "stop", timeout=0)
    assert read(docker_client, now["id"], "/tmp/first") == "1"
    assert read(docker_client, now["id"], "/tmp/0") == "x"
    assert {service.get(f"/containers/{each}")["id"] for each in ids} == {now["id"]}
    assert len(moved_images(docker_client, service)) == 1
    remove(service, first["id"])
    assert moved_images(docker_client, service) == set()


def test_volumes_go_with_it(
    named_volume: str,
    service: Service,
    docker_client: docker.DockerClient,
    build_image: Callable[..., str],
    inspect: Inspect,
    taken: Callable[..., None],
) -> None:
    image = build_image("VOLUME /anonymous")
    before = stopped(service, image=image, volumes=[f"{named_volume}:/named"])
    write(docker_client, before["id"], "/named/file", "in the named one")
    write(docker_client, before["id"], "/anonymous/file", "in the anonymous one")
    old = {mount["Destination"]: mount["Name"] for mount in inspect(before["id"])["Mounts"]}
    now = before
    for _ in range(2):
        taken(now)
        now = act(service, before["id"], "start")
        assert read(docker_client, now["id"], "/named/file") == "in the named one"
        assert read(docker_client, now["id"], "/anonymous/file") == "in the anonymous one"
        new = {mount["Destination"]: mount["Name"] for mount in inspect(now["id"])["Mounts"]}
        assert new == old
        act(service, now["id"], "stop", timeout=0)
    remove(service, now["id"])
    assert docker_client.volumes.get(named_volume)
    with pytest.raises(docker.errors.NotFound):
        docker_client.volumes.get(old["/anonymous"])


def test_networks_and_aliases_go_with_it(
    service: Service,
    docker_client: docker.DockerClient,
    inspect: Inspect,
    taken: Callable[..., None],
) -> None:
    network = docker_client.networks.create(
        unique(),
        ipam=docker.types.IPAMConfig(pool_configs=[docker.types.IPAMPool(subnet="10.213.77.0/24")]),
    )
    try:
        before = stopped(service)
        (own,) = inspect(before["id"])["NetworkSettings"]["Networks"]
        network.connect(before["id"], aliases=["db", "db.local"], ipv4_address="10.213.77.50")
        taken(before)
        after = act(service, before["id"], "start")
        networks = inspect(after["id"])["NetworkSettings"]["Networks"]
        assert networks.keys() == {own, network.name}
        assert {"db", "db.local"} <= set(networks[network.name]["Aliases"])
        assert before["id"] not in networks[network.name]["Aliases"]
        assert networks[network.name]["IPAddress"] == "10.213.77.50"
        remove(service, after["id"])
    finally:
        network.remove()


def test_ports_that_are_still_its_own_stay(service: Service, taken: Callable[..., None]) -> None:
    before = stopped(service, container_ports=[5000, "53/udp", 6000])
    taken(before, "53/udp")
    after = act(service, before["id"], "start")
    assert after["previous_ports"] == before["ports"]
    kept = {"5000/tcp", "6000/tcp"}
    assert {port: after["ports"][port] for port in kept} == {
        port: before["ports"][port] for port in kept
    }
    assert after["ports"]["53/udp"] != before["ports"]["53/udp"]
    labelled = set(after["labels"]["orchestration-api.ports"].split(","))
    assert labelled == {where.rpartition(":")[2] for where in after["ports"].values()}


CONFIGURED = {
    "User": "nobody",
    "WorkingDir": "/tmp/work",
    "Entrypoint": ["python3"],
    "Cmd": ["-c", "import time; time.sleep(300)"],
    "StopSignal": "SIGINT",
    "StopTimeout": 3,
    "Healthcheck": {"Test": ["CMD", "true"], "Interval": 60 * 10**9, "Retries": 2},
    "Volumes": {"/anonymous": {}},
    "ExposedPorts": {"5000/tcp": {}, "53/udp": {}},
    "Labels": {"team": "blue"},
    "Shell": ["/bin/sh", "-c"],
}


@pytest.fixture
def deep_image(docker_client: docker.DockerClient) -> Iterator[str]:
    """As many layers as an image has after a hundred moves, and something of each configuration."""
    config = {**CONFIGURED, "Env": ["PATH=/opt/venv/bin:/usr/bin:/bin", "GREETING=hello world"]}
    name = odd_image(docker_client, IMAGE, f"{unique()}:1", config, layers=100)
    yield name
    docker_client.images.remove(name, force=True)


def test_an_image_of_very_many_layers_becomes_one_of_one_and_nothing_is_lost(
    deep_image: str,
    service: Service,
    docker_client: docker.DockerClient,
    inspect: Inspect,
    taken: Callable[..., None],
) -> None:
    before = service.created(image=deep_image, env={"OWN": "x=y"})
    write(docker_client, before["id"], "/tmp/kept", "by the move")
    write(docker_client, before["id"], "/anonymous/kept", "by the volume")
    act(service, before["id"], "stop", timeout=0)
    old = inspect(before["id"])
    assert len(layers_of(docker_client, old)) == 100
    taken(before)

    after = act(service, before["id"], "start")
    assert (after["state"], after["image"]) == ("running", before["image"])
    new = inspect(after["id"])
    assert len(layers_of(docker_client, new)) == 1
    assert {**new["Config"], "Hostname": "", "Labels": {}, "Image": ""} == {
        **old["Config"], "Hostname": "", "Labels": {}, "Image": "",
    }  # fmt: skip
    assert after["labels"]["team"] == "blue"
    assert {"OWN=x=y", "GREETING=hello world"} <= set(new["Config"]["Env"])
    assert read(docker_client, after["id"], "/tmp/kept") == "by the move"
    assert read(docker_client, after["id"], "/anonymous/kept") == "by the volume"
    assert read(docker_client, after["id"], "/opt/layer-99") == "x"

    # The next one is a layer more again, and keeps as much.
    write(docker_client, after["id"], "/tmp/more", "since")
    act(service, after["id"], "stop", timeout=0)
    taken(after)
    again = act(service, after["id"], "start")
    newest = inspect(again["id"])
    assert len(layers_of(docker_client, newest)) == 2
    assert newest["Config"]["Cmd"] == old["Config"]["Cmd"]
    assert read(docker_client, again["id"], "/tmp/kept") == "by the move"
    remove(service, again["id"])
    assert moved_images(docker_client, service) == set()


def layers_of(client: docker.DockerClient, details: dict[str, Any]) -> list[str]:
    found: list[str] = client.images.get(details["Image"]).attrs["RootFS"]["Layers"]
    return found


def test_an_image_is_as_large_as_what_is_in_it_within_the_bound_of_the_documents(
    service: Service,
    docker_client: docker.DockerClient,
    inspect: Inspect,
    taken: Callable[..., None],
) -> None:
    # docs/ports.md: what earlier moves have added counts up to 16 MB; one more may come on top.
    own = 20 * 2**20
    program = f"import os, time; open('/tmp/data', 'wb').write(os.urandom({own})); time.sleep(300)"
    now = service.created(command=["python3", "-c", program], init=False)
    plain = docker_client.images.get(IMAGE).attrs["Size"]
    for _ in range(5):
        details = inspect(now["id"])
        wait_until(
            lambda key=now["id"]: f"{own} /tmp/data" in du(docker_client, key),  # type: ignore[misc]
            30,
            "all is written",
        )
        size = docker_client.images.get(details["Image"]).attrs["Size"]
        assert size <= plain + own + max(16 * 2**20, own) + 2**20
        act(service, now["id"], "stop", timeout=0)
        taken(now)
        now = act(service, now["id"], "start")
    # A container that has moved often is not larger than one that has moved twice.
    assert len(layers_of(docker_client, inspect(now["id"]))) <= 2


def du(client: docker.DockerClient, container: str) -> str:
    """The size and the path of what is in /tmp/data."""
    made = client.api.exec_create(container, ["stat", "-c", "%s %n", "/tmp/data"])
    return str(client.api.exec_start(made["Id"]))


@pytest.mark.parametrize("verb", ["start", "restart"])
def test_it_moves_away_from_a_process(start_service: Callable[..., Service], verb: str) -> None:
    service = start_service()
    before = stopped(service)
    with listening(port_of(before)):
        after = act(service, before["id"], verb)
        assert after["port_changed"]
        assert after["state"] == "running"
        assert service.port_row(port_of(before))["state"] == "external"


def test_a_container_that_never_ran_moves_as_well(
    service: Service, docker_client: docker.DockerClient, taken: Callable[..., None]
) -> None:
    before = service.created(command=SLEEP, start=False)
    port = int(before["labels"]["orchestration-api.ports"])
    service.created(command=SLEEP, port=port)
    after = act(service, before["id"], "start")
    assert (after["state"], after["port_changed"]) == ("running", True)
    assert after["previous_ports"] == {"5000/tcp": f"0.0.0.0:{port}"}


def test_starts_at_the_same_time_move_it_once(
    service: Service, docker_client: docker.DockerClient, taken: Callable[..., None]
) -> None:
    before = stopped(service, name=unique())
    taken(before)
    keys = [before["id"], before["name"]] * 3
    found = at_once([lambda key=key: act(service, key, "start") for key in keys])  # type: ignore[misc]
    assert len({each["id"] for each in found}) == 1
    assert sum(each["port_changed"] for each in found) == 1
    mine = docker_client.api.containers(all=True, filters={"name": before["name"]})
    assert len(mine) == 1


def test_what_cannot_start_elsewhere_stays_as_it_was(
    service: Service, docker_client: docker.DockerClient, taken: Callable[..., None]
) -> None:
    name = unique()
    before = service.created(command=["/none/such"], init=False, start=False, name=name)
    service.created(command=SLEEP, port=int(before["labels"]["orchestration-api.ports"]))
    with nothing_changes(service, docker_client):
        answer = service.client.post(f"/containers/{name}/start")
        assert_problem(answer, 422, "start-refused", program="/none/such")
    assert docker_client.containers.get(before["id"]).name == name
    assert moved_images(docker_client, service) == set()


def test_without_another_port_it_stays_as_it_was(
    start_service: Callable[..., Service], docker_client: docker.DockerClient
) -> None:
    service = start_service(ports=1)
    before = stopped(service)
    service.created(command=SLEEP)
    assert port_of(before) == port_range(service)[0]
    with nothing_changes(service, docker_client):
        answer = service.client.post(f"/containers/{before['id']}/start")
        assert_problem(answer, 503, "ports-exhausted")
    assert moved_images(docker_client, service) == set()


def test_an_unmanaged_container_is_never_rebuilt(
    start_service: Callable[..., Service],
    docker_client: docker.DockerClient,
    run_outside: Callable[..., Any],
) -> None:
    service = start_service(ALLOW_UNMANAGED="true")
    port = port_range(service)[3]
    foreign = run_outside(command=SLEEP, name=unique(), ports={"5000/tcp": port})
    foreign.kill()
    with listening(port):
        wait_until(lambda: service.get(f"/containers/{foreign.name}")["state"] == "exited")
        answer = service.client.post(f"/containers/{foreign.name}/start")
        assert_problem(answer, 409, "port-in-use", port=port)
    assert docker_client.containers.get(foreign.id).name == foreign.name
