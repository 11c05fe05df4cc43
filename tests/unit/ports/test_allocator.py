"""The rules of the design's section "Ports", one by one; test_allocator_stateful.py mixes them."""

import pytest

from orchestrator.errors import (
    PortGivenAway,
    PortInUse,
    PortNotFound,
    PortOutOfRange,
    PortsExhausted,
)
from orchestrator.models import Container
from orchestrator.ports import PortAllocator
from orchestrator.quantities import PortRange

from ..examples import at, container


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def allocator(clock: Clock) -> PortAllocator:
    return PortAllocator(PortRange(8001, 8004), 8000, hold_seconds=60, clock=clock)


def take(allocator: PortAllocator, name: str | None = None, pinned: int | None = None) -> int:
    """The port that a container of one container port is given, and keeps."""
    return allocator.reserve(["5000/tcp"], name=name, pinned=pinned).ports["5000/tcp"]


def run(allocator: PortAllocator, name: str) -> Container:
    """A container that was created as `name`, with a port of its own, and runs."""
    with allocator.reserve(["5000/tcp"], name=name) as reservation:
        ports = {number: key for key, number in reservation.ports.items()}
        running = container(f"{name}-id", name=name, ports=ports)
        reservation.commit(running.full_id, name)
    allocator.observe(running)
    return running


def stopped(running: Container, seconds: float = 0) -> Container:
    return container(
        running.full_id,
        name=running.name,
        state="exited",
        ports=running.own_ports,
        finished=at(seconds),
    )


def states(allocator: PortAllocator) -> dict[int, str]:
    return {row.port: row.state for row in allocator.table().ports}


# Free ports


def test_a_fresh_service_hands_out_the_lowest_first_and_goes_upward(
    allocator: PortAllocator,
) -> None:
    assert [take(allocator) for _ in range(4)] == [8001, 8002, 8003, 8004]


def test_the_default_range_begins_at_8001_and_holds_999_ports() -> None:
    allocator = PortAllocator(PortRange(8001, 8999), 8000)
    assert [take(allocator) for _ in range(999)] == list(range(8001, 9000))
    with pytest.raises(PortsExhausted):
        take(allocator)


def test_a_released_port_is_not_handed_out_again_at_once(allocator: PortAllocator) -> None:
    with allocator.reserve(["5000/tcp"]) as reservation:
        assert reservation.ports == {"5000/tcp": 8001}
    assert [take(allocator) for _ in range(4)] == [8002, 8003, 8004, 8001]


def test_ports_come_back_in_the_order_in_which_they_were_released(
    allocator: PortAllocator,
) -> None:
    first, second, third = (allocator.reserve(["5000/tcp"]) for _ in range(3))
    for reservation in (second, third, first):
        reservation.release()
    assert [take(allocator) for _ in range(4)] == [8004, 8002, 8003, 8001]


def test_several_ports_are_taken_all_or_none(allocator: PortAllocator) -> None:
    take(allocator)
    take(allocator)
    before = allocator.table()
    with pytest.raises(PortsExhausted) as refused:
        allocator.reserve(["5000/tcp", "5001/tcp", "53/udp"])
    assert allocator.table() == before
    assert refused.value.fields["wanted"] == 3
    assert refused.value.fields["available"] == 2
    assert "2 left, 3 wanted" in refused.value.message
    assert allocator.reserve(["5000/tcp", "53/udp"]).ports == {"5000/tcp": 8003, "53/udp": 8004}


def test_a_full_range_says_what_is_in_use_and_leaves_nothing_behind() -> None:
    allocator = PortAllocator(PortRange(8001, 8003), 8000)
    run(allocator, "web")
    take(allocator)
    allocator.hold(8003)
    before = allocator.table()
    with pytest.raises(PortsExhausted) as refused:
        take(allocator)
    assert allocator.table() == before
    fields = refused.value.fields
    assert (fields["total"], fields["available"]) == (3, 0)
    assert (fields["in_use"], fields["reserved"], fields["external"]) == (1, 1, 1)
    assert fields["range"] == {"first": 8001, "last": 8003}


# Reservations


def test_leaving_a_reservation_without_commit_releases(allocator: PortAllocator) -> None:
    with allocator.reserve(["5000/tcp", "53/udp"], name="web"):
        assert states(allocator) == {8001: "reserved", 8002: "reserved"}
        row = allocator.row(8002)
        assert (row.container_name, row.container_port) == ("web", "53/udp")
    assert states(allocator) == {}


