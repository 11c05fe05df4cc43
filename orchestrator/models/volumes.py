"""Volumes of this service, as the API tells of them."""

from datetime import datetime
from typing import ClassVar, Literal

from pydantic import Field
from pydantic.config import JsonDict

from .model import Model


class Volume(Model):
    """A named volume that a create of this service has made."""

    name: str
    created: datetime | None = Field(None, description="Null where the engine does not tell.")
    containers: list[str] = Field(
        description="The names of the containers that use it, running or stopped."
    )

    example: ClassVar[JsonDict] = {
        "name": "data-1",
        "created": "2026-01-02T15:04:05Z",
        "containers": ["web-2"],
    }


class RemovedVolume(Model):
    name: str
    removed: Literal[True] = True

    example: ClassVar[JsonDict] = {"name": "data-1", "removed": True}
