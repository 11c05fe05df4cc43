"""Routes are given what they need: the service, a container's id, the caller, time-outs.

Each is `async def`: the framework calls a plain `def` in a thread, and every read would go there
and back for it.
"""

from typing import Annotated

from fastapi import Depends, Path, Query, Request, Response

from .. import callers, errors
from ..callers import Caller
from ..containers import Left
from ..http import RouteTable, Trail, root_of
from ..models import Container
from ..service import Service


async def get_service(request: Request) -> Service:
    """Returns the running service, whether it knows the engine's containers yet or not."""
    service: Service = request.app.state.service
    return service


async def get_listed_service(request: Request, response: Response) -> Service:
    """Returns the service to routes that answer from memory; raises while that was never filled."""
    service = await get_service(request)
    age = service.inventory.age
    if age is None:
        problem = service.watcher.problem
        # A new one each time: one that is raised again and again keeps every trace.
        raise (
            type(problem)(problem.message)
            if problem
            else errors.EngineUnavailable(
                "The service is still listing the engine's containers. Try again in a moment."
            )
        )
    if not service.watcher.up_to_date:
        response.headers["X-Inventory-Age"] = f"{age:.1f}"
    return service


async def get_trail(request: Request) -> Trail:
    """Returns what writes the audit."""
    trail: Trail = request.app.state.trail
    return trail


async def get_caller() -> Caller:
    """Returns who asks, as the door has found out."""
    return callers.current.get()


async def get_left(request: Request) -> Left:
    """Returns what ends when the caller hangs up; for waits, once the body has been read."""

    async def left() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    return left


async def get_root_path(request: Request) -> str:
    """Returns what stands before all paths for the one who asks; mostly nothing."""
    return root_of(request.scope)


async def get_reserved_names(request: Request) -> frozenset[str]:
    """Returns the words that stand in paths where a container's name could stand."""
    table: RouteTable = request.app.state.table
    return table.words_beside("/containers/{id}")


AuditTrail = Annotated[Trail, Depends(get_trail)]
CallerLeft = Annotated[Left, Depends(get_left)]
AnyCaller = Annotated[Caller, Depends(get_caller)]
ReservedNames = Annotated[frozenset[str], Depends(get_reserved_names)]
RootPath = Annotated[str, Depends(get_root_path)]
AnyService = Annotated[Service, Depends(get_service)]
ListedService = Annotated[Service, Depends(get_listed_service)]
ContainerKey = Annotated[
    str,
    Path(
        alias="id",
        description="A full id, the unambiguous beginning of one, or a name.",
        json_schema_extra={"example": "web-1"},
    ),
]
Grace = Annotated[
    int | None,
    Query(
        alias="timeout",
        ge=0,
        le=300,
        description="Seconds to end by itself before it is killed. Default: the container's"
        " own stop time-out, and 10 where it has none.",
    ),
]


async def get_running_container(service: ListedService, key: ContainerKey) -> Container:
    """Returns a container that can be followed, or raises why not: a stream that has begun cannot
    answer with a problem any more.
    """
    container = service.inventory.get(key)
    service.streams.require_stream(container)
    return container


RunningContainer = Annotated[Container, Depends(get_running_container)]
