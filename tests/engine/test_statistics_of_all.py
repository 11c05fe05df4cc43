"""All containers' figures in one answer, their history, and streams of them."""

import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import docker
import httpx
import pytest

from tests.conftest import Service, wait_until

from .support import BUSY, SLEEP, assert_problem, listening, port_of

pytestmark = pytest.mark.engine


def mine(service: Service, **query: Any) -> Any:
    """The figures of the containers that this test made."""
    return service.get("/containers/stats", label=service.label, **query)


def names(answer: Any) -> list[str]:
    return [each["name"] for each in answer["containers"]]


# All


@pytest.fixture
def three(service: Service) -> list[dict[str, Any]]:
    """One that is busy, one that has much memory, one that does nothing."""
    hold = "import time; held = bytearray(b'x') * (60 << 20); time.sleep(300)"
    made = [
        service.created(command=BUSY, cpus=0.3),
        service.created(command=["python3", "-c", hold]),
        service.created(command=SLEEP),
    ]

    def settled() -> bool:
        found = {each["name"]: each for each in mine(service)["containers"]}
        return (
            len(found) == 3
            and all(each["cpu_percent"] is not None for each in found.values())
            and found[made[0]["name"]]["cpu_percent"] > 10
            and found[made[1]["name"]]["cpu_percent"] < 10
            and found[made[1]["name"]]["memory_usage_bytes"] > 60 << 20
        )

    wait_until(settled, 20)
    return made


def test_all_are_in_one_answer_with_their_totals(
    service: Service, three: list[dict[str, Any]]
) -> None:
    found = mine(service)
    assert found["count"] == 3
    assert names(found) == sorted(each["name"] for each in three)
    for field in ("memory_usage_bytes", "network_rx_bytes", "pids"):
        assert found["totals"][field] == sum(each[field] for each in found["containers"])
    cpu = sum(each["cpu_percent"] for each in found["containers"])
    assert found["totals"]["cpu_percent"] == pytest.approx(cpu, abs=0.01)
    for each in found["containers"]:
        single = service.get(f"/containers/{each['container_id']}/stats")
        assert each.keys() == single.keys()
        assert each["source"].startswith("cgroup-v")


def test_those_that_use_most_come_first(service: Service, three: list[dict[str, Any]]) -> None:
    busy, big, idle = (each["name"] for each in three)
    assert names(mine(service, sort="cpu"))[0] == busy
    assert names(mine(service, sort="memory"))[0] == big
    top = mine(service, sort="memory", top=1)
    assert (top["count"], names(top)) == (3, [big])
    assert top["totals"]["memory_usage_bytes"] > 60 << 20
    assert names(mine(service, name=idle)) == [idle]
    everybody = names(service.get("/containers/stats", managed=True))
    assert {busy, big, idle} <= set(everybody)


def test_only_what_runs_is_counted(service: Service, three: list[dict[str, Any]]) -> None:
    busy, big, _ = three
    service.client.post(f"/containers/{busy['id']}/stop?timeout=0")
    service.client.delete(f"/containers/{big['id']}?force=true")
    assert names(mine(service)) == [three[2]["name"]]


@pytest.mark.parametrize(
    "query", ["sort=size", "top=0", "top=x", "nothing=1", "managed=perhaps", "every=1"]
)
def test_what_makes_no_sense_is_refused(service: Service, query: str) -> None:
    answer = service.client.get(f"/containers/stats?{query}")
    assert_problem(answer, 422, "invalid-request")


# History


def history(service: Service, container: dict[str, Any], **query: Any) -> Any:
    return service.get(f"/containers/{container['id']}/stats/history", **query)


