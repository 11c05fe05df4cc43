"""These routes create containers, list them, start, stop, restart and remove them."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Header, Query, Response

from .. import errors
from ..http import audit, holds_secrets, tagged
from ..http.openapi import CHANGE, CREATE, ENGINE, READ, RUN, openapi_responses
from ..models import (
    Container,
    ContainerEnv,
    ContainerFilter,
    CreateRequest,
    RemovedContainer,
)
from .addresses import Shown
from .dependencies import (
    AnyCaller,
    CallerLeft,
    ContainerKey,
    Grace,
    ListedService,
    ReservedNames,
    RootPath,
)

router = APIRouter(tags=["containers"])

CreateBody = Annotated[
    CreateRequest,
    Body(
        openapi_examples={
            "clone": {
                "summary": "A clone of the default image",
                "value": CreateRequest.example,
            }
        }
    ),
]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern=r"^[!-~]+$",
        description="Any text without spaces. The same key and body create one container only.",
    ),
]
ALL_DEFAULTS = CreateRequest()
CREATED: dict[int | str, dict[str, Any]] = {
    200: {"model": Container, "description": "The container that this key created before."},
    201: {"headers": {"Location": {"description": "Its path.", "schema": {"type": "string"}}}},
}


@router.post("/containers", status_code=201, include_in_schema=False)
@router.post(
    "/containers/create",
    operation_id="create_container",
    summary="Create a container and start it on a free port",
    response_description="The container, running.",
    status_code=201,
    responses=openapi_responses(CREATE) | CREATED,
)
async def create(
    service: ListedService,
    caller: AnyCaller,
    left: CallerLeft,
    shown: Shown,
    root: RootPath,
    reserved: ReservedNames,
    response: Response,
    body: CreateBody = ALL_DEFAULTS,
    key: IdempotencyKey = None,
) -> Container:
    """Clones a container from an image, gives it a host port for each container port, and
    starts it. Every field may be left out; without a body, the default image is cloned.

    A port that turns out to be taken is no failure: the next one is tried. If the create
    fails, it leaves no container and no port behind. With an `Idempotency-Key`, a repetition of
    the same request answers 200 with the container that the first one created.
    """
    audit.asked_for(body.name, body.image or service.settings.default_image)
    if body.name in reserved:
        message = f'"{body.name}" is part of the API\'s own paths; choose another name'
        raise errors.InvalidRequest(
            f"name: {message}.", errors=[{"field": "name", "message": message}]
        )
    if key is None:
        container = await service.creator.create(body, caller)
    else:
        container, created = await service.keyed_creates.create(body, caller, key, left)
        response.status_code = 201 if created else 200
    container = await service.creator.until_healthy(container, body.wait, left)
    response.headers["Location"] = f"{root}/containers/{container.id}"
    return shown.show(container)


@router.get(
    "/containers",
    operation_id="list_containers",
    response_model=list[Container],
    summary="Every container",
    response_description="The containers.",
    responses=openapi_responses((errors.InvalidRequest, errors.EngineUnavailable)),
)
@tagged
async def containers(
    service: ListedService,
    shown: Shown,
    response: Response,
    wanted: Annotated[ContainerFilter, Query()],
) -> Response:
    """Running, stopped and created ones, this service's and others', the newest first."""
    every = service.inventory.all()
    return shown.answer(response, (found for found in every if wanted.matches(found)))


@router.get(
    "/containers/running",
    operation_id="list_running_containers",
    response_model=list[Container],
    summary="The running containers",
    response_description="The containers.",
    responses=openapi_responses((errors.EngineUnavailable,)),
)
@tagged
async def running(service: ListedService, shown: Shown, response: Response) -> Response:
    """Those whose state is `running`, the newest first."""
    every = service.inventory.all()
    return shown.answer(response, (found for found in every if found.state == "running"))


@router.get(
    "/containers/{id}",
    operation_id="get_container",
    response_model=Container,
    summary="One container",
    response_description="The container.",
    responses=openapi_responses((*READ, *ENGINE)),
)
@tagged
async def container(
    service: ListedService,
    shown: Shown,
    response: Response,
    key: ContainerKey,
    size: Annotated[
        bool,
        Query(description="Whether to count `written_bytes`, too, which the engine works for."),
    ] = False,
) -> Response:
    """The container as it is now; a stopped one has no ports. With `size=true` the engine walks
    through the files that it has written, so that takes as long as there are many of them.
    """
    found = service.inventory.get(key)
    if size:
        service.access.require_read(found)
        written = await service.written.count(found)
        found = service.inventory.get(found.full_id)  # it may have changed meanwhile
        found = found.model_copy(update={"written_bytes": written})
    return shown.answer(response, found)


@router.get(
    "/containers/{id}/env",
    operation_id="get_container_env",
    summary="A container's environment variables, with their values",
    response_description="The variables.",
    responses=openapi_responses((*READ, *ENGINE)),
)
@holds_secrets
async def env(service: ListedService, caller: AnyCaller, key: ContainerKey) -> ContainerEnv:
    """Values may be secrets, so a key needs the scope `write`, and only containers that this
    service created have an answer. Asked of the engine each time; nothing is kept or logged.
    """
    return await service.environments.read(key, caller)


@router.post(
    "/containers/{id}/start",
    operation_id="start_container",
    summary="Start a container",
    response_description="The container, running.",
    responses=openapi_responses(RUN),
)
async def start(service: ListedService, shown: Shown, key: ContainerKey) -> Container:
    """Starts a stopped container on the port it had. One that runs is left as it is.

    If somebody else has the port by now, the container moves: it is made once more, with all
    that is in it, on another port. `port_changed` is true then, `previous_ports` says where it
    was, and its `previous_id` leads to it as well as the new one.
    """
    return shown.show(await service.lifecycle.start(key))


@router.post(
    "/containers/{id}/stop",
    operation_id="stop_container",
    summary="Stop a container and release its ports",
    response_description="The container, stopped.",
    responses=openapi_responses(CHANGE),
)
async def stop(
    service: ListedService, left: CallerLeft, shown: Shown, key: ContainerKey, grace: Grace = None
) -> Container:
    """Sends the stop signal, and kills after `timeout` seconds. One that is stopped is left
    as it is. Its ports are given to others only when no other port is free.
    """
    return shown.show(await service.lifecycle.stop(key, grace, left))


@router.post(
    "/containers/{id}/restart",
    operation_id="restart_container",
    summary="Restart a container",
    response_description="The container, running.",
    responses=openapi_responses(RUN),
)
async def restart(
    service: ListedService, left: CallerLeft, shown: Shown, key: ContainerKey, grace: Grace = None
) -> Container:
    """Stops it and starts it on the same ports. One that is stopped is started, and moves to
    other ports if it must, as with a start.
    """
    return shown.show(await service.lifecycle.restart(key, grace, left))


@router.delete(
    "/containers/{id}",
    operation_id="remove_container",
    summary="Remove a container and release its ports",
    response_description="The container is gone.",
    responses=openapi_responses(CHANGE),
)
async def remove(
    service: ListedService,
    key: ContainerKey,
    grace: Grace = None,
    force: Annotated[bool, Query(description="Kill it instead of stopping it.")] = False,
    volumes: Annotated[
        bool,
        Query(description="Remove its volumes of this service too, if nothing else uses them."),
    ] = False,
) -> RemovedContainer:
    """Stops it if it runs, and removes it with its anonymous volumes."""
    return await service.lifecycle.remove(key, grace, force=force, volumes=volumes)