def test_leaving_a_reservation_by_an_error_releases(allocator: PortAllocator) -> None:
    with pytest.raises(RuntimeError), allocator.reserve(["5000/tcp"]):
        raise RuntimeError
    assert allocator.available == 4


def test_committed_ports_are_in_use(allocator: PortAllocator) -> None:
    with allocator.reserve(["5000/tcp"]) as reservation:
        reservation.commit("0123456789abcdef", "web")
    row = allocator.row(8001)
    assert (row.state, row.container_id, row.container_name, row.container_port) == (
        "in_use", "0123456789ab", "web", "5000/tcp",
    )  # fmt: skip


def test_releasing_a_reservation_again_cannot_free_a_successors_port() -> None:
    allocator = PortAllocator(PortRange(8001, 8001), 8000)
    ended = allocator.reserve(["5000/tcp"])
    ended.release()
    with allocator.reserve(["5000/tcp"]) as successor:
        ended.release()
        assert allocator.row(8001).state == "reserved"
        successor.commit("successor", "web")
    ended.release()
    ended.commit("ghost", "ghost")
    assert allocator.row(8001).container_id == "successor"


def test_what_is_seen_of_others_does_not_touch_a_reservation(allocator: PortAllocator) -> None:
    with allocator.reserve(["5000/tcp"]):
        stranger = container("stranger", managed=False, ports={8001: "80/tcp"})
        allocator.observe(stranger)
        assert allocator.row(8001).state == "reserved"
        allocator.forget("stranger")
        assert allocator.repair(set()) == []
        allocator.hold_exactly({})
        assert allocator.row(8001).state == "reserved"


# Names


def test_a_container_created_under_an_earlier_name_gets_the_earlier_port(
    allocator: PortAllocator,
) -> None:
    run(allocator, "first")
    earlier = run(allocator, "web")
    allocator.forget(earlier.full_id)
    assert take(allocator, "web") == 8002


def test_the_earlier_port_of_a_name_is_another_one_if_it_is_not_free(
    allocator: PortAllocator,
) -> None:
    earlier = run(allocator, "web")
    allocator.forget(earlier.full_id)
    assert take(allocator, pinned=8001) == 8001
    assert take(allocator, "web") == 8002


def test_the_earlier_ports_of_a_name_are_known_after_a_restart_from_stopped_containers(
    allocator: PortAllocator,
) -> None:
    allocator.observe(container("old", name="web", state="exited", ports={8003: "5000/tcp"}))
    allocator.forget("old")
    assert take(allocator, "web") == 8003


def test_each_container_port_gets_its_own_earlier_port(allocator: PortAllocator) -> None:
    ports = {8004: "53/udp", 8002: "5000/tcp"}
    allocator.observe(container("old", name="web", ports=ports))
    allocator.forget("old")
    given = allocator.reserve(["5000/tcp", "53/udp", "9000/tcp"], name="web").ports
    assert given == {"5000/tcp": 8002, "53/udp": 8004, "9000/tcp": 8001}


def test_names_are_not_kept_for_ever() -> None:
    allocator = PortAllocator(PortRange(8001, 8002), 8000)
    for number in range(100):
        allocator.observe(container("id", name=f"name-{number}", ports={8002: "5000/tcp"}))
    allocator.forget("id")
    assert take(allocator, "name-0") == 8001


# Pinned ports


def test_a_pinned_port_is_that_of_the_first_container_port(allocator: PortAllocator) -> None:
    assert allocator.reserve(["53/udp", "5000/tcp"], pinned=8003).ports == {
        "53/udp": 8003, "5000/tcp": 8001,
    }  # fmt: skip


def test_a_pinned_port_may_be_a_remembered_one(allocator: PortAllocator) -> None:
    allocator.observe(stopped(run(allocator, "web")))
    assert take(allocator, pinned=8001) == 8001


@pytest.mark.parametrize("port", [1, 8000, 8005, 65535])
def test_a_pinned_port_outside_the_range_is_refused(allocator: PortAllocator, port: int) -> None:
    with pytest.raises(PortOutOfRange) as refused:
        take(allocator, pinned=port)
    assert refused.value.fields == {"port": port, "first": 8001, "last": 8004}
    assert f"Port {port} is outside 8001-8004" in refused.value.message
    assert allocator.available == 4


