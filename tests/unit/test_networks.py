"""Which network a container goes to, without an engine: a stand-in that has networks and limits."""

import asyncio
from collections import Counter
from collections.abc import Collection, Mapping
from contextlib import AsyncExitStack
from typing import Any, cast

import pytest

from orchestrator.engine import Engine
from orchestrator.errors import (
    EngineFailed,
    NameInUse,
    NetworkFull,
    NetworkMissing,
    PortRefused,
)
from orchestrator.inventory import Inventory
from orchestrator.models import State
from orchestrator.networks import FIRST, REFUSED_SECONDS, Networks, home_of

from .containers import container

pytestmark = pytest.mark.anyio


class FakeEngine:
    """Networks with room for so many containers, and subnets for so many networks."""

    def __init__(self, *, room: Mapping[str, int] | None = None, subnets: int = 30) -> None:
        self.room = dict(room or {})
        self.subnets = subnets
        self.made: list[str] = []
        self.foreign: set[str] = set()  # names that somebody else has, without our label
        self.on: dict[str, str] = {}  # container -> network
        self.running: Counter[str] = Counter()
        self.bridges: dict[str, str] = {}
        self.failure: Exception | None = None

    async def networks(self, label: str, value: str) -> list[dict[str, Any]]:
        await asyncio.sleep(0)
        return [{"Name": name} for name in [*self.made, "a-network-of-the-operator"]]

    async def create_network(
        self, name: str, *, labels: Mapping[str, str], options: Mapping[str, str]
    ) -> None:
        await asyncio.sleep(0)
        if self.failure is not None:
            raise self.failure
        if name in self.made or name in self.foreign:
            raise NameInUse("It exists.")
        if len(self.made) >= self.subnets:
            raise NetworkFull("No subnet is left.")
        (self.bridges[name],) = options.values()
        self.made.append(name)

    async def start(self, container_id: str) -> None:
        await asyncio.sleep(0)
        network = self.on[container_id]
        if network != FIRST and network not in self.made:
            raise NetworkMissing("It is gone.")
        if self.running[network] >= self.room.get(network, 1000):
            raise NetworkFull("Exchange full.")
        self.running[network] += 1

    async def reconnect(self, container_id: str, *, leave: str, join: str) -> None:
        assert self.on[container_id] == leave
        self.on[container_id] = join


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def networks(
    engine: FakeEngine, inventory: Inventory | None = None, at_most: int = 2, clock: Any = None
) -> Networks:
    return Networks(
        cast(Engine, engine),
        inventory if inventory is not None else Inventory(),
        at_most=at_most,
        clock=clock or Clock(),
    )


def holding(*names: str, state: State = "running", managed: bool = True) -> Inventory:
    """An inventory with a container on each of these networks."""
    filled = Inventory()
    for number, name in enumerate(names):
        filled.put(container(f"c{number}", state=state, managed=managed, networks=(name,)))
    return filled


async def picked(found: Networks) -> str:
    async with found.place() as network:
        return network


# Picking


async def test_the_default_bridge_comes_first() -> None:
    engine = FakeEngine()
    assert await picked(networks(engine)) == "bridge"
    assert engine.made == []


async def test_a_second_network_is_made_when_the_first_has_enough() -> None:
    engine = FakeEngine()
    found = networks(engine, holding("bridge", "bridge"))
    assert await picked(found) == "orchestration-api-2"
    assert await picked(found) == "orchestration-api-2"
    assert engine.made == ["orchestration-api-2"]
    assert len(engine.bridges["orchestration-api-2"]) <= 15, "no longer name fits an interface"


async def test_containers_of_others_count() -> None:
    found = networks(FakeEngine(), holding("bridge", "bridge", managed=False))
    assert await picked(found) == "orchestration-api-2"


@pytest.mark.parametrize("state", ["exited", "created", "dead"])
async def test_containers_that_do_not_run_do_not_count(state: State) -> None:
    assert await picked(networks(FakeEngine(), holding("bridge", "bridge", state=state))) == FIRST


async def test_containers_on_their_way_count() -> None:
    engine = FakeEngine()
    found = networks(engine)
    async with AsyncExitStack() as stack:
        together = [await stack.enter_async_context(found.place()) for _ in range(5)]
    assert Counter(together) == {"bridge": 2, "orchestration-api-2": 2, "orchestration-api-3": 1}
    assert await picked(found) == "bridge", "those that failed do not count any more"


async def test_places_asked_for_at_once_are_no_more_than_there_are() -> None:
    engine = FakeEngine()
    found = networks(engine, at_most=5)
    places: list[str] = []

    async def create() -> None:
        async with found.place() as network:
            places.append(network)
            await asyncio.sleep(0.01)

    await asyncio.gather(*(create() for _ in range(12)))
    assert Counter(places) == {"bridge": 5, "orchestration-api-2": 5, "orchestration-api-3": 2}


