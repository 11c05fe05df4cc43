"""Ceilings and quotas: what counts, what is refused, and with which figures."""

from contextlib import ExitStack
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.callers import Caller
from orchestrator.errors import OverLimit, QuotaExceeded
from orchestrator.labels import LABEL_CREATE, LABEL_CREATED_BY
from orchestrator.models import Limits
from orchestrator.policy import Quotas
from orchestrator.settings import Settings
from orchestrator.state import Inventory

from ..examples import container

MIB = 1024 * 1024
SMALL = Limits(memory=64 * MIB, cpus=0.1, pids=10)
NOBODY = Caller(None, "write", "-")
CI, DASH = Caller("ci", "write", "-"), Caller("dash", "write", "-")


def quotas(inventory: Inventory | None = None, **settings: Any) -> Quotas:
    low = {"default_memory": 6 * MIB, "default_cpus": 0.01, "default_pids": 1}
    return Quotas(inventory or Inventory(), Settings.model_validate(low | settings))


def put(inventory: Inventory, full_id: str, owner: str | None = None, **fields: Any) -> None:
    labels = {LABEL_CREATE: f"create-of-{full_id}"}
    if owner is not None:
        labels[LABEL_CREATED_BY] = owner
    options: dict[str, Any] = {"labels": labels, "limits": SMALL} | fields
    inventory.put(container(full_id, **options))


def admitted(quotas: Quotas, caller: Caller = NOBODY, wanted: Limits = SMALL) -> bool:
    """Whether a create would be admitted now."""
    try:
        with quotas.admit(wanted, caller):
            return True
    except QuotaExceeded:
        return False


@pytest.mark.parametrize(
    ("settings", "wanted", "fields"),
    [
        (
            {"max_memory": 64 * MIB},
            Limits(memory=64 * MIB + 1, cpus=9, pids=9),
            {"resource": "memory", "asked": 64 * MIB + 1, "allowed": 64 * MIB},
        ),
        (
            {"max_cpus": 0.5},
            Limits(memory=2**40, cpus=0.51, pids=9),
            {"resource": "cpus", "asked": 0.51, "allowed": 0.5},
        ),
        (
            {"max_pids": 10},
            Limits(memory=2**40, cpus=9, pids=11),
            {"resource": "pids", "asked": 11, "allowed": 10},
        ),
    ],
)
def test_more_than_one_may_have(
    settings: dict[str, Any], wanted: Limits, fields: dict[str, Any]
) -> None:
    with pytest.raises(OverLimit) as refused, quotas(**settings).admit(wanted, NOBODY):
        pytest.fail("it was admitted")
    assert refused.value.fields == fields
    assert f"MAX_{fields['resource'].upper()}" in refused.value.message


def test_exactly_as_much_as_one_may_have() -> None:
    ceilings = quotas(max_memory=64 * MIB, max_cpus=0.1, max_pids=10)
    with ceilings.admit(SMALL, NOBODY):
        pass


def test_without_ceilings_all_is_admitted() -> None:
    with quotas().admit(Limits(), CI):
        pass


@pytest.mark.parametrize(
    ("settings", "used", "asked", "allowed"),
    [
        ({"total_memory": 150 * MIB}, 128 * MIB, 64 * MIB, 150 * MIB),
        ({"total_cpus": 0.25}, 0.2, 0.1, 0.25),
        ({"total_pids": 29}, 20, 10, 29),
    ],
)
def test_more_than_all_may_have(
    settings: dict[str, Any], used: float, asked: float, allowed: float
) -> None:
    inventory = Inventory()
    put(inventory, "one", state="exited")
    put(inventory, "foreign", managed=False)
    put(inventory, "unlimited", limits=Limits())
    full = quotas(inventory, **settings)
    with full.admit(SMALL, NOBODY):
        with pytest.raises(QuotaExceeded) as refused, full.admit(SMALL, NOBODY):
            pytest.fail("it was admitted")
        (name,) = settings
        assert refused.value.fields == {
            "resource": name.removeprefix("total_"),
            "used": used,
            "asked": asked,
            "allowed": allowed,
        }
        assert name.upper() in refused.value.message
    assert admitted(full)