def test_a_pinned_port_of_a_container_says_whose_it_is(allocator: PortAllocator) -> None:
    run(allocator, "web")
    before = allocator.table()
    with pytest.raises(PortInUse) as refused:
        take(allocator, pinned=8001)
    assert 'Port 8001 is in use by container "web"' in refused.value.message
    assert refused.value.fields == {
        "port": 8001, "state": "in_use", "container_id": "web-id", "container_name": "web",
    }  # fmt: skip
    assert allocator.table() == before


def test_a_pinned_port_of_a_foreign_container_says_whose_it_is(allocator: PortAllocator) -> None:
    allocator.observe(container("f" * 64, name="db", managed=False, ports={8002: "80/tcp"}))
    with pytest.raises(PortInUse) as refused:
        take(allocator, pinned=8002)
    assert 'is held by container "db"' in refused.value.message
    assert refused.value.fields["state"] == "external"
    assert refused.value.fields["container_id"] == "f" * 12


@pytest.mark.parametrize(
    ("held_by", "holder"), [('process "nginx"', 'process "nginx"'), (None, "a process of the host")]
)
def test_a_pinned_port_of_a_process_says_whose_it_is(
    allocator: PortAllocator, held_by: str | None, holder: str
) -> None:
    allocator.hold(8001, held_by)
    with pytest.raises(PortInUse) as refused:
        take(allocator, pinned=8001)
    assert f"is held by {holder}" in refused.value.message
    assert refused.value.fields["held_by"] == holder


def test_a_pinned_port_that_is_being_given_to_another_is_refused(
    allocator: PortAllocator,
) -> None:
    with allocator.reserve(["5000/tcp"], name="web"), pytest.raises(PortInUse) as refused:
        take(allocator, pinned=8001)
    assert "is being given to another container" in refused.value.message
    assert refused.value.fields["state"] == "reserved"


# Stopped containers


def test_a_stopped_containers_port_is_available_but_given_out_last(
    allocator: PortAllocator,
) -> None:
    allocator.observe(stopped(run(allocator, "web")))
    assert states(allocator) == {8001: "remembered"}
    assert allocator.available == 4
    assert allocator.row(8001).container_name == "web"
    assert [take(allocator) for _ in range(4)] == [8002, 8003, 8004, 8001]


def test_of_the_stopped_containers_ports_the_one_released_first_is_given_out_first(
    allocator: PortAllocator,
) -> None:
    running = [run(allocator, name) for name in "abcd"]
    for index, seconds in ((2, 10), (0, 20), (3, 30), (1, 40)):
        allocator.observe(stopped(running[index], seconds))
    assert [take(allocator) for _ in range(4)] == [8003, 8001, 8004, 8002]


def test_memories_that_come_in_any_order_after_a_restart_give_the_oldest_release_first(
    allocator: PortAllocator,
) -> None:
    for port, seconds in ((8001, 30), (8002, 10), (8003, 40), (8004, 20)):
        ports = {port: "5000/tcp"}
        allocator.observe(container(f"c{port}", state="exited", ports=ports, finished=at(seconds)))
    assert [take(allocator) for _ in range(4)] == [8002, 8004, 8001, 8003]


def test_a_container_that_was_created_and_not_started_is_remembered(
    allocator: PortAllocator,
) -> None:
    allocator.observe(container("c1", state="created", ports={8003: "5000/tcp"}))
    assert states(allocator) == {8003: "remembered"}


def test_of_two_stopped_containers_of_one_port_the_last_one_is_remembered(
    allocator: PortAllocator,
) -> None:
    ports = {8001: "5000/tcp"}
    allocator.observe(container("late", state="exited", ports=ports, finished=at(20)))
    allocator.observe(container("early", state="exited", ports=ports, finished=at(10)))
    assert allocator.row(8001).container_id == "late"


def test_when_the_last_one_goes_the_one_before_it_is_remembered_again(
    allocator: PortAllocator,
) -> None:
    """As a restarted service, which never saw the last one, would have it."""
    ports = {8001: "5000/tcp"}
    allocator.observe(container("early", state="exited", ports=ports, finished=at(10)))
    allocator.observe(container("late", state="exited", ports=ports, finished=at(20)))
    allocator.forget("late")
    row = allocator.row(8001)
    assert (row.state, row.container_id) == ("remembered", "early")


