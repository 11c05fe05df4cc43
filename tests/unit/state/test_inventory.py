import asyncio
import time

import pytest

from orchestrator.errors import AmbiguousId, ContainerNotFound
from orchestrator.models import State
from orchestrator.state import Inventory

from ..examples import at, container


def inventory(*ids: str) -> Inventory:
    filled = Inventory()
    for full_id in ids:
        filled.put(container(full_id, name=f"name-{full_id}"))
    return filled


# Look-up


@pytest.mark.parametrize("key", ["abc123", "name-abc123", "abc1", "a"])
def test_a_container_is_found_by_id_name_or_the_beginning_of_its_id(key: str) -> None:
    assert inventory("abc123", "def456").get(key).full_id == "abc123"


def test_an_id_comes_before_a_name_and_a_name_before_the_beginning_of_an_id() -> None:
    found = Inventory()
    found.put(container("abc", name="first"))
    found.put(container("abcdef", name="ab"))
    found.put(container("012345", name="abc"))
    assert found.get("abc").name == "first"  # a full id, and a name, and a beginning
    assert found.get("ab").full_id == "abcdef"  # a name, and the beginning of two ids
    assert found.get("abcd").full_id == "abcdef"


def test_an_ambiguous_beginning_says_what_matches() -> None:
    found = inventory(*(f"abc{n:061d}" for n in (2, 1)), "def")
    with pytest.raises(AmbiguousId) as refused:
        found.get("abc")
    assert refused.value.fields == {"matches": ["abc000000000", "abc000000000"]}
    assert '"abc" is the beginning of 2 ids' in refused.value.message


def test_of_many_matches_twenty_are_shown() -> None:
    with pytest.raises(AmbiguousId) as refused:
        inventory(*(f"a{n:03}" for n in range(100))).get("a")
    assert refused.value.fields["matches"] == [f"a{n:03}" for n in range(20)]
    assert "100 ids" in refused.value.message


@pytest.mark.parametrize("key", ["", "nope", "ABC", "name-", "bc", "abc1234", "/name-abc123", "%"])
def test_what_matches_nothing_is_not_found(key: str) -> None:
    with pytest.raises(ContainerNotFound) as refused:
        inventory("abc123").get(key)
    assert refused.value.fields == {"id": key}


def test_a_long_key_is_not_repeated_in_full() -> None:
    with pytest.raises(ContainerNotFound) as refused:
        inventory("abc").get("x" * 10_240)
    assert len(refused.value.message) < 200
    assert len(str(refused.value.fields["id"])) <= 64


# Changes


def test_the_last_description_counts() -> None:
    found = inventory("abc")
    found.put(container("abc", name="name-abc", state="exited"))
    assert found.get("abc").state == "exited"
    assert len(found.all()) == 1


def test_a_renamed_container_is_found_by_its_new_name_only() -> None:
    found = inventory("abc")
    found.put(container("abc", name="new"))
    assert found.get("new").full_id == "abc"
    with pytest.raises(ContainerNotFound):
        found.get("name-abc")


def test_a_removed_container_is_not_found() -> None:
    found = inventory("abc", "def")
    found.remove("abc")
    found.remove("abc")
    found.remove("never-was")
    assert found.peek("abc") is None
    assert [each.full_id for each in found.all()] == ["def"]
    for key in ("abc", "name-abc", "a"):
        with pytest.raises(ContainerNotFound):
            found.get(key)


def test_a_successor_of_a_name_keeps_it_when_the_predecessors_removal_is_seen_late() -> None:
    found = Inventory()
    found.put(container("old", name="web"))
    found.put(container("new", name="web"))
    found.remove("old")
    assert found.get("web").full_id == "new"


def test_a_successor_of_a_name_keeps_it_when_the_predecessors_rename_is_seen_late() -> None:
    found = Inventory()
    found.put(container("old", name="web"))
    found.put(container("new", name="web"))
    found.put(container("old", name="web-old"))
    assert found.get("web").full_id == "new"
    assert found.get("web-old").full_id == "old"


