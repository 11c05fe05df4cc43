"""When the watcher trusts its connection: an engine that says what a real one cannot be told to."""

import asyncio
import copy
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from orchestrator.engine import Engine
from orchestrator.engine.containers import ContainerCalls
from orchestrator.engine.inherited import InheritedLabels
from orchestrator.errors import (
    ContainerNotFound,
    EngineFailed,
    EngineUnavailable,
    OrchestratorError,
)
from orchestrator.host import HostPorts
from orchestrator.models import EngineInfo, Limits, Listed
from orchestrator.payloads import Capabilities, parse_listed
from orchestrator.ports import PortAllocator
from orchestrator.quantities import PortRange
from orchestrator.settings import Settings
from orchestrator.state import Inventory, Mirror, Watcher
from orchestrator.state import watcher as watching

from ..examples import payload

pytestmark = pytest.mark.anyio

A, B = "a" * 64, "b" * 64


class ScriptedEngine(Engine):
    """Holds what a test puts into it, and sends the events that a test sends."""

    def __init__(self) -> None:
        super().__init__(Settings())
        self.there: dict[str, Any] = {}
        self.containers = ScriptedCalls(self)
        self.failing: dict[str, OrchestratorError] = {}
        self.sent: asyncio.Queue[str | None] = asyncio.Queue()
        self.file: tuple[int, int, int] | None = (1, 1, 1)
        self.answers = asyncio.Event()
        self.answers.set()
        self.takes = 0.0  # seconds, of a listing
        self.listings = 0

    def put(self, full_id: str, state: str = "running", name: str | None = None) -> None:
        kind = "running" if state == "running" else "exited"
        container = copy.deepcopy(payload(f"engine-28.5-container-{kind}")["inspect"])
        container["Id"], container["Name"] = full_id, f"/{name or full_id[:4]}"
        container["State"]["Status"] = state
        container["NetworkSettings"]["Ports"] = {}
        self.there[full_id] = container

    def socket_file(self) -> tuple[int, int, int] | None:
        return self.file

    async def connect(self) -> EngineInfo:
        return EngineInfo("0", "0")

    async def events(self) -> AsyncGenerator[str, None]:
        yield ""
        while (event := await self.sent.get()) is not None:
            yield event


class NoLabels(InheritedLabels):
    """Images without labels."""

    async def of(self, image_id: str) -> dict[str, str]:
        return {}


class ScriptedCalls(ContainerCalls):
    """The engine's calls about containers, answered with what a test has put into it."""

    def __init__(self, engine: ScriptedEngine) -> None:
        super().__init__(engine._connection, NoLabels(engine.images), 1)
        self._engine = engine

    async def list(self) -> list[Listed]:
        engine = self._engine
        engine.listings += 1
        await engine.answers.wait()
        await asyncio.sleep(engine.takes)
        return [
            parse_listed({"Id": full_id, "Names": [each["Name"]], "State": each["State"]["Status"]})
            for full_id, each in engine.there.items()
        ]

    async def _inspection(self, container_id: str) -> dict[str, Any]:
        if container_id in self._engine.failing:
            raise self._engine.failing[container_id]
        if container_id not in self._engine.there:
            raise ContainerNotFound("gone")
        found: dict[str, Any] = self._engine.there[container_id]
        return found


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> ScriptedEngine:
    monkeypatch.setattr(watching, "RELIST_SECONDS", (0.2, 0.2))
    monkeypatch.setattr(watching, "EVENT_SECONDS", 0.1)
    monkeypatch.setattr(watching, "SOCKET_SECONDS", 0.05)
    engine = ScriptedEngine()
    engine.put(A)
    return engine


@pytest.fixture
def inventory() -> Inventory:
    return Inventory()


@pytest.fixture
def watcher(engine: ScriptedEngine, inventory: Inventory) -> Watcher:
    ports = PortAllocator(PortRange(8001, 8099), 8000)
    return Watcher(engine, Mirror(engine, inventory, ports), HostPorts(None))


async def lost(watcher: Watcher) -> str:
    """Why the connection ends."""
    async with asyncio.timeout(20):
        with pytest.raises(EngineUnavailable) as ended:
            await watcher.run_once()
    return ended.value.message