@pytest.mark.parametrize("state", ["running", "paused", "restarting"])
def test_a_container_that_runs_has_its_ports_in_use(allocator: PortAllocator, state: str) -> None:
    allocator.observe(container("c1", state=state, ports={8002: "5000/tcp"}))  # type: ignore[arg-type]
    assert states(allocator) == {8002: "in_use"}


def test_the_port_of_a_removed_container_is_free(allocator: PortAllocator) -> None:
    running = run(allocator, "web")
    allocator.forget(running.full_id)
    allocator.forget(running.full_id)
    assert states(allocator) == {}


# Starting again


def test_a_start_takes_the_containers_own_port(allocator: PortAllocator) -> None:
    mine = stopped(run(allocator, "web"))
    allocator.observe(mine)
    with allocator.reserve_own(mine) as reservation:
        assert reservation.ports == {"5000/tcp": 8001}
        assert allocator.row(8001).state == "reserved"
        reservation.commit(mine.full_id, mine.name)
    assert allocator.row(8001).state == "in_use"


def test_a_start_that_fails_leaves_the_port_remembered(allocator: PortAllocator) -> None:
    mine = stopped(run(allocator, "web"))
    allocator.observe(mine)
    before = allocator.table()
    with allocator.reserve_own(mine):
        pass
    assert allocator.table() == before


def test_a_restart_keeps_the_port_of_a_running_container(allocator: PortAllocator) -> None:
    mine = run(allocator, "web")
    with allocator.reserve_own(mine) as reservation:
        allocator.observe(stopped(mine))
        assert allocator.row(8001).state == "reserved"
        reservation.commit(mine.full_id, mine.name)
    assert allocator.row(8001).container_name == "web"


def test_a_start_after_the_port_was_given_away_says_to_whom(allocator: PortAllocator) -> None:
    mine = stopped(run(allocator, "web"))
    allocator.observe(mine)
    allocator.observe(container("other-id", name="other", ports={8001: "5000/tcp"}))
    before = allocator.table()
    with pytest.raises(PortGivenAway) as refused:
        allocator.reserve_own(mine)
    assert 'was given to "other"' in refused.value.message
    assert refused.value.fields == {
        "port": 8001, "container_id": "other-id", "container_name": "other",
    }  # fmt: skip
    assert allocator.table() == before


def test_a_start_while_the_port_is_being_given_to_another_is_refused(
    allocator: PortAllocator,
) -> None:
    mine = stopped(run(allocator, "web"))
    allocator.observe(mine)
    with allocator.reserve(["5000/tcp"], pinned=8001), pytest.raises(PortGivenAway) as refused:
        allocator.reserve_own(mine)
    assert refused.value.fields == {"port": 8001}


def test_a_start_takes_all_of_a_containers_ports_or_none(allocator: PortAllocator) -> None:
    ports = {8001: "5000/tcp", 8002: "53/udp"}
    mine = container("c1", state="exited", ports=ports, finished=at(0))
    allocator.observe(mine)
    take(allocator, pinned=8002)
    with pytest.raises(PortGivenAway):
        allocator.reserve_own(mine)
    assert states(allocator) == {8001: "remembered", 8002: "reserved"}


def test_a_start_leaves_ports_that_others_hold_to_the_engine(allocator: PortAllocator) -> None:
    """A process may have gone since; ports outside the range are not ours to give."""
    ports = {8001: "5000/tcp", 9500: "53/udp"}
    mine = container("c1", state="exited", ports=ports, finished=at(0))
    allocator.observe(mine)
    allocator.hold(8001)
    assert allocator.reserve_own(mine).ports == {"5000/tcp": 8001}


def test_a_restart_is_not_stopped_by_another_container_on_the_same_number(
    allocator: PortAllocator,
) -> None:
    """One publishes 8001/tcp and the other 8001/udp, or they do so on different addresses."""
    mine = run(allocator, "web")
    allocator.observe(container("dns", managed=False, ports={8001: "53/udp"}))
    assert allocator.reserve_own(mine).ports == {"5000/tcp": 8001}


# Others


def test_a_foreign_containers_port_is_external_until_it_stops(allocator: PortAllocator) -> None:
    allocator.observe(container("db", managed=False, ports={8001: "80/tcp"}))
    row = allocator.row(8001)
    assert (row.state, row.container_name, row.held_by) == ("external", "db", 'container "db"')
    allocator.observe(container("db", managed=False, state="exited", ports={8001: "80/tcp"}))
    assert states(allocator) == {}


