"""Selects and sorts the figures of many containers for one answer, and adds them up. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

from pydantic import Field

from ..models import AllStats, Asked, Container, ContainerFilter, ContainerStats, StatsTotals
from ..quantities import megabytes

Order = Literal["cpu", "memory", "network", "block", "pids", "name"]


class StatsSelection(Asked):
    """Says which containers' figures are wanted, in what order: all that is given must be true."""

    sort: Order = Field("name", description="By what: the highest first, names from a to z.")
    top: int | None = Field(None, ge=1, le=100_000, description="Only the first so many.")
    name: str | None = Field(
        None, max_length=128, description="Only those whose name has this in it."
    )
    label: list[str] = Field(
        [], max_length=20, description='Only those with this label: "team", or "team=blue".'
    )
    managed: bool | None = Field(None, description="Only this service's (true), or the others.")

    def of(self, containers: Iterable[Container]) -> list[Container]:
        """Returns those containers that match."""
        wanted = ContainerFilter(state=None, name=self.name, label=self.label, managed=self.managed)
        return [container for container in containers if wanted.matches(container)]

    def answer(self, found: Sequence[ContainerStats]) -> AllStats:
        """Makes one answer of figures: sorted, cut to the first, with the totals of all."""
        if self.sort == "name":
            ordered = sorted(found, key=lambda each: each.name)
        else:
            amount = _AMOUNTS[self.sort]
            ordered = sorted(found, key=lambda each: (-amount(each), each.name))
        return AllStats(count=len(found), totals=_total(found), containers=ordered[: self.top])


class StreamPace(Asked):
    """Says how often a stream has an event, and how many it has."""

    every: int = Field(1, ge=1, le=3600, description="Seconds from one event to the next.")
    limit: int | None = Field(
        None,
        ge=1,
        le=1_000_000,
        description="The stream ends after so many events.",
        # Swagger UI fills this in, and could not show a stream that does not end.
        json_schema_extra={"example": 3},
    )


class StreamSelection(StatsSelection, StreamPace):
    """Says which figures a stream is of, and how often it has them."""


# What is not known counts as less than nothing.
_AMOUNTS: Mapping[Order, Callable[[ContainerStats], float]] = {
    "cpu": lambda each: _known(each.cpu_percent),
    "memory": lambda each: _known(each.memory_usage_bytes),
    "network": lambda each: _known(each.network_rx_bytes, each.network_tx_bytes),
    "block": lambda each: _known(each.block_read_bytes, each.block_write_bytes),
    "pids": lambda each: _known(each.pids),
}


def _known(*amounts: float | None) -> float:
    known = [amount for amount in amounts if amount is not None]
    return sum(known) if known else -1


def _total(each: Sequence[ContainerStats]) -> StatsTotals:
    """Adds figures up. What is not known of one does not count; what is known of none is null."""

    def add(name: str) -> Any:
        known = [value for one in each if (value := getattr(one, name)) is not None]
        return sum(known) if known else None

    percent, share = add("cpu_percent"), add("cpu_percent_of_host")
    memory, rx, tx = add("memory_usage_bytes"), add("network_rx_bytes"), add("network_tx_bytes")
    return StatsTotals(
        cpu_percent=None if percent is None else round(percent, 2),
        cpu_percent_of_host=None if share is None else round(share, 2),
        memory_usage=megabytes(memory),
        network_rx=megabytes(rx),
        network_tx=megabytes(tx),
        memory_usage_bytes=memory,
        memory_cache_bytes=add("memory_cache_bytes"),
        network_rx_bytes=rx,
        network_tx_bytes=tx,
        block_read_bytes=add("block_read_bytes"),
        block_write_bytes=add("block_write_bytes"),
        pids=add("pids"),
    )
