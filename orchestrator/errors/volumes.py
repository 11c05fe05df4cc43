"""What can go wrong with a volume: there is none, it is not ours, or a container uses it."""

from .kinds import ConflictError, ForbiddenError, MissingError


class VolumeNotFound(MissingError):
    code = "volume-not-found"
    title = "No such volume"
    example = 'There is no volume "data-9". GET /volumes lists those of this service.'


class VolumeInUse(ConflictError):
    code = "volume-in-use"
    title = "The volume is in use"
    example = (
        'Volume "data-1" belongs to a container, running or stopped. Remove that one first;'
        " GET /volumes tells which it is."
    )


class VolumeNotManaged(ForbiddenError):
    code = "volume-not-managed"
    title = "The volume is not managed by this service"
    example = (
        'Volume "db-data" was not made by this service, or is more than a plain local volume. Use'
        " another name, or set ALLOW_UNMANAGED=true."
    )