def test_tenths_of_a_cpu_add_up_exactly() -> None:
    inventory = Inventory()
    for number in range(9):
        put(inventory, f"each-{number}")
    assert admitted(quotas(inventory, total_cpus=1.0))
    put(inventory, "tenth")
    assert not admitted(quotas(inventory, total_cpus=1.0))


def test_limits_count_on_an_engine_too_that_does_not_apply_them() -> None:
    inventory = Inventory()
    put(inventory, "one", limits=Limits(), given_limits=SMALL)
    assert not admitted(quotas(inventory, total_memory=127 * MIB))
    assert admitted(quotas(inventory, total_memory=128 * MIB))


def test_each_key_has_its_own_number() -> None:
    inventory = Inventory()
    put(inventory, "one", "ci", state="created")
    put(inventory, "two", "ci", state="exited")
    put(inventory, "other", "dash")
    put(inventory, "nobody's")
    put(inventory, "foreign", "ci", managed=False)
    per_key = quotas(inventory, containers_per_key=2)
    assert not admitted(per_key, CI)
    assert admitted(per_key, DASH)
    assert admitted(per_key, NOBODY)
    with per_key.admit(SMALL, DASH):
        assert not admitted(per_key, DASH)
    inventory.remove("two")
    assert admitted(per_key, CI)


def test_a_refusal_says_how_many_the_key_has() -> None:
    inventory = Inventory()
    put(inventory, "one", "ci")
    with pytest.raises(QuotaExceeded) as refused:
        quotas(inventory, containers_per_key=1).admit(SMALL, CI).__enter__()
    assert refused.value.fields == {"resource": "containers", "used": 1, "asked": 1, "allowed": 1}
    assert '"ci"' in refused.value.message


def test_the_file_of_keys_comes_before_the_setting() -> None:
    inventory = Inventory()
    put(inventory, "one", "ci")
    for setting in (0, 1, 5):
        per_key = quotas(inventory, containers_per_key=setting)
        assert not admitted(per_key, Caller("ci", "write", "-", 1))
        assert admitted(per_key, Caller("ci", "write", "-", 2))
        assert admitted(per_key, Caller("ci", "write", "-", 0))


def test_a_create_that_fails_counts_no_more() -> None:
    per_key = quotas(containers_per_key=1)
    with pytest.raises(RuntimeError), per_key.admit(SMALL, CI):
        raise RuntimeError
    assert admitted(per_key, CI)


def test_a_create_and_its_container_count_once() -> None:
    inventory = Inventory()
    per_key = quotas(inventory, containers_per_key=2)
    with per_key.admit(SMALL, CI) as admission:
        admission.create_id = "create-of-one"
        put(inventory, "one", "ci")
        assert admitted(per_key, CI)
        with per_key.admit(SMALL, CI):
            assert not admitted(per_key, CI)
    assert admitted(per_key, CI)
    put(inventory, "two", "ci")
    assert not admitted(per_key, CI)


def test_what_a_failed_try_left_counts_beside_the_next_try() -> None:
    inventory = Inventory()
    per_key = quotas(inventory, containers_per_key=2)
    with per_key.admit(SMALL, CI) as admission:
        put(inventory, "husk", "ci", state="created")
        admission.create_id = "create-of-next"
        assert not admitted(per_key, CI)
        inventory.remove("husk")
        assert admitted(per_key, CI)


def test_a_container_that_is_being_moved_counts_once() -> None:
    inventory = Inventory()
    put(inventory, "before", "ci", state="exited")
    put(inventory, "after", "ci", earlier_ids=("long-ago", "before"))
    assert admitted(quotas(inventory, containers_per_key=2), CI)
    assert admitted(quotas(inventory, total_pids=20))
    assert not admitted(quotas(inventory, containers_per_key=1), CI)
    inventory.remove("before")
    assert not admitted(quotas(inventory, containers_per_key=1), CI)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(("begin", "seen", "end", "fail", "remove")),
        st.sampled_from((CI, DASH)),
        st.integers(0, 9),
    ),
    max_size=60,
)