def test_a_hold_expires_unless_it_is_renewed(allocator: PortAllocator, clock: Clock) -> None:
    allocator.hold(8001, 'process "nginx"')
    allocator.hold(8002)
    clock.now += 59
    allocator.hold(8002)
    assert states(allocator) == {8001: "external", 8002: "external"}
    clock.now += 1
    assert allocator.available == 3
    assert states(allocator) == {8002: "external"}
    clock.now += 59
    assert states(allocator) == {}


def test_available_counts_a_port_whose_hold_has_expired(
    allocator: PortAllocator, clock: Clock
) -> None:
    allocator.hold(8001)
    clock.now += 60
    assert allocator.available == 4


def test_a_held_port_is_not_given_out_until_the_hold_expires(clock: Clock) -> None:
    allocator = PortAllocator(PortRange(8001, 8001), 8000, hold_seconds=60, clock=clock)
    allocator.hold(8001)
    with pytest.raises(PortsExhausted):
        take(allocator)
    clock.now += 60
    assert take(allocator) == 8001


def test_a_hold_beneath_a_container_shows_when_the_container_has_gone(
    allocator: PortAllocator,
) -> None:
    running = run(allocator, "web")
    allocator.hold(8001, 'process "nginx"')
    assert allocator.row(8001).state == "in_use"
    allocator.forget(running.full_id)
    assert allocator.row(8001).held_by == 'process "nginx"'


def test_looking_the_host_over_lifts_the_holds_that_it_does_not_show(
    allocator: PortAllocator,
) -> None:
    allocator.hold(8001)
    allocator.hold_exactly({8002: "nginx", 8003: None, 22: "sshd"})
    assert [(row.port, row.held_by) for row in allocator.table().ports] == [
        (8002, 'process "nginx"'),
        (8003, "a process of the host"),
    ]
    allocator.hold_exactly({})
    assert states(allocator) == {}


def test_the_api_port_within_the_range_is_never_given_out(clock: Clock) -> None:
    allocator = PortAllocator(PortRange(8000, 8002), 8000, hold_seconds=60, clock=clock)
    allocator.hold_exactly({})
    allocator.hold(8000, "something else")
    clock.now += 10_000
    assert allocator.row(8000).held_by == "this API"
    assert (take(allocator), take(allocator)) == (8001, 8002)
    with pytest.raises(PortsExhausted):
        take(allocator)
    with pytest.raises(PortInUse) as refused:
        take(allocator, pinned=8000)
    assert "is held by this API" in refused.value.message


# Repair


def test_repair_frees_what_nobody_holds_on_its_third_sighting(allocator: PortAllocator) -> None:
    gone, stays = run(allocator, "gone"), run(allocator, "stays")
    assert allocator.repair({stays.full_id}) == []
    assert allocator.repair({stays.full_id}) == []
    assert states(allocator) == {8001: "in_use", 8002: "in_use"}
    assert allocator.repair({stays.full_id}) == [8001]
    assert states(allocator) == {8002: "in_use"}
    assert allocator.repair({stays.full_id}) == []
    assert gone.full_id not in {row.container_id for row in allocator.table().ports}


def test_repair_counts_sightings_in_a_row(allocator: PortAllocator) -> None:
    mine = run(allocator, "web")
    for known in (set(), set(), {mine.full_id}, set(), set()):
        assert allocator.repair(known) == []
    assert allocator.repair(set()) == [8001]


def test_repair_begins_to_count_anew_for_a_container_that_was_seen_meanwhile(
    allocator: PortAllocator,
) -> None:
    """A listing may lag; an inspection is right."""
    mine = run(allocator, "web")
    allocator.repair(set())
    allocator.repair(set())
    allocator.observe(mine)
    assert allocator.repair(set()) == []


def test_repair_begins_to_count_anew_after_it_has_freed(allocator: PortAllocator) -> None:
    mine = run(allocator, "web")
    freed = [allocator.repair(set()) for _ in range(3)]
    assert freed == [[], [], [8001]]
    allocator.observe(mine)
    assert allocator.repair(set()) == []


# What it says


