"""These routes say what this service is and how it is: /, and /health for people and programs."""

import time

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute

from .. import __version__, errors
from ..http import always_answered, without_key
from ..http.openapi import ENGINE, openapi_responses
from ..models import Alive, AuditHealth, DockerHealth, Endpoint, Health, Index, Ready
from .dependencies import AnyService, AuditTrail, ListedService, RootPath

router = APIRouter(tags=["service"])

# Seconds that /health and /health/ready wait for the engine.
PING_SECONDS = 2.0


@router.get(
    "/",
    operation_id="get_index",
    summary="What this is, and every endpoint",
    response_description="The service.",
)
async def index(request: Request, root: RootPath) -> Index:
    """The name and version of the service, links to its documentation, and its endpoints."""
    return Index(
        name=request.app.title,
        version=request.app.version,
        links={
            "docs": f"{root}/docs",
            "redoc": f"{root}/redoc",
            "openapi": f"{root}/openapi.json",
        },
        endpoints=[
            Endpoint(method=method, path=route.path, summary=route.summary or "")
            for route in request.app.routes
            if isinstance(route, APIRoute) and route.include_in_schema
            for method in sorted(route.methods or ())
        ],
    )


@router.get("/healthz", include_in_schema=False)
@router.get(
    "/health",
    operation_id="get_health",
    summary="How the service and its engine are",
    response_description="The engine answers.",
    responses={503: {"model": Health, "description": "The engine cannot be reached."}},
)
async def health(service: AnyService, trail: AuditTrail, response: Response) -> Health:
    """200 when the engine answers and is followed, else 503 with what is wrong. Says as well
    whether changes leave their line in the audit.
    """
    problem: errors.OrchestratorError | None = service.watcher.problem
    try:
        await service.engine.ping(PING_SECONDS)
    except errors.OrchestratorError as error:
        problem = problem or error  # the watcher's says why there is no connection
    healthy = service.watcher.connected and problem is None
    response.status_code = 200 if healthy else 503
    warnings = [service.networks.problem, service.disk_sampler.problem]
    if healthy:  # else it is not known what the engine can do
        warnings += await service.disk.problems()
    info, age = service.watcher.info, service.inventory.age
    return Health(
        status="healthy" if healthy else "unhealthy",
        docker=DockerHealth(
            status="connected" if healthy else "disconnected",
            version=info.version if info else None,
            api_version=info.api_version if info else None,
            problem=problem.message if problem else None,
        ),
        containers=service.inventory.counts(),
        ports=service.ports.summary(),
        audit=AuditHealth(
            status="written" if (lost := trail.check()) is None else "lost",
            lost=trail.lost,
            problem=lost,
        ),
        listing_age_s=None if age is None else round(age, 3),
        warnings=[each for each in warnings if each],
        uptime_s=round(time.monotonic() - service.started, 3),
        version=__version__,
    )


@router.get("/livez", include_in_schema=False)
@router.get(
    "/health/live",
    operation_id="get_liveness",
    summary="Whether the process answers",
    response_description="The process answers.",
)
@always_answered
@without_key
async def live() -> Alive:
    """Always 200, and never asks the engine: for whoever restarts a process that hangs."""
    return Alive()


@router.get("/readyz", include_in_schema=False)
@router.get(
    "/health/ready",
    operation_id="get_readiness",
    summary="Whether requests can be served now",
    response_description="Requests can be served.",
    responses=openapi_responses(ENGINE),
)
async def ready(service: ListedService) -> Ready:
    """Asks the engine: 200 when it answers in time and the first listing is in."""
    await service.engine.ping(PING_SECONDS)
    return Ready()
