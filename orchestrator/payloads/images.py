"""What the engine's JSON says of an image (`GET /images/{name}/json`). Pure: no I/O, no state."""

from collections.abc import Mapping
from typing import Any


def image_labels(image: Mapping[str, Any]) -> dict[str, str]:
    """Reads the labels that a container of the image inherits."""
    return dict((image.get("Config") or {}).get("Labels") or {})


def exposed_ports(image: Mapping[str, Any]) -> list[str]:
    """Reads the container ports that the image exposes, lowest first."""
    exposed = (image.get("Config") or {}).get("ExposedPorts") or {}
    return sorted(exposed, key=lambda port: (int(port.partition("/")[0]), port))
