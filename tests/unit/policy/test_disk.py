"""What containers may write: where the engine can hold it, and where there is room on its disk."""

import socket
from typing import Any

import pytest

from orchestrator.errors import DiskLimitUnsupported, DiskLow
from orchestrator.models import CreateRequest, Limits
from orchestrator.payloads import Capabilities
from orchestrator.policy import DiskRules
from orchestrator.policy import disk as module
from orchestrator.settings import Settings
from orchestrator.state import Inventory

from ..examples import container

pytestmark = pytest.mark.anyio

MIB = 1024 * 1024
OWN = "0e" * 32
CANNOT: dict[str, Any] = {"disk": False, "storage": "overlay2 on extfs"}
HERE: dict[str, Any] = {"data_root": "/data", "host_name": socket.gethostname()}


class FakeEngine:
    def __init__(self, socket_path: str | None = "/engine.sock", **capabilities: Any) -> None:
        self.capabilities = Capabilities(**capabilities)
        self.socket_path = socket_path


@pytest.fixture(autouse=True)
def free(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """The free bytes by path; this process is in no container."""
    found = {"/data": 100 * MIB, "/": 50 * MIB}
    monkeypatch.setattr(module, "free_bytes", found.get)
    monkeypatch.setattr(module, "own_container_id", lambda: None)
    return found


def rules(engine: Any, inventory: Inventory | None = None, **settings: Any) -> DiskRules:
    return DiskRules(engine, inventory or Inventory(), Settings.model_validate(settings))


def test_a_limit_is_held_where_the_engine_can() -> None:
    limits = Limits(disk=MIB)
    assert rules(FakeEngine()).held(CreateRequest(disk=MIB), limits) is limits


def test_a_limit_that_is_asked_for_is_refused_where_it_would_not_be_held() -> None:
    with pytest.raises(DiskLimitUnsupported, match="overlay2 on extfs"):
        rules(FakeEngine(**CANNOT)).held(CreateRequest(disk=MIB), Limits(disk=MIB))


def test_the_operators_default_is_left_out_where_it_would_not_be_held() -> None:
    wanted = Limits(memory=7 * MIB, disk=MIB)
    held = rules(FakeEngine(**CANNOT)).held(CreateRequest(), wanted)
    assert held == Limits(memory=7 * MIB)


async def test_what_is_not_limited_is_told() -> None:
    given: dict[str, Any] = {"default_disk": MIB, "max_disk": 2 * MIB}
    (problem,) = await rules(FakeEngine(**CANNOT), **given).problems()
    assert "overlay2 on extfs" in problem
    assert "DEFAULT_DISK and MAX_DISK are not held" in problem
    (problem,) = await rules(FakeEngine(**CANNOT), default_disk=MIB).problems()
    assert "DEFAULT_DISK is not held" in problem
    assert await rules(FakeEngine(), **given).problems() == []
    assert await rules(FakeEngine(**CANNOT)).problems() == []


async def test_a_disk_that_is_nearly_full_takes_no_container(free: dict[str, int]) -> None:
    disk = rules(FakeEngine(**HERE), min_free_disk=100 * MIB)
    await disk.require_room()
    free["/data"] -= 1
    with pytest.raises(DiskLow, match="MIN_FREE_DISK") as refused:
        await disk.require_room()
    assert refused.value.fields == {"free": 100 * MIB - 1, "least": 100 * MIB}
    assert await disk.problems() == []
    await rules(FakeEngine(**HERE)).require_room()


@pytest.mark.parametrize(
    "engine",
    [
        FakeEngine(None, **HERE),
        FakeEngine(data_root=None),
        FakeEngine(data_root="/data", host_name="another"),
        FakeEngine(data_root="/gone", host_name=socket.gethostname()),
    ],
    ids=["elsewhere", "untold", "another host", "unseen"],
)
async def test_a_disk_that_cannot_be_seen_refuses_nothing_and_is_told_of(engine: Any) -> None:
    disk = rules(engine, min_free_disk=2**40)
    await disk.require_room()
    (problem,) = await disk.problems()
    assert "MIN_FREE_DISK is not held" in problem


async def test_in_a_container_of_the_engine_its_own_root_is_on_that_disk(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "own_container_id", lambda: OWN)
    engine, inventory = FakeEngine(data_root="/data", host_name="its-host"), Inventory()
    disk = rules(engine, inventory, min_free_disk=60 * MIB)
    await disk.require_room()  # a container of another engine
    assert len(await disk.problems()) == 1
    inventory.put(container(OWN, managed=False))
    with pytest.raises(DiskLow):
        await disk.require_room()
    assert await disk.problems() == []