def test_history_has_a_point_for_each_sample(service: Service) -> None:
    # So little that it would have more, and is throttled, on a busy machine, too.
    container = service.created(command=BUSY, cpus=0.05)
    for _ in range(2):  # asked twice, it is sampled every second
        service.get(f"/containers/{container['id']}/stats")

    def four() -> Any:
        service.get(f"/containers/{container['id']}/stats")
        found = history(service, container)
        return len(found["points"]) >= 4 and found

    found = wait_until(four, 20)
    assert found["container_id"] == container["id"]
    assert found["step_s"] is None
    points = found["points"]
    times = [datetime.fromisoformat(point["at"]) for point in points]
    assert times == sorted(set(times))
    assert points[0]["cpu_percent"] is None
    assert all(point["cpu_percent"] is not None for point in points[1:])
    assert points[-1]["cpu_throttled_s_per_s"] > 0
    assert points[-1]["memory_max_bytes"] >= points[-1]["memory_usage_bytes"] > 0
    assert points[-1]["network_rx_bytes_per_s"] >= 0

    later = history(service, container, since=points[-2]["at"])["points"]
    assert later[0] == points[-1]
    epoch = datetime.fromisoformat(points[-2]["at"]).timestamp()
    assert history(service, container, since=f"{epoch:.6f}")["points"][0] == points[-1]
    naive = points[-2]["at"].removesuffix("Z")
    assert history(service, container, since=naive)["points"][0] == points[-1]
    in_future = datetime(2100, 1, 1, tzinfo=UTC).isoformat()
    assert history(service, container, since=in_future)["points"] == []
    assert 1 <= len(history(service, container, step=3600)["points"]) <= 2


def test_history_outlives_a_stop(service: Service) -> None:
    container = service.created(command=SLEEP)
    service.get(f"/containers/{container['id']}/stats")
    service.client.post(f"/containers/{container['id']}/stop?timeout=0")
    assert history(service, container)["points"]
    never = service.created(command=SLEEP, start=False)
    assert history(service, never)["points"] == []


def test_history_goes_along_when_a_container_moves(start_service: Callable[..., Service]) -> None:
    service = start_service()
    container = service.created(command=SLEEP)
    service.get(f"/containers/{container['id']}/stats")
    before = history(service, container)["points"]
    service.client.post(f"/containers/{container['id']}/stop?timeout=0")
    with listening(port_of(container)):
        moved = service.client.post(f"/containers/{container['id']}/start").json()
        assert moved["port_changed"]
        service.get(f"/containers/{moved['id']}/stats")
        after = history(service, moved)["points"]
    assert after[: len(before)] == before
    assert len(after) > len(before)
    assert history(service, container)["container_id"] == moved["id"]
    # By the service, which takes the image of the move away as well.
    service.client.delete(f"/containers/{moved['id']}?force=true")


@pytest.mark.parametrize(
    "query", ["step=0.5", "step=7200", "step=x", "since=yesterday", "nothing=1", "since=1e400"]
)
def test_a_window_that_makes_no_sense_is_refused(service: Service, query: str) -> None:
    container = service.created(start=False)
    answer = service.client.get(f"/containers/{container['id']}/stats/history?{query}")
    assert_problem(answer, 422, "invalid-request")


# Streams


class Stream:
    """The events of a stream, read in a thread of its own."""

    def __init__(self, service: Service, path: str) -> None:
        self.events: list[dict[str, Any]] = []
        self.status = 0
        self.content_type = ""
        self._lines: list[str] = []
        self._client = httpx.Client(base_url=service.url, timeout=30, trust_env=False)
        self._stop = threading.Event()
        self.thread = threading.Thread(target=self._read, args=(path,), daemon=True)
        self.thread.start()

    def _read(self, path: str) -> None:
        with suppress(httpx.TransportError), self._client.stream("GET", path) as answer:
            self.status, self.content_type = answer.status_code, answer.headers["content-type"]
            event: dict[str, Any] = {}
            for line in answer.iter_lines():
                if self._stop.is_set():
                    return
                if line.startswith("event: "):
                    event["event"] = line[7:]
                elif line.startswith("data: "):
                    event["data"] = json.loads(line[6:])
                elif not line and event:
                    self.events.append(event)
                    event = {}

    def data(self) -> list[Any]:
        return [each["data"] for each in self.events if "event" not in each]

    def close(self) -> None:
        self._stop.set()
        self._client.close()


@contextmanager
def stream(service: Service, path: str) -> Iterator[Stream]:
    opened = Stream(service, path)
    try:
        yield opened
    finally:
        opened.close()


def test_a_stream_tells_a_containers_figures_every_second(service: Service) -> None:
    container = service.created(command=BUSY, cpus=0.3)
    with stream(service, f"/containers/{container['id']}/stats/stream") as opened:
        wait_until(lambda: len(opened.events) >= 3, 20)
        assert opened.status == 200
        assert opened.content_type.startswith("text/event-stream")
        found = opened.data()
    assert [each["container_id"] for each in found] == [container["id"]] * len(found)
    assert all(each["cpu_percent"] is not None for each in found)
    times = [each["timestamp"] for each in found]
    assert times == sorted(set(times))
    single = service.get(f"/containers/{container['id']}/stats")
    assert found[0].keys() == single.keys()


