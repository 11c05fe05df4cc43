"""These routes tell which host port is whose."""

from typing import Annotated

from fastapi import APIRouter, Path

from .. import errors
from ..http import tagged
from ..http.openapi import openapi_responses
from ..models import PortRow, PortTable
from .dependencies import ListedService

router = APIRouter(tags=["ports"])


@router.get(
    "/ports",
    operation_id="list_ports",
    summary="Every port that is not free",
    response_description="The table.",
    responses=openapi_responses((errors.EngineUnavailable,)),
)
@tagged
async def ports(service: ListedService) -> PortTable:
    """How many ports are in each state, and whose those are that are not free."""
    return service.ports.table()


@router.get(
    "/ports/{port}",
    operation_id="get_port",
    summary="One port",
    response_description="The port.",
    responses=openapi_responses(
        (errors.PortNotFound, errors.InvalidRequest, errors.EngineUnavailable)
    ),
)
@tagged
async def one_port(
    service: ListedService,
    port: Annotated[
        int,
        Path(description="A host port of the range.", json_schema_extra={"example": 8001}),
    ],
) -> PortRow:
    """Its state, and who has it."""
    return service.ports.row(port)