def test_counts_and_rows() -> None:
    allocator = PortAllocator(PortRange(8001, 8010), 8000)
    run(allocator, "web")
    allocator.observe(stopped(run(allocator, "old"), 5))
    allocator.hold(8005)
    with allocator.reserve(["5000/tcp"], name="new"):
        table = allocator.table()
    assert (table.range.first, table.range.last, table.api_port) == (8001, 8010, 8000)
    assert (table.total, table.available) == (10, 7)
    assert (table.in_use, table.reserved, table.remembered, table.external) == (1, 1, 1, 1)
    assert [(row.port, row.state, row.container_name) for row in table.ports] == [
        (8001, "in_use", "web"),
        (8002, "remembered", "old"),
        (8003, "reserved", "new"),
        (8005, "external", None),
    ]
    assert table.ports[1].since == at(5)


def test_a_free_port_has_a_row_and_one_outside_the_range_has_none(
    allocator: PortAllocator,
) -> None:
    assert allocator.row(8001).state == "free"
    for port in (8000, 8005, -1):
        with pytest.raises(PortNotFound) as refused:
            allocator.row(port)
        assert refused.value.fields == {"port": port}


def test_claimed_are_ports_of_containers_and_not_of_processes(allocator: PortAllocator) -> None:
    run(allocator, "web")
    allocator.hold(8002)
    with allocator.reserve(["5000/tcp"]):
        assert [port for port in range(8000, 8006) if allocator.is_claimed(port)] == [8001, 8003]


# Moves


def test_a_move_keeps_what_is_its_own_and_replaces_the_rest(allocator: PortAllocator) -> None:
    mine = container(
        "mine",
        state="exited",
        ports={8001: "5000/tcp", 8002: "53/udp", 9000: "6000/tcp"},
        finished=at(0),
    )
    allocator.observe(mine)
    run_on = container("heir", ports={8002: "5000/tcp"})
    allocator.observe(run_on)
    with allocator.reserve_for_move(mine) as reservation:
        assert reservation.ports == {"5000/tcp": 8001, "53/udp": 8003}
        assert states(allocator) == {8001: "reserved", 8002: "in_use", 8003: "reserved"}
    assert states(allocator) == {8001: "remembered", 8002: "in_use"}


def test_a_move_leaves_ports_that_processes_hold_and_that_the_engine_refused(
    allocator: PortAllocator,
) -> None:
    mine = container(
        "mine", state="exited", ports={8001: "1/tcp", 8002: "2/tcp", 9000: "3/tcp"}, finished=at(0)
    )
    allocator.observe(mine)
    allocator.hold(8001, "process")
    reservation = allocator.reserve_for_move(mine, {8002, 9000})
    # The refused one is its own still, and so is given to it only when nothing else is left.
    assert reservation.ports == {"1/tcp": 8003, "2/tcp": 8004, "3/tcp": 8002}


def test_a_move_takes_all_or_nothing(allocator: PortAllocator) -> None:
    mine = container("mine", state="exited", ports={8001: "1/tcp", 8002: "2/tcp"}, finished=at(0))
    allocator.observe(mine)
    for number, name in ((8002, "a"), (8003, "b"), (8004, "c")):
        allocator.observe(container(name, ports={number: "5000/tcp"}))
    before = allocator.table()
    with pytest.raises(PortsExhausted):
        allocator.reserve_for_move(mine)
    assert allocator.table() == before
    assert allocator.available == 1


def test_a_reservation_that_was_handed_over_outlives_its_block(allocator: PortAllocator) -> None:
    with allocator.reserve(["5000/tcp"]) as reservation:
        reservation.hand_over()
    assert states(allocator) == {8001: "reserved"}
    reservation.release()
    assert states(allocator) == {}


def test_tcp_and_udp_of_a_container_port_are_one_port(allocator: PortAllocator) -> None:
    with allocator.reserve(["53/tcp+udp", "80/tcp"], name="dns") as reservation:
        assert reservation.ports == {"53/tcp+udp": 8001, "80/tcp": 8002}
        running = container("dns-id", name="dns", ports={8001: "53/tcp+udp", 8002: "80/tcp"})
        reservation.commit(running.full_id, "dns")
    allocator.observe(running)
    assert allocator.row(8001).container_port == "53/tcp+udp"
    allocator.observe(stopped(running))
    with allocator.reserve_for_move(stopped(running), {8001}) as moving:
        assert moving.ports == {"80/tcp": 8002, "53/tcp+udp": 8003}
    allocator.forget("dns-id")
    assert allocator.reserve(["53/tcp+udp"], name="dns").ports == {"53/tcp+udp": 8001}
