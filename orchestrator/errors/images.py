"""Defines the errors about an image: it may not be cloned, or the engine cannot get it."""

from .kinds import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    MissingError,
    UnavailableError,
    UpstreamError,
)


class ImageNotFound(MissingError):
    code = "image-not-found"
    title = "No such image"
    example = (
        'Image "nginx:0.0" could not be pulled: its registry does not have it. Check its name and'
        " tag."
    )


class ImageNotAllowed(ForbiddenError):
    code = "image-not-allowed"
    title = "The image may not be cloned"
    example = (
        'Image "nginx:1.27" is not one that this service may clone. Ask for another one, or have'
        " the operator add it to ALLOWED_IMAGES."
    )


class ImageInUse(ConflictError):
    """A container is made from the image. Callers never see it: such an image stays."""

    code = "image-in-use"
    title = "The image is in use"
    example = "A container is made from the image."


class ImagePullDenied(ForbiddenError):
    """A registry says the same of an image that it does not have, and of one that is private."""

    code = "image-pull-denied"
    title = "The registry does not give the image out"
    example = (
        'Image "team/app:1.0" could not be pulled: its registry does not give it out. It has no'
        " such image, wants a login, or does not take the one that it got. Check the name, and"
        " send a login as `registry_auth`, or have the operator run `docker login`."
    )


class ImagePlatform(InvalidError):
    code = "image-platform"
    title = "The image is not built for this machine"
    example = (
        'Image "team/app:1.0" could not be pulled: it is not built for linux/arm64, which is'
        " wanted here. Ask for another tag, or build it for that platform."
    )


class ImageBroken(UpstreamError):
    code = "image-broken"
    title = "The registry has no usable image there"
    example = (
        'Image "team/app:1.0" could not be pulled: what its registry has under that name is'
        " damaged, or no image that the engine can run. Push it again, or ask for another one."
    )


class RegistryFailed(UpstreamError):
    code = "registry-failed"
    title = "The registry does not answer as it should"
    example = (
        'Image "team/app:1.0" could not be pulled: its registry answers with an error of its own.'
        " Look at the registry, or build or load the image on the engine."
    )


class RegistryLimit(UnavailableError):
    code = "registry-limit"
    title = "The registry limits downloads"
    example = (
        'Image "nginx:1.27" could not be pulled: its registry limits how much is downloaded, and'
        " asks to wait. Try again later, or send a login as `registry_auth`, which may have more."
    )
    retry_after = 60


class RegistryUnreachable(UnavailableError):
    code = "registry-unreachable"
    title = "The engine cannot reach the registry"
    example = (
        'Image "nginx:1.27" could not be pulled: the engine cannot reach its registry. Build or'
        " load it on the engine, or try again later."
    )
    retry_after = 30


class ImagePullFailed(UnavailableError):
    """A reason that this service has no better name for, or one of the engine's own."""

    code = "image-pull-failed"
    title = "The image cannot be pulled"
    example = (
        'Image "nginx:1.27" could not be pulled: the disk of the Docker engine is full. Free some'
        " space there, and try again."
    )
