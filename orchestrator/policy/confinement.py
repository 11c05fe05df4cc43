"""What a container is held to: its limits, capabilities, logs and init process. Pure.

The defaults are less than `docker run` gives, and enough for images as they come: a program that
binds port 80, changes its user, and owns files of several users still runs.
"""

import posixpath
from collections.abc import Mapping
from typing import Any

from ..models import CreateRequest, Limits
from ..settings import Settings

NANO = 1_000_000_000
# Of the fourteen capabilities that Docker gives, those that servers do without: forged packets,
# device nodes, the kernel's audit log, chroot, and capabilities on files.
CAPABILITIES_DROPPED = ("NET_RAW", "MKNOD", "AUDIT_WRITE", "SYS_CHROOT", "SETFCAP")
# Nobody's user and group, by number: an image need not know them by name.
NOBODY = "65534:65534"
TMPFS = "rw,noexec,nosuid,nodev,mode=1777,size=64m"


def limits_of(request: CreateRequest, settings: Settings) -> Limits:
    """What the container of a request may use at most: what it asks for, else the defaults."""
    return Limits(
        memory=request.memory or settings.default_memory,
        cpus=request.cpus or settings.default_cpus or None,
        pids=request.pids or settings.default_pids or None,
    )


def has_init(request: CreateRequest, settings: Settings) -> bool:
    """Whether process 1 of the container is an init process."""
    return settings.default_init if request.init is None else request.init


def confinement_of(
    request: CreateRequest, image: Mapping[str, Any], settings: Settings
) -> dict[str, Any]:
    """The part of the body of `POST /containers/create` that holds a container to something.

    `image` is the answer to `GET /images/{name}/json`.
    """
    limits = limits_of(request, settings)
    host: dict[str, Any] = {
        "Memory": limits.memory,
        "MemorySwap": limits.memory,  # of both together: none of it is swap
        "NanoCpus": round((limits.cpus or 0) * NANO),
        "PidsLimit": limits.pids or 0,
        "SecurityOpt": ["no-new-privileges"],
        "CapDrop": list(CAPABILITIES_DROPPED),
        "Init": has_init(request, settings),
    }
    if settings.log_rotation != "off":
        size, _, files = settings.log_rotation.partition(",")
        host["LogConfig"] = {"Type": "json-file", "Config": {"max-size": size, "max-file": files}}
    if request.profile == "default":
        return {"HostConfig": host}
    host |= {"CapDrop": ["ALL"], "ReadonlyRootfs": True}
    # A volume may be in its place; the engine takes one mount for one path.
    if "/tmp" not in (_path(volume) for volume in request.volumes):  # noqa: S108
        host["Tmpfs"] = {"/tmp": TMPFS}  # noqa: S108
    user = str((image.get("Config") or {}).get("User") or "")
    return {"HostConfig": host, "User": NOBODY if is_root(user) else user}


def is_root(user: str) -> bool:
    """Whether an image's user, like "app", "1000:1000" or "", is root."""
    name = user.partition(":")[0]
    return name in ("", "root") or (name.isdecimal() and int(name) == 0)


def _path(volume: str) -> str:
    return "/" + posixpath.normpath(volume.split(":")[1].lstrip("/"))