def test_names_that_are_swapped_are_found() -> None:
    found = Inventory()
    found.put(container("c1", name="blue"))
    found.put(container("c2", name="green"))
    found.put(container("c1", name="green"))  # renamed by way of a third name, unseen
    found.put(container("c2", name="blue"))
    assert found.get("green").full_id == "c1"
    assert found.get("blue").full_id == "c2"


# Listings


def test_all_are_listed_the_newest_first() -> None:
    found = Inventory()
    for full_id, seconds in (("b", 20), ("a", 10), ("c", 30)):
        found.put(container(full_id, created=at(seconds)))
    assert [each.full_id for each in found.all()] == ["c", "b", "a"]
    assert set(found.ids()) == {"a", "b", "c"}


def test_counts() -> None:
    found = Inventory()
    states: list[State] = [
        "running", "running", "paused", "restarting", "created", "exited", "removing", "dead",
    ]  # fmt: skip
    for number, state in enumerate(states):
        found.put(container(f"c{number}", state=state, managed=number < 3))
    assert found.counts().model_dump() == {
        "total": 8, "managed": 3, "running": 2, "paused": 1, "restarting": 1, "created": 1,
        "exited": 1, "removing": 1, "dead": 1,
    }  # fmt: skip


def test_the_age_is_that_of_the_last_full_listing() -> None:
    found = inventory("abc")
    assert found.age is None
    found.confirm()
    assert found.age is not None
    assert 0 <= found.age < 1


# Waiting


@pytest.mark.anyio
async def test_waiting_ends_when_the_container_is_as_wanted() -> None:
    found = inventory("abc")
    waiting = asyncio.create_task(
        found.wait_until("abc", lambda now: now.health == "healthy", seconds=10)
    )
    await asyncio.sleep(0)
    found.put(container("abc", health="starting"))
    found.put(container("other", health="healthy"))
    await asyncio.sleep(0.01)
    assert not waiting.done()
    found.put(container("abc", health="healthy"))
    seen = await asyncio.wait_for(waiting, 1)
    assert seen is not None
    assert seen.health == "healthy"


@pytest.mark.anyio
async def test_waiting_is_over_at_once_if_the_container_is_as_wanted() -> None:
    seen = await inventory("abc").wait_until("abc", lambda now: now.runs, seconds=0)
    assert seen is not None


@pytest.mark.anyio
async def test_waiting_too_long_gives_the_container_as_it_is() -> None:
    began = time.monotonic()
    seen = await inventory("abc").wait_until("abc", lambda _: False, seconds=0.05)
    assert seen is not None
    assert 0.04 < time.monotonic() - began < 2


@pytest.mark.anyio
async def test_waiting_for_a_container_that_goes_gives_none() -> None:
    found = inventory("abc")
    waiting = asyncio.create_task(found.wait_until("abc", lambda _: False, seconds=10))
    await asyncio.sleep(0)
    found.remove("abc")
    assert await asyncio.wait_for(waiting, 1) is None
    assert await found.wait_until("abc", lambda _: True, seconds=10) is None


@pytest.mark.anyio
async def test_several_wait_for_one_container_each_for_something_else() -> None:
    found = inventory("abc")
    paused, ended = (
        asyncio.create_task(found.wait_until("abc", lambda now, s=state: now.state == s, 10))  # type: ignore[misc]
        for state in ("paused", "exited")
    )
    await asyncio.sleep(0)
    found.put(container("abc", state="paused"))
    await asyncio.wait_for(paused, 1)
    assert not ended.done()
    found.put(container("abc", state="exited"))
    await asyncio.wait_for(ended, 1)


@pytest.mark.anyio
async def test_waiting_can_be_cancelled_and_leaves_nothing_behind() -> None:
    found = inventory("abc")
    waiting = asyncio.create_task(found.wait_until("abc", lambda _: False, seconds=10))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    found.put(container("abc", state="exited"))
    seen = await found.wait_until("abc", lambda now: now.state == "exited", seconds=1)
    assert seen is not None


