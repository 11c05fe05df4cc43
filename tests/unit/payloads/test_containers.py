"""Inspections and listings of real engines (record_payloads.py), and the Containers they become."""

from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import pytest

from orchestrator.models import Container, Limits, Published
from orchestrator.payloads import (
    environment_of,
    is_husk,
    parse_container,
    written_of,
)
from orchestrator.payloads.containers import agrees

from ..examples import ENGINES, payload

MIB = 1024 * 1024
CASES = (
    "running", "starting", "healthy", "unhealthy", "paused", "exited", "created",
    "created-start-false", "created-start-refused", "restarting", "loopback", "any-address",
    "host-network", "two-bindings", "unpublished", "publish-all",
)  # fmt: skip

on_every_engine = pytest.mark.parametrize("engine", ENGINES)
every_case = pytest.mark.parametrize("case", CASES)


def inspection(engine: str, case: str) -> Any:
    return payload(f"engine-{engine}-container-{case}")["inspect"]


def summary(engine: str, case: str) -> Any:
    return payload(f"engine-{engine}-container-{case}")["summary"]


def parse(engine: str, case: str) -> Container:
    return parse_container(inspection(engine, case))


def bound(engine: str, case: str) -> dict[str, int]:
    """container port -> the host port that was asked for, of those with one binding."""
    bindings = inspection(engine, case)["HostConfig"]["PortBindings"]
    return {key: int(value[0]["HostPort"]) for key, value in bindings.items()}


# Containers


@on_every_engine
@every_case
def test_what_every_container_has(engine: str, case: str) -> None:
    raw, found = inspection(engine, case), parse(engine, case)
    assert found.full_id == raw["Id"]
    assert found.id == raw["Id"][:12]
    assert f"/{found.name}" == raw["Name"]
    assert found.status == found.state == raw["State"]["Status"]
    assert found.created.tzinfo is UTC
    assert abs(found.created - datetime.fromisoformat(raw["Created"])).total_seconds() < 1e-5
    assert found.managed == ("orchestration-api.managed" in raw["Config"]["Labels"])


@on_every_engine
def test_a_running_container_of_ours(engine: str) -> None:
    found, ports = parse(engine, "running"), bound(engine, "running")
    assert found.status == "running"
    assert found.runs
    assert found.managed
    assert found.image == "base-api-server:latest"
    assert found.ports == {key: f"0.0.0.0:{port}" for key, port in ports.items()}
    assert set(found.ports) == {"5000/tcp", "53/udp", "9000/tcp"}
    assert found.held_ports == found.own_ports == {port: key for key, port in ports.items()}
    assert found.limits == Limits(memory=256 * MIB, cpus=0.5, pids=100)
    assert found.labels["team"] == "blue"
    assert found.started_at is not None
    assert found.started_at >= found.created
    assert (found.finished_at, found.exit_code) == (None, None)
    assert found.published is not None
    assert found.published.port in {ports[key] for key in ("5000/tcp", "9000/tcp")}
    assert (found.url, found.host, found.port) == (None, None, None)  # nobody has asked


@on_every_engine
def test_names_of_the_environment_are_known_and_no_values(engine: str) -> None:
    raw, found = inspection(engine, "running"), parse(engine, "running")
    assert raw["Config"]["Env"][0] == "GREETING=hello"
    assert found.env == [each.partition("=")[0] for each in raw["Config"]["Env"]]
    assert found.env[0] == "GREETING"
    assert "PATH" in found.env
    assert "hello" not in found.model_dump_json()
    assert "hello" not in repr(found)
    others = parse(engine, "loopback")
    assert inspection(engine, "loopback")["Config"]["Env"]
    assert (others.managed, others.env) == (False, [])


@on_every_engine
def test_values_of_the_environment_are_what_stands_behind_the_first_equals_sign(
    engine: str,
) -> None:
    raw = inspection(engine, "running")
    assert environment_of(raw)["GREETING"] == "hello"
    raw["Config"]["Env"] = ["A=x=y", "B=", "C", "A=z"]
    assert environment_of(raw) == {"A": "z", "B": "", "C": ""}
    assert parse_container(raw).env == ["A", "B", "C"]
    raw["Config"]["Env"] = None
    assert environment_of(raw) == {}
    assert parse_container(raw).env == []


@on_every_engine
def test_a_paused_container_keeps_its_ports(engine: str) -> None:
    found = parse(engine, "paused")
    assert (found.status, found.runs) == ("paused", True)
    assert found.held_ports == found.own_ports != {}
    assert found.ports