async def stays(watcher: Watcher, seconds: float = 1.0) -> None:
    """The connection lasts for several listings."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(seconds):
            await watcher.run_once()


def later(seconds: float, *steps: Any) -> asyncio.TimerHandle:
    def do() -> None:
        for step in steps:
            step()

    return asyncio.get_running_loop().call_later(seconds, do)


@pytest.mark.parametrize(
    "change",
    [
        lambda engine: engine.put(B),
        lambda engine: engine.put(A, "exited"),
        lambda engine: engine.put(A, name="other"),
        lambda engine: engine.there.pop(A),
    ],
    ids=["created", "stopped", "renamed", "removed"],
)
async def test_a_change_that_no_event_tells_of_ends_the_connection(
    engine: ScriptedEngine, watcher: Watcher, inventory: Inventory, change: Any
) -> None:
    later(0.1, lambda: change(engine))
    assert "events do not come any more" in await lost(watcher)
    assert set(inventory.ids()) == set(engine.there)


async def test_the_first_listing_of_a_connection_may_find_anything(
    engine: ScriptedEngine, watcher: Watcher, inventory: Inventory
) -> None:
    await stays(watcher)
    assert set(inventory.ids()) == {A}


async def test_an_event_that_comes_before_or_a_moment_after_its_listing_is_in_time(
    engine: ScriptedEngine, watcher: Watcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "EVENT_SECONDS", 0.15)
    for step in range(4, 40):
        # Listings come every 0.2 s, so that changes fall on all moments in between.
        state = "exited" if step % 2 else "running"
        later(0.07 * step, lambda state=state: engine.put(A, state))
        later(0.07 * step + 0.01, lambda: engine.sent.put_nowait(A))
    await stays(watcher, 3)


async def test_states_that_no_event_tells_of_are_no_alarm(
    engine: ScriptedEngine, watcher: Watcher, inventory: Inventory
) -> None:
    later(0.1, lambda: engine.put(A, "removing"))
    later(0.5, lambda: engine.put(A, "dead"))
    await stays(watcher)
    assert inventory.get(A).state == "dead"


async def test_a_listing_that_never_agrees_is_no_alarm(
    engine: ScriptedEngine, watcher: Watcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def list_wrongly() -> list[Listed]:
        return [parse_listed({"Id": A, "Names": ["/elsewhere"], "State": "exited"})]

    monkeypatch.setattr(engine.containers, "list", list_wrongly)
    await stays(watcher)


async def test_one_container_that_cannot_be_inspected_hides_no_other(
    engine: ScriptedEngine, watcher: Watcher, inventory: Inventory
) -> None:
    engine.put(B)
    engine.failing[A] = EngineFailed("RWLayer is unexpectedly nil")
    await stays(watcher)
    assert set(inventory.ids()) == {B}


async def test_an_engine_that_is_lost_during_a_listing_ends_the_connection(
    engine: ScriptedEngine, watcher: Watcher
) -> None:
    engine.put(B)
    engine.failing[A] = EngineUnavailable("cut")
    assert await lost(watcher) == "cut"


async def test_the_end_of_the_events_ends_the_connection(
    engine: ScriptedEngine, watcher: Watcher
) -> None:
    engine.sent.put_nowait(None)
    assert "closed the stream of events" in await lost(watcher)


# The socket


@pytest.mark.parametrize("other", [(1, 2, 1), (2, 1, 1), (1, 1, 2)])
async def test_another_file_in_the_place_of_the_socket_ends_the_connection(
    engine: ScriptedEngine, watcher: Watcher, other: tuple[int, int, int]
) -> None:
    later(0.2, lambda: setattr(engine, "file", other))
    assert "socket of the Docker engine was replaced" in await lost(watcher)


async def test_another_socket_is_noticed_while_the_first_one_leaves_us_waiting(
    engine: ScriptedEngine, watcher: Watcher
) -> None:
    engine.answers.clear()
    later(0.2, lambda: setattr(engine, "file", (1, 2, 1)))
    assert "socket of the Docker engine was replaced" in await lost(watcher)


async def test_a_socket_that_goes_and_comes_back_is_the_same(
    engine: ScriptedEngine, watcher: Watcher
) -> None:
    later(0.2, lambda: setattr(engine, "file", None))
    later(0.5, lambda: setattr(engine, "file", (1, 1, 1)))
    await stays(watcher)


# How often


async def test_listings_come_less_often_where_each_one_takes_long(
    engine: ScriptedEngine, watcher: Watcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "RELIST_SECONDS", (0.2, 20.0))
    engine.takes = 0.1  # so one every five seconds
    await stays(watcher, 2)
    assert engine.listings == 1


async def test_one_listing_that_takes_long_does_not_put_off_the_next(
    engine: ScriptedEngine, watcher: Watcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "RELIST_SECONDS", (0.5, 20.0))
    later(0.7, engine.answers.clear)
    later(2.0, engine.answers.set, lambda: setattr(engine, "listings", 0))
    await stays(watcher, 5)
    assert engine.listings > 1


# Up to date


async def test_memory_is_up_to_date_while_listings_come(
    engine: ScriptedEngine, watcher: Watcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "LATE_SECONDS", 1.5)
    seen: list[bool] = []
    assert not watcher.up_to_date
    later(0.8, lambda: seen.append(watcher.up_to_date), engine.answers.clear)
    later(3.5, lambda: seen.append(watcher.up_to_date), engine.answers.set)
    later(4.2, lambda: seen.append(watcher.up_to_date))
    await stays(watcher, 4.4)
    assert seen == [True, False, True]


async def test_memory_is_not_up_to_date_without_a_connection(
    engine: ScriptedEngine, watcher: Watcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "BACKOFF", (20.0,))
    engine.sent.put_nowait(None)
    task = asyncio.create_task(watcher.run())
    await watcher.attempted(10)
    await asyncio.sleep(0.1)
    assert not watcher.connected
    assert not watcher.up_to_date
    task.cancel()
    await asyncio.wait({task}, timeout=5)
    assert task.cancelled()


async def test_limits_that_the_engine_does_not_apply_are_none(
    engine: ScriptedEngine,
    inventory: Inventory,
    watcher: Watcher,
    caplog: pytest.LogCaptureFixture,
) -> None:
    engine.there[A]["HostConfig"] |= {"Memory": 2**27, "NanoCpus": 10**9, "PidsLimit": 50}
    engine._connection.capabilities = Capabilities(missing=("memory", "pids"))
    await stays(watcher, 0.3)
    found = inventory.peek(A)
    assert found is not None
    assert found.limits == Limits(cpus=1.0)
    assert "given_limits" not in found.model_dump(), "what it was given is not told"
    assert "does not apply limits of memory, pids" in caplog.text
