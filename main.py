"""The app: every route and the one error handler. Thin; the parts are in orchestrator/.

To add a route: write the use case where it belongs, add the function here, name its problems.
Run it with `python main.py` or `uvicorn main:app`; always with one worker, for ports are kept in
memory.
"""

import asyncio
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from importlib import resources
from typing import Annotated, Any

import uvicorn
from fastapi import Body, Depends, FastAPI, Header, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from fastapi.routing import APIRoute
from fastapi.sse import EventSourceResponse, ServerSentEvent
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.config import LOGGING_CONFIG

from orchestrator import __version__, callers, errors
from orchestrator.callers import BadKeys
from orchestrator.command_line import PROGRAM, parse_arguments
from orchestrator.host import allow_more_files
from orchestrator.http import (
    MAX_HEADERS_SIZE,
    Keyring,
    Limits,
    MeteredRequests,
    StreamLimit,
    audit,
    connections,
    problems,
    request_ids,
    security,
)
from orchestrator.http import log_lines as logs
from orchestrator.models import (
    METRICS_EXAMPLE,
    Alive,
    AllStats,
    Container,
    ContainerEnv,
    ContainerFilter,
    ContainerStats,
    CreateRequest,
    DockerHealth,
    End,
    Endpoint,
    Health,
    HistoryWindow,
    HostHistory,
    Index,
    PortRow,
    PortTable,
    Problem,
    Ready,
    RemovedContainer,
    StatsHistory,
    StreamEnd,
    SystemStats,
    examples,
)
from orchestrator.service import Service
from orchestrator.settings import BadSettings, Settings, load_settings
from orchestrator.statistics import (
    MEDIA_TYPES,
    Meters,
    StatsSelection,
    StreamPace,
    StreamSelection,
    format_for,
)

DESCRIPTION = """
Clones Docker containers and gives each a free host port without being asked for one.

`POST /containers/create` with `{}` answers with a running container and the URL it answers on.
`{id}` is a full id, the unambiguous beginning of one, or a name. Errors are problem documents
(RFC 9457) with a stable `code` and a `detail` that says what to do.
"""

TAGS = [
    {"name": "containers", "description": "Create, look at, start, stop, restart, remove."},
    {"name": "statistics", "description": "What containers and the host use."},
    {"name": "ports", "description": "Which host ports are whose."},
    {"name": "service", "description": "What this is and how it is."},
]

# Seconds that /health and /health/ready wait for the engine.
PING_SECONDS = 2.0
# Seconds that a shutdown waits for open requests.
REQUESTS_SECONDS = 5


def get_service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


def get_listed_service(request: Request, response: Response) -> Service:
    """The service for routes that answer from memory, which must have been filled once."""
    service = get_service(request)
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
Grace = Annotated[
    int,
    Query(
        alias="timeout", ge=0, le=300, description="Seconds to end by itself before it is killed."
    ),
]

Interfaces = Annotated[
    bool, Query(description="Whether to say what each network interface has carried, too.")
]
Pace = Annotated[StreamPace, Query()]


def get_running_container(service: ListedService, key: ContainerKey) -> Container:
    """For streams, which cannot answer with a problem any more once they have begun."""
    container = service.inventory.get(key)
    service.streams.require_stream(container)
    return container


RunningContainer = Annotated[Container, Depends(get_running_container)]
STREAM = "Server-sent events, with a comment now and then while there is nothing to say."


async def shutting_down() -> End:
    """Why a stream ends that is about no one container."""
    return "shutting-down"


async def events(
    follow: AsyncGenerator[Any, None],
    limit: int | None,
    ended: Callable[[], Awaitable[End]],
    show: Callable[[Any], Any] = lambda each: each,
) -> AsyncIterator[Any]:
    """A stream: what is followed, `limit` of it at most, then an event that says why it ends."""
    reason: End | None = None
    number = 0
    async with aclosing(follow):
        async for each in follow:
            yield show(each)
            number += 1
            if number == limit:
                reason = "limit"
                break
    yield ServerSentEvent(event="end", data={"reason": reason or await ended()})