@on_every_engine
def test_an_exited_container_holds_no_port_and_says_how_it_ended(engine: str) -> None:
    found, (port,) = parse(engine, "exited"), bound(engine, "exited").values()
    assert (found.status, found.runs, found.exit_code) == ("exited", False, 3)
    assert (found.ports, found.held_ports, found.published) == ({}, {}, None)
    assert found.own_ports == {port: "5000/tcp"}
    assert found.finished_at is not None
    assert found.started_at is not None
    assert found.finished_at >= found.started_at


@on_every_engine
@pytest.mark.parametrize("case", ["created", "created-start-false", "created-start-refused"])
def test_a_created_container_never_ran(engine: str, case: str) -> None:
    found = parse(engine, case)
    assert (found.status, found.runs) == ("created", False)
    assert (found.started_at, found.finished_at, found.exit_code) == (None, None, None)
    assert (found.ports, found.held_ports) == ({}, {})
    assert list(found.own_ports.values()) == ["5000/tcp"]


@on_every_engine
def test_a_restarting_container_keeps_its_ports_though_nothing_is_bound(engine: str) -> None:
    found = parse(engine, "restarting")
    assert (found.status, found.runs) == ("restarting", True)
    assert found.held_ports == found.own_ports != {}
    assert found.ports == {}


@on_every_engine
def test_a_restarting_container_says_how_it_has_ended_last(engine: str) -> None:
    found = parse(engine, "restarting")
    assert (found.exit_code, found.reason, found.oom_killed) == (1, "exited", False)
    assert found.restart_count > 3
    assert found.finished_at is not None


@on_every_engine
@pytest.mark.parametrize("case", ["running", "paused", "created", "created-start-false"])
def test_a_container_that_has_not_ended_has_no_reason(engine: str, case: str) -> None:
    found = parse(engine, case)
    assert (found.exit_code, found.reason, found.oom_killed) == (None, None, None)
    assert found.restart_count == 0


@on_every_engine
def test_one_that_the_engine_could_not_start_was_refused(engine: str) -> None:
    found = parse(engine, "created-start-refused")
    assert (found.reason, found.exit_code) == ("refused", None)


@on_every_engine
@pytest.mark.parametrize(
    ("exit_code", "oom", "reason"),
    [
        (0, False, "exited"), (3, False, "exited"), (3, True, "exited"), (127, False, "exited"),
        (128, False, "exited"), (137, True, "oom"), (137, False, "killed"), (143, False, "signal"),
        (143, True, "signal"), (192, False, "signal"), (193, False, "exited"),
        (255, False, "exited"),
    ],
)  # fmt: skip
def test_why_a_container_has_ended(engine: str, exit_code: int, oom: bool, reason: str) -> None:
    raw = inspection(engine, "exited")
    raw["State"] |= {"ExitCode": exit_code, "OOMKilled": oom}
    found = parse_container(raw)
    assert (found.exit_code, found.reason, found.oom_killed) == (exit_code, reason, oom)


@on_every_engine
@pytest.mark.parametrize(("given", "grace"), [(None, 10), (0, 0), (1, 1), (-1, -1), (600, 600)])
def test_a_container_has_the_time_to_end_that_it_was_created_with(
    engine: str, given: int | None, grace: int
) -> None:
    raw = inspection(engine, "running")
    raw["Config"].pop("StopTimeout", None)
    if given is not None:
        raw["Config"]["StopTimeout"] = given
    assert parse_container(raw).grace == grace


@on_every_engine
def test_the_volumes_of_a_container_are_known(engine: str) -> None:
    (mount,) = (each for each in inspection(engine, "running")["Mounts"] if each.get("Name"))
    assert parse(engine, "running").volumes == (mount["Name"],)


@on_every_engine
@pytest.mark.parametrize(
    ("case", "health"),
    [("starting", "starting"), ("healthy", "healthy"), ("unhealthy", "unhealthy")],
)
def test_health_is_what_the_health_check_says(engine: str, case: str, health: str) -> None:
    assert parse(engine, case).health == health


@on_every_engine
def test_health_is_unknown_without_a_check(engine: str) -> None:
    raw = inspection(engine, "running")
    del raw["State"]["Health"]
    assert parse_container(raw).health is None
    raw["State"]["Health"] = {"Status": "none", "FailingStreak": 0, "Log": None}
    assert parse_container(raw).health is None


@on_every_engine
def test_a_port_on_one_address_shows_it(engine: str) -> None:
    found, ports = parse(engine, "loopback"), bound(engine, "loopback")
    assert found.ports == {"5000/tcp": f"127.0.0.1:{ports['5000/tcp']}"}
    assert found.published == Published(port=ports["5000/tcp"], addresses=("127.0.0.1",))


