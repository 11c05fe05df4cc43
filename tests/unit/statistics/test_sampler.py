"""The sampler's memory and its beat, with samples that the test makes up."""

import asyncio
import time

import pytest

from orchestrator.errors import (
    ContainerNotFound,
    ContainerNotRunning,
    EngineUnavailable,
    NotManaged,
)
from orchestrator.settings import Unmanaged
from orchestrator.statistics import sampler as module
from orchestrator.statistics.pace import IDLE

from ..examples import at, container
from .setting import DB, THEIRS, WEB, Setting, age_by

pytestmark = pytest.mark.anyio


def is_shortest(interval: float | None) -> bool:
    """Whether a figure is of the shortest interval, which a busy machine makes longer."""
    return interval is not None and -0.05 <= interval - module.SHORTEST_INTERVAL < 2


# One container


async def test_the_first_question_takes_two_samples_and_has_a_cpu_figure(it: Setting) -> None:
    found = await it.sampler.stats(WEB)
    assert it.samples.read_ones == ["web", "web"]
    assert found.cpu_percent == pytest.approx(50, abs=1)
    assert is_shortest(found.interval_s)


async def test_the_next_question_is_answered_from_memory(it: Setting) -> None:
    first = await it.sampler.stats(WEB)
    age_by(it, 1.0)
    second = await it.sampler.stats(WEB)
    assert it.samples.read_ones == ["web", "web"]
    assert second.timestamp == first.timestamp
    assert second.age_s == pytest.approx(first.age_s + 1.0, abs=0.2)


async def test_a_sample_that_is_too_old_is_taken_anew(it: Setting) -> None:
    first = await it.sampler.stats(WEB)
    await asyncio.sleep(module.SHORTEST_INTERVAL)
    age_by(it, module.FRESH_SECONDS)
    second = await it.sampler.stats(WEB)
    assert second.timestamp > first.timestamp
    assert second.age_s < 1


async def test_questions_at_the_same_time_share_samples(it: Setting) -> None:
    it.samples.by_engine = {"web"}
    it.samples.seconds = 0.05
    answers = await asyncio.gather(*(it.sampler.stats(WEB) for _ in range(20)))
    assert it.samples.asked == ["web", "web"]
    assert len({answer.timestamp for answer in answers}) == 1


async def test_who_asks_a_slow_engine_waits_for_a_moment_and_gets_what_there_is(
    it: Setting,
) -> None:
    it.samples.by_engine = {"web"}
    first = await it.sampler.stats(WEB)
    it.samples.seconds = 30.0
    age_by(it, 5.0)
    began = time.monotonic()
    second = await it.sampler.stats(WEB)
    assert time.monotonic() - began < 5
    assert second.timestamp == first.timestamp
    assert second.age_s >= 5


async def test_an_engine_that_fails_is_noticed_when_memory_is_out_of_date(it: Setting) -> None:
    it.samples.by_engine = {"web"}
    await it.sampler.stats(WEB)
    it.samples.failure = EngineUnavailable("away")
    age_by(it, 5.0)
    assert (await it.sampler.stats(WEB)).age_s >= 5
    age_by(it, module.STALE_SECONDS)
    with pytest.raises(EngineUnavailable):
        await it.sampler.stats(WEB)


async def test_an_engine_that_fails_at_once_is_said(it: Setting) -> None:
    it.samples.by_engine, it.samples.failure = {"web"}, EngineUnavailable("away")
    with pytest.raises(EngineUnavailable):
        await it.sampler.stats(WEB)


async def test_a_container_that_does_not_run_has_no_figures(it: Setting) -> None:
    stopped = container("c3" * 32, name="stopped", state="exited")
    it.inventory.put(stopped)
    with pytest.raises(ContainerNotRunning) as raised:
        await it.sampler.stats(stopped)
    assert raised.value.fields["status"] == "exited"
    assert it.samples.read_ones == []


async def test_a_container_that_has_just_ended_has_none_either(it: Setting) -> None:
    """The engine's event is under way."""
    it.samples.ended = {"web"}
    with pytest.raises(ContainerNotRunning):
        await it.sampler.stats(WEB)


async def test_a_container_that_goes_meanwhile_is_not_found(it: Setting) -> None:
    task = asyncio.create_task(it.sampler.stats(WEB))
    await asyncio.sleep(0.02)
    it.inventory.remove(WEB.full_id)
    with pytest.raises(ContainerNotFound):
        await task


async def test_a_run_is_not_compared_with_the_one_before(it: Setting) -> None:
    await it.sampler.stats(WEB)
    again = WEB.model_copy(update={"started_at": at(60)})
    it.inventory.put(again)
    it.samples.cpu_ns = 10**12  # more than before, so that the counters alone say nothing
    found = await it.sampler.stats(again)
    assert found.cpu_percent == pytest.approx(50, abs=1)
    assert is_shortest(found.interval_s)


