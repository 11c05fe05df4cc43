"""Decides whether a container is ours: by its labels, and by those that its image brings. Pure.

A container inherits the labels of its image, and `docker commit` writes a container's labels into
the image that it makes. So a label alone proves nothing. What does is LABEL_CREATE: each create of
ours, a move's as well, writes another value, so that a container of ours never has the value that
its image has. Whoever runs or creates something from a commit without us, gets just that one.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from ..labels import LABEL_CREATE, LABEL_MANAGED, LABEL_PORTS, LABEL_PREFIX

NOTHING: Mapping[str, str] = MappingProxyType({})


def image_behind_claim(payload: Mapping[str, Any]) -> str | None:
    """The id of the image of a container (`GET /containers/{id}/json`) whose labels say that it is
    ours; None for another one, whose image need not be looked at.
    """
    labels = payload["Config"].get("Labels") or {}
    return str(payload["Image"]) if labels.get(LABEL_MANAGED) == "true" else None


def is_ours(
    labels: Mapping[str, str], host: Mapping[str, Any], inherited: Mapping[str, str] | None
) -> bool:
    """Whether a container with these labels and this `HostConfig` was made by this service, when
    its image has the labels `inherited`; None for an image that is gone, which takes force.

    Then its host ports tell: no image has any, and our label names those that it was given.
    """
    if labels.get(LABEL_MANAGED) != "true":
        return False
    if inherited is None:
        named = {word for word in labels.get(LABEL_PORTS, "").split(",") if word}
        return bool(named) and named == _host_ports(host)
    claimed = inherited.get(LABEL_MANAGED) == "true"
    return not claimed or labels.get(LABEL_CREATE) != inherited.get(LABEL_CREATE)


def without_ours(labels: Mapping[str, str]) -> dict[str, str]:
    """The labels of a container that is not ours: what is under our prefix says nothing there."""
    return {name: value for name, value in labels.items() if not name.startswith(LABEL_PREFIX)}


def _host_ports(host: Mapping[str, Any]) -> set[str]:
    bound = (host.get("PortBindings") or {}).values()
    return {str(binding.get("HostPort")) for each in bound for binding in each or ()}