@on_every_engine
def test_a_port_on_ipv4_and_ipv6_is_one_and_shows_ipv4(engine: str) -> None:
    found, ports = parse(engine, "any-address"), bound(engine, "any-address")
    assert found.ports == {"5000/tcp": f"0.0.0.0:{ports['5000/tcp']}"}
    assert found.held_ports == {ports["5000/tcp"]: "5000/tcp"}
    at = found.published
    assert at is not None
    assert (at.port, at.addresses[0]) == (ports["5000/tcp"], "0.0.0.0")
    assert at.addresses[1:] in ((), ("::",))  # what the engine's host has


@on_every_engine
def test_two_host_ports_of_one_container_port(engine: str) -> None:
    """As 20.10 gives them out of a range: one of IPv4 and another of IPv6."""
    raw = inspection(engine, "any-address")
    raw["NetworkSettings"]["Ports"]["5000/tcp"] = [
        {"HostIp": "::", "HostPort": "8950"},
        {"HostIp": "0.0.0.0", "HostPort": "8952"},
    ]
    found = parse_container(raw)
    assert found.ports == {"5000/tcp": "0.0.0.0:8952"}
    assert found.published == Published(port=8952, addresses=("0.0.0.0",))
    assert set(found.held_ports) == {8950, 8952}


@on_every_engine
def test_an_address_that_is_empty_is_all_there_are(engine: str) -> None:
    raw, port = inspection(engine, "loopback"), bound(engine, "loopback")["5000/tcp"]
    raw["NetworkSettings"]["Ports"]["5000/tcp"][0]["HostIp"] = ""
    found = parse_container(raw)
    assert found.ports == {"5000/tcp": f"0.0.0.0:{port}"}
    assert found.published == Published(port=port, addresses=("",))


@on_every_engine
def test_a_container_port_on_two_ports_holds_both(engine: str) -> None:
    raw, found = inspection(engine, "two-bindings"), parse(engine, "two-bindings")
    bindings = raw["HostConfig"]["PortBindings"]["5000/tcp"]
    ports = {int(binding["HostPort"]): "5000/tcp" for binding in bindings}
    assert len(ports) == 2
    assert found.own_ports == ports
    assert found.held_ports == ports


@on_every_engine
def test_ports_that_the_engine_chose_are_held_but_not_the_containers_own(engine: str) -> None:
    raw, found = inspection(engine, "publish-all"), parse(engine, "publish-all")
    ports = {
        int(binding["HostPort"])
        for bindings in raw["NetworkSettings"]["Ports"].values()
        for binding in bindings
    }
    assert set(found.held_ports) == ports
    assert found.own_ports == {}
    assert not found.managed


@on_every_engine
@pytest.mark.parametrize("case", ["host-network", "unpublished"])
def test_a_container_without_published_ports(engine: str, case: str) -> None:
    found = parse(engine, case)
    assert (found.ports, found.held_ports, found.own_ports) == ({}, {}, {})
    assert found.published is None
    assert found.runs


@on_every_engine
def test_limits_of_others_are_understood(engine: str) -> None:
    assert parse(engine, "unpublished").limits == Limits(memory=None, cpus=1.5, pids=None)
    assert parse(engine, "loopback").limits == Limits()


@on_every_engine
def test_a_port_range_of_others_is_nobodys_own_port(engine: str) -> None:
    raw = inspection(engine, "loopback")
    for text in ("8001-8999", "", "0"):
        raw["HostConfig"]["PortBindings"]["5000/tcp"][0]["HostPort"] = text
        assert parse_container(raw).own_ports == {}


@on_every_engine
def test_what_an_engine_may_leave_out_or_null(engine: str) -> None:
    raw = inspection(engine, "unpublished")
    raw["Config"]["Labels"] = None
    raw["HostConfig"]["PortBindings"] = None
    raw["NetworkSettings"] = {"Ports": None, "Networks": None}
    found = parse_container(raw)
    assert (found.labels, found.managed, found.ports) == ({}, False, {})


# Listings


@on_every_engine
@every_case
def test_a_listing_of_the_same_moment_agrees(engine: str, case: str) -> None:
    assert agrees(summary(engine, case), parse(engine, case))


