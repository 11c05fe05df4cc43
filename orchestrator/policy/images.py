"""Decides which images and volumes a create may use, by ALLOWED_IMAGES and ALLOW_UNMANAGED."""

from ..errors import ImageNotAllowed, VolumeNotManaged
from ..image_references import found_by_id, is_name_of_a_move, is_of_a_move
from ..models import Image
from ..settings import Settings


class Permissions:
    """Knows which images an operator lets be cloned, and whether volumes of others may be used. The
    default image is always allowed.
    """

    def __init__(self, settings: Settings) -> None:
        self._default = settings.default_image
        self._allowed = settings.allowed_images
        self.any_volume = settings.allow_unmanaged == "true"

    def check_reference(self, reference: str) -> None:
        """Raises ImageNotAllowed before anything is pulled."""
        if reference == self._default:
            return
        if is_name_of_a_move(reference) or not self._allowed.allows(reference):
            raise _not_allowed(reference)

    def check_found(self, image: Image) -> None:
        """Raises ImageNotAllowed for an image that was found by its id, or the beginning of one:
        where only some images are allowed, it would lead to any, under a name that a pattern may
        match; and always to those that moves have made, with the files of somebody's container.
        """
        if (
            (self._allowed.patterns or is_of_a_move(image.comment, image.names))
            and image.reference != self._default
            and found_by_id(image.reference, image.id or "", image.names)
        ):
            raise _not_allowed(image.reference)


def not_ours(volume: str) -> VolumeNotManaged:
    """Makes the error for a volume of somebody else's, whose content is not ours to give."""
    return VolumeNotManaged(
        f'Volume "{volume}" was not made by this service, or is more than a plain local volume.'
        " Use another name, or set ALLOW_UNMANAGED=true.",
        name=volume,
    )


def _not_allowed(reference: str) -> ImageNotAllowed:
    return ImageNotAllowed(
        f'Image "{reference}" is not one that this service may clone. Ask for another one, or have'
        " the operator add it to ALLOWED_IMAGES.",
        image=reference,
    )
