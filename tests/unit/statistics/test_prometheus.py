"""What Prometheus is told of a given state, in which format, and who shares a text."""

import asyncio
import itertools
import threading
from typing import Any

import pytest

from orchestrator.ports import PortAllocator
from orchestrator.quantities import PortRange
from orchestrator.settings import Settings
from orchestrator.state import Inventory, Mirror
from orchestrator.statistics import (
    MEDIA_TYPES,
    DiskSampler,
    Meters,
    Metrics,
    SamplerCounts,
    format_for,
)
from orchestrator.statistics import prometheus as module
from orchestrator.statistics.prometheus import exposition

from .told import FULL, WEB, state, told

pytestmark = pytest.mark.anyio


def test_the_service_tells_of_itself() -> None:
    counts = SamplerCounts(streams=2, stretch=1.5)
    counts.samples["engine"] = 7
    counts.cpu_seconds["engine"] = 0.5
    found = told(
        state(
            sampler=counts, oldest_sample=4.0, connected=False, reconnects=3, repaired_ports=1,
            listing_age=9.0,
        )
    )  # fmt: skip
    expected = {
        ("info", "1.2.3"): 1,
        ("ports", "free"): 10,
        ("ports", "in_use"): 0,
        ("containers", "running"): 0,
        ("engine_connected", ""): 0,
        ("engine_reconnects_total", ""): 3,
        ("repaired_ports_total", ""): 1,
        ("listing_age_seconds", ""): 9,
        ("sampler_samples_total", "engine"): 7,
        ("sampler_cpu_seconds_total", "engine"): 0.5,
        ("sampler_stretch_ratio", ""): 1.5,
        ("sampler_oldest_sample_age_seconds", ""): 4,
        ("streams", ""): 2,
    }
    for (name, labels), value in expected.items():
        assert found[f"orchestration_api_{name}", labels] == value


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", "text/plain; version=0.0.4"),
        ("*/*", "text/plain; version=0.0.4"),
        ("text/plain; version=..", "text/plain; version=0.0.4"),
        ("application/openmetrics-text; version=1.0.0, text/plain", "application/openmetrics-text"),
        ("application/openmetrics-text; version=x", "application/openmetrics-text"),
        ("\x00\xff,;=,,", "text/plain; version=0.0.4"),
    ],
)
def test_the_format_is_what_was_asked_for_and_nothing_asked_for_is_a_failure(
    accept: str, expected: str
) -> None:
    wanted = format_for(accept)
    text = exposition(state((WEB, FULL)), Meters().registry, wanted)
    assert MEDIA_TYPES[wanted].startswith(expected)
    assert text.endswith(b"# EOF\n") == expected.startswith("application")


# Who asks at the same time


class Idle:
    """Stands in for watcher and sampler: nothing happens, nothing was sampled."""

    connected, connections, events, repaired_ports = True, 1, 0, 0
    counts = SamplerCounts()

    def __init__(self) -> None:
        self.renewed = 0
        self.renewing = asyncio.Event()
        self.renewing.set()

    def latest(self) -> list[Any]:
        return []

    def oldest_age(self) -> None:
        return None

    async def renew(self) -> None:
        self.renewed += 1
        await self.renewing.wait()


def metrics_of(idle: Any) -> Metrics:
    ports = PortAllocator(PortRange(8001, 8010), 8000)
    engine: Any = None
    mirror = Mirror(engine, Inventory(), ports)
    disk = DiskSampler(mirror.written, Settings())
    return Metrics(Meters(), mirror, idle, idle, disk, "1.2.3")


async def test_who_asks_at_the_same_time_shares_one_text() -> None:
    idle = Idle()
    idle.renewing.clear()
    metrics = metrics_of(idle)
    asked = [asyncio.create_task(metrics.text("text")) for _ in range(3)]
    await asyncio.sleep(0)
    idle.renewing.set()
    first, second, third = await asyncio.gather(*asked)
    assert first is second is third
    assert idle.renewed == 1


async def test_who_asks_while_a_text_is_made_gets_one_that_was_begun_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun, go_on, made = threading.Event(), threading.Event(), itertools.count()

    def slow(*_: Any) -> bytes:
        begun.set()
        assert go_on.wait(10)
        return b"%d" % next(made)

    monkeypatch.setattr(module, "exposition", slow)
    metrics = metrics_of(Idle())
    early = asyncio.create_task(metrics.text("text"))
    await asyncio.to_thread(begun.wait, 10)
    late = [asyncio.create_task(metrics.text("text")) for _ in range(5)]
    other = asyncio.create_task(metrics.text("openmetrics"))
    await asyncio.sleep(0)
    late[0].cancel()  # who goes away takes nothing from the others
    go_on.set()
    assert await early == b"0"
    assert await asyncio.gather(*late[1:]) == [b"1"] * 4
    assert await other == b"2"


async def test_a_failure_does_not_last() -> None:
    class Failing(Idle):
        async def renew(self) -> None:
            await super().renew()
            if self.renewed == 1:
                raise RuntimeError("a bug")

    metrics = metrics_of(Failing())
    with pytest.raises(RuntimeError):
        await metrics.text("text")
    assert b"orchestration_api_info" in await metrics.text("text")
