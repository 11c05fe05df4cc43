"""What containers have written: counted together, kept, and not counted anew too soon."""

import asyncio
from typing import Any

import pytest

from orchestrator.errors import ContainerNotFound, EngineTimeout, EngineUnavailable, ImageNotFound
from orchestrator.image_references import COMMITTED, MADE_ANEW
from orchestrator.models import Layer
from orchestrator.state import Inventory, Written
from orchestrator.state.written import moved_bytes

from ..examples import container

pytestmark = pytest.mark.anyio

ONE, TWO, FOREIGN = "11" * 32, "22" * 32, "ff" * 32


class FakeEngine:
    """Counts in so many seconds of a clock that only it moves."""

    def __init__(self) -> None:
        self.files: dict[str, int] = {ONE: 10, TWO: 200}
        self.layers: dict[str, list[Layer]] = {}
        self.now = 0.0
        self.takes = 1.0
        self.asked = 0
        self.failure: Exception | None = None
        self.sizes = self.images = self

    async def all(self) -> dict[str, int]:
        return dict(self.files)

    async def one(self, full_id: str) -> int | None:
        self.asked += 1
        await asyncio.sleep(0)
        self.now += self.takes
        if self.failure is not None:
            raise self.failure
        return self.files.get(full_id)

    async def history(self, image: str) -> list[Layer]:
        self.asked += 1
        if image not in self.layers:
            raise ImageNotFound("x")
        return self.layers[image]


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def inventory() -> Inventory:
    found = Inventory()
    for each in (container(ONE), container(TWO, state="exited"), container(FOREIGN, managed=False)):
        found.put(each)
    return found


@pytest.fixture
def written(engine: Any, inventory: Inventory) -> Written:
    return Written(engine, inventory, lambda: float(engine.now))


async def test_a_look_counts_those_of_ours_that_exist(
    engine: FakeEngine, inventory: Inventory, written: Written
) -> None:
    assert (written.total(), written.age) == (0, None)
    engine.files |= {FOREIGN: 7, "gone": 9}
    await written.look()
    assert {each.full_id: size for each, size in written.known()} == {ONE: 10, TWO: 200}
    assert written.total() == 210
    engine.now += 5
    assert written.age == 5
    inventory.remove(TWO)
    assert written.total() == 10


async def test_who_asks_at_the_same_time_shares_one_count(
    engine: FakeEngine, inventory: Inventory, written: Written
) -> None:
    one = inventory.get(ONE)
    assert await asyncio.gather(*(written.count(one) for _ in range(5))) == [10] * 5
    assert engine.asked == 1
    assert written.total() == 10  # it is remembered


async def test_a_count_that_took_long_is_not_made_again_soon(
    engine: FakeEngine, inventory: Inventory, written: Written
) -> None:
    one = inventory.get(ONE)
    assert await written.count(one) == 10
    engine.files[ONE] = 11
    engine.now += 9.9
    assert await written.count(one) == 10
    engine.now += 0.1
    assert await written.count(one) == 11
    assert engine.asked == 2


async def test_a_quick_count_is_made_for_whoever_asks(
    engine: FakeEngine, inventory: Inventory, written: Written
) -> None:
    one, engine.takes = inventory.get(ONE), 0.1
    assert await written.count(one) == 10
    engine.files[ONE] = 11
    assert await written.count(one) == 11


async def test_a_count_that_was_not_in_time_is_not_tried_again_soon(
    engine: FakeEngine, inventory: Inventory, written: Written
) -> None:
    one = inventory.get(ONE)
    engine.takes, engine.failure = 20, EngineTimeout("x")
    for _ in range(3):
        with pytest.raises(EngineTimeout, match=f'"{one.name}"'):
            await written.count(one)
    assert engine.asked == 1
    engine.now, engine.failure = engine.now + 200, None
    assert await written.count(one) == 10


@pytest.mark.parametrize("failure", [EngineUnavailable("x"), ContainerNotFound("x")])
async def test_another_failure_is_told_and_forgotten(
    engine: FakeEngine, inventory: Inventory, written: Written, failure: Exception
) -> None:
    one, engine.failure = inventory.get(ONE), failure
    with pytest.raises(type(failure)):
        await written.count(one)
    engine.failure = None
    assert await written.count(one) == 10


async def test_what_the_engine_cannot_tell_is_not_known(
    engine: FakeEngine, inventory: Inventory, written: Written
) -> None:
    del engine.files[ONE]
    assert await written.count(inventory.get(ONE)) is None
    assert written.total() == 0


async def test_those_of_others_are_counted_for_who_asks_and_in_no_total(
    engine: FakeEngine, inventory: Inventory, written: Written
) -> None:
    engine.files[FOREIGN] = 5
    assert await written.count(inventory.get(FOREIGN)) == 5
    assert written.total() == 0


async def test_what_was_written_before_a_move_counts_once(
    engine: FakeEngine, inventory: Inventory, written: Written
) -> None:
    engine.layers["moved:1"] = [Layer(70, COMMITTED), Layer(1000, "")]
    inventory.put(container("33" * 32, earlier_ids=(ONE,), moved_image="moved:1"))
    engine.files["33" * 32] = 2
    await written.look()
    assert written.total() == 200 + 72  # what has moved is still there
    await written.look()
    assert engine.asked == 1  # an image stays as it is
    inventory.put(container("44" * 32, earlier_ids=(TWO,), moved_image="gone:1"))
    assert await written._before_moves(inventory.get("44" * 32)) == 0


@pytest.mark.parametrize(
    ("layers", "size"),
    [
        ([], 0),
        ([Layer(1000, ""), Layer(9, COMMITTED)], 0),
        ([Layer(1, COMMITTED), Layer(2, COMMITTED), Layer(1000, "buildkit")], 3),
        ([Layer(1, COMMITTED), Layer(500, MADE_ANEW)], 501),
        ([Layer(0, ""), Layer(500, MADE_ANEW)], 0),
    ],
)
def test_what_moves_have_put_into_an_image(layers: list[Layer], size: int) -> None:
    assert moved_bytes(layers) == size
