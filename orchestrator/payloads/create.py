"""What the engine must be told to make a container that a caller asked for. Pure: no I/O, no state.

The shape is that of the body of `POST /containers/create` of the Docker Engine API.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from ..labels import (
    LABEL_CREATE,
    LABEL_CREATED_BY,
    LABEL_KEY,
    LABEL_MANAGED,
    LABEL_PORTS,
    LABEL_PREFIX,
    LABEL_REQUEST,
    LABEL_START,
)
from ..models import CreateRequest
from .containers import port_list

_NOT_INHERITED = ("com.docker.compose.", LABEL_PREFIX)


def create_body(
    request: CreateRequest,
    *,
    image: str,
    image_labels: Mapping[str, str],
    ports: Mapping[str, int],
    publish_address: str,
    confinement: Mapping[str, Any],
    create_id: str,
    key: str | None = None,
    created_by: str | None = None,
) -> dict[str, Any]:
    """Makes the body of `POST /containers/create` for a request, the ports that it was given, what
    it is held to (see `confinement`), its idempotency key, and whose key created it. `create_id` is
    written on the container, and on the volumes that the engine makes for it: that is how they are
    found when the engine's answer is lost.
    """
    # A container inherits its image's labels. Compose 2 labels what it builds, and would take a
    # clone for a container of its own; a label of ours would come from a commit of a clone.
    foreign = {name: "" for name in image_labels if name.startswith(_NOT_INHERITED)}
    ours = {LABEL_MANAGED: "true", LABEL_PORTS: port_list(ports), LABEL_CREATE: create_id}
    if not request.start:
        ours[LABEL_START] = "false"
    if key is not None:
        ours |= {LABEL_KEY: key, LABEL_REQUEST: fingerprint(request)}
    if created_by is not None:
        ours[LABEL_CREATED_BY] = created_by
    labels = foreign | request.labels | ours
    policy, _, retries = request.restart_policy.partition(":")
    body: dict[str, Any] = {
        **confinement,
        "Image": image,
        "Env": [f"{name}={value}" for name, value in request.env.items()],
        "Labels": labels,
        "ExposedPorts": {container_port: {} for container_port in ports},
        "HostConfig": {
            **confinement["HostConfig"],
            "PortBindings": {
                container_port: [{"HostIp": publish_address, "HostPort": str(port)}]
                for container_port, port in ports.items()
            },
            "RestartPolicy": {"Name": policy, "MaximumRetryCount": int(retries or 0)},
            "Mounts": [_mount(volume, create_id) for volume in request.volumes],
        },
    }
    if request.command is not None:
        body["Cmd"] = request.command
    return body


def _mount(volume: str, create_id: str) -> dict[str, Any]:
    name, target, *mode = volume.split(":")
    return {
        "Type": "volume",
        "Source": name,
        "Target": target,
        "ReadOnly": mode == ["ro"],
        "VolumeOptions": {"Labels": {LABEL_MANAGED: "true", LABEL_CREATE: create_id}},
    }


def fingerprint(request: CreateRequest) -> str:
    """Makes a text that is the same for equal requests, and for no others. Fields at their defaults
    do not count, so that a new field does not make old requests differ.
    """
    fields = request.model_dump(mode="json", exclude_defaults=True)
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()[:32]
