"""A container's inspection as the body of a create: the same container on other ports."""

from typing import Any

import pytest

from orchestrator.payloads import parse_container, rebuilt_body
from orchestrator.payloads.rebuild import MAX_EARLIER_IDS, endpoints

from ..examples import ENGINES, payload


def rebuilt(
    source: dict[str, Any], publish: tuple[str, ...] = (), /, **ports: int
) -> dict[str, Any]:
    return rebuilt_body(
        source,
        parse_container(source),
        image="moved:1",
        ports=ports or {"5000/tcp": 8777},
        publish_addresses=publish,
        create_id="c",
    )


@pytest.fixture(params=ENGINES)
def exited(request: pytest.FixtureRequest) -> dict[str, Any]:
    found: dict[str, Any] = payload(f"engine-{request.param}-container-exited")["inspect"]
    return found


def test_only_ports_image_labels_and_the_given_host_name_differ(exited: dict[str, Any]) -> None:
    body = rebuilt(exited, ("0.0.0.0",))
    config = {**exited["Config"]}
    assert config.pop("Hostname") == exited["Id"][:12]
    assert config.pop("Image") != body["Image"] == "moved:1"
    config.pop("Labels")
    assert {key: body[key] for key in config} == config
    host = {**exited["HostConfig"]}
    before = host.pop("PortBindings")["5000/tcp"]
    after = body["HostConfig"]["PortBindings"]["5000/tcp"]
    assert after == [{**before[0], "HostPort": "8777"}]
    host.pop("Mounts", None)
    assert {key: body["HostConfig"][key] for key in host} == host
    assert body["NetworkingConfig"] == {"EndpointsConfig": {}}


@pytest.mark.parametrize(
    ("before", "setting", "after"),
    [
        # One that was made before there was IPv6 gets it now, unless the setting says otherwise.
        (["0.0.0.0"], (), [""]),
        (["0.0.0.0"], ("0.0.0.0", "::"), ["0.0.0.0", "::"]),
        (["0.0.0.0"], ("0.0.0.0",), ["0.0.0.0"]),
        (["0.0.0.0"], ("10.0.0.5",), ["0.0.0.0"]),
        # No one is published on more than it was meant to be.
        (["127.0.0.1"], (), ["127.0.0.1"]),
        (["127.0.0.1", "::1"], (), ["127.0.0.1", "::1"]),
        (["::"], (), ["::"]),
        ([""], ("0.0.0.0",), [""]),
        (["0.0.0.0", "::"], ("0.0.0.0",), ["0.0.0.0", "::"]),
    ],
)
def test_a_move_publishes_on_the_same_addresses_or_all(
    exited: dict[str, Any], before: list[str], setting: tuple[str, ...], after: list[str]
) -> None:
    exited["HostConfig"]["PortBindings"] = {
        "5000/tcp": [{"HostIp": address, "HostPort": "8001"} for address in before],
        "53/udp": [{"HostIp": address, "HostPort": "8002"} for address in before],
    }
    body = rebuilt(exited, setting)
    assert body["HostConfig"]["PortBindings"] == {
        "5000/tcp": [{"HostIp": address, "HostPort": "8777"} for address in after],
        "53/udp": [{"HostIp": address, "HostPort": "8002"} for address in after],
    }
    previous = body["Labels"]["orchestration-api.previous-ports"]
    first = {"": "0.0.0.0", "::": "[::]"}.get(before[0], before[0])
    assert previous == f"5000/tcp={first}:8001,53/udp={first}:8002"


def test_a_limit_of_cpus_that_podman_tells_twice_is_asked_for_once(exited: dict[str, Any]) -> None:
    exited["HostConfig"] |= {"NanoCpus": 500_000_000, "CpuPeriod": 100_000, "CpuQuota": 50_000}
    host = rebuilt(exited)["HostConfig"]
    assert host["NanoCpus"] == 500_000_000
    assert "CpuPeriod" not in host
    assert "CpuQuota" not in host
    exited["HostConfig"] |= {"NanoCpus": 0}  # set by somebody else, in the other way
    assert rebuilt(exited)["HostConfig"]["CpuQuota"] == 50_000


