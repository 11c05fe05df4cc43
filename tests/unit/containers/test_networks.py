"""Which network a container goes to, without an engine: a stand-in that has networks and limits."""

import asyncio
from collections import Counter
from collections.abc import Collection, Mapping
from contextlib import AsyncExitStack
from typing import Any, cast

import pytest

from orchestrator.containers import Networks
from orchestrator.containers.networks import DEFAULT_BRIDGE, REFUSED_SECONDS, home_of
from orchestrator.engine import Engine
from orchestrator.errors import EngineFailed, NameInUse, NetworkFull, NetworkMissing, PortRefused
from orchestrator.models import Network, State
from orchestrator.payloads import Capabilities
from orchestrator.state import Inventory

from ..examples import container

pytestmark = pytest.mark.anyio

ONE, TWO, THREE = (f"orchestration-api-{number}" for number in (1, 2, 3))
ICC = "com.docker.network.bridge.enable_icc"


class FakeEngine:
    """Networks with room for so many containers, and subnets for so many networks."""

    def __init__(self, *, room: Mapping[str, int] | None = None, subnets: int = 30) -> None:
        self.room = dict(room or {})
        self.subnets = subnets
        self.made: list[str] = []
        self.foreign: set[str] = set()  # names that somebody else has, without our label
        self.on: dict[str, str] = {}  # container -> network
        self.running: Counter[str] = Counter()
        self.options: dict[str, Mapping[str, str]] = {}
        self.failure: Exception | None = None
        self.heals = False  # whether a new network has the host filter again
        self.capabilities = Capabilities()
        self.containers = self.networks = self  # the calls about them

    async def look_again(self) -> None:
        await asyncio.sleep(0)
        if getattr(self, "healed", False):
            self.capabilities = Capabilities()

    async def labelled(self, label: str, value: str) -> list[Network]:
        await asyncio.sleep(0)
        return [
            Network(name, self.options.get(name) or {})
            for name in [*self.made, "a-network-of-the-operator"]
        ]

    async def create(
        self, name: str, *, labels: Mapping[str, str], options: Mapping[str, str]
    ) -> None:
        await asyncio.sleep(0)
        if self.failure is not None:
            raise self.failure
        if name in self.made or name in self.foreign:
            raise NameInUse("It exists.")
        if len(self.made) >= self.subnets:
            raise NetworkFull("No subnet is left.")
        self.options[name] = options
        self.healed = self.heals
        self.made.append(name)

    def make(self, *names: str, icc: str | None = "false") -> None:
        """Networks that were there before; None is what versions before the option made."""
        self.made += names
        self.options |= {name: {} if icc is None else {ICC: icc} for name in names}

    async def start(self, container_id: str) -> None:
        await asyncio.sleep(0)
        network = self.on[container_id]
        if network != DEFAULT_BRIDGE and network not in self.made:
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
    engine: FakeEngine,
    inventory: Inventory | None = None,
    at_most: int = 2,
    clock: Any = None,
    allow_icc: bool = False,
) -> Networks:
    return Networks(
        cast(Engine, engine),
        inventory if inventory is not None else Inventory(),
        allow_icc=allow_icc,
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


async def test_the_first_network_is_made_when_it_is_needed_and_then_used() -> None:
    engine = FakeEngine()
    found = networks(engine)
    assert engine.made == []
    assert await picked(found) == ONE
    assert await picked(found) == ONE
    assert engine.made == [ONE]
    assert engine.options[ONE]["com.docker.network.bridge.name"] == "br-orch-api-1"


async def test_a_second_network_is_made_when_the_first_has_enough() -> None:
    engine = FakeEngine()
    engine.make(ONE)
    found = networks(engine, holding(ONE, ONE))
    assert await picked(found) == TWO
    assert await picked(found) == TWO
    assert engine.made == [ONE, TWO]


async def test_names_of_bridges_fit_an_interface() -> None:
    engine = FakeEngine(subnets=200)
    engine.make(*(f"orchestration-api-{number}" for number in range(1, 200)))
    full = holding(*engine.made)
    assert await picked(networks(engine, full, at_most=1)) == "orchestration-api-200"
    name = engine.options["orchestration-api-200"]["com.docker.network.bridge.name"]
    assert len(name) <= 15


async def test_containers_of_others_count() -> None:
    engine = FakeEngine()
    engine.make(ONE)
    assert await picked(networks(engine, holding(ONE, ONE, managed=False))) == TWO


async def test_containers_on_the_default_bridge_do_not_count() -> None:
    assert await picked(networks(FakeEngine(), holding(*[DEFAULT_BRIDGE] * 5))) == ONE


@pytest.mark.parametrize("state", ["exited", "created", "dead"])
async def test_containers_that_do_not_run_do_not_count(state: State) -> None:
    engine = FakeEngine()
    engine.make(ONE)
    assert await picked(networks(engine, holding(ONE, ONE, state=state))) == ONE


async def test_containers_on_their_way_count() -> None:
    engine = FakeEngine()
    found = networks(engine)
    async with AsyncExitStack() as stack:
        together = [await stack.enter_async_context(found.place()) for _ in range(5)]
    assert Counter(together) == {ONE: 2, TWO: 2, THREE: 1}
    assert await picked(found) == ONE, "those that failed do not count any more"


async def test_places_asked_for_at_once_are_no_more_than_there_are() -> None:
    engine = FakeEngine()
    found = networks(engine, at_most=5)
    places: list[str] = []

    async def create() -> None:
        async with found.place() as network:
            places.append(network)
            await asyncio.sleep(0.01)

    await asyncio.gather(*(create() for _ in range(12)))
    assert Counter(places) == {ONE: 5, TWO: 5, THREE: 2}


async def test_each_is_alone_where_a_network_cannot_keep_containers_apart() -> None:
    engine = FakeEngine(subnets=5)
    engine.capabilities = Capabilities(apart=False)
    engine.make(ONE, TWO, icc=None)  # such an engine drops the option
    found = networks(engine, holding(ONE, state="exited"))
    places: list[str] = []
    async with AsyncExitStack() as stack:

        async def enter() -> None:
            places.append(await stack.enter_async_context(found.place()))

        await asyncio.gather(*(enter() for _ in range(4)))
        assert set(places) == {TWO, THREE, "orchestration-api-4", "orchestration-api-5"}
        with pytest.raises(NetworkFull):
            await picked(found)
    assert await picked(found) == TWO, "a network that is empty again is used again"
    together = networks(engine, holding(ONE), allow_icc=True)
    assert await picked(together) == ONE, "together where they may talk to each other"


async def test_each_new_one_is_alone_while_the_host_does_not_filter() -> None:
    engine = FakeEngine()
    engine.make(ONE)
    found = networks(engine, holding(ONE))
    await found.check()
    assert found.problem is None
    engine.capabilities = Capabilities(filters=False)
    await found.check()
    assert "bridge-nf-call-iptables" in str(found.problem)
    assert await picked(found) == TWO, "not beside the one that runs"
    assert await picked(networks(engine, holding(ONE), allow_icc=True)) == THREE
    engine.capabilities = Capabilities()
    await found.check()
    assert found.problem is None
    assert await picked(found) == ONE


async def test_no_promise_is_broken_before_there_is_a_network() -> None:
    engine = FakeEngine()
    engine.capabilities, engine.heals = Capabilities(filters=False), True
    found = networks(engine)
    await found.check()
    assert found.problem is None
    async with found.place() as first, found.place() as second:
        assert first == second == ONE, "which the engine made, and has its host filter for it"


async def test_one_that_would_start_beside_others_is_taken_from_them_first() -> None:
    engine = FakeEngine()
    engine.make(ONE)
    inventory = holding(ONE)
    found = networks(engine, inventory)
    engine.on["old"] = ONE
    await found.start("old", ONE)
    assert engine.on["old"] == ONE
    engine.capabilities = Capabilities(filters=False)
    await found.start("old", ONE)
    assert engine.on["old"] == TWO
    engine.on["alone"] = THREE
    engine.make(THREE)
    await found.start("alone", THREE)
    assert engine.on["alone"] == THREE


async def test_networks_are_used_in_the_order_of_their_numbers() -> None:
    engine = FakeEngine()
    engine.make("orchestration-api-10", THREE, "orchestration-api-03")
    assert await picked(networks(engine)) == THREE


async def test_a_network_that_was_removed_is_made_again() -> None:
    engine = FakeEngine()
    found = networks(engine)
    await picked(found)
    engine.made.clear()
    assert await picked(found) == ONE
    assert engine.made == [ONE]


async def test_two_services_that_make_the_same_network_use_one() -> None:
    engine = FakeEngine()
    both = [networks(engine) for _ in range(2)]
    assert await asyncio.gather(*map(picked, both)) == [ONE] * 2
    assert engine.made == [ONE]


async def test_two_services_that_want_different_networks_at_once_make_two() -> None:
    engine = FakeEngine()
    both = [networks(engine, allow_icc=allow_icc) for allow_icc in (False, True)]
    assert sorted(await asyncio.gather(*map(picked, both))) == [ONE, TWO]
    assert {engine.options[name][ICC] for name in (ONE, TWO)} == {"false", "true"}


@pytest.mark.parametrize(("allow_icc", "option"), [(False, "false"), (True, "true")])
async def test_whether_containers_may_talk_is_said_when_a_network_is_made(
    allow_icc: bool, option: str
) -> None:
    engine = FakeEngine()
    assert await picked(networks(engine, allow_icc=allow_icc)) == ONE
    assert engine.options[ONE][ICC] == option


@pytest.mark.parametrize(("allow_icc", "others"), [(False, "true"), (False, None), (True, "false")])
async def test_networks_that_were_made_the_other_way_are_not_used(
    allow_icc: bool, others: str | None
) -> None:
    engine = FakeEngine()
    engine.make(ONE, THREE, icc=others)
    found = networks(engine, holding(TWO, TWO), allow_icc=allow_icc)
    assert await picked(found) == TWO
    engine.failure = NetworkFull("No subnet.")
    assert await picked(found) == TWO, "not even when the right one has enough"
    engine.made.remove(TWO)
    with pytest.raises(NetworkFull):
        await picked(found)


async def test_a_network_of_before_the_option_lets_containers_talk_and_is_used_for_that() -> None:
    engine = FakeEngine()
    engine.make(TWO, icc=None)
    assert await picked(networks(engine, allow_icc=True)) == TWO


async def test_a_network_of_this_name_that_is_not_ours_is_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("orchestrator.containers.networks._APPEARS_SECONDS", 0.1)
    engine = FakeEngine()
    engine.foreign = {ONE}
    assert await picked(networks(engine)) == TWO


@pytest.mark.parametrize("failure", [NetworkFull("No subnet."), EngineFailed("It broke.")])
async def test_without_a_new_network_the_least_full_one_is_used(failure: Exception) -> None:
    engine = FakeEngine()
    engine.make(ONE, TWO)
    engine.failure = failure
    full = [ONE] * 3 + [TWO] * 2
    assert await picked(networks(engine, holding(*full))) == TWO


async def test_without_any_network_the_engine_s_own_reason_is_told() -> None:
    engine = FakeEngine()
    engine.failure = EngineFailed("Load the kernel module.")
    with pytest.raises(EngineFailed, match="kernel module"):
        await picked(networks(engine))


# Starting where the engine does not agree


async def start(found: Networks, engine: FakeEngine, container_id: str, network: str) -> str:
    engine.on[container_id] = network
    await found.start(container_id, network)
    return engine.on[container_id]


@pytest.mark.parametrize("network", [ONE, DEFAULT_BRIDGE])
async def test_a_start_goes_where_it_was_put(network: str) -> None:
    engine = FakeEngine()
    engine.make(ONE)
    assert await start(networks(engine), engine, "a", network) == network


async def test_a_start_on_a_full_network_goes_to_the_next_one() -> None:
    engine = FakeEngine(room={ONE: 0, TWO: 0})
    engine.make(ONE)
    assert await start(networks(engine), engine, "a", ONE) == THREE


async def test_a_start_on_a_full_default_bridge_goes_to_a_network_of_ours() -> None:
    engine = FakeEngine(room={DEFAULT_BRIDGE: 0})
    assert await start(networks(engine), engine, "a", DEFAULT_BRIDGE) == ONE


async def test_a_full_network_is_left_alone_for_a_while() -> None:
    engine, clock = FakeEngine(room={ONE: 0}), Clock()
    engine.make(ONE)
    found = networks(engine, clock=clock)
    await start(found, engine, "a", ONE)
    assert await picked(found) == TWO
    clock.now = REFUSED_SECONDS + 1
    assert await picked(found) == ONE


async def test_a_start_on_a_network_that_is_gone_finds_it_made_again() -> None:
    engine = FakeEngine()
    assert await start(networks(engine), engine, "a", ONE) == ONE
    assert engine.made == [ONE]


async def test_without_a_default_bridge_containers_go_to_a_network_of_ours() -> None:
    engine = FakeEngine()
    refused = engine.start

    async def no_bridge(container_id: str) -> None:
        if engine.on[container_id] == DEFAULT_BRIDGE:
            raise NetworkMissing("network bridge not found")
        await refused(container_id)

    engine.start = no_bridge  # type: ignore[method-assign]
    assert await start(networks(engine), engine, "a", DEFAULT_BRIDGE) == ONE


async def test_when_every_network_is_full_the_refusal_says_what_to_do() -> None:
    engine = FakeEngine(room={DEFAULT_BRIDGE: 0, ONE: 0}, subnets=1)
    with pytest.raises(NetworkFull, match="docker network prune"):
        await start(networks(engine), engine, "a", DEFAULT_BRIDGE)


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
        (["orchestration-api-1"], True, "orchestration-api-1"),
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


async def test_picks_do_not_wait_for_each_other_s_answers() -> None:
    """An engine that hangs would else make the last of them wait for the time-outs of all."""
    engine, asked, answer = FakeEngine(), 0, asyncio.Event()
    engine.make(ONE)
    networks = Networks(cast("Engine", engine), Inventory())
    listed = engine.labelled

    async def hanging(label: str, value: str) -> list[Network]:
        nonlocal asked
        asked += 1
        await answer.wait()
        return await listed(label, value)

    engine.labelled = hanging  # type: ignore[method-assign]

    async def place() -> str:
        async with networks.place() as network:
            return network

    places = [asyncio.create_task(place()) for _ in range(8)]
    for _ in range(20):
        await asyncio.sleep(0)
    assert asked == 8
    answer.set()
    assert await asyncio.gather(*places) == [ONE] * 8
