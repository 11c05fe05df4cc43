"""Defines the errors about an image: it may not be cloned, or the engine cannot get it."""

from .kinds import ForbiddenError, MissingError, UnavailableError


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


class ImagePullFailed(UnavailableError):
    code = "image-pull-failed"
    title = "The image cannot be pulled"
    example = (
        'Image "nginx:1.27" could not be pulled: the engine cannot reach its registry. Build or'
        " load it on the engine, or try again later."
    )
