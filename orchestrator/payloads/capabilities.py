"""Tells which limits this engine really applies, according to its `GET /info`.

A rootless engine on a host with control groups v1 takes every limit, shows it in inspections, and
applies none; its containers share one control group, of which its statistics are then. Podman takes
the option that keeps the containers of a network apart, and drops it. Docker keeps them apart with
rules that its host may apply to what goes from bridge port to bridge port, or not. How much a
container may write, only some kinds of storage can limit; images kept by containerd take that limit
and drop it.
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
    disk: bool = True  # whether what a container writes can be limited, as far as it tells
    storage: str = ""  # what it keeps files with, for people
    data_root: str | None = None  # the directory of its data, on its own host
    host_name: str | None = None  # what its host calls itself

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
            _limits_disk(info),
            _storage(info),
            info.get("DockerRootDir") if not _in_virtual_machine(info) else None,
            info.get("Name"),
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


def _limits_disk(info: Mapping[str, Any]) -> bool:
    """Whether its storage may be able to limit what one container writes. overlay can on XFS alone,
    and there only with the mount option pquota, which the engine tells when it is asked to.
    """
    status = _driver_status(info)
    if "io.containerd.snapshotter" in status.get("driver-type", ""):
        return False
    if info.get("Driver") in ("overlay2", "overlay", "fuse-overlayfs"):
        return status.get("Backing Filesystem", "xfs") == "xfs"
    return info.get("Driver") != "aufs"


def _storage(info: Mapping[str, Any]) -> str:
    beneath = _driver_status(info).get("Backing Filesystem")
    return f"{info.get('Driver') or ''}{f' on {beneath}' if beneath else ''}"


def _driver_status(info: Mapping[str, Any]) -> dict[str, str]:
    rows = info.get("DriverStatus") or ()
    return {str(row[0]): str(row[1]) for row in rows if isinstance(row, list) and len(row) == 2}


def _in_virtual_machine(info: Mapping[str, Any]) -> bool:
    """Whether its paths are those of a machine within this one."""
    return "Docker Desktop" in str(info.get("OperatingSystem"))
