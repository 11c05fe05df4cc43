"""These routes list the volumes of this service, and remove them."""

from typing import Annotated

from fastapi import APIRouter, Path

from .. import errors
from ..http import audit, tagged
from ..http.openapi import ENGINE, LATER, openapi_responses
from ..models import RemovedVolume, Volume
from .dependencies import ListedService

router = APIRouter(tags=["volumes"])


@router.get(
    "/volumes",
    operation_id="list_volumes",
    summary="The volumes of this service",
    response_description="The volumes.",
    responses=openapi_responses(ENGINE),
)
@tagged
async def volumes(service: ListedService) -> list[Volume]:
    """The named volumes that creates have made, by name, and which containers use them. Those of
    others are not shown.
    """
    return await service.volumes.list()


@router.delete(
    "/volumes/{name}",
    operation_id="remove_volume",
    summary="Remove a volume, with what is in it",
    response_description="The volume is gone.",
    responses=openapi_responses(
        (
            errors.VolumeNotFound,
            errors.VolumeNotManaged,
            errors.VolumeInUse,
            errors.InvalidRequest,
            *LATER,
            *ENGINE,
        )
    ),
)
async def remove_volume(
    service: ListedService,
    name: Annotated[
        str,
        Path(
            pattern=r"^[a-zA-Z0-9][a-zA-Z0-9_.-]*$",
            max_length=255,
            description="The volume's name.",
            json_schema_extra={"example": "data-1"},
        ),
    ],
) -> RemovedVolume:
    """Only a volume that this service has made, and that no container uses, running or stopped."""
    audit.asked_for(name, None)
    return await service.volumes.remove(name)
