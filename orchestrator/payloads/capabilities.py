"""Tells which limits this engine really applies, according to its `GET /info`.

A rootless engine on a host with control groups v1 takes every limit, shows it in inspections, and
applies none; its containers share one control group, of which its statistics are then. Podman takes
the option that keeps the containers of a network apart, and drops it. Docker keeps them apart with
rules that its host may apply to what goes from bridge port to bridge port, or not.
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
    filters: bool = True  # whether its host lets it, see _filters

    @classmethod
    def from_info(cls, info: Mapping[str, Any], version: Mapping[str, Any]) -> "Capabilities":
        """Reads them from the answers to `GET /info` and `GET /version`."""
        missing = tuple(limit for limit, field in _FIELDS.items() if info.get(field) is False)
        parts = {part.get("Name") for part in version.get("Components") or ()}
        return cls(
            missing,
            info.get("CgroupDriver") != "none",
            "Podman Engine" not in parts,
            _filters(info, version),
        )

    def applied(self, limits: Limits) -> Limits:
        """Keeps those of a container's limits that hold; of the others null is the truth."""
        return limits.model_copy(update=dict.fromkeys(self.missing))


def _filters(info: Mapping[str, Any], version: Mapping[str, Any]) -> bool:
    """Whether net.bridge.bridge-nf-call-iptables is on, without which packets between the
    containers of a network pass no rule. From API 1.48 on engines always say no to that.
    """
    numbers = str(version.get("ApiVersion")).split(".")
    tells = all(map(str.isdecimal, numbers)) and tuple(map(int, numbers)) < (1, 48)
    return not (tells and info.get("BridgeNfIptables") is False)