# Moves


def test_the_ids_before_a_move_lead_to_the_container() -> None:
    found = inventory("other")
    found.put(container("new", name="web", earlier_ids=("first", "second")))
    for key in ("first", "second", "fir", "sec", "new", "web"):
        assert found.get(key).full_id == "new"
    found.remove("new")
    for key in ("first", "second"):
        with pytest.raises(ContainerNotFound):
            found.get(key)


def test_until_a_move_is_finished_the_old_id_is_the_old_container() -> None:
    found = inventory("first")
    found.put(container("second", earlier_ids=("first",)))
    found.put(container("third", earlier_ids=("first", "second")))
    assert [each.full_id for each in found.successors("first")] == ["second", "third"]
    assert found.get("first").full_id == "first"
    assert found.get("fir").full_id == "first"
    found.remove("first")
    assert found.get("first").full_id == "second"  # the next one is still on its way
    found.remove("third")
    assert found.get("first").full_id == "second"
    assert found.successors("second") == []


def test_the_beginning_of_an_earlier_id_can_be_ambiguous() -> None:
    found = inventory("abc1")
    found.put(container("xyz", earlier_ids=("abc2",)))
    with pytest.raises(AmbiguousId):
        found.get("abc")
    assert found.get("abc2").full_id == "xyz"


KEY, BY = "orchestration-api.idempotency-key", "orchestration-api.created-by"


def test_a_key_finds_what_is_being_moved_and_not_what_it_is_moved_to() -> None:
    found = Inventory()
    found.put(container("new", labels={KEY: "k"}, earlier_ids=("old",)))
    assert found.keyed(None, "k") is found.peek("new")
    found.put(container("old", labels={KEY: "k"}))
    assert found.keyed(None, "k") is found.peek("old")


def test_a_key_is_its_owners_alone() -> None:
    found = Inventory()
    found.put(container("of-ci", labels={KEY: "k", BY: "ci"}))
    found.put(container("foreign", labels={KEY: "f"}, managed=False))
    assert found.keyed("ci", "k") is found.peek("of-ci")
    assert found.keyed("ops", "k") is found.keyed(None, "k") is None
    assert found.keyed(None, "f") is None
    found.put(container("nobodys", labels={KEY: "k", BY: ""}))  # the image's was taken away
    assert found.keyed(None, "k") is found.peek("nobodys")


# Names that look like ids

VICTIM = f"{'0123456789ab':0<64}"


def test_twelve_digits_of_an_id_come_before_a_name() -> None:
    found = inventory(VICTIM)
    for length in (12, 20, 63):
        found.put(container(f"other-{length}", name=VICTIM[:length]))
        assert found.get(VICTIM[:length]).full_id == VICTIM
    found.put(container("short", name=VICTIM[:11]))
    assert found.get(VICTIM[:11]).full_id == "short"
    found.put(container("no-id", name="f" * 12))
    assert found.get("f" * 12).full_id == "no-id"


def test_an_id_from_before_a_move_comes_before_a_name() -> None:
    found = Inventory()
    found.put(container("since", earlier_ids=(VICTIM,)))
    found.put(container("other", name=VICTIM[:12]))
    assert found.get(VICTIM[:12]).full_id == "since"
    beginning = found.with_id_like(VICTIM[:6])
    assert beginning is not None
    assert beginning.full_id == "since"


# Since when


def test_how_long_a_container_is_known_is_told_by_no_clock_of_the_engine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1000.0
    monkeypatch.setattr("orchestrator.state.inventory.time.monotonic", lambda: now)
    found = Inventory()
    found.put(container("abc", created=at(-7200)))
    assert found.known_for("abc") == 0
    now += 5
    found.put(container("abc", name="renamed"))
    assert found.known_for("abc") == 5
    found.remove("abc")
    assert found.known_for("abc") == 0