ENGINE = (errors.EngineUnavailable, errors.EngineFailed, errors.EngineTimeout)
ONE = (errors.ContainerNotFound, errors.AmbiguousId, errors.InvalidRequest)
READ = (*ONE, errors.NotManaged)
LATER = (errors.TooBusy, errors.ShuttingDown)
CHANGE = (*READ, errors.ContainerBusy, *LATER, *ENGINE)
RUN = (
    *CHANGE,
    errors.ContainerPaused,
    errors.PortGivenAway,
    errors.PortInUse,
    errors.PortsExhausted,
    errors.StartRefused,
    errors.NetworkFull,
    errors.NetworkMissing,
)
CREATE = (
    errors.InvalidRequest,
    errors.IdempotencyKeyReused,
    errors.PortOutOfRange,
    errors.StartRefused,
    errors.ImageNotFound,
    errors.NameInUse,
    errors.PortInUse,
    errors.PortsExhausted,
    errors.NetworkFull,
    errors.ImageNotAllowed,
    errors.VolumeNotManaged,
    errors.OverLimit,
    errors.QuotaExceeded,
    errors.ImagePullFailed,
    errors.ContainerBusy,
    *LATER,
    *ENGINE,
)

# What the middleware refuses, whatever the route.
ANYWHERE: tuple[type[errors.OrchestratorError], ...] = (
    errors.Unauthenticated,
    errors.InsufficientScope,
    errors.FromContainer,
    errors.HostNotAllowed,
    errors.CrossOrigin,
    errors.UnsupportedMediaType,
    errors.MalformedRequest,
    errors.RequestTooSlow,
    errors.BodyTooLarge,
    errors.UrlTooLong,
    errors.HeadersTooLarge,
    errors.Overloaded,
    errors.TooManyConnections,
)

ALL_DEFAULTS = CreateRequest()
CREATED: dict[int | str, dict[str, Any]] = {
    200: {"model": Container, "description": "The container that this key created before."},
    201: {"headers": {"Location": {"description": "Its path.", "schema": {"type": "string"}}}},
}


def add_service_routes(app: FastAPI) -> None:
    @app.get(
        "/",
        tags=["service"],
        summary="What this is, and every endpoint",
        response_description="The service.",
    )
    async def index() -> Index:
        """The name and version of the service, links to its documentation, and its endpoints."""
        return Index(
            name=app.title,
            version=app.version,
            links={"docs": "/docs", "redoc": "/redoc", "openapi": "/openapi.json"},
            endpoints=[
                Endpoint(method=method, path=route.path, summary=route.summary or "")
                for route in app.routes
                if isinstance(route, APIRoute) and route.include_in_schema
                for method in sorted(route.methods or ())
            ],
        )

    @app.get(
        "/health",
        tags=["service"],
        summary="How the service and its engine are",
        response_description="The engine answers.",
        responses={503: {"model": Health, "description": "The engine cannot be reached."}},
    )
    async def health(service: AnyService, response: Response) -> Health:
        """200 when the engine answers and is followed, else 503 with what is wrong."""
        problem: errors.OrchestratorError | None = service.watcher.problem
        try:
            await service.engine.ping(PING_SECONDS)
        except errors.OrchestratorError as error:
            problem = problem or error  # the watcher's says why there is no connection
        healthy = service.watcher.connected and problem is None
        response.status_code = 200 if healthy else 503
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
            listing_age_s=None if age is None else round(age, 3),
            uptime_s=round(time.monotonic() - service.started, 3),
            version=__version__,
        )

    @app.get(
        "/health/live",
        tags=["service"],
        summary="Whether the process answers",
        response_description="The process answers.",
    )
    async def live() -> Alive:
        """Always 200, and never asks the engine: for whoever restarts a process that hangs."""
        return Alive()

    @app.get(
        "/health/ready",
        tags=["service"],
        summary="Whether requests can be served now",
        response_description="Requests can be served.",
        responses=problems.openapi_responses(ENGINE),
    )
    async def ready(service: ListedService) -> Ready:
        """Asks the engine: 200 when it answers in time and the first listing is in."""
        await service.engine.ping(PING_SECONDS)
        return Ready()