async def test_a_container_on_anothers_network_is_read_as_on_that(it: Setting) -> None:
    host = container("c3" * 32, name="host", networks=("host",))
    one = container("d4" * 32, name="one", network_of=host.full_id)
    two = container("e5" * 32, name="two", network_of=one.full_id)
    ring = container("f6" * 32, name="ring", network_of="f6" * 32)
    orphan = container("07" * 32, name="orphan", network_of="99" * 32)
    for each in (host, one, two, ring, orphan):
        it.inventory.put(each)
    await it.sampler.run_once()
    read = {each.name: each.networks for each in it.samples.containers}
    assert read == {
        "web": (), "db": (), "ring": (), "orphan": (),
        "host": ("host",), "one": ("host",), "two": ("host",),
    }  # fmt: skip


async def test_of_two_samples_at_once_the_second_is_dropped(it: Setting) -> None:
    """The beat and a question were at it at the same time."""
    first = await it.sampler.stats(WEB)
    await it.sampler._read([WEB])
    found = await it.sampler.stats(WEB)
    assert found.timestamp == first.timestamp
    age_by(it, 1.0)
    await it.sampler._read([WEB])
    found = await it.sampler.stats(WEB)
    assert found.interval_s == pytest.approx(1.0, abs=0.2)


# All


async def test_all_are_answered_in_the_order_asked_for(it: Setting) -> None:
    await it.sampler.run_once()
    found = await it.sampler.all([DB, WEB])
    assert [each.name for each in found] == ["db", "web"]


async def test_what_was_never_sampled_is_left_out_when_the_engine_is_slow(it: Setting) -> None:
    it.samples.by_engine, it.samples.seconds = {"db"}, 30.0
    found = await it.sampler.all([WEB, DB])
    assert [each.name for each in found] == ["web"]


async def test_the_engine_is_not_asked_about_all_at_once(it: Setting) -> None:
    many = [container(f"{number:064x}", name=f"many-{number}") for number in range(100)]
    for each in many:
        it.inventory.put(each)
    it.samples.by_engine, it.samples.seconds = {each.name for each in many}, 30.0
    await it.sampler.all(many)
    assert len(it.samples.asked) == module.ENGINE_AT_ONCE


async def test_renewing_samples_what_is_old_and_neither_asks_the_engine_nor_makes_a_container_hot(
    it: Setting,
) -> None:
    it.samples.by_engine = {"db"}
    for _ in range(3):
        await it.sampler.renew()
        age_by(it, 2.0)
    assert it.samples.read_ones.count("web") == 3
    assert it.samples.asked == []
    assert [each.name for each, _ in it.sampler.latest()] == ["web"]
    assert it.interest.interval(WEB.full_id, time.monotonic()) == IDLE
    await it.sampler.renew()
    await it.sampler.renew()  # nothing is old
    assert it.samples.read_ones.count("web") == 4


# Containers of others


async def test_what_others_use_is_neither_sampled_nor_told(it: Setting) -> None:
    it.inventory.put(THEIRS)
    for _ in range(2):
        await it.sampler.run_once()
    await it.sampler.renew()
    found = await it.sampler.all([THEIRS, WEB])
    assert [each.name for each in found] == ["web"]
    assert {each.name for each, _ in it.sampler.latest()} == {"web", "db"}
    with pytest.raises(NotManaged):
        await it.sampler.stats(THEIRS)
    with pytest.raises(NotManaged):
        it.sampler.history(THEIRS, None, None)
    with pytest.raises(NotManaged):
        it.streams.require_stream(THEIRS)
    stream = it.streams.follow_all(lambda: [THEIRS, WEB], 3600)
    assert [each.name for each in await anext(stream)] == ["web"]
    await stream.aclose()
    assert "theirs" not in it.samples.read_ones + it.samples.asked
    assert all(THEIRS.full_id not in kept for kept in it.samples.kept)


async def test_that_others_do_not_run_is_not_told_either(it: Setting) -> None:
    stopped = container("c3" * 32, name="theirs", managed=False, state="exited")
    it.inventory.put(stopped)
    with pytest.raises(NotManaged):
        await it.sampler.stats(stopped)
    with pytest.raises(NotManaged):
        it.streams.require_stream(stopped)


@pytest.mark.parametrize("unmanaged", ["read", "true"])
async def test_where_it_is_allowed_others_are_sampled_like_ours(unmanaged: Unmanaged) -> None:
    it = Setting(unmanaged=unmanaged)
    it.inventory.put(THEIRS)
    await it.sampler.run_once()
    assert [each.name for each in await it.sampler.all([THEIRS, WEB])] == ["theirs", "web"]
    assert "theirs" in {each.name for each, _ in it.sampler.latest()}
    assert (await it.sampler.stats(THEIRS)).name == "theirs"
    assert len(it.sampler.history(THEIRS, None, None)) > 0
    it.streams.require_stream(THEIRS)


# The beat


