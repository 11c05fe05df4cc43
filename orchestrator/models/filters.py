"""Checks what a query may ask for: which containers, and which part of a history. Pure."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from .asked import Asked
from .containers import Container, State

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Seconds before and after 1970 that are as good as for ever, and that every calendar can tell.
_FAR_SECONDS = 20_000_000_000


class ContainerFilter(Asked):
    """Which containers to list; all that is given must be true of one."""

    state: State | None = Field(None, description="Only those in this state.")
    name: str | None = Field(
        None, max_length=128, description="Only those whose name has this in it."
    )
    label: list[str] = Field(
        [], max_length=20, description='Only those with this label: "team", or "team=blue".'
    )
    managed: bool | None = Field(None, description="Only this service's (true), or the others.")

    def matches(self, container: Container) -> bool:
        return (
            self.state in (None, container.state)
            and (self.name or "") in container.name
            and self.managed in (None, container.managed)
            and all(_has_label(container, label) for label in self.label)
        )


def _has_label(container: Container, wanted: str) -> bool:
    name, equals, value = wanted.partition("=")
    return name in container.labels and (not equals or container.labels[name] == value)


def _moment(value: Any) -> Any:
    """Seconds since 1970 as a time, however the number is written; ValueError for too many."""
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        return value
    if not -_FAR_SECONDS <= seconds <= _FAR_SECONDS:
        raise ValueError(f"seconds since 1970 are a number up to {_FAR_SECONDS}")
    return _EPOCH + timedelta(seconds=seconds)


class HistoryWindow(Asked):
    """Which part of a history to answer with, and how coarse."""

    since: Annotated[datetime, BeforeValidator(_moment)] | None = Field(
        None,
        description="Only later points: RFC 3339, in UTC unless it says otherwise, or seconds"
        " since 1970.",
        json_schema_extra={
            "anyOf": [
                {"type": "string", "format": "date-time"},
                {"type": "number", "minimum": -_FAR_SECONDS, "maximum": _FAR_SECONDS},
            ]
        },
    )
    step: float | None = Field(
        None, ge=1, le=3600, description="Seconds that a point stands for; without: as sampled."
    )

    @property
    def since_seconds(self) -> float | None:
        """Seconds since 1970."""
        if self.since is None:
            return None
        aware = self.since if self.since.tzinfo else self.since.replace(tzinfo=UTC)
        return aware.timestamp()
