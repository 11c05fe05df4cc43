"""Many containers' figures in one answer."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from orchestrator.models import ContainerStats
from orchestrator.statistics import StatsSelection, StreamSelection

from ..examples import container


def figures(name: str, **known: Any) -> ContainerStats:
    unknown = dict.fromkeys(ContainerStats.model_fields)
    fixed = {
        "container_id": name,
        "name": name,
        "timestamp": 0.0,
        "sampled_at": datetime.fromtimestamp(0, UTC),
        "age_s": 0.0,
        "source": "engine",
    }
    return ContainerStats.model_validate(unknown | fixed | known)


A = figures("a", cpu_percent=10.0, memory_usage_bytes=300, network_rx_bytes=1, pids=1)
B = figures("b", cpu_percent=30.0, memory_usage_bytes=100, network_tx_bytes=9, pids=1)
C = figures("c", memory_usage_bytes=200, block_read_bytes=5, block_write_bytes=5, pids=7)


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("name", "abc"),
        ("cpu", "bac"),
        ("memory", "acb"),
        ("network", "bac"),
        ("block", "cab"),
        ("pids", "cab"),
    ],
)
def test_what_uses_most_comes_first_and_what_is_not_known_last(sort: Any, order: str) -> None:
    answer = StatsSelection(sort=sort).answer([C, A, B])
    assert "".join(each.name for each in answer.containers) == order


def test_totals_are_of_all_and_not_only_of_those_shown() -> None:
    answer = StatsSelection(sort="cpu", top=1).answer([A, B, C])
    assert answer.count == 3
    assert [each.name for each in answer.containers] == ["b"]
    assert answer.totals.cpu_percent == 40.0
    assert answer.totals.memory_usage_bytes == 600
    assert answer.totals.memory_usage == "0.00 MB"
    assert (answer.totals.network_rx_bytes, answer.totals.network_tx_bytes) == (1, 9)
    assert answer.totals.pids == 9


def test_what_is_known_of_none_has_no_total() -> None:
    totals = StatsSelection().answer([A, B]).totals
    assert totals.block_read_bytes is None
    assert totals.cpu_percent_of_host is None


def test_without_containers_nothing_is_known() -> None:
    answer = StatsSelection().answer([])
    assert (answer.count, answer.containers) == (0, [])
    assert set(answer.totals.model_dump().values()) == {None}


def test_only_those_that_match_are_asked_for() -> None:
    web = container("a" * 64, name="web-1", labels={"team": "blue"})
    other = container("b" * 64, name="db-1", labels={"team": "blue"}, managed=False)
    assert StatsSelection(name="web").of([web, other]) == [web]
    assert StatsSelection(label=["team=blue"]).of([web, other]) == [web, other]
    assert StatsSelection(managed=False).of([web, other]) == [other]


@pytest.mark.parametrize(
    "wrong", [{"sort": "size"}, {"top": 0}, {"top": "many"}, {"limit": 3}, {"every": 1}]
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        StatsSelection.model_validate(wrong)


@pytest.mark.parametrize("wrong", [0, 3601, 0.5])
def test_a_stream_has_an_event_every_second_at_most(wrong: Any) -> None:
    with pytest.raises(ValidationError):
        StreamSelection.model_validate({"every": wrong})
