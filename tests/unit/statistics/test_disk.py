"""When it is counted what containers have written: seldom, and only while that is wanted."""

from typing import Any

import pytest

from orchestrator.errors import EngineTimeout
from orchestrator.settings import Settings
from orchestrator.statistics import DiskSampler

pytestmark = pytest.mark.anyio


class FakeWritten:
    def __init__(self) -> None:
        self.now = 0.0
        self.takes = 0.0
        self.looks: list[float] = []
        self.failure: Exception | None = None

    async def look(self) -> None:
        self.looks.append(self.now)
        self.now += self.takes
        if self.failure is not None:
            raise self.failure


def sampler(written: Any, **settings: Any) -> DiskSampler:
    return DiskSampler(written, Settings.model_validate(settings), lambda: float(written.now))


async def beat(disk: DiskSampler, written: FakeWritten, until: float) -> None:
    while written.now < until:
        await disk.run_once()
        written.now += 1


async def test_nobody_wants_to_know_by_default() -> None:
    written = FakeWritten()
    await beat(sampler(written), written, 2000)
    assert written.looks == []


async def test_for_the_quota_it_is_counted_at_once_and_then_seldom() -> None:
    written = FakeWritten()
    await beat(sampler(written, total_disk=2**30), written, 1000)
    assert written.looks == [0, 300, 600, 900]


async def test_after_a_scrape_it_is_counted_for_a_while() -> None:
    written = FakeWritten()
    disk = sampler(written)
    written.now = 50
    disk.asked()
    await beat(disk, written, 3000)
    assert written.looks == [50, 350, 650]


async def test_what_takes_long_is_counted_for_a_twentieth_of_the_time() -> None:
    written = FakeWritten()
    written.takes = 30
    await beat(sampler(written, total_disk=2**30, disk_interval=10), written, 1300)
    assert written.looks == [0, 600, 1200]


async def test_a_failure_is_told_where_the_quota_goes_by_it() -> None:
    written = FakeWritten()
    disk = sampler(written, total_disk=2**30, disk_interval=10)
    written.failure = EngineTimeout("The engine hangs.")
    await beat(disk, written, 5)
    assert disk.problem is not None
    assert "TOTAL_DISK" in disk.problem
    assert disk.problem.endswith("The engine hangs.")
    written.failure = None
    await beat(disk, written, 12)
    assert disk.problem is None
