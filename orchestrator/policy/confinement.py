"""Settles the limits and restrictions that every container gets: memory, CPUs, pids, capabilities,
log size, init process. Pure.

The defaults are less than `docker run` gives, and enough for images as they come: a program that
binds port 80, changes its user, and owns files of several users still runs.
"""

from ..errors import InvalidRequest
from ..models import Confinement, CreateRequest, Image, Limits, Ulimits, path_of, plain_user
from ..quantities import megabytes
from ..settings import Settings

# Of the fourteen capabilities that Docker gives, those that servers do without: forged packets,
# device nodes, the kernel's audit log, chroot, and capabilities on files.
CAPABILITIES_DROPPED = ("NET_RAW", "MKNOD", "AUDIT_WRITE", "SYS_CHROOT", "SETFCAP")
# Nobody's user and group, by number: an image need not know them by name.
NOBODY = "65534:65534"
TMPFS_OPTIONS = "rw,noexec,nosuid,nodev,mode=1777"
TMPFS = f"{TMPFS_OPTIONS},size=64m"


def limits_of(request: CreateRequest, settings: Settings) -> Limits:
    """Settles what a container may use at most: what the request asks for, else the defaults."""
    return Limits(
        memory=request.memory or settings.default_memory,
        cpus=request.cpus or settings.default_cpus or None,
        pids=request.pids or settings.default_pids or None,
        disk=request.disk or settings.default_disk or None,
    )


def confinement_of(
    request: CreateRequest, limits: Limits, image: Image, settings: Settings
) -> Confinement:
    """Settles all that holds the container of a request back, beside the limits it is to have."""
    size, _, files = settings.log_rotation.partition(",")
    restricted = request.profile == "restricted"
    # Something else may be in its place; the engine takes one mount for one path.
    has_tmp = "/tmp" in {*map(path_of, request.volumes), *request.tmpfs}  # noqa: S108
    user = request.user
    if restricted:  # see containers.users for a name
        user = plain_user(request.user or image.user) or NOBODY
    owner = _owner(user or image.user)
    in_memory = {
        path: f"{TMPFS_OPTIONS},size={size}{owner}" for path, size in request.tmpfs.items()
    }
    return Confinement(
        limits=limits,
        init=settings.default_init if request.init is None else request.init,
        capabilities_dropped=("ALL",) if restricted else CAPABILITIES_DROPPED,
        log_rotation=None if settings.log_rotation == "off" else (size, files),
        read_only=restricted or bool(request.read_only),
        tmpfs=in_memory | ({"/tmp": TMPFS} if restricted and not has_tmp else {}),  # noqa: S108
        user=user,
        ulimits=_ulimits(request.ulimits),
        shm_size=request.shm_size,
    )


def check_memory(request: CreateRequest, limits: Limits) -> None:
    """Raises InvalidRequest for more in memory than the container may have: what is written there
    counts as its memory.
    """
    wanted = sum(request.tmpfs.values()) + (request.shm_size or 0)
    if limits.memory and wanted > limits.memory:
        field = "tmpfs" if request.tmpfs else "shm_size"
        raise InvalidRequest(
            f"{field}: what is in memory may come to {megabytes(wanted)}, and the container has"
            f" {megabytes(limits.memory)}. Ask for less there, or for more `memory`."
        )


def check_health_check(request: CreateRequest, image: Image) -> None:
    """Raises InvalidRequest where a health check is to be changed that there is not."""
    asked = request.healthcheck
    if asked is not None and asked.test is None and not image.has_health_check:
        raise InvalidRequest(
            "healthcheck: the image has no health check to be changed. Say in `test` what is to be"
            " run."
        )


def _ulimits(asked: Ulimits | None) -> dict[str, tuple[int, int]]:
    wanted = {} if asked is None else {"nofile": asked.nofile, "core": asked.core}
    return {name: (each.soft, each.hard) for name, each in wanted.items() if each is not None}


def _owner(user: str) -> str:
    """The mount options that give a tmpfs to a user, who is known by number. Anybody may write to
    it, but where its directory exists already, as after a move, runc 1.1 gives it the mode of that.
    """
    numbers = user.split(":")
    return "".join(
        f",{option}={number}"
        for option, number in zip(("uid", "gid"), numbers, strict=False)
        if number.isascii() and number.isdecimal()
    )