def test_a_host_name_that_somebody_chose_stays(exited: dict[str, Any]) -> None:
    exited["Config"]["Hostname"] = "db"
    assert rebuilt(exited)["Hostname"] == "db"


def test_the_labels_say_where_it_came_from(exited: dict[str, Any]) -> None:
    exited["Config"]["Labels"] = exited["Config"]["Labels"] | {
        "team": "blue",
        "orchestration-api.managed": "true",
        "orchestration-api.start": "false",
        "orchestration-api.request": "a fingerprint",
    }
    container = parse_container(exited)
    port = next(iter(container.own_ports))
    labels = rebuilt(exited)["Labels"]
    assert labels["team"] == "blue"
    assert labels["orchestration-api.request"] == "a fingerprint"
    assert labels["orchestration-api.start"] == ""
    assert labels["orchestration-api.create"] == "c"
    assert labels["orchestration-api.ports"] == "8777"
    assert labels["orchestration-api.name"] == container.name
    assert labels["orchestration-api.image"] == container.image
    assert labels["orchestration-api.moved-from"] == container.full_id
    assert labels["orchestration-api.previous-ports"].startswith("5000/tcp=")
    assert labels["orchestration-api.previous-ports"].endswith(f":{port}")

    again = {**exited, "Id": "f" * 64, "Config": {**exited["Config"], "Labels": labels}}
    again["Config"]["Image"] = "moved:1"
    moved = parse_container(again)
    assert moved.image == container.image
    assert moved.moved_image == "moved:1"
    assert moved.earlier_ids == (container.full_id,)
    assert moved.previous_id == container.id
    assert moved.previous_ports is not None
    assert rebuilt(again)["Labels"]["orchestration-api.moved-from"] == (
        f"{container.full_id},{'f' * 64}"
    )
    assert rebuilt(again)["Labels"]["orchestration-api.image"] == container.image


def test_labels_of_a_container_that_is_not_ours_say_nothing(exited: dict[str, Any]) -> None:
    exited["Config"]["Labels"] = {"orchestration-api.moved-from": "a" * 64}
    found = parse_container(exited)
    assert (found.earlier_ids, found.previous_id, found.moved_image) == ((), None, None)


@pytest.mark.parametrize("text", ["", ",", "=", "x", "a=b=c,,"])
def test_a_label_that_somebody_forged_breaks_nothing(exited: dict[str, Any], text: str) -> None:
    exited["Config"]["Labels"] = {
        "orchestration-api.managed": "true",
        "orchestration-api.moved-from": "a" * 64,
        "orchestration-api.previous-ports": text,
    }
    assert isinstance(parse_container(exited).previous_ports, dict)


def test_of_very_many_moves_the_last_ones_are_known(exited: dict[str, Any]) -> None:
    exited["Config"]["Labels"] = {
        "orchestration-api.managed": "true",
        "orchestration-api.moved-from": ",".join(f"{number:064}" for number in range(500)),
    }
    ids = rebuilt(exited)["Labels"]["orchestration-api.moved-from"].split(",")
    assert len(ids) == MAX_EARLIER_IDS
    assert ids[-1] == exited["Id"]


