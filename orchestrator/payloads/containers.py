"""Reads containers from the engine's inspections and listings. Pure: no I/O, no state.

Shapes are those of the Docker Engine API, `GET /containers/{id}/json` and `GET /containers/json`,
in the versions 1.40 and later; fields that a version lacks are absent.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ..addresses import bracketed
from ..labels import (
    LABEL_IMAGE,
    LABEL_MOVED_FROM,
    LABEL_PORTS,
    LABEL_PREVIOUS_PORTS,
    LABEL_REQUEST,
    LABEL_START,
)
from ..models import Container, Limits, Listed, Published
from ..quantities import each_protocol, parse_size, together
from .images import variables
from .ownership import NOTHING, is_ours, without_ours

# A listing and an inspection write the time before which nothing happened like this.
_NEVER = "0001-01-01T00:00:00Z"
# States that Podman has and Docker does not, in Docker's words. What is stopping still runs.
_PODMAN_STATES = {
    "configured": "created",
    "initialized": "created",
    "stopping": "running",
    "stopped": "exited",
}
_SIGKILL, _LAST_SIGNAL = 9, 64  # of Linux, wherever this runs


def parse_container(
    payload: Mapping[str, Any], inherited: Mapping[str, str] | None = NOTHING
) -> Container:
    """A Container from `GET /containers/{id}/json`, and the labels of its image, None where that
    is gone. See `ownership` for which is ours; on others, labels under our prefix do not count.
    """
    config, host, state = payload["Config"], payload["HostConfig"], payload["State"]
    labels: dict[str, str] = dict(config.get("Labels") or {})
    # Equal for equal requests, so whoever may read it could try out guesses of a secret in them.
    fingerprint = labels.pop(LABEL_REQUEST, None)
    managed = is_ours(labels, host, inherited)
    if not managed:
        labels, fingerprint = without_ours(labels), None
    status = _state(state["Status"])
    runs = status in ("running", "paused", "restarting")
    own = _in_order(_own_ports(host), labels)
    bound = (payload["NetworkSettings"].get("Ports") or {}) if runs else {}
    order = [each for container_port in own.values() for each in each_protocol(container_port)]
    published, held = _published(bound, order), _host_ports(bound)
    ended = status == "restarting" or (not runs and status != "created")
    exit_code = state.get("ExitCode") if ended else None
    earlier_ids = words(labels, LABEL_MOVED_FROM)
    return Container(
        id=payload["Id"][:12],
        full_id=payload["Id"],
        name=payload["Name"].removeprefix("/"),
        status=status,
        state=status,
        image=labels.get(LABEL_IMAGE) or config["Image"],  # that of ours is an id, or a commit
        ports={key: f"{bracketed(address)}:{port}" for key, (address, port) in published.items()},
        created=_time(payload["Created"]),
        health=_health(state) if runs else None,
        started_at=_time_or_none(state.get("StartedAt")),
        finished_at=_time_or_none(state.get("FinishedAt")) if ended else None,
        exit_code=exit_code,
        reason=_reason(state, exit_code),
        oom_killed=bool(state.get("OOMKilled")) if ended else None,
        restart_count=payload.get("RestartCount") or 0,
        labels=labels,
        env=list(environment_of(payload)) if managed else [],
        managed=managed,
        published=_first_tcp(bound, published),
        limits=Limits(
            memory=host.get("Memory") or None,
            cpus=_cpus(host),
            pids=host["PidsLimit"] if (host.get("PidsLimit") or 0) > 0 else None,
            disk=_disk(host),
        ),
        # Between two runs a restarting container has nothing bound, but it will come back for it.
        held_ports=held or (own if status == "restarting" else {}),
        own_ports=own,
        earlier_ids=earlier_ids,
        moved_image=config["Image"] if earlier_ids else None,
        previous_id=earlier_ids[-1][:12] if earlier_ids else None,
        previous_ports=_previous_ports(labels) if earlier_ids else None,
        # Not HostConfig.NetworkMode, which stays as it was when a container is moved.
        networks=tuple(payload["NetworkSettings"].get("Networks") or ()),
        network_of=_network_of(host),
        volumes=tuple(
            mount["Name"]
            for mount in payload.get("Mounts") or ()
            if mount.get("Type") == "volume" and mount.get("Name")
        ),
        stop_timeout=config.get("StopTimeout"),
        pid=state.get("Pid") or None,  # 0 when it does not run
        fingerprint=fingerprint,
    )


def _reason(state: Mapping[str, Any], exit_code: int | None) -> str | None:
    """Why a container that does not run has ended, as far as the engine tells; None for one that
    runs, or was never to. A signal shows as 128 and its number, as shells have it.
    """
    if state.get("Error") and not state.get("Running"):
        return "refused"
    if exit_code is None:
        return None
    if exit_code == 128 + _SIGKILL:
        return "oom" if state.get("OOMKilled") else "killed"
    return "signal" if 128 < exit_code <= 128 + _LAST_SIGNAL else "exited"


def _state(word: str) -> Any:
    return _PODMAN_STATES.get(word, word)


def environment_of(payload: Mapping[str, Any]) -> dict[str, str]:
    """A container's environment variables, from `GET /containers/{id}/json`, in the engine's
    order. Of a name that is there twice the last value counts, as it does for most programs.
    """
    return variables(payload["Config"].get("Env"))


def parse_listed(summary: Mapping[str, Any]) -> Listed:
    """An entry of `GET /containers/json`."""
    return Listed(
        full_id=str(summary["Id"]),
        names=tuple(name.removeprefix("/") for name in summary.get("Names") or ()),
        state=_state(summary["State"]),
        ports=frozenset(
            port["PublicPort"] for port in summary.get("Ports") or () if port.get("PublicPort")
        ),
    )


def agrees(summary: Mapping[str, Any], container: Container) -> bool:
    """Whether an entry of `GET /containers/json` tells nothing new about a container."""
    return parse_listed(summary).agrees(container)


def is_husk(container: Container) -> bool:
    """Whether a container of ours was created and then forgotten: it never ran, and should have."""
    return (
        container.managed
        and container.state == "created"
        and container.started_at is None
        and container.labels.get(LABEL_START) != "false"
    )


def words(labels: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(word for word in labels.get(name, "").split(",") if word)


def _network_of(host: Mapping[str, Any]) -> str | None:
    """From "container:ID", the network mode of a container that has none of its own."""
    mode, _, other = (host.get("NetworkMode") or "").partition(":")
    return other if mode == "container" else None


def _previous_ports(labels: Mapping[str, str]) -> dict[str, str]:
    """container port -> address and port."""
    pairs = (word.partition("=") for word in words(labels, LABEL_PREVIOUS_PORTS))
    return {container_port: address for container_port, _, address in pairs}


def _own_ports(host: Mapping[str, Any]) -> dict[int, str]:
    """The fixed host ports of a container, which it has whenever it runs."""
    return _host_ports(host.get("PortBindings") or {})


def _in_order(ports: Mapping[int, str], labels: Mapping[str, str]) -> dict[int, str]:
    """The ports of a container of ours in the order in which they were asked for, as its label has
    them; the engine tells them by the alphabet, 10000/tcp before 5000/tcp.
    """
    order = {word: place for place, word in enumerate(words(labels, LABEL_PORTS))}
    return dict(sorted(ports.items(), key=lambda item: order.get(str(item[0]), len(order))))


def _host_ports(ports: Mapping[str, Any]) -> dict[int, str]:
    """port -> container port, of every binding: one container port may be on several ports, and
    TCP and UDP of one may have a port together.
    """
    found: dict[int, set[str]] = {}
    for container_port, bindings in ports.items():
        for binding in bindings or ():
            if binding.get("HostPort", "").isdigit() and binding["HostPort"] != "0":
                found.setdefault(int(binding["HostPort"]), set()).add(container_port)
    return {port: together(container_ports) for port, container_ports in found.items()}


def _published(ports: Mapping[str, Any], order: Sequence[str]) -> dict[str, tuple[str, int]]:
    """container port -> address and port; of several, the lowest port of an IPv4 address. Those in
    `order` come first. Podman's address of all there are is empty.
    """
    shown: dict[str, tuple[str, int]] = {}
    for container_port in sorted(
        ports, key=lambda each: order.index(each) if each in order else len(order)
    ):
        bindings = ports[container_port]
        usable = [binding for binding in bindings or () if binding.get("HostPort")]
        if usable:
            first = min(usable, key=lambda each: (":" in each["HostIp"], int(each["HostPort"])))
            shown[container_port] = (first["HostIp"] or "0.0.0.0", int(first["HostPort"]))
    return shown


def _first_tcp(
    bound: Mapping[str, Any], published: Mapping[str, tuple[str, int]]
) -> Published | None:
    """The first TCP port of those shown, on all the addresses that have it."""
    for container_port, (_, port) in published.items():
        if container_port.endswith("/tcp"):
            addresses = {
                str(binding["HostIp"])
                for binding in bound[container_port]
                if binding.get("HostPort") == str(port)
            }
            return Published(port=port, addresses=sorted(addresses, key=lambda each: ":" in each))
    return None


def _cpus(host: Mapping[str, Any]) -> float | None:
    """The CPU limit, written by --cpus as NanoCpus, or by older clients as a quota of a period."""
    if nano := host.get("NanoCpus"):
        return float(nano) / 1_000_000_000
    quota = host.get("CpuQuota") or 0
    return float(quota) / (host.get("CpuPeriod") or 100_000) if quota > 0 else None


def _disk(host: Mapping[str, Any]) -> int | None:
    """What it may write. Others may have given it a size that only the engine can read."""
    size = (host.get("StorageOpt") or {}).get("size")
    try:
        return parse_size(size, "disk") or None
    except ValueError:
        return None


def written_of(summary: Mapping[str, Any]) -> int | None:
    """What a container has written to its own layer, from an entry of a listing that was asked for
    sizes. The engine leaves out a 0, and says -1 where it cannot tell.
    """
    size = int(summary.get("SizeRw") or 0)
    return None if size < 0 else size


def _health(state: Mapping[str, Any]) -> Any:
    status = (state.get("Health") or {}).get("Status")
    return status if status in ("starting", "healthy", "unhealthy") else None


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _time_or_none(text: str | None) -> datetime | None:
    return None if text in (None, "", _NEVER) else _time(text or _NEVER)