def add_container_routes(app: FastAPI, default_image: str) -> None:
    @app.post(
        "/containers/create",
        tags=["containers"],
        summary="Create a container and start it on a free port",
        response_description="The container, running.",
        status_code=201,
        responses=problems.openapi_responses(CREATE) | CREATED,
    )
    async def create(
        service: ListedService,
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
        audit.asked_for(body.name, body.image or default_image)
        caller = callers.current.get()
        if key is None:
            container = await service.creator.create(body, caller)
        else:
            container, created = await service.keyed_creates.create(body, caller, key)
            response.status_code = 201 if created else 200
        response.headers["Location"] = f"/containers/{container.id}"
        return container

    @app.get(
        "/containers",
        tags=["containers"],
        summary="Every container",
        response_description="The containers.",
        responses=problems.openapi_responses((errors.InvalidRequest, errors.EngineUnavailable)),
    )
    async def containers(
        service: ListedService, wanted: Annotated[ContainerFilter, Query()]
    ) -> list[Container]:
        """Running, stopped and created ones, this service's and others', the newest first."""
        return [found for found in service.inventory.all() if wanted.matches(found)]

    @app.get(
        "/containers/running",
        tags=["containers"],
        summary="The running containers",
        response_description="The containers.",
        responses=problems.openapi_responses((errors.EngineUnavailable,)),
    )
    async def running(service: ListedService) -> list[Container]:
        """Those whose state is `running`, the newest first."""
        return [found for found in service.inventory.all() if found.state == "running"]

    @app.get(
        "/containers/{id}",
        tags=["containers"],
        summary="One container",
        response_description="The container.",
        responses=problems.openapi_responses((*ONE, errors.EngineUnavailable)),
    )
    async def container(service: ListedService, key: ContainerKey) -> Container:
        """The container as it is now; a stopped one has no ports."""
        return service.inventory.get(key)

    @app.get(
        "/containers/{id}/env",
        tags=["containers"],
        summary="A container's environment variables, with their values",
        response_description="The variables.",
        responses=problems.openapi_responses((*READ, *ENGINE)),
    )
    async def env(service: ListedService, key: ContainerKey) -> ContainerEnv:
        """Values may be secrets, so a key needs the scope `write`, and only containers that this
        service created have an answer. Asked of the engine each time; nothing is kept or logged.
        """
        return await service.environments.read(key, callers.current.get())

    @app.post(
        "/containers/{id}/start",
        tags=["containers"],
        summary="Start a container",
        response_description="The container, running.",
        responses=problems.openapi_responses(RUN),
    )
    async def start(service: ListedService, key: ContainerKey) -> Container:
        """Starts a stopped container on the port it had. One that runs is left as it is.

        If somebody else has the port by now, the container moves: it is made once more, with all
        that is in it, on another port. `port_changed` is true then, `previous_ports` says where it
        was, and its `previous_id` leads to it as well as the new one.
        """
        return await service.lifecycle.start(key)

    @app.post(
        "/containers/{id}/stop",
        tags=["containers"],
        summary="Stop a container and release its ports",
        response_description="The container, stopped.",
        responses=problems.openapi_responses(CHANGE),
    )
    async def stop(service: ListedService, key: ContainerKey, grace: Grace = 10) -> Container:
        """Sends the stop signal, and kills after `timeout` seconds. One that is stopped is left
        as it is. Its ports are given to others only when no other port is free.
        """
        return await service.lifecycle.stop(key, grace)

    @app.post(
        "/containers/{id}/restart",
        tags=["containers"],
        summary="Restart a container",
        response_description="The container, running.",
        responses=problems.openapi_responses(RUN),
    )
    async def restart(service: ListedService, key: ContainerKey, grace: Grace = 10) -> Container:
        """Stops it and starts it on the same ports. One that is stopped is started, and moves to
        other ports if it must, as with a start.
        """
        return await service.lifecycle.restart(key, grace)

    @app.delete(
        "/containers/{id}",
        tags=["containers"],
        summary="Remove a container and release its ports",
        response_description="The container is gone.",
        responses=problems.openapi_responses(CHANGE),
    )
    async def remove(
        service: ListedService,
        key: ContainerKey,
        grace: Grace = 10,
        force: Annotated[bool, Query(description="Kill it instead of stopping it.")] = False,
    ) -> RemovedContainer:
        """Stops it if it runs, and removes it with its anonymous volumes."""
        return await service.lifecycle.remove(key, grace, force=force)


def add_all_statistics_routes(app: FastAPI) -> None:
    """Those about all containers: their paths must be known before `/containers/{id}`."""

    @app.get(
        "/containers/stats",
        tags=["statistics"],
        summary="What all running containers use",
        response_description="The figures.",
        responses=problems.openapi_responses((errors.InvalidRequest, errors.EngineUnavailable)),
    )
    async def all_stats(
        service: ListedService, wanted: Annotated[StatsSelection, Query()]
    ) -> AllStats:
        """The figures of all in one answer, with totals, from memory; `top=10` shows the ten that
        use most of what they are sorted by.
        """
        found = await service.sampler.all(wanted.of(service.inventory.all()))
        return wanted.answer(found)

    @app.get(
        "/containers/stats/stream",
        tags=["statistics"],
        summary="What all running containers use, every second",
        response_class=EventSourceResponse,
        response_description=STREAM,
        responses=problems.openapi_responses(
            (errors.InvalidRequest, errors.TooManyStreams, errors.EngineUnavailable)
        ),
    )
    async def all_stats_stream(
        service: ListedService, wanted: Annotated[StreamSelection, Query()]
    ) -> AsyncIterable[AllStats | StreamEnd]:
        """Server-sent events, one every `every` seconds, each an answer of `GET
        /containers/stats`. A reader that is slow misses some. The last one is called `end`.
        """
        follow = service.streams.follow_all(
            lambda: wanted.of(service.inventory.all()), wanted.every
        )
        async for event in events(follow, wanted.limit, shutting_down, wanted.answer):
            yield event


def add_statistics_routes(app: FastAPI) -> None:
    @app.get(
        "/containers/{id}/stats",
        tags=["statistics"],
        summary="What a container uses",
        response_description="The figures.",
        responses=problems.openapi_responses((*READ, errors.ContainerNotRunning, *ENGINE)),
    )
    async def stats(
        service: ListedService, key: ContainerKey, interfaces: Interfaces = False
    ) -> ContainerStats:
        """CPU, memory without the page cache, network, block I/O, processes; from memory, at most
        a second or two old (`age_s`).
        """
        return await service.sampler.stats(service.inventory.get(key), interfaces=interfaces)

    @app.get(
        "/containers/{id}/stats/history",
        tags=["statistics"],
        summary="What a container has used",
        response_description="The points, the oldest first.",
        responses=problems.openapi_responses((*READ, errors.EngineUnavailable)),
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

    @app.get(
        "/containers/{id}/stats/stream",
        tags=["statistics"],
        summary="What a container uses, every second",
        response_class=EventSourceResponse,
        response_description=STREAM,
        responses=problems.openapi_responses(
            (*READ, errors.ContainerNotRunning, errors.TooManyStreams, *ENGINE)
        ),
    )
    async def stats_stream(
        service: ListedService, container: RunningContainer, pace: Pace
    ) -> AsyncIterable[ContainerStats | StreamEnd]:
        """Server-sent events, one every `every` seconds, each an answer of `GET
        /containers/{id}/stats`. A reader that is slow misses some. The last one is called `end`,
        and says why: `removed`, `stopped`, `limit`, `shutting-down`.
        """
        full_id = container.full_id
        follow = service.streams.follow(full_id, pace.every)
        async for event in events(follow, pace.limit, lambda: service.streams.ended(full_id)):
            yield event

    @app.get(
        "/system/stats",
        tags=["statistics"],
        summary="What the host uses",
        response_description="The figures.",
        responses=problems.openapi_responses((errors.EngineUnavailable,)),
    )
    async def system(service: ListedService) -> SystemStats:
        """CPU, memory, disk, network, load and uptime, and how many containers there are.

        Each part says whether it is the whole host's or only that of the container that the service
        runs in. The figures are those of the last sample, at most a second old.
        """
        host = await service.sampler.host()
        return SystemStats(**host.model_dump(), containers=service.inventory.counts())

    @app.get(
        "/system/stats/history",
        tags=["statistics"],
        summary="What the host has used",
        response_description="The points.",
        responses=problems.openapi_responses((errors.InvalidRequest, errors.EngineUnavailable)),
    )
    async def system_history(
        service: ListedService, window: Annotated[HistoryWindow, Query()]
    ) -> HostHistory:
        """Points of the last minutes as they were sampled, and thinned ones of the time before, as
        long as the settings say. Sampled once a second while somebody asks, rarer else.
        """
        points = service.sampler.host_history(window.since_seconds, window.step)
        return HostHistory(step_s=window.step, points=points)


def add_metrics_route(app: FastAPI) -> None:
    @app.get(
        "/metrics",
        tags=["statistics"],
        summary="All figures, for Prometheus",
        response_class=PlainTextResponse,
        response_description="Prometheus's text format, or OpenMetrics if asked for.",
        responses={200: {"content": {"text/plain": {"example": METRICS_EXAMPLE}}}},
    )
    async def metrics(service: AnyService, request: Request) -> Response:
        """Containers by cAdvisor's names; ports, calls of the engine, requests and the sampler by
        names of this service. Never asks the engine, and answers while it is away, too.
        """
        wanted = format_for(request.headers.get("accept", ""))
        text = await service.metrics.text(wanted)
        return Response(text, headers={"Content-Type": MEDIA_TYPES[wanted]})


def add_port_routes(app: FastAPI, example: int) -> None:
    @app.get(
        "/ports",
        tags=["ports"],
        summary="Every port that is not free",
        response_description="The table.",
        responses=problems.openapi_responses((errors.EngineUnavailable,)),
    )
    async def ports(service: ListedService) -> PortTable:
        """How many ports are in each state, and whose those are that are not free."""
        return service.ports.table()

    @app.get(
        "/ports/{port}",
        tags=["ports"],
        summary="One port",
        response_description="The port.",
        responses=problems.openapi_responses(
            (errors.PortNotFound, errors.InvalidRequest, errors.EngineUnavailable)
        ),
    )
    async def one_port(
        service: ListedService,
        port: Annotated[
            int,
            Path(description="A host port of the range.", json_schema_extra={"example": example}),
        ],
    ) -> PortRow:
        """Its state, and who has it."""
        return service.ports.row(port)


# ReDoc's script loads this picture from the internet whenever it is shown.
REDOC_LOGO = "https://cdn.redoc.ly/redoc/logo-mini.svg"


def serve_redoc_without_its_logo(app: FastAPI) -> None:
    name = "redoc.standalone.js"
    script = resources.files("fastapi_offline").joinpath("static", name).read_text("utf-8")
    body = script.replace(REDOC_LOGO, "data:,").encode()

    async def redoc_script(_: Request) -> Response:
        return Response(body, media_type="text/javascript")

    # Before the package's own files, which are mounted already.
    app.router.routes.insert(0, Route(f"/static-offline-docs/{name}", redoc_script))


def methods_at(request: Request) -> list[str]:
    """What can be done at the path of a request; the router names those of one route alone.

    At /containers/running it is what that route can do, and not what can be done with a container,
    for none of this service has such a name.
    """
    routes = [
        route
        for route in request.app.routes
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE
    ]
    named = [route for route in routes if route.path == request.url.path]
    return sorted({method for route in named or routes for method in route.methods or ()})


async def answer_problem(request: Request, error: Exception) -> JSONResponse:
    """The one error handler: whatever went wrong, as a problem document."""
    headers: dict[str, str] = {}
    if isinstance(error, RequestValidationError):
        error = problems.explain_validation(error.errors())
    if isinstance(error, HTTPException) and error.status_code == 400:  # its one reason for that
        error = errors.InvalidRequest(
            "The body cannot be read: it must be JSON, in UTF-8, and not nested hundreds deep."
        )
    if isinstance(error, HTTPException):  # what the framework refuses before a route is found
        headers |= error.headers or {}
        status, title = error.status_code, str(error.detail)
        if status == 405:
            headers["Allow"] = ", ".join(methods_at(request))
        code, detail = {
            404: ("no-such-endpoint", "There is nothing at this path. GET / lists the endpoints."),
            405: (
                "method-not-allowed",
                f"{request.method} is not possible here. GET / lists the endpoints.",
            ),
        }.get(status, ("request-refused", f"{error.detail}."))
        fields = {}
    elif isinstance(error, errors.OrchestratorError):
        status, code, title = problems.status_of(type(error)), error.code, error.title
        detail, fields = error.message, error.fields
        if (seconds := problems.retry_after(error)) is not None:
            headers["Retry-After"] = str(seconds)
    else:
        status, code = 500, errors.OrchestratorError.code
        title, fields = errors.OrchestratorError.title, {}
        detail = "This is a fault of the service; its log has more under this request's id."
        # Answered outside of the middleware that adds it to all other answers.
        headers |= security.HEADERS | {"X-Request-ID": request_ids.current.get()}
    body = problems.document(
        status=status,
        code=code,
        title=title,
        detail=detail,
        request_id=request_ids.current.get(),
        fields=fields,
    )
    answer = JSONResponse(body, status, headers, problems.MEDIA_TYPE)
    # Each in a header of its own: browsers do not find the second one in a list.
    for challenge in security.challenges(error, request.headers.get("accept", "")):
        answer.headers.append("WWW-Authenticate", challenge)
    return answer


def declare_keys(schema: dict[str, Any]) -> None:
    """Tells readers of the OpenAPI description, Swagger UI's Authorize among them, of the keys."""
    schema["components"]["securitySchemes"] = {
        "key": {"type": "http", "scheme": "bearer", "description": "A key of this service."}
    }
    schema["security"] = [{"key": []}]
    for path in security.WITHOUT_KEY:
        for operation in schema["paths"][path].values():
            operation["security"] = []


class AnswerRefusals:
    """ASGI middleware: what the middleware within it raises becomes a problem document, too.

    So does a request that the server cancels because it ends.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def note(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        error: errors.OrchestratorError
        try:
            await self.app(scope, receive, note)
        except errors.OrchestratorError as refusal:
            if started or scope["type"] != "http":
                raise
            error = refusal
        except asyncio.CancelledError:
            if started or scope["type"] != "http":
                raise
            error = errors.ShuttingDown(
                "The service was stopped while the Docker engine was at work on this. What has"
                " become of it, GET /containers tells once the service is back."
            )
        else:
            return
        answer = await answer_problem(Request(scope), error)
        await answer(scope, receive, send)


def create_app(settings: Settings | None = None) -> FastAPI:
    """The app with settings of its own, or those of the environment (BadSettings if wrong)."""
    chosen, meters = settings or load_settings(), Meters()
    try:
        keyring = Keyring(chosen.api_key, chosen.api_key_file)
    except BadKeys as error:
        raise BadSettings(f"API_KEY_FILE cannot be used: {error}.") from error
    try:
        audit.configure(chosen.audit_log)
    except OSError as error:
        path, reason = chosen.audit_log, error.strerror
        raise BadSettings(f"AUDIT_LOG={path!r} cannot be used: {reason}.") from error

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        logs.configure(chosen.log_level, chosen.log_format)
        app.state.service = service = Service.build(chosen, meters)
        async with service.running():
            yield

    # With Swagger UI and ReDoc from a package: FastAPI's own pages load theirs from a CDN.
    app: FastAPI = FastAPIOffline(
        title="Docker Orchestration API",
        version=__version__,
        description=DESCRIPTION,
        openapi_tags=TAGS,
        license_info={"name": "MIT", "identifier": "MIT"},
        swagger_ui_parameters={"defaultModelsExpandDepth": 0},
        lifespan=lifespan,
    )

    def find(key: str) -> Container | None:
        with suppress(errors.OrchestratorError):
            service: Service = app.state.service
            return service.inventory.get(key)
        return None

    # The last one added is the outermost. Those that refuse requests go first, within this one.
    app.add_middleware(StreamLimit, settings=chosen)
    app.add_middleware(Limits, settings=chosen)
    app.add_middleware(security.Door, settings=chosen, keyring=keyring)
    app.add_middleware(AnswerRefusals)
    app.add_middleware(audit.Audit, find=find)
    if chosen.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=chosen.cors_origins,
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "X-Request-ID"],
            expose_headers=["Location", "Retry-After", "X-Inventory-Age", "X-Request-ID"],
        )
    app.add_middleware(security.SecurityHeaders)
    app.add_middleware(request_ids.RequestIds)
    app.add_middleware(MeteredRequests, answered=meters.requested)
    for kind in (errors.OrchestratorError, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, answer_problem)
    add_service_routes(app)
    add_all_statistics_routes(app)
    add_container_routes(app, chosen.default_image)
    add_statistics_routes(app)
    add_metrics_route(app)
    add_port_routes(app, chosen.port_range.first)
    serve_redoc_without_its_logo(app)

    describe = app.openapi

    def openapi() -> dict[str, Any]:
        schema = describe()
        schemas = schema["components"]["schemas"]
        schemas["Problem"] = Problem.model_json_schema()
        for name, example in examples().items():
            schemas[name]["example"] = example
        problems.add_responses(schema, ANYWHERE)
        if keyring.configured:
            declare_keys(schema)
        return schema

    app.openapi = openapi  # type: ignore[method-assign]
    return app


def __getattr__(name: str) -> Any:
    """`uvicorn main:app` finds its app here; nothing is made by an import alone."""
    if name != "app":
        raise AttributeError(name)
    try:
        return create_app()
    except BadSettings as error:
        sys.exit(f"docker-orchestration-api: {error}")


def main() -> None:
    given = parse_arguments()
    try:
        settings = load_settings(**given)
        app = create_app(settings)
    except BadSettings as error:
        sys.exit(f"{PROGRAM}: {error}")
    allow_more_files()  # each connection is one
    with suppress(KeyboardInterrupt):
        uvicorn.run(
            app,
            host=settings.host,
            port=settings.port,
            log_level=settings.log_level,
            timeout_graceful_shutdown=REQUESTS_SECONDS,
            # Else anybody could say which address a request comes from.
            proxy_headers=bool(settings.trusted_proxies),
            forwarded_allow_ips=list(settings.trusted_proxies),
            http=connections.protocol(settings),
            h11_max_incomplete_event_size=MAX_HEADERS_SIZE,
            ws="none",
            log_config=logs.of_the_server(LOGGING_CONFIG, settings.log_format),
        )


if __name__ == "__main__":
    main()
