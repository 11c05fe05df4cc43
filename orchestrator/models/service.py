"""Describes the service itself: what can be asked of it, how it is, and what went wrong."""

from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from .containers import EXAMPLE_COUNTS, ContainerCounts
from .model import Model
from .ports import EXAMPLE_SUMMARY, PortSummary


class Endpoint(Model):
    method: str
    path: str
    summary: str


class Index(Model):
    name: str
    version: str
    links: dict[str, str]
    endpoints: list[Endpoint]

    example: ClassVar[JsonDict] = {
        "name": "Docker Orchestration API",
        "version": "0.1.0",
        "links": {"docs": "/docs", "redoc": "/redoc", "openapi": "/openapi.json"},
        "endpoints": [
            {"method": "GET", "path": "/ports", "summary": "Every port that is not free"}
        ],
    }


class Alive(Model):
    status: Literal["alive"] = "alive"

    example: ClassVar[JsonDict] = {"status": "alive"}


class Ready(Model):
    status: Literal["ready"] = "ready"

    example: ClassVar[JsonDict] = {"status": "ready"}


class DockerHealth(Model):
    status: Literal["connected", "disconnected"]
    version: str | None = None
    api_version: str | None = None
    problem: str | None = Field(None, description="What is wrong, and what to do.")


class AuditHealth(Model):
    status: Literal["written", "lost"]
    lost: int = Field(description="Lines that could not be written since the service began.")
    problem: str | None = Field(None, description="What is wrong, and what to do.")


class Health(Model):
    status: Literal["healthy", "unhealthy"]
    docker: DockerHealth
    containers: ContainerCounts
    ports: PortSummary
    audit: AuditHealth
    listing_age_s: float | None = Field(
        description="Seconds since memory was last compared with a full listing of the engine."
    )
    warnings: list[str] = Field(
        [], description="Promises that are not kept at the moment, and what to do."
    )
    uptime_s: float
    version: str

    example: ClassVar[JsonDict] = {
        "status": "healthy",
        "docker": {
            "status": "connected",
            "version": "28.5.2",
            "api_version": "1.51",
            "problem": None,
        },
        "containers": EXAMPLE_COUNTS,
        "ports": EXAMPLE_SUMMARY,
        "audit": {"status": "written", "lost": 0, "problem": None},
        "listing_age_s": 3.217,
        "warnings": [],
        "uptime_s": 86400.0,
        "version": "0.1.0",
    }


class Problem(BaseModel):
    """A problem document, RFC 9457, with more fields for the case: `port`, `name`, `matches`, …"""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="A URN for the kind of problem.")
    title: str
    status: int
    detail: str = Field(description="What happened and what to do, in a sentence.")
    code: str = Field(description="The kind of problem, for programs.")
    request_id: str
