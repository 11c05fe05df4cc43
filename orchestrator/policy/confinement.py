"""Settles the limits and restrictions that every container gets: memory, CPUs, pids, capabilities,
log size, init process. Pure.

The defaults are less than `docker run` gives, and enough for images as they come: a program that
binds port 80, changes its user, and owns files of several users still runs.
"""

import posixpath

from ..models import Confinement, CreateRequest, Image, Limits
from ..settings import Settings

# Of the fourteen capabilities that Docker gives, those that servers do without: forged packets,
# device nodes, the kernel's audit log, chroot, and capabilities on files.
CAPABILITIES_DROPPED = ("NET_RAW", "MKNOD", "AUDIT_WRITE", "SYS_CHROOT", "SETFCAP")
# Nobody's user and group, by number: an image need not know them by name.
NOBODY = "65534:65534"
TMPFS = "rw,noexec,nosuid,nodev,mode=1777,size=64m"


def limits_of(request: CreateRequest, settings: Settings) -> Limits:
    """Settles what a container may use at most: what the request asks for, else the defaults."""
    return Limits(
        memory=request.memory or settings.default_memory,
        cpus=request.cpus or settings.default_cpus or None,
        pids=request.pids or settings.default_pids or None,
    )


def confinement_of(
    request: CreateRequest, limits: Limits, image: Image, settings: Settings
) -> Confinement:
    """Settles all that holds the container of a request back, beside the limits it is to have."""
    size, _, files = settings.log_rotation.partition(",")
    restricted = request.profile == "restricted"
    # A volume may be in its place; the engine takes one mount for one path.
    has_tmp = "/tmp" in (_path(volume) for volume in request.volumes)  # noqa: S108
    return Confinement(
        limits=limits,
        init=settings.default_init if request.init is None else request.init,
        capabilities_dropped=("ALL",) if restricted else CAPABILITIES_DROPPED,
        log_rotation=None if settings.log_rotation == "off" else (size, files),
        read_only=restricted,
        tmpfs={"/tmp": TMPFS} if restricted and not has_tmp else {},  # noqa: S108
        user=(NOBODY if is_root(image.user) else image.user) if restricted else None,
    )


def is_root(user: str) -> bool:
    """Whether an image's user, like "app", "1000:1000" or "", is root."""
    name = user.partition(":")[0]
    return name in ("", "root") or (name.isdecimal() and int(name) == 0)


def _path(volume: str) -> str:
    return "/" + posixpath.normpath(volume.split(":")[1].lstrip("/"))