@given(steps=STEPS)
def test_no_order_of_events_gets_past_a_quota_or_refuses_too_soon(
    steps: list[tuple[str, Caller, int]],
) -> None:
    """Creates begin, their containers are seen before or at their end, creates fail, containers
    are removed: a create is admitted exactly if there is room.
    """
    inventory, most, total = Inventory(), 3, 5
    both = quotas(inventory, containers_per_key=most, total_pids=total * 10)
    under_way: list[tuple[ExitStack, str, str]] = []
    exist: dict[str, str] = {}  # full id -> owner
    for number, (step, caller, which) in enumerate(steps):
        owner = str(caller.name)
        if step == "begin":
            owners = [*exist.values(), *(o for _, name, o in under_way if name not in exist)]
            stack = ExitStack()
            room = owners.count(owner) < most and len(owners) < total
            try:
                admission = stack.enter_context(both.admit(SMALL, caller))
            except QuotaExceeded:
                assert not room
                continue
            assert room
            admission.create_id = f"create-of-{number}"
            under_way.append((stack, str(number), owner))
        elif step == "remove" and exist:
            full_id = list(exist)[which % len(exist)]
            if full_id in (name for _, name, _ in under_way):
                continue  # its lock is held
            del exist[full_id]
            inventory.remove(full_id)
        elif step in ("seen", "end", "fail") and under_way:
            stack, full_id, owner = under_way[which % len(under_way)]
            if step == "fail":
                exist.pop(full_id, None)
                inventory.remove(full_id)
            else:
                exist[full_id] = owner
                put(inventory, full_id, owner)
            if step != "seen":
                under_way.remove((stack, full_id, owner))
                stack.close()
    for stack, _, _ in under_way:
        stack.close()


def test_a_key_has_so_many_ports() -> None:
    inventory = Inventory()
    put(inventory, "a" * 64, "ci", ports={8001: "80/tcp", 8002: "81/tcp"})
    put(inventory, "b" * 64, "dash", ports={8003: "80/tcp"})
    some = quotas(inventory, ports_per_key=5)
    with some.admit(SMALL, CI) as first, some.admit(SMALL, CI) as second:
        some.take_ports(first, 1, CI)
        some.take_ports(first, 2, CI)  # in place of the one
        some.take_ports(second, 1, CI)
        with pytest.raises(QuotaExceeded, match="PORTS_PER_KEY") as refused:
            some.take_ports(second, 2, CI)
        fields = {"resource": "ports", "used": 4, "asked": 2, "allowed": 5}
        assert refused.value.fields == fields
        first.about_to_make(f"create-of-{'c' * 64}")
        put(inventory, "c" * 64, "ci", ports={8004: "1/tcp", 8005: "2/tcp"})
        some.take_ports(second, 1, CI)
        with pytest.raises(QuotaExceeded):
            some.take_ports(second, 2, CI)
        with some.admit(SMALL, DASH) as other:
            some.take_ports(other, 4, DASH)
        with some.admit(SMALL, NOBODY) as nobody:
            some.take_ports(nobody, 64, NOBODY)
    with some.admit(SMALL, CI) as third:
        some.take_ports(third, 1, CI)


def test_more_disk_than_one_may_have() -> None:
    ceiling = quotas(max_disk=MIB, default_disk=MIB)
    with ceiling.admit(Limits(disk=MIB), NOBODY), ceiling.admit(Limits(), NOBODY):
        pass
    more = Limits(disk=MIB + 1)
    with pytest.raises(OverLimit, match="MAX_DISK") as refused, ceiling.admit(more, NOBODY):
        pytest.fail("it was admitted")
    assert refused.value.fields == {"resource": "disk", "asked": MIB + 1, "allowed": MIB}


def test_what_all_have_written_is_a_quota() -> None:
    written = [10 * MIB - 1]
    settings = Settings.model_validate({"total_disk": 10 * MIB})
    full = Quotas(Inventory(), settings, lambda: written[0])
    assert admitted(full)
    written[0] += 1
    with pytest.raises(QuotaExceeded, match="TOTAL_DISK") as refused, full.admit(SMALL, CI):
        pytest.fail("it was admitted")
    assert refused.value.fields == {"resource": "disk", "used": 10 * MIB, "allowed": 10 * MIB}
    assert admitted(Quotas(Inventory(), Settings(), lambda: 2**50))
