"""The host's statistics: one sample for all who ask, and their history."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from orchestrator.host import Reading, Traffic
from orchestrator.host.figures import CpuTimes, Disk, Memory, Scopes
from orchestrator.models import HistoryWindow
from orchestrator.settings import Settings
from orchestrator.statistics import HostMonitor
from orchestrator.statistics import host as module
from orchestrator.statistics.host import host_stats, rates_between

pytestmark = pytest.mark.anyio

GIB = 1024**3
FIRST = Reading(
    at=1_700_000_000.0,
    clock=100.0,
    hostname="host-1",
    cpu=CpuTimes(1000, 5000),
    cpus=2,
    load=(0.5, 0.4, 0.3),
    memory=Memory(8 * GIB, 6 * GIB),
    disk=Disk("/", 100 * GIB, 40 * GIB, 50 * GIB, 44.4),
    networks={"eth0": Traffic(1000, 2000), "eth1": Traffic(10, 20)},
    uptime=86400.04,
    scopes=Scopes(),
)


def later(seconds: float = 2.0, **changes: object) -> Reading:
    moment = {"at": FIRST.at + seconds, "clock": FIRST.clock + seconds}
    return replace(FIRST, **(moment | changes))  # type: ignore[arg-type]


# Between two readings


def test_rates_are_means_over_the_interval() -> None:
    rates = rates_between(
        FIRST,
        later(
            cpu=CpuTimes(1100, 5400),
            networks={"eth0": Traffic(3000, 2500), "eth1": Traffic(110, 20)},
        ),
    )
    assert (rates.interval, rates.cpu_percent) == (2.0, 25.0)
    assert (rates.network_rx, rates.network_tx) == (1050.0, 250.0)


def test_an_interface_that_came_or_went_or_began_anew_makes_no_traffic() -> None:
    rates = rates_between(
        FIRST, later(networks={"eth0": Traffic(1200, 2200), "eth2": Traffic(10**9, 10**9)})
    )
    assert (rates.network_rx, rates.network_tx) == (100.0, 100.0)
    anew = later(networks={"eth0": Traffic(5, 2200), "eth1": Traffic(30, 60)})
    assert (rates_between(FIRST, anew).network_rx, rates_between(FIRST, anew).network_tx) == (
        10.0,
        20.0,
    )


@pytest.mark.parametrize(
    ("cpu", "percent"),
    [
        (CpuTimes(1000, 5000), None),  # no time has passed
        (CpuTimes(900, 4000), None),  # what lxcfs says may go backwards
        (CpuTimes(990, 5100), 0.0),
        (CpuTimes(1300, 5100), 100.0),
    ],
)
def test_cpu_is_a_percentage_or_unknown(cpu: CpuTimes, percent: float | None) -> None:
    assert rates_between(FIRST, later(cpu=cpu)).cpu_percent == percent


def test_without_an_interface_traffic_is_unknown() -> None:
    reading = later(networks={})
    rates = rates_between(reading, reading)
    assert (rates.network_rx, rates.network_tx) == (None, None)
    network = host_stats(module.HostSample(reading, rates), 0.0).network
    assert (network.rx, network.tx, network.rx_bytes, network.tx_bytes) == (None,) * 4
    assert network.interfaces == []


def test_a_sample_is_told_in_full() -> None:
    reading = later(scopes=Scopes(network="container", hostname="container"))
    found = host_stats(module.HostSample(reading, rates_between(FIRST, reading)), 0.25)
    assert found.memory.used_bytes == 2 * GIB
    assert found.memory.percent == 25.0
    assert (found.network.rx_bytes, found.network.tx_bytes) == (1010, 2020)
    assert found.network.interfaces == ["eth0", "eth1"]
    assert (found.network.scope, found.hostname_scope) == ("container", "container")
    assert {found.cpu.scope, found.memory.scope, found.disk.scope} == {"host"}
    assert (found.timestamp, found.age_s, found.interval_s) == (reading.at, 0.25, 2.0)
    assert found.uptime_s == 86400.0


# One sample for all


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> list[Reading]:
    """What a monitor has read: this host as ever, with the time passing."""
    taken: list[Reading] = []

    def read() -> Reading:
        spent = 100 * len(taken)
        taken.append(
            replace(
                FIRST,
                at=round(time.time(), 6),
                clock=time.monotonic(),
                cpu=CpuTimes(1000 + spent / 2, 5000 + spent),
            )
        )
        return taken[-1]

    def find_reader(_: object) -> Callable[[], Reading]:
        return read

    monkeypatch.setattr(module, "find_reader", find_reader)
    return taken


async def test_the_first_question_waits_for_a_cpu_figure(readings: list[Reading]) -> None:
    begun = time.monotonic()
    found = await HostMonitor(Settings()).read()
    assert time.monotonic() - begun < 1
    assert found.cpu.percent == 50.0
    assert found.interval_s == pytest.approx(module.FIRST_INTERVAL, abs=0.2)
    assert len(readings) == 2


async def test_all_who_ask_at_the_same_time_share_a_sample(readings: list[Reading]) -> None:
    monitor = HostMonitor(Settings())
    found = await asyncio.gather(*(monitor.read() for _ in range(20)), monitor.sample())
    assert len({each.timestamp for each in found if each}) == 1
    assert len(readings) == 2


async def test_a_fresh_sample_answers_at_once_and_says_its_age(readings: list[Reading]) -> None:
    monitor = HostMonitor(Settings())
    first = await monitor.read()
    await asyncio.sleep(0.2)
    second = await monitor.read()
    assert second.timestamp == first.timestamp
    assert second.age_s >= first.age_s + 0.15
    assert len(readings) == 2


async def test_an_old_sample_is_replaced_without_a_wait(
    readings: list[Reading], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FRESH", 0.1)
    monkeypatch.setattr(module, "APART", 0.1)
    monitor = HostMonitor(Settings())
    await monitor.read()
    await asyncio.sleep(0.3)
    begun = time.monotonic()
    found = await monitor.read()
    assert time.monotonic() - begun < module.FIRST_INTERVAL
    assert found.interval_s >= 0.3
    assert len(readings) == 3


async def test_who_asks_while_the_sampler_is_at_it_adds_no_point(readings: list[Reading]) -> None:
    monitor = HostMonitor(Settings())
    for _ in range(5):
        await monitor.sample()
    assert len(monitor.history(time.time(), None, None)) == 1
    assert len(readings) == 2


async def test_one_who_hangs_up_takes_nobodys_sample_away(readings: list[Reading]) -> None:
    monitor = HostMonitor(Settings())
    hasty, patient = (asyncio.create_task(monitor.read()) for _ in range(2))
    await asyncio.sleep(0.05)
    hasty.cancel()
    assert (await patient).cpu.percent == 50.0
    assert len(readings) == 2


async def test_a_reading_that_fails_is_tried_again(
    readings: list[Reading], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> Reading:
        raise OSError("no more")

    monitor = HostMonitor(Settings())
    with monkeypatch.context() as broken:
        broken.setattr(module, "find_reader", lambda _: fail)
        with pytest.raises(OSError, match="no more"):
            await monitor.read()
    monitor._read = None
    assert (await monitor.read()).cpu.percent == 50.0


# History


async def test_samples_become_points(
    readings: list[Reading], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "APART", 0.0)
    monitor = HostMonitor(Settings())
    for _ in range(4):
        await monitor.sample()
    points = monitor.history(time.time(), None, None)
    assert [point.at.timestamp() for point in points] == pytest.approx(
        [reading.at for reading in readings[1:]], abs=1e-5
    )
    for point in points:
        assert point.cpu_percent == 50.0
        assert point.load_1m == 0.5
        assert point.memory_used_bytes == point.memory_max_bytes == 2 * GIB
        assert point.memory_available_bytes == 6 * GIB
        assert point.disk_used_bytes == 40 * GIB
        assert point.network_rx_bytes_per_s == point.network_tx_bytes_per_s == 0
        assert point.interval_s is not None
    assert len(monitor.history(time.time(), points[1].at.timestamp(), None)) == 2
    (folded,) = monitor.history(time.time(), None, 86400 * 365 * 100)
    assert folded.at == points[-1].at
    assert folded.interval_s == pytest.approx(sum(p.interval_s or 0 for p in points), abs=0.01)


async def test_the_settings_say_how_much_is_kept(
    readings: list[Reading], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "APART", 0.0)
    monkeypatch.setattr(module, "FIRST_INTERVAL", 0.0)
    monitor = HostMonitor(Settings(stats_history=10, stats_long_history=20))
    for _ in range(50):
        await monitor.sample()
    assert len(monitor.history(time.time(), None, None)) <= 10 + 2


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("2026-01-02T15:04:05Z", 1767366245.0),
        ("2026-01-02T15:04:05.5+01:00", 1767362645.5),
        ("2026-01-02T15:04:05", 1767366245.0),
        ("1767366245", 1767366245.0),
        ("1767366245.5", 1767366245.5),
        ("0", 0.0),
        ("-1", -1.0),
        ("1.5e+9", 1_500_000_000.0),
    ],
)
def test_since_is_a_time_or_seconds(text: str | None, seconds: float | None) -> None:
    window = HistoryWindow.model_validate({"since": text})
    assert window.since_seconds == seconds
    if window.since is not None and text and "T" not in text:
        assert window.since == datetime.fromtimestamp(seconds or 0, UTC)


@given(st.integers(0, 4_000_000_000_000_000))
def test_since_is_exact_to_the_microsecond(microseconds: int) -> None:
    at = microseconds / 1_000_000
    for told in (datetime.fromtimestamp(at, UTC).isoformat(), f"{at:.6f}"):
        assert HistoryWindow.model_validate({"since": told}).since_seconds == at


@pytest.mark.parametrize(
    "asked",
    [
        {"since": "yesterday"},
        {"since": "nan"},
        {"since": "inf"},
        {"since": ""},
        {"since": "9" * 400},
        {"since": "-2.93e+16"},
        {"step": "0.5"},
        {"step": "3601"},
        {"step": "nan"},
        {"step": "minute"},
        {"until": "2026-01-02T15:04:05Z"},
    ],
)
def test_a_window_that_makes_no_sense_is_refused(asked: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        HistoryWindow.model_validate(asked)


@pytest.mark.parametrize("step", ["1", "2.5", "3600"])
def test_a_step_is_of_seconds(step: str) -> None:
    assert HistoryWindow.model_validate({"step": step}).step == float(step)