async def test_networks_are_used_in_the_order_of_their_numbers() -> None:
    engine = FakeEngine()
    engine.made = ["orchestration-api-10", "orchestration-api-3", "orchestration-api-03"]
    found = networks(engine, holding("bridge", "bridge"))
    assert await picked(found) == "orchestration-api-3"


async def test_a_network_that_was_removed_is_made_again() -> None:
    engine = FakeEngine()
    found = networks(engine, holding("bridge", "bridge"))
    await picked(found)
    engine.made.clear()
    assert await picked(found) == "orchestration-api-2"
    assert engine.made == ["orchestration-api-2"]


async def test_two_services_that_make_the_same_network_use_one() -> None:
    engine = FakeEngine()
    both = [networks(engine, holding("bridge", "bridge")) for _ in range(2)]
    assert await asyncio.gather(*map(picked, both)) == ["orchestration-api-2"] * 2
    assert engine.made == ["orchestration-api-2"]


async def test_a_network_of_this_name_that_is_not_ours_is_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("orchestrator.networks._APPEARS_SECONDS", 0.1)
    engine = FakeEngine()
    engine.foreign = {"orchestration-api-2"}
    found = networks(engine, holding("bridge", "bridge"))
    assert await picked(found) == "orchestration-api-3"


@pytest.mark.parametrize("failure", [NetworkFull("No subnet."), EngineFailed("It broke.")])
async def test_without_a_new_network_the_least_full_one_is_used(failure: Exception) -> None:
    engine = FakeEngine()
    engine.made, engine.failure = ["orchestration-api-2"], failure
    full = ["bridge"] * 3 + ["orchestration-api-2"] * 2
    assert await picked(networks(engine, holding(*full))) == "orchestration-api-2"


# Starting where the engine does not agree


async def start(found: Networks, engine: FakeEngine, container_id: str, network: str) -> str:
    engine.on[container_id] = network
    await found.start(container_id, network)
    return engine.on[container_id]


async def test_a_start_goes_where_it_was_put() -> None:
    engine = FakeEngine()
    assert await start(networks(engine), engine, "a", "bridge") == "bridge"


async def test_a_start_on_a_full_network_goes_to_the_next_one() -> None:
    engine = FakeEngine(room={"bridge": 0, "orchestration-api-2": 0})
    assert await start(networks(engine), engine, "a", "bridge") == "orchestration-api-3"


async def test_a_full_network_is_left_alone_for_a_while() -> None:
    engine, clock = FakeEngine(room={"bridge": 0}), Clock()
    found = networks(engine, clock=clock)
    await start(found, engine, "a", "bridge")
    assert await picked(found) == "orchestration-api-2"
    clock.now = REFUSED_SECONDS + 1
    assert await picked(found) == "bridge"


async def test_a_start_on_a_network_that_is_gone_finds_it_made_again() -> None:
    engine = FakeEngine()
    found = networks(engine, holding("bridge", "bridge"))
    assert await start(found, engine, "a", "orchestration-api-2") == "orchestration-api-2"
    assert engine.made == ["orchestration-api-2"]


async def test_without_a_default_bridge_containers_go_to_a_network_of_ours() -> None:
    engine = FakeEngine()
    found = networks(engine)
    refused = engine.start

    async def no_bridge(container_id: str) -> None:
        if engine.on[container_id] == FIRST:
            raise NetworkMissing("network bridge not found")
        await refused(container_id)

    engine.start = no_bridge  # type: ignore[method-assign]
    assert await start(found, engine, "a", "bridge") == "orchestration-api-2"
    assert await picked(found) == "orchestration-api-2"


async def test_when_every_network_is_full_the_refusal_says_what_to_do() -> None:
    engine = FakeEngine(room={"bridge": 0, "orchestration-api-2": 0}, subnets=1)
    with pytest.raises(NetworkFull, match="docker network prune"):
        await start(networks(engine), engine, "a", "bridge")


async def test_a_container_that_may_not_be_moved_stays_and_the_refusal_is_raised() -> None:
    engine = FakeEngine(room={"bridge": 0})
    engine.on["a"] = "bridge"
    with pytest.raises(NetworkFull):
        await networks(engine).start("a", None)
    assert engine.on == {"a": "bridge"}


async def test_a_refused_port_moves_nothing() -> None:
    engine = FakeEngine()

    async def refuse() -> None:
        raise PortRefused("Taken.", 8001)

    engine.on["a"] = "bridge"
    with pytest.raises(PortRefused):
        await networks(engine).start("a", "bridge", refuse)
    assert engine.on == {"a": "bridge"}


@pytest.mark.parametrize(
    ("on", "managed", "home"),
    [
        (["bridge"], True, "bridge"),
        (["orchestration-api-2"], True, "orchestration-api-2"),
        (["orchestration-api-2", "db"], True, None),
        (["db"], True, None),
        (["host"], True, None),
        ([], True, None),
        (["bridge"], False, None),
    ],
)
def test_only_what_we_put_on_a_network_is_taken_from_it(
    on: Collection[str], managed: bool, home: str | None
) -> None:
    assert home_of(container("a", managed=managed, networks=tuple(on))) == home