@pytest.mark.parametrize(
    ("verb", "reason"), [("stop", "stopped"), ("remove", "removed"), ("docker rm -f", "removed")]
)
def test_a_stream_ends_when_its_container_does(
    service: Service, docker_client: docker.DockerClient, verb: str, reason: str
) -> None:
    container = service.created(command=SLEEP)
    path = f"/containers/{container['id']}"
    with stream(service, f"{path}/stats/stream") as opened:
        wait_until(lambda: opened.events, 10)
        if verb == "stop":
            service.client.post(f"{path}/stop?timeout=0")
        elif verb == "remove":
            service.client.delete(f"{path}?force=true")
        else:
            docker_client.api.remove_container(container["id"], force=True)
        opened.thread.join(10)
        assert not opened.thread.is_alive()
    assert opened.events[-1] == {"event": "end", "data": {"reason": reason}}


def test_a_stream_of_all_tells_who_comes_and_who_goes(service: Service) -> None:
    first = service.created(command=SLEEP)
    path = f"/containers/stats/stream?label={service.label}&sort=memory"
    with stream(service, path) as opened:
        wait_until(lambda: opened.data() and opened.data()[-1]["count"] == 1, 10)
        second = service.created(command=SLEEP)
        wait_until(lambda: opened.data()[-1]["count"] == 2, 10)
        assert set(names(opened.data()[-1])) == {first["name"], second["name"]}
        service.client.delete(f"/containers/{first['id']}?force=true")
        wait_until(lambda: names(opened.data()[-1]) == [second["name"]], 10)


def test_streams_do_not_hold_up_the_end_of_the_service(
    start_service: Callable[..., Service],
) -> None:
    service = start_service()
    container = service.created(command=SLEEP)
    with (
        stream(service, f"/containers/{container['id']}/stats/stream?every=3600") as one,
        stream(service, "/containers/stats/stream") as everything,
    ):
        wait_until(lambda: one.events and everything.events, 10)
        assert service.process is not None
        service.process.send_signal(signal.SIGTERM)
        for opened in (one, everything):
            opened.thread.join(10)
            assert not opened.thread.is_alive()
            assert opened.events[-1] == {"event": "end", "data": {"reason": "shutting-down"}}
        service.process.wait(10)


def test_a_reader_that_does_not_read_slows_nobody(service: Service) -> None:
    """Its connection stays open with nothing taken from it; another one's events come on time."""
    container = service.created(command=SLEEP)
    path = f"/containers/{container['id']}/stats/stream"
    with httpx.Client(base_url=service.url, timeout=30, trust_env=False) as lazy:  # noqa: SIM117
        with lazy.stream("GET", path) as unread:
            assert unread.status_code == 200
            with stream(service, path) as opened:
                wait_until(lambda: len(opened.events) >= 4, 20)
                at = opened.data()[-1]["timestamp"]
            assert time.time() - at < 5


def test_a_stream_may_be_asked_for_some_events_only(service: Service) -> None:
    container = service.created(command=SLEEP)
    for path in (f"/containers/{container['id']}/stats", "/containers/stats"):
        with stream(service, f"{path}/stream?limit=2") as opened:
            opened.thread.join(10)
            assert not opened.thread.is_alive()
        assert len(opened.data()) == 2
        assert opened.events[-1] == {"event": "end", "data": {"reason": "limit"}}


def test_a_pace_that_makes_no_sense_is_refused(service: Service) -> None:
    one = f"/containers/{service.created(command=SLEEP)['id']}/stats"
    for path in ("/containers/stats", one):
        for wrong in ("every=0", "every=x", "every=3601", "every=0.5", "limit=0", "limit=x", "x=1"):
            answer = service.client.get(f"{path}/stream?{wrong}")
            assert_problem(answer, 422, "invalid-request")


def test_a_stream_of_nothing_is_a_problem_at_once(service: Service) -> None:
    answer = service.client.get("/containers/nothing-here/stats/stream")
    assert_problem(answer, 404, "container-not-found")
