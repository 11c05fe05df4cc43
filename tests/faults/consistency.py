"""What must be true whenever nothing is under way, whatever has happened before."""

import time
from collections import Counter
from typing import Any

import httpx

from tests.conftest import Service

from .private_engine import PrivateEngine

LABEL_MANAGED = "orchestration-api.managed"
LABEL_PORTS = "orchestration-api.ports"
RUNNING = ("running", "paused", "restarting")


def is_managed(entry: dict[str, Any]) -> bool:
    return (entry.get("Labels") or {}).get(LABEL_MANAGED) == "true"


def published(entry: dict[str, Any]) -> set[int]:
    """The host ports that an entry of the engine's listing publishes.

    Engine 20.10 goes on listing those of containers that it found dead when it started.
    """
    if entry["State"] not in RUNNING:
        return set()
    return {port["PublicPort"] for port in entry["Ports"] or () if port.get("PublicPort")}


def port_range(service: Service) -> range:
    first, last = service.environment["PORT_RANGE"].split("-")
    return range(int(first), int(last) + 1)


def differences(service: Service, engine: PrivateEngine) -> list[str]:
    """What the service believes and the engine knows better; empty when they agree."""
    try:
        containers, table = service.get("/containers"), service.get("/ports")
    except (AssertionError, httpx.TransportError) as error:
        return [f"the service does not answer: {error}"]
    entries = engine.containers()
    own = set(port_range(service))
    found = _compare(
        "containers",
        service={(each["id"], each["name"], each["state"]) for each in containers},
        engine={(each["Id"][:12], each["Names"][0][1:], each["State"]) for each in entries},
    )
    rows = {
        state: {row["port"] for row in table["ports"] if row["state"] == state}
        for state in ("in_use", "reserved", "remembered", "external")
    }
    of_ours = [port for each in entries if is_managed(each) for port in published(each)]
    of_others = {port for each in entries if not is_managed(each) for port in published(each)}
    found += _compare("ports in use", service=rows["in_use"], engine=own & set(of_ours))
    found += _compare("reserved ports", service=rows["reserved"], engine=set())
    if missing := (of_others & own) - rows["external"]:
        found.append(f"ports of foreign containers are not external: {sorted(missing)}")
    stopped = {each["Id"][:12] for each in entries if each["State"] not in RUNNING}
    for row in table["ports"]:
        if row["state"] == "remembered" and row["container_id"] not in stopped:
            found.append(f"remembered for a container that is not there: {row}")
    for state, ports in rows.items():
        if table[state] != len(ports):
            found.append(f"{state}: the count says {table[state]}, the rows {len(ports)}")
    taken = table["in_use"] + table["reserved"] + table["external"]
    if table["available"] + taken != table["total"]:
        found.append(f"the counts do not add up: {table}")
    twice = [port for port, times in Counter(of_ours).items() if times > 1]
    if twice:
        found.append(f"the engine publishes ports twice: {sorted(twice)}")
    for each in entries:
        if is_managed(each) and LABEL_PORTS not in each["Labels"]:
            found.append(f"no label says which ports {each['Names']} has")
        labelled = {int(p) for p in (each["Labels"] or {}).get(LABEL_PORTS, "").split(",") if p}
        if is_managed(each) and not published(each) <= labelled:
            found.append(f"{each['Names']} publishes {published(each)}, labelled {labelled}")
    return found


def _compare(what: str, *, service: set[Any], engine: set[Any]) -> list[str]:
    found = []
    if surplus := service - engine:
        found.append(f"{what} that only the service knows: {sorted(surplus)}")
    if missing := engine - service:
        found.append(f"{what} that the service does not know: {sorted(missing)}")
    return found


def consistent(service: Service, engine: PrivateEngine, seconds: float = 15.0) -> float:
    """Service and engine agree, within `seconds`; returns how many it took."""
    began = time.monotonic()
    while found := differences(service, engine):
        if time.monotonic() - began > seconds:
            raise AssertionError(
                "\n  ".join([f"after {seconds:g} s:", *found, "The service's log:", *told(service)])
            )
        time.sleep(0.02)
    return time.monotonic() - began


def told(service: Service) -> list[str]:
    """The end of the service's log, without the reads that a test has made."""
    return [line for line in service.log().splitlines() if '"GET /' not in line][-15:]