@on_every_engine
def test_a_listing_of_another_state_name_or_port_does_not_agree(engine: str) -> None:
    found, listed = parse(engine, "running"), summary(engine, "running")
    assert not agrees(listed | {"State": "exited"}, found)
    assert not agrees(listed | {"Names": ["/other"]}, found)
    assert not agrees(listed | {"Ports": listed["Ports"][1:]}, found)
    moved = deepcopy(listed)
    moved["Ports"][0]["PublicPort"] += 1000
    assert not agrees(moved, found)


@pytest.mark.parametrize(
    ("podmans", "state"),
    [
        ("configured", "created"),
        ("initialized", "created"),
        ("stopping", "running"),
        ("stopped", "exited"),
        ("exited", "exited"),
    ],
)
def test_states_that_only_podman_has_are_told_in_dockers_words(podmans: str, state: str) -> None:
    raw = deepcopy(inspection("20.10", "running"))
    raw["State"]["Status"] = podmans
    found = parse_container(raw)
    assert found.state == found.status == state
    assert (found.ports != {}) is (state == "running"), "its port is taken until it has ended"
    assert agrees(summary("20.10", "running") | {"State": podmans}, found)


@on_every_engine
def test_a_listing_with_aliases_or_nulls_agrees(engine: str) -> None:
    found, listed = parse(engine, "running"), summary(engine, "running")
    assert agrees(listed | {"Names": ["/web/alias", *listed["Names"]]}, found)
    stopped, listed = parse(engine, "exited"), summary(engine, "exited")
    assert agrees(listed | {"Ports": None}, stopped)


# Husks


@on_every_engine
@every_case
def test_a_husk_is_ours_never_ran_and_should_have(engine: str, case: str) -> None:
    husks = ("created", "created-start-refused")
    assert is_husk(parse(engine, case)) == (case in husks)


@on_every_engine
def test_a_created_container_of_others_is_no_husk(engine: str) -> None:
    raw = inspection(engine, "created")
    raw["Config"]["Labels"] = {}
    assert not is_husk(parse_container(raw))


# For statistics


@on_every_engine
def test_the_first_process_is_known_while_there_is_one(engine: str) -> None:
    pid = inspection(engine, "running")["State"]["Pid"]
    assert parse(engine, "running").pid == pid > 0
    for case in ("exited", "created", "restarting"):
        assert parse(engine, case).pid is None


@on_every_engine
def test_whose_network_a_container_shares_is_known(engine: str) -> None:
    reply = inspection(engine, "running")
    assert parse_container(reply).network_of is None
    reply["HostConfig"]["NetworkMode"] = f"container:{'a1' * 32}"
    assert parse_container(reply).network_of == "a1" * 32
    del reply["HostConfig"]["NetworkMode"]
    assert parse_container(reply).network_of is None


def test_tcp_and_udp_of_a_port_have_one_host_port_together() -> None:
    running = deepcopy(inspection("28.5", "running"))
    both, other = (
        [{"HostIp": "0.0.0.0", "HostPort": "8002"}],
        [{"HostIp": "0.0.0.0", "HostPort": "8001"}],
    )
    bindings = {"53/udp": both, "53/tcp": both, "80/tcp": other}
    running["HostConfig"]["PortBindings"] = bindings
    running["NetworkSettings"]["Ports"] = bindings
    running["Config"]["Labels"] = {
        "orchestration-api.managed": "true",
        "orchestration-api.ports": "8002,8001",
    }
    container = parse_container(running)
    assert container.own_ports == {8002: "53/tcp+udp", 8001: "80/tcp"}
    assert container.held_ports == container.own_ports
    assert list(container.ports.items()) == [
        ("53/tcp", "0.0.0.0:8002"),
        ("53/udp", "0.0.0.0:8002"),
        ("80/tcp", "0.0.0.0:8001"),
    ]
    assert container.published == Published(port=8002, addresses=("0.0.0.0",))


@pytest.mark.parametrize(
    ("options", "disk"),
    [
        ({"size": "1073741824"}, 2**30),
        ({"size": "10G"}, 10 * 2**30),
        ({"size": "a tenth"}, None),  # only its engine knows what others have written there
        ({}, None),
        (None, None),
    ],
)
def test_what_it_may_write(options: object, disk: int | None) -> None:
    raw = deepcopy(inspection("20.10", "running"))
    raw["HostConfig"]["StorageOpt"] = options
    assert parse_container(raw).limits.disk == disk


@pytest.mark.parametrize(
    ("entry", "size"), [({"SizeRw": 5}, 5), ({}, 0), ({"SizeRw": None}, 0), ({"SizeRw": -1}, None)]
)
def test_what_it_has_written(entry: dict[str, Any], size: int | None) -> None:
    assert written_of(entry) == size
