"""Defines the errors about a container: it is gone, is not ours, is in no state for what is asked
of it, or asks for too much.
"""

from .kinds import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    MissingError,
    StorageError,
    UnavailableError,
)


class ContainerNotFound(MissingError):
    code = "container-not-found"
    title = "No such container"
    example = 'There is no container "web-9". GET /containers lists all there are.'


class AmbiguousId(ConflictError):
    code = "ambiguous-id"
    title = "Several containers match"
    example = '"0f" is the beginning of 2 ids. Give more characters.'


class NameInUse(ConflictError):
    code = "name-in-use"
    title = "The name is in use"
    example = 'A container named "web-1" exists already. Remove it or choose another name.'


class ContainerNotRunning(ConflictError):
    code = "container-not-running"
    title = "The container does not run"
    example = 'Container "web-1" does not run, so it uses nothing. Start it first.'


class ContainerPaused(ConflictError):
    code = "container-paused"
    title = "The container is paused"
    example = (
        'Container "web-1" is paused, which this API does not undo. Restart it, or run'
        " `docker unpause`."
    )


class ContainerBusy(ConflictError):
    """The engine is in the middle of something with this container, for example its removal."""

    code = "container-busy"
    title = "The container is busy"
    example = "The engine is busy with this container, perhaps removing it. Try again in a moment."


class StartRefused(InvalidError):
    """The engine cannot start what the request describes, for example an unknown command."""

    code = "start-refused"
    title = "The container cannot be started"
    example = (
        'The container cannot start: "/srv/app" is missing or cannot be run in this image. Check'
        " `command`, and that the image was built for this host."
    )


class NotManaged(ForbiddenError):
    code = "not-managed"
    title = "The container is not managed by this service"
    example = (
        'Container "db" was not created by this service, which leaves it alone. Use docker, or'
        " set ALLOW_UNMANAGED=true."
    )


class OverLimit(ForbiddenError):
    code = "over-limit"
    title = "No container may have that much"
    example = (
        "A container may have 1024.00 MB of memory at most, and this one is to have 2048.00 MB of"
        " memory. Ask for less, or have the operator raise MAX_MEMORY."
    )


class QuotaExceeded(ForbiddenError):
    """Removing a container makes room for another; waiting alone does not."""

    code = "quota-exceeded"
    title = "The quota is used up"
    example = (
        'The key "ci" may have 20 containers, and has 20. Remove one, or have the operator raise'
        " CONTAINERS_PER_KEY, or the key's own number in API_KEY_FILE."
    )


class DiskLimitUnsupported(InvalidError):
    """A limit that would be taken and not held is refused, rather than promised."""

    code = "disk-limit-unsupported"
    title = "This engine cannot limit what a container writes"
    example = (
        "This engine's storage (overlay2 on extfs) cannot limit what a container writes; overlay2"
        " on XFS with the mount option pquota, btrfs and zfs can. Leave `disk` out."
    )


class DiskLow(StorageError):
    code = "disk-low"
    title = "The engine's disk is nearly full"
    example = (
        "The disk of the Docker engine has 900.00 MB left, and MIN_FREE_DISK keeps 1024.00 MB free."
        " Remove containers, images or volumes that nobody needs (`docker system df` shows what"
        " takes the space), or have the operator lower MIN_FREE_DISK."
    )


class NetworkMissing(ConflictError):
    """A network that the container is on was removed. One of ours is made again, unnoticed."""

    code = "network-missing"
    title = "A network of the container is gone"
    example = (
        "A network that the container is on was removed. Make it again and connect the container"
        " to it with `docker network connect`, or create the container anew."
    )


class DependencyNotRunning(ConflictError):
    """Another container must run first: this one shares a namespace of it, or is linked to it."""

    code = "dependency-not-running"
    title = "A container that this one needs does not run"
    example = (
        "The container shares the network, or another namespace, of a container that was removed,"
        " and cannot start without it. Create it anew."
    )


class NetworkFull(UnavailableError):
    """A network takes no more containers, or the engine can make no more networks. Callers see
    it only when no other network can take the container either.
    """

    code = "network-full"
    title = "No network can take the container"
    example = (
        "No network of the engine can take another container, and it has no subnet left for a new"
        " network. Stop or remove containers, or unused networks (`docker network prune`), or give"
        " dockerd more subnets (default-address-pools)."
    )
