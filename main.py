"""The app is put together here, from parts in orchestrator/: its routes, its middleware, in order.

Run it with `python main.py` or `uvicorn main:app`; always with one worker, for ports are kept in
memory. How a route is added, orchestrator/routes says.
"""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import uvicorn
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from uvicorn.config import LOGGING_CONFIG

from orchestrator import __version__
from orchestrator.callers import BadKeys
from orchestrator.command_line import PROGRAM, parse_arguments
from orchestrator.errors import OrchestratorError
from orchestrator.host import allow_more_files
from orchestrator.http import (
    MAX_HEADERS_SIZE,
    AnswerRefusals,
    Audit,
    AuditRequired,
    CallerLimits,
    Compression,
    Conditional,
    Door,
    Forwarded,
    Keyring,
    MeteredRequests,
    Methods,
    RequestForms,
    RequestIds,
    RequestLimits,
    RouteTable,
    SecurityHeaders,
    answer_problem,
    audit,
    log_lines,
    openapi,
    protocol,
)
from orchestrator.models import Container
from orchestrator.routes import (
    addresses,
    containers,
    pages,
    ports,
    service,
    statistics,
    volumes,
)
from orchestrator.service import Service
from orchestrator.settings import BadSettings, Settings, load_settings
from orchestrator.statistics import Meters

DESCRIPTION = """
Clones Docker containers and gives each a free host port without being asked for one.

`POST /containers/create` with `{}` answers with a running container and the URL it answers on.
`{id}` is a full id, the unambiguous beginning of one, or a name. Errors are problem documents
(RFC 9457) with a stable `code` and a `detail` that says what to do.
"""

TAGS = [
    {"name": "containers", "description": "Create, look at, start, stop, restart, remove."},
    {"name": "statistics", "description": "What containers and the host use."},
    {"name": "volumes", "description": "Which volumes this service has made."},
    {"name": "ports", "description": "Which host ports are whose."},
    {"name": "service", "description": "What this is and how it is."},
]

# In this order: `/containers/stats` must be known before `/containers/{id}`.
ROUTERS = (
    service.router,
    statistics.router,
    containers.router,
    volumes.router,
    ports.router,
    pages.router,
)

# Seconds that a shutdown waits for open requests.
REQUESTS_SECONDS = 5


def create_app(settings: Settings | None = None) -> FastAPI:
    """Returns the app with settings of its own, or those of the environment; raises BadSettings."""
    chosen, meters = settings or load_settings(), Meters()
    try:
        keyring = Keyring(chosen.api_key, chosen.api_key_file)
    except BadKeys as error:
        raise BadSettings(f"API_KEY_FILE cannot be used: {error}.") from error
    try:
        trail = audit.configure(chosen.audit_log, meters.audited)
    except OSError as error:
        path, reason = chosen.audit_log, error.strerror
        raise BadSettings(f"AUDIT_LOG={path!r} cannot be used: {reason}.") from error

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        log_lines.configure(chosen.log_level, chosen.log_format)
        app.state.service = built = Service.build(chosen, meters)
        async with built.running():
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
        with suppress(OrchestratorError):
            found: Container = app.state.service.inventory.get(key)
            return found
        return None

    # Not by include_router: it would hide them from app.routes, which GET / and the table read.
    for router in ROUTERS:
        app.router.routes.extend(router.routes)
    pages.serve_redoc_without_its_logo(app)
    pages.tag_the_description(app)
    app.state.table = table = RouteTable(app.routes)
    app.state.trail = trail
    app.state.address_book = addresses.AddressBook(chosen)

    # The last one added is the outermost. Those that refuse requests go first, within this one.
    app.add_middleware(Conditional, table=table)
    app.add_middleware(Compression, table=table)
    app.add_middleware(Methods, table=table)
    app.add_middleware(CallerLimits, settings=chosen, table=table)
    app.add_middleware(RequestLimits, settings=chosen, table=table)
    if chosen.audit_required:
        app.add_middleware(AuditRequired, table=table, trail=trail)
    app.add_middleware(Door, settings=chosen, keyring=keyring, table=table)
    app.add_middleware(AnswerRefusals)
    app.add_middleware(Audit, table=table, find=find)
    if chosen.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=chosen.cors_origins,
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=[
                "Authorization",
                "Content-Type",
                "Idempotency-Key",
                "If-None-Match",
                "X-Request-ID",
            ],
            expose_headers=["ETag", "Location", "Retry-After", "X-Inventory-Age", "X-Request-ID"],
        )
    app.add_middleware(SecurityHeaders, pages=pages.PAGES)
    app.add_middleware(RequestIds)
    app.add_middleware(MeteredRequests, answered=meters.requested)
    app.add_middleware(Forwarded, settings=chosen, routes=app.routes)
    app.add_middleware(RequestForms)
    for kind in (OrchestratorError, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, answer_problem)
    openapi.describe(app, table, keys=keyring.configured, port=chosen.port_range.first)
    return app


def __getattr__(name: str) -> Any:
    """`uvicorn main:app` finds its app here; nothing is made by an import alone."""
    if name != "app":
        raise AttributeError(name)
    try:
        return create_app()
    except BadSettings as error:
        sys.exit(f"{PROGRAM}: {error}")


def main() -> None:
    """Serves the app, with the settings of the command line and the environment, until it is told
    to end.
    """
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
            timeout_keep_alive=settings.keep_alive,
            proxy_headers=False,  # the app believes those it trusts, see `forwarded`
            http=protocol(settings),
            h11_max_incomplete_event_size=MAX_HEADERS_SIZE,
            ws="none",
            log_config=log_lines.of_the_server(LOGGING_CONFIG, settings.log_format),
        )


if __name__ == "__main__":
    main()
