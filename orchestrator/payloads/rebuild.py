"""Writes down for the engine how to make a container once more, from its inspection. Pure.

Docker cannot change the ports of a container that exists, so a move makes another one that differs
in nothing else. Shapes are those of `GET /containers/{id}/json` and `POST /containers/create`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ..addresses import bracketed
from ..labels import (
    LABEL_CREATE,
    LABEL_IMAGE,
    LABEL_MOVED_FROM,
    LABEL_NAME,
    LABEL_PORTS,
    LABEL_PREVIOUS_PORTS,
    LABEL_START,
    LABEL_VOLUMES,
)
from ..models import Blueprint, Container
from ..quantities import each_protocol
from .containers import parse_container, words
from .create import bindings, port_list
from .ownership import NOTHING

# Networks that are modes rather than networks: a container is in them or not, without settings.
_MODES = ("default", "bridge", "host", "none")
# Of an endpoint, what its maker can set; the rest is what the engine made of it.
_ENDPOINT = ("IPAMConfig", "Links", "Aliases", "DriverOpts", "GwPriority")
# A label holds this many ids of moves before the last one.
MAX_EARLIER_IDS = 100


def rebuilt_body(
    payload: Mapping[str, Any],
    container: Container,
    *,
    image: str,
    ports: Mapping[str, int],
    publish_addresses: Sequence[str] = (),
    create_id: str,
) -> dict[str, Any]:
    """Makes the body of a create for the successor of a container: the same on other ports.

    `container` is what `payload` was parsed to; `image` is the commit of its file system, `ports`
    are the ports that change or stay, by container port, and `create_id` marks this create. One
    that was published on all addresses of IPv4 is published on `publish_addresses` if these have
    all of IPv4 in them, too.
    """
    config = dict(payload["Config"])
    host = dict(payload["HostConfig"])
    if host.get("NanoCpus"):  # Podman tells the same limit in both ways, and wants it in one
        host.pop("CpuPeriod", None)
        host.pop("CpuQuota", None)
    config["Image"] = image
    if config.get("Hostname") == container.id:  # Docker's own choice; it makes the same one again
        del config["Hostname"]
    new = {each: port for key, port in ports.items() for each in each_protocol(key)}
    host["PortBindings"] = {
        container_port: _rebound(bound or (), new.get(container_port), publish_addresses)
        for container_port, bound in (host.get("PortBindings") or {}).items()
    }
    anonymous = _anonymous_volumes(payload)
    host["Mounts"] = [
        mount
        for mount in host.get("Mounts") or ()
        if mount.get("Source") or mount["Target"] not in anonymous
    ] + [
        {"Type": "volume", "Source": name, "Target": target, "ReadOnly": read_only}
        for target, (name, read_only) in anonymous.items()
    ]
    config["Labels"] = _labels(payload, container, ports, create_id, anonymous)
    primary = host["NetworkMode"] = _primary_network(payload)
    settings = endpoints(payload).get(primary)
    return config | {
        "HostConfig": host,
        "NetworkingConfig": {"EndpointsConfig": {primary: settings} if settings else {}},
    }


def endpoints(payload: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Reads the user-defined networks of a container, by name, and its settings in each."""
    found: dict[str, dict[str, Any]] = {}
    for name, endpoint in (payload["NetworkSettings"].get("Networks") or {}).items():
        if name in _MODES:
            continue
        settings = {key: endpoint[key] for key in _ENDPOINT if endpoint.get(key)}
        # The engine adds the container's own id to the aliases, up to version 24.
        aliases = [each for each in settings.pop("Aliases", ()) if each != payload["Id"][:12]]
        found[name] = settings | ({"Aliases": aliases} if aliases else {})
    return found