async def test_a_beat_samples_what_was_never_sampled_and_the_next_one_makes_it_two(
    it: Setting,
) -> None:
    await it.sampler.run_once()
    assert sorted(it.samples.read_ones) == ["db", "web"]
    age_by(it, 1.0)
    await asyncio.sleep(module.SHORTEST_INTERVAL)
    await it.sampler.run_once()
    assert sorted(it.samples.read_ones) == ["db", "db", "web", "web"]
    age_by(it, 1.0)
    await it.sampler.run_once()
    assert len(it.samples.read_ones) == 4, "a figure is there, and nobody asks"


async def test_a_beat_samples_what_is_asked_for_often(it: Setting) -> None:
    for _ in range(2):
        await it.sampler.stats(WEB)
    it.samples.read_ones.clear()
    for _ in range(3):
        age_by(it, 1.0)
        await it.sampler.run_once()
    assert it.samples.read_ones.count("web") == 3


async def test_who_polls_a_history_asks_often(it: Setting) -> None:
    await it.sampler.stats(WEB)
    it.sampler.history(WEB, None, None)
    it.samples.read_ones.clear()
    for _ in range(3):
        age_by(it, 1.0)
        await it.sampler.run_once()
    assert it.samples.read_ones.count("web") == 3


async def test_over_the_budget_even_that_is_sampled_less_often() -> None:
    it = Setting(budget=0.01)
    for _ in range(2):
        await it.sampler.stats(WEB)
    it.interest.cost("engine", 1, 0.05)  # five times what a second may cost
    it.samples.read_ones.clear()
    await it.sampler.run_once()
    assert it.counts.stretch > 4
    age_by(it, 1.0)
    await it.sampler.run_once()
    assert "web" not in it.samples.read_ones
    age_by(it, 60.0)
    await it.sampler.run_once()
    assert "web" in it.samples.read_ones


async def test_an_engine_that_fails_is_not_asked_at_every_beat(it: Setting) -> None:
    await it.sampler.stats(WEB)
    it.samples.by_engine, it.samples.failure = {"web"}, EngineUnavailable("away")
    age_by(it, 60.0)
    for _ in range(3):
        await it.sampler.run_once()
        await asyncio.sleep(0.01)
    assert it.samples.asked == ["web"]


async def test_the_host_is_sampled_like_a_container(it: Setting) -> None:
    for _ in range(3):
        await it.sampler.run_once()
    assert it.host.samples == 1, "nobody asks"
    with it.interest.following("host"):
        it.sampler._tried["host"] -= 1
        await it.sampler.run_once()
    assert it.host.samples == 2


async def test_the_files_of_what_has_ended_are_let_go(it: Setting) -> None:
    await it.sampler.run_once()
    it.inventory.put(WEB.model_copy(update={"state": "exited", "status": "exited"}))
    await it.sampler.run_once()
    assert it.samples.kept == [{WEB.full_id, DB.full_id}, {DB.full_id}]
    assert [each.name for each, _ in it.sampler.latest()] == ["db"]


async def test_the_beat_goes_on_after_a_failure(
    it: Setting, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "HOT", 0.01)
    calls, thrice = 0, asyncio.Event()

    async def fail() -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            thrice.set()
        raise RuntimeError("a bug")

    monkeypatch.setattr(it.sampler, "run_once", fail)
    task = asyncio.create_task(it.sampler.run())
    async with asyncio.timeout(10):
        await thrice.wait()
    task.cancel()
    assert "a bug" in caplog.text


# History


async def test_history_grows_with_samples_and_outlives_a_stop(it: Setting) -> None:
    await it.sampler.stats(WEB)
    points = it.sampler.history(WEB, None, None)
    assert [point.cpu_percent is None for point in points] == [True, False]
    assert points[-1].memory_usage_bytes == points[-1].memory_max_bytes == 1000
    assert points[-1].network_rx_bytes_per_s is None
    stopped = WEB.model_copy(update={"state": "exited", "status": "exited"})
    it.inventory.put(stopped)
    await it.sampler.run_once()
    assert it.sampler.history(stopped, None, None) == points
    assert it.sampler.history(stopped, points[0].at.timestamp(), None) == points[1:]


async def test_history_goes_with_the_container(it: Setting) -> None:
    await it.sampler.stats(WEB)
    it.inventory.remove(WEB.full_id)
    await it.sampler.run_once()
    assert WEB.full_id not in it.memory._series


async def test_history_goes_along_with_a_move(it: Setting) -> None:
    await it.sampler.stats(WEB)
    moved = container("d4" * 32, name="web", earlier_ids=(WEB.full_id,))
    it.inventory.put(moved)
    it.inventory.remove(WEB.full_id)
    await it.sampler.run_once()
    assert len(it.sampler.history(moved, None, None)) == 3
    assert WEB.full_id not in it.memory._series


async def test_the_history_of_what_stopped_long_ago_is_dropped() -> None:
    it = Setting(stats_long_history=10.0)
    await it.sampler.stats(WEB)
    series = it.memory._series[WEB.full_id]
    series._fine.latest = time.time() - 11
    it.inventory.put(WEB.model_copy(update={"state": "exited", "status": "exited"}))
    await it.sampler.run_once()
    assert it.memory._series.keys() == {DB.full_id}
