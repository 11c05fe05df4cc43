"""These routes tell what containers and the host use: now, lately, and continuously.

This router stands before that of the containers: `/containers/stats` must be known before
`/containers/{id}`.
"""

from collections.abc import AsyncIterable
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import PlainTextResponse
from fastapi.sse import EventSourceResponse

from .. import errors
from ..http.openapi import ENGINE, READ, openapi_responses
from ..models import (
    METRICS_EXAMPLE,
    AllStats,
    ContainerStats,
    HistoryWindow,
    HostHistory,
    StatsHistory,
    StreamEnd,
    SystemStats,
)
from ..statistics import (
    MEDIA_TYPES,
    StatsSelection,
    StreamPace,
    StreamSelection,
    format_for,
)
from .dependencies import (
    AnyCaller,
    AnyService,
    AuditTrail,
    ContainerKey,
    ListedService,
    RunningContainer,
)
from .streams import STREAM, events, shutting_down

router = APIRouter(tags=["statistics"])

WithInterfaces = Annotated[
    bool, Query(description="Whether to say what each network interface has carried, too.")
]
Pace = Annotated[StreamPace, Query()]


@router.get(
    "/containers/stats",
    operation_id="list_stats",
    summary="What all running containers use",
    response_description="The figures.",
    responses=openapi_responses((errors.InvalidRequest, errors.EngineUnavailable)),
)
async def all_stats(service: ListedService, wanted: Annotated[StatsSelection, Query()]) -> AllStats:
    """The figures of all in one answer, with totals, from memory; `top=10` shows the ten that
    use most of what they are sorted by.
    """
    found = await service.sampler.all(wanted.of(service.inventory.all()))
    return wanted.answer(found)


@router.get(
    "/containers/stats/stream",
    operation_id="stream_stats",
    summary="What all running containers use, every second",
    response_class=EventSourceResponse,
    response_description=STREAM,
    responses=openapi_responses(
        (errors.InvalidRequest, errors.TooManyStreams, errors.EngineUnavailable)
    ),
)
async def all_stats_stream(
    service: ListedService, caller: AnyCaller, wanted: Annotated[StreamSelection, Query()]
) -> AsyncIterable[AllStats | StreamEnd]:
    """Server-sent events, one every `every` seconds, each an answer of `GET
    /containers/stats`. A reader that is slow misses some. The last one is called `end`.
    """
    follow = service.streams.follow_all(lambda: wanted.of(service.inventory.all()), wanted.every)
    async for event in events(follow, caller, wanted.limit, shutting_down, wanted.answer):
        yield event


@router.get(
    "/containers/{id}/stats",
    operation_id="get_container_stats",
    summary="What a container uses",
    response_description="The figures.",
    responses=openapi_responses((*READ, errors.ContainerNotRunning, *ENGINE)),
)
async def stats(
    service: ListedService, key: ContainerKey, interfaces: WithInterfaces = False
) -> ContainerStats:
    """CPU, memory without the page cache, network, block I/O, processes; from memory, at most
    a second or two old (`age_s`).
    """
    return await service.sampler.stats(service.inventory.get(key), interfaces=interfaces)


@router.get(
    "/containers/{id}/stats/history",
    operation_id="get_container_stats_history",
    summary="What a container has used",
    response_description="The points, the oldest first.",
    responses=openapi_responses((*READ, errors.EngineUnavailable)),
)
async def stats_history(
    service: ListedService, key: ContainerKey, window: Annotated[HistoryWindow, Query()]
) -> StatsHistory:
    """Each sample of the last ten minutes, and before that a point for every ten seconds of an
    hour; also of a container that has stopped meanwhile.
    """
    container = service.inventory.get(key)
    return StatsHistory(
        container_id=container.id,
        name=container.name,
        step_s=window.step,
        points=service.sampler.history(container, window.since_seconds, window.step),
    )


@router.get(
    "/containers/{id}/stats/stream",
    operation_id="stream_container_stats",
    summary="What a container uses, every second",
    response_class=EventSourceResponse,
    response_description=STREAM,
    responses=openapi_responses(
        (*READ, errors.ContainerNotRunning, errors.TooManyStreams, *ENGINE)
    ),
)
async def stats_stream(
    service: ListedService, caller: AnyCaller, container: RunningContainer, pace: Pace
) -> AsyncIterable[ContainerStats | StreamEnd]:
    """Server-sent events, one every `every` seconds, each an answer of `GET
    /containers/{id}/stats`. A reader that is slow misses some. The last one is called `end`,
    and says why: `removed`, `stopped`, `limit`, `key-revoked`,
    `shutting-down`.
    """
    full_id = container.full_id
    follow = service.streams.follow(full_id, pace.every)
    ended = lambda: service.streams.ended(full_id)  # noqa: E731
    async for event in events(follow, caller, pace.limit, ended):
        yield event


@router.get(
    "/system/stats",
    operation_id="get_system_stats",
    summary="What the host uses",
    response_description="The figures.",
    responses=openapi_responses((errors.EngineUnavailable,)),
)
async def system(service: ListedService) -> SystemStats:
    """CPU, memory, disk, network, load and uptime, and how many containers there are.

    Each part says whether it is the whole host's or only that of the container that the service
    runs in. The figures are those of the last sample, at most a second old.
    """
    host = await service.sampler.host()
    return SystemStats(**host.model_dump(), containers=service.inventory.counts())


@router.get(
    "/system/stats/history",
    operation_id="get_system_stats_history",
    summary="What the host has used",
    response_description="The points.",
    responses=openapi_responses((errors.InvalidRequest, errors.EngineUnavailable)),
)
async def system_history(
    service: ListedService, window: Annotated[HistoryWindow, Query()]
) -> HostHistory:
    """Points of the last minutes as they were sampled, and thinned ones of the time before, as
    long as the settings say. Sampled once a second while somebody asks, rarer else.
    """
    points = service.sampler.host_history(window.since_seconds, window.step)
    return HostHistory(step_s=window.step, points=points)


@router.get(
    "/metrics",
    operation_id="get_metrics",
    summary="All figures, for Prometheus",
    response_class=PlainTextResponse,
    response_description="Prometheus's text format, or OpenMetrics if asked for.",
    responses={200: {"content": {"text/plain": {"example": METRICS_EXAMPLE}}}},
)
async def metrics(service: AnyService, trail: AuditTrail, request: Request) -> Response:
    """Containers by cAdvisor's names; ports, calls of the engine, requests and the sampler by
    names of this service. Never asks the engine, and answers while it is away, too.
    """
    trail.check()  # which the meters are told of
    wanted = format_for(request.headers.get("accept", ""))
    text = await service.metrics.text(wanted)
    return Response(text, headers={"Content-Type": MEDIA_TYPES[wanted]})
