"""The OpenAPI description says what routes alone do not: problems, keys, examples.

A route names the errors that it can end in, by the groups here where many share them; what the
middleware refuses is added to all.
"""

from collections.abc import Iterable
from typing import Any

from fastapi import FastAPI

from .. import errors
from ..errors import OrchestratorError
from ..models import Problem, examples
from .problems import MEDIA_TYPE, document, status_of
from .route_table import RouteTable

ENGINE = (errors.EngineUnavailable, errors.EngineFailed, errors.EngineTimeout)
ONE = (errors.ContainerNotFound, errors.AmbiguousId, errors.InvalidRequest)
READ = (*ONE, errors.NotManaged)
LATER = (errors.TooManyChanges, errors.TooBusy, errors.AuditUnavailable, errors.ShuttingDown)
CHANGE = (*READ, errors.ContainerBusy, *LATER, *ENGINE)
RUN = (
    *CHANGE,
    errors.ContainerPaused,
    errors.PortGivenAway,
    errors.PortInUse,
    errors.PortsExhausted,
    errors.StartRefused,
    errors.DiskLimitUnsupported,
    errors.NetworkFull,
    errors.NetworkMissing,
    errors.DependencyNotRunning,
)
PULL = (
    errors.ImageNotFound,
    errors.ImagePullDenied,
    errors.ImagePlatform,
    errors.ImageBroken,
    errors.RegistryFailed,
    errors.RegistryLimit,
    errors.RegistryUnreachable,
    errors.ImagePullFailed,
)
CREATE = (
    errors.InvalidRequest,
    errors.IdempotencyKeyReused,
    errors.PortOutOfRange,
    errors.StartRefused,
    *PULL,
    errors.NameInUse,
    errors.PortInUse,
    errors.PortsExhausted,
    errors.NetworkFull,
    errors.ImageNotAllowed,
    errors.VolumeNotManaged,
    errors.OverLimit,
    errors.QuotaExceeded,
    errors.DiskLimitUnsupported,
    errors.DiskLow,
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
    errors.PreconditionFailed,
    errors.RequestTooSlow,
    errors.BodyTooLarge,
    errors.UrlTooLong,
    errors.HeadersTooLarge,
    errors.Overloaded,
    errors.TooManyConnections,
)


def openapi_responses(
    kinds: Iterable[type[OrchestratorError]],
) -> dict[int | str, dict[str, Any]]:
    """Returns the problem answers of a route, for its OpenAPI description."""
    by_status: dict[int | str, dict[str, Any]] = {}
    for kind in kinds:
        status = status_of(kind)
        entry = by_status.setdefault(
            status,
            {
                "description": "",
                "content": {
                    MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": {}}
                },
            },
        )
        titles = [part for part in (entry["description"], f"`{kind.code}`: {kind.title}.") if part]
        entry["description"] = " ".join(titles)
        entry["content"][MEDIA_TYPE]["examples"][kind.code] = {
            "value": document(
                status=status,
                code=kind.code,
                title=kind.title,
                detail=kind.example,
                request_id="5f0c2f8a9d3b4e6f8a1b2c3d4e5f6a7b",
            )
        }
        if status in (503, 504, 507):
            entry["headers"] = {
                "Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}
            }
    return by_status


def add_responses(schema: dict[str, Any], kinds: Iterable[type[OrchestratorError]]) -> None:
    """Adds problem answers to every operation of an OpenAPI description, beside its own.

    A second call with the same kinds changes nothing.
    """
    added = openapi_responses(kinds)
    for operations in schema["paths"].values():
        for operation in operations.values():
            for status, entry in added.items():
                own = operation["responses"].setdefault(str(status), {"description": ""})
                media = own.setdefault("content", {}).setdefault(
                    MEDIA_TYPE, {"schema": entry["content"][MEDIA_TYPE]["schema"], "examples": {}}
                )
                for code, example in entry["content"][MEDIA_TYPE]["examples"].items():
                    if code not in media["examples"]:
                        media["examples"][code] = example
                        sentence = f"`{code}`: {example['value']['title']}."
                        own["description"] = f"{own['description']} {sentence}".strip()
                own.setdefault("headers", {}).update(entry.get("headers", {}))


def declare_keys(schema: dict[str, Any], table: RouteTable) -> None:
    """Tells readers of the OpenAPI description, Swagger UI's Authorize among them, of the keys."""
    schema["components"]["securitySchemes"] = {
        "key": {"type": "http", "scheme": "bearer", "description": "A key of this service."}
    }
    schema["security"] = [{"key": []}]
    for route in table:
        if route.without_key:
            for operation in schema["paths"].get(route.path, {}).values():
                operation["security"] = []


def declare_tags(schema: dict[str, Any], table: RouteTable) -> None:
    """Says of each answer that has an ETag what a request with that in If-None-Match is told."""
    for route in table:
        operation = schema["paths"].get(route.path, {}).get("get")
        if route.tagged and operation is not None:
            operation["responses"]["304"] = {
                "description": "Nothing has changed since the answer whose `ETag` came in the"
                " header `If-None-Match`."
            }


def reserve_names(schema: dict[str, Any], table: RouteTable) -> None:
    """Says which names a container cannot have, for they stand in paths where its own would."""
    for each in schema["components"]["schemas"]["CreateRequest"]["properties"]["name"]["anyOf"]:
        if each["type"] == "string":
            each["not"] = {"enum": sorted(table.words_beside("/containers/{id}"))}


def describe(app: FastAPI, table: RouteTable, *, keys: bool, port: int) -> None:
    """Has the app describe itself with all of this; `port` is the example of a port in a path."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        schema = plain()
        schemas = schema["components"]["schemas"]
        schemas["Problem"] = Problem.model_json_schema()
        for name, example in examples().items():
            schemas[name]["example"] = example
        show_port(schema, port)
        add_responses(schema, ANYWHERE)
        declare_tags(schema, table)
        reserve_names(schema, table)
        if keys:
            declare_keys(schema, table)
        return schema

    app.openapi = openapi  # type: ignore[method-assign]


def show_port(schema: dict[str, Any], port: int) -> None:
    """Makes a port of the range that is set the example wherever one stands in a path."""
    for operations in schema["paths"].values():
        for operation in operations.values():
            for parameter in operation.get("parameters", ()):
                if (parameter["in"], parameter["name"]) == ("path", "port"):
                    parameter["schema"]["example"] = port
