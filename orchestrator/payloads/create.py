"""Writes a Spec down as the engine wants it: the body of `POST /containers/create`. Pure."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from ..labels import (
    LABEL_CREATE,
    LABEL_CREATED_BY,
    LABEL_IMAGE,
    LABEL_KEY,
    LABEL_MANAGED,
    LABEL_PORTS,
    LABEL_PREFIX,
    LABEL_REQUEST,
    LABEL_START,
)
from ..models import LEAST_INTERVAL, Confinement, CreateRequest, HealthCheck, Spec
from ..quantities import NANO, each_protocol

_NOT_INHERITED = ("com.docker.compose.", LABEL_PREFIX)


def create_body(spec: Spec, ports: Mapping[str, int], create_id: str) -> dict[str, Any]:
    """The body of a create for a Spec and the host ports that it was given, by container port.

    `create_id` is written on the container, and on the volumes that the engine makes for it: that
    is how they are found when the engine's answer is lost.

    The image is named by its id, so that it is the one that was looked at, wherever its tag leads
    by now. What the caller called it is in a label.
    """
    request = spec.asked
    policy, _, retries = request.restart_policy.partition(":")
    confined = confined_body(spec.confinement)
    body: dict[str, Any] = {
        **confined,
        "Image": spec.image.id or spec.image.reference,
        "Env": [f"{name}={value}" for name, value in request.env.items()],
        "Labels": _labels(spec, ports, create_id),
        "ExposedPorts": {each: {} for key in ports for each in each_protocol(key)},
        "HostConfig": {
            **confined["HostConfig"],
            "PortBindings": {
                each: bindings(spec.publish_addresses, port)
                for container_port, port in ports.items()
                for each in each_protocol(container_port)
            },
            "RestartPolicy": {"Name": policy, "MaximumRetryCount": int(retries or 0)},
            "Mounts": [_mount(volume, create_id) for volume in request.volumes],
            **_network(request),
        },
        **_process(request),
    }
    if not spec.image.health_check_works:
        body.setdefault("Healthcheck", {}).setdefault("Test", ["NONE"])
    for interval in spec.image.too_often:
        body.setdefault("Healthcheck", {}).setdefault(interval, LEAST_INTERVAL * NANO)
    return body


def bindings(addresses: Sequence[str], port: int | str) -> list[dict[str, str]]:
    """What publishes one port on these addresses of the engine's host; without any, on all there
    are: an engine takes an empty one for IPv4 and, where its host has that, IPv6.
    """
    return [{"HostIp": address, "HostPort": str(port)} for address in addresses or ("",)]


def _network(request: CreateRequest) -> dict[str, Any]:
    """The part of `HostConfig` that says whom the container knows."""
    wishes = {"ExtraHosts": request.extra_hosts, "Dns": request.dns}
    return {name: value for name, value in wishes.items() if value}


def _process(request: CreateRequest) -> dict[str, Any]:
    """What is run, and how, where the request does not leave it to the image. The user is part of
    the confinement.
    """
    entrypoint = request.entrypoint
    wishes = {
        "Cmd": request.command,
        # An empty list would stand for the image's.
        "Entrypoint": [""] if entrypoint == [] else entrypoint,
        "WorkingDir": request.workdir,
        "Hostname": request.hostname,
        "Tty": request.tty or None,
        "StopSignal": request.stop_signal,
        "StopTimeout": request.stop_timeout,
        "Healthcheck": _health_check(request.healthcheck),
    }
    return {name: value for name, value in wishes.items() if value is not None}


def _health_check(asked: HealthCheck | None) -> dict[str, Any] | None:
    """The engine takes from the image what is not in it."""
    if asked is None:
        return None
    times = {
        "Interval": asked.interval,
        "Timeout": asked.timeout,
        "StartPeriod": asked.start_period,
        "StartInterval": asked.start_interval,
    }
    body: dict[str, Any] = {
        name: round(seconds * NANO) for name, seconds in times.items() if seconds is not None
    }
    others = {"Test": asked.test, "Retries": asked.retries}
    return body | {name: value for name, value in others.items() if value is not None}


def confined_body(confinement: Confinement) -> dict[str, Any]:
    """The part of the body of a create that limits and restricts the container."""
    limits = confinement.limits
    host: dict[str, Any] = {
        "Memory": limits.memory,
        "MemorySwap": limits.memory,  # of both together: none of it is swap
        "NanoCpus": round((limits.cpus or 0) * NANO),
        "PidsLimit": limits.pids or 0,
        "SecurityOpt": ["no-new-privileges"],
        "CapDrop": list(confinement.capabilities_dropped),
        "Init": confinement.init,
    }
    if confinement.log_rotation is not None:
        size, files = confinement.log_rotation
        host["LogConfig"] = {"Type": "json-file", "Config": {"max-size": size, "max-file": files}}
    if limits.disk is not None:
        host["StorageOpt"] = {"size": str(limits.disk)}
    if confinement.read_only:
        host["ReadonlyRootfs"] = True
    if confinement.tmpfs:
        host["Tmpfs"] = dict(confinement.tmpfs)
    if confinement.shm_size is not None:
        host["ShmSize"] = confinement.shm_size
    if confinement.ulimits:
        host["Ulimits"] = [
            {"Name": name, "Soft": soft, "Hard": hard}
            for name, (soft, hard) in confinement.ulimits.items()
        ]
    body: dict[str, Any] = {"HostConfig": host}
    if confinement.user is not None:
        body["User"] = confinement.user
    return body


def fingerprint(request: CreateRequest) -> str:
    """The same for equal requests, and for no others. Fields at their defaults do not count, so
    that a new field does not make old requests differ; nor does a login, which is written nowhere.
    """
    fields = request.model_dump(mode="json", exclude_defaults=True, exclude={"registry_auth"})
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()[:32]


def port_list(ports: Mapping[str, int]) -> str:
    """What LABEL_PORTS says of the ports that a container was given."""
    return ",".join(str(port) for port in ports.values())


def _labels(spec: Spec, ports: Mapping[str, int], create_id: str) -> dict[str, str]:
    # A container inherits its image's labels. Compose 2 labels what it builds, and would take a
    # clone for a container of its own; a label of ours would come from a commit of a clone.
    foreign = {name: "" for name in spec.image.labels if name.startswith(_NOT_INHERITED)}
    ours = {
        LABEL_MANAGED: "true",
        LABEL_PORTS: port_list(ports),
        LABEL_CREATE: create_id,
        LABEL_IMAGE: spec.image.reference,
    }
    if not spec.asked.start:
        ours[LABEL_START] = "false"
    if spec.key is not None:
        ours |= {LABEL_KEY: spec.key, LABEL_REQUEST: fingerprint(spec.asked)}
    if spec.owner is not None:
        ours[LABEL_CREATED_BY] = spec.owner
    return foreign | spec.asked.labels | ours


def _mount(volume: str, create_id: str) -> dict[str, Any]:
    name, target, *mode = volume.split(":")
    return {
        "Type": "volume",
        "Source": name,
        "Target": target,
        "ReadOnly": mode == ["ro"],
        "VolumeOptions": {"Labels": {LABEL_MANAGED: "true", LABEL_CREATE: create_id}},
    }