def parse_blueprint(
    payload: Mapping[str, Any], inherited: Mapping[str, str] | None = NOTHING
) -> Blueprint:
    """What `GET /containers/{id}/json` says that is needed to make the container once more, with
    the labels of its image, as for parse_container.
    """
    primary = _primary_network(payload)
    return Blueprint(
        container=parse_container(payload, inherited),
        running=bool(payload["State"]["Running"]),
        image_id=str(payload["Image"]),
        networks=tuple(name for name in endpoints(payload) if name != primary),
        inspection=payload,
    )


def endpoint_of(blueprint: Blueprint, network: str) -> dict[str, Any]:
    """The engine's EndpointSettings of a blueprint's container in a network that it is on."""
    return endpoints(blueprint.inspection)[network]


def _primary_network(payload: Mapping[str, Any]) -> str:
    """The network that a create is to name. NetworkMode may have an id for it, and stays as it was
    when a container is taken from its first network and put on another.
    """
    mode = str(payload["HostConfig"].get("NetworkMode") or "default")
    networks: dict[str, Any] = payload["NetworkSettings"].get("Networks") or {}
    for name, endpoint in networks.items():
        if mode in (name, endpoint.get("NetworkID")):
            return name
    if mode == "default" and "bridge" in networks:
        return mode
    if mode in ("default", "bridge") or mode not in _MODES:
        return next(iter(networks), mode)
    return mode


def _rebound(
    bound: Sequence[Mapping[str, str]], port: int | None, publish_addresses: Sequence[str]
) -> list[dict[str, str]]:
    """The bindings of one container port on its new host port, or on those that they have."""
    all_of_ipv4 = not publish_addresses or "0.0.0.0" in publish_addresses
    if [each.get("HostIp") for each in bound] == ["0.0.0.0"] and all_of_ipv4:
        return bindings(publish_addresses, port or bound[0]["HostPort"])
    return [{**each, "HostPort": str(port or each["HostPort"])} for each in bound]


def _is_ipv6(binding: Mapping[str, str]) -> bool:
    return ":" in (binding.get("HostIp") or "")


def _anonymous_volumes(payload: Mapping[str, Any]) -> dict[str, tuple[str, bool]]:
    """Target -> name, and whether it is read-only, of volumes that the engine named itself."""
    host = payload["HostConfig"]
    named = {mount["Target"] for mount in host.get("Mounts") or () if mount.get("Source")}
    named |= {bind.split(":")[1] for bind in host.get("Binds") or () if ":" in bind}
    return {
        mount["Destination"]: (mount["Name"], not mount.get("RW", True))
        for mount in payload.get("Mounts") or ()
        if mount["Type"] == "volume" and mount["Destination"] not in named
    }


def _labels(
    payload: Mapping[str, Any],
    container: Container,
    ports: Mapping[str, int],
    create_id: str,
    anonymous: Mapping[str, tuple[str, bool]],
) -> dict[str, str]:
    bound = payload["HostConfig"].get("PortBindings") or {}
    previous = {
        container_port: f"{bracketed(binding.get('HostIp') or '0.0.0.0')}:{binding['HostPort']}"
        for container_port, each in bound.items()
        for binding in sorted(each or (), key=_is_ipv6, reverse=True)  # the last one counts
    }
    volumes = (*words(container.labels, LABEL_VOLUMES), *(name for name, _ in anonymous.values()))
    own = {container_port: port for port, container_port in container.own_ports.items()}
    return (payload["Config"].get("Labels") or {}) | {
        # It is to be started: if it never is, it is a husk. Left out, it would come from the image.
        LABEL_START: "",
        LABEL_CREATE: create_id,
        LABEL_IMAGE: container.image,
        LABEL_MOVED_FROM: ",".join((*container.earlier_ids, container.full_id)[-MAX_EARLIER_IDS:]),
        LABEL_NAME: container.name,
        LABEL_PORTS: port_list({**own, **ports}),
        LABEL_PREVIOUS_PORTS: ",".join(f"{port}={where}" for port, where in previous.items()),
        LABEL_VOLUMES: ",".join(volumes),
    }
