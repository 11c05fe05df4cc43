"""Tells which limits this engine really applies, according to its `GET /info`.

A rootless engine on a host with control groups v1 takes every limit, shows it in inspections, and
applies none; its containers share one control group, of which its statistics are then. Podman takes
the option that keeps the containers of a network apart, and drops it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..models import Limits

# A limit, and what an engine's `GET /info` has for it.
_FIELDS = {"memory": "MemoryLimit", "cpus": "CpuCfsQuota", "pids": "PidsLimit"}


@dataclass(frozen=True)
class Capabilities:
    """What an engine can do, by what it says of itself. What it does not say counts as done, for
    older engines say less.
    """

    missing: tuple[str, ...] = ()  # limits that are not applied
    counts: bool = True  # whether what a container uses is counted for it alone
    apart: bool = True  # whether it can keep the containers of one network apart

    @classmethod
    def from_info(cls, info: Mapping[str, Any], version: Mapping[str, Any]) -> "Capabilities":
        """Reads them from the answers to `GET /info` and `GET /version`."""
        missing = tuple(limit for limit, field in _FIELDS.items() if info.get(field) is False)
        parts = {part.get("Name") for part in version.get("Components") or ()}
        return cls(missing, info.get("CgroupDriver") != "none", "Podman Engine" not in parts)

    def applied(self, limits: Limits) -> Limits:
        """Keeps those of a container's limits that hold; of the others null is the truth."""
        return limits.model_copy(update=dict.fromkeys(self.missing))