def test_anonymous_volumes_become_mounts_by_name(exited: dict[str, Any]) -> None:
    exited["HostConfig"] |= {
        "Binds": ["named:/bound"],
        "Mounts": [
            {"Type": "volume", "Source": "data", "Target": "/data"},
            {"Type": "volume", "Target": "/nameless"},
            {"Type": "tmpfs", "Target": "/fast"},
        ],
    }
    exited["Mounts"] = [
        {"Type": "volume", "Name": "named", "Destination": "/bound", "RW": True},
        {"Type": "volume", "Name": "data", "Destination": "/data", "RW": True},
        {"Type": "volume", "Name": "a1", "Destination": "/nameless", "RW": True},
        {"Type": "volume", "Name": "a2", "Destination": "/of-the-image", "RW": False},
    ]
    body = rebuilt(exited)
    assert body["HostConfig"]["Binds"] == ["named:/bound"]
    assert body["HostConfig"]["Mounts"] == [
        {"Type": "volume", "Source": "data", "Target": "/data"},
        {"Type": "tmpfs", "Target": "/fast"},
        {"Type": "volume", "Source": "a1", "Target": "/nameless", "ReadOnly": False},
        {"Type": "volume", "Source": "a2", "Target": "/of-the-image", "ReadOnly": True},
    ]
    assert body["Labels"]["orchestration-api.volumes"] == "a1,a2"


def test_networks_keep_what_their_maker_set(exited: dict[str, Any]) -> None:
    address = {"IPv4Address": "10.0.0.5"}
    exited["HostConfig"]["NetworkMode"] = "n1" * 32
    exited["NetworkSettings"]["Networks"] = {
        "bridge": {"NetworkID": "n0"},
        "back": {
            "NetworkID": "n1" * 32,
            "Aliases": ["db", exited["Id"][:12]],
            "IPAMConfig": address,
            "IPAddress": "10.0.0.5",
            "Links": None,
        },
        "front": {"NetworkID": "n2", "Aliases": [exited["Id"][:12]], "Gateway": "10.1.0.1"},
    }
    assert endpoints(exited) == {"back": {"Aliases": ["db"], "IPAMConfig": address}, "front": {}}
    body = rebuilt(exited)
    assert body["HostConfig"]["NetworkMode"] == "back"
    assert body["NetworkingConfig"]["EndpointsConfig"] == {
        "back": {"Aliases": ["db"], "IPAMConfig": address}
    }


@pytest.mark.parametrize(
    ("mode", "attached", "primary"),
    [
        ("default", ["bridge"], "default"),
        ("bridge", ["bridge", "back"], "bridge"),
        ("bridge", ["orchestration-api-2"], "orchestration-api-2"),  # taken there when it was full
        ("gone", ["back"], "back"),
        ("none", ["none"], "none"),
        ("host", ["host"], "host"),
        ("container:abc", [], "container:abc"),
    ],
)
def test_the_first_network_is_the_one_it_is_on(
    exited: dict[str, Any], mode: str, attached: list[str], primary: str
) -> None:
    exited["HostConfig"]["NetworkMode"] = mode
    exited["NetworkSettings"]["Networks"] = {name: {"NetworkID": name * 2} for name in attached}
    assert rebuilt(exited)["HostConfig"]["NetworkMode"] == primary


def test_tcp_and_udp_of_one_host_port_move_together(exited: dict[str, Any]) -> None:
    binding = {"HostIp": "0.0.0.0", "HostPort": "8001"}
    exited["HostConfig"]["PortBindings"] = {"53/udp": [binding], "53/tcp": [binding]}
    assert parse_container(exited).own_ports == {8001: "53/tcp+udp"}
    body = rebuilt(exited, **{"53/tcp+udp": 8777})
    moved = [{"HostIp": "", "HostPort": "8777"}]  # on all addresses there are by now
    assert body["HostConfig"]["PortBindings"] == {"53/udp": moved, "53/tcp": moved}
    assert body["Labels"]["orchestration-api.ports"] == "8777"
    previous = body["Labels"]["orchestration-api.previous-ports"]
    assert set(previous.split(",")) == {"53/tcp=0.0.0.0:8001", "53/udp=0.0.0.0:8001"}


def test_what_it_may_write_is_limited_as_before(exited: dict[str, Any]) -> None:
    exited["HostConfig"]["StorageOpt"] = {"size": "16777216"}
    assert rebuilt(exited)["HostConfig"]["StorageOpt"] == {"size": "16777216"}
