"""Who follows the sampler, with samples that the test makes up."""

import asyncio

import pytest

from orchestrator.errors import EngineUnavailable
from orchestrator.statistics import sampler as module
from orchestrator.statistics.pace import EVERYTHING, HOT

from .setting import DB, WEB, Setting, age_by

pytestmark = pytest.mark.anyio


async def beat(it: Setting) -> None:
    await asyncio.sleep(module.SHORTEST_INTERVAL)
    age_by(it, 1.0)
    await it.sampler.run_once()


async def test_a_stream_has_an_event_at_each_beat(it: Setting) -> None:
    follow = it.streams.follow(WEB.full_id, 1)
    times = [(await anext(follow)).timestamp]
    for _ in range(3):
        event = asyncio.create_task(follow.__anext__())
        await beat(it)
        times.append((await event).timestamp)
    assert times == sorted(set(times))
    await follow.aclose()


async def test_a_stream_may_leave_out_beats(it: Setting) -> None:
    follow = it.streams.follow(WEB.full_id, 3)
    await anext(follow)
    event = asyncio.create_task(follow.__anext__())
    for done in (False, False, True):
        await beat(it)
        await asyncio.sleep(0.01)
        assert event.done() is done
    await follow.aclose()


async def test_a_slow_reader_loses_samples_and_gets_the_newest(it: Setting) -> None:
    slow, fast = (it.streams.follow(WEB.full_id, 1) for _ in range(2))
    await anext(slow)
    await anext(fast)
    seen = []
    for _ in range(4):
        event = asyncio.create_task(fast.__anext__())
        await beat(it)
        seen.append((await event).timestamp)
    assert (await anext(slow)).timestamp == seen[-1]
    for each in (slow, fast):
        await each.aclose()


@pytest.mark.parametrize("gone", [True, False])
async def test_a_stream_ends_when_its_container_does(it: Setting, gone: bool) -> None:
    follow = it.streams.follow(WEB.full_id, 1)
    await anext(follow)
    event = asyncio.create_task(follow.__anext__())
    await asyncio.sleep(0)
    if gone:
        it.inventory.remove(WEB.full_id)
    else:
        it.inventory.put(WEB.model_copy(update={"state": "exited", "status": "exited"}))
    await beat(it)
    with pytest.raises(StopAsyncIteration):
        await event
    assert await it.streams.ended(WEB.full_id) == ("removed" if gone else "stopped")


async def test_a_container_that_is_removed_while_it_runs_is_removed(it: Setting) -> None:
    it.inventory.put(WEB.model_copy(update={"state": "exited", "status": "exited"}))
    reason = asyncio.create_task(it.streams.ended(WEB.full_id))
    await asyncio.sleep(0)
    it.inventory.remove(WEB.full_id)
    assert await reason == "removed"


async def test_streams_end_with_the_service(it: Setting) -> None:
    one, all_of_them = (
        it.streams.follow(WEB.full_id, 3600),
        it.streams.follow_all(lambda: [WEB, DB], 3600),
    )
    await anext(one)
    assert [each.name for each in await anext(all_of_them)] == ["web", "db"]
    events = [asyncio.create_task(stream.__anext__()) for stream in (one, all_of_them)]
    await asyncio.sleep(0)
    it.streams.end()
    for event in events:
        with pytest.raises(StopAsyncIteration):
            await event
    assert await it.streams.ended(WEB.full_id) == "shutting-down"


async def test_a_stream_survives_an_engine_that_fails(it: Setting) -> None:
    it.samples.by_engine = {"web"}
    follow = it.streams.follow(WEB.full_id, 1)
    first = await anext(follow)
    it.samples.failure = EngineUnavailable("away")
    age_by(it, module.STALE_SECONDS)
    event = asyncio.create_task(follow.__anext__())
    await beat(it)
    await asyncio.sleep(0.01)
    assert not event.done()
    it.samples.failure = None
    it.sampler.beats.ring()
    assert (await event).timestamp > first.timestamp
    await follow.aclose()


async def test_open_streams_are_counted_and_keep_the_container_hot(it: Setting) -> None:
    follow = it.streams.follow(WEB.full_id, 1)
    await anext(follow)
    assert it.counts.streams == 1
    assert it.interest.interval(WEB.full_id, 1e9) == HOT
    everything = it.streams.follow_all(lambda: [], 1)
    await anext(everything)
    assert it.counts.streams == 2
    assert it.interest.interval(EVERYTHING, 1e9) == HOT
    await follow.aclose()
    await everything.aclose()
    assert it.counts.streams == 0
