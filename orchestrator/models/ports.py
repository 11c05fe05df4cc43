"""Describes the host ports of the range as the API shows them: the state and owner of each."""

from datetime import datetime
from typing import ClassVar, Literal

from pydantic import Field
from pydantic.config import JsonDict

from .model import Model

PortState = Literal["free", "reserved", "in_use", "remembered", "external"]

EXAMPLE_SUMMARY: JsonDict = {
    "range": {"first": 8001, "last": 8999},
    "api_port": 8000,
    "total": 999,
    "available": 998,
    "in_use": 1,
    "reserved": 0,
    "remembered": 0,
    "external": 0,
}


class PortRow(Model):
    """One host port of the range."""

    port: int
    state: PortState
    container_id: str | None = Field(
        None, description="Whose port it is or, when `remembered`, last was."
    )
    container_name: str | None = None
    container_port: str | None = None
    since: datetime | None = Field(None, description="Since when it is in this state.")
    held_by: str | None = Field(None, description="Who holds an `external` port, where known.")

    example: ClassVar[JsonDict] = {
        "port": 8001,
        "state": "in_use",
        "container_id": "0f4c1d2a9b7e",
        "container_name": "web-1",
        "container_port": "5000/tcp",
        "since": "2026-01-02T15:04:05.456789Z",
        "held_by": None,
    }


class PortBounds(Model):
    first: int
    last: int


class PortSummary(Model):
    """How many ports there are in each state; `available` = free and remembered ones."""

    range: PortBounds
    api_port: int
    total: int
    available: int
    in_use: int
    reserved: int
    remembered: int
    external: int


class PortTable(PortSummary):
    ports: list[PortRow] = Field(description="A row for each port that is not free.")

    example: ClassVar[JsonDict] = {**EXAMPLE_SUMMARY, "ports": [PortRow.example]}
