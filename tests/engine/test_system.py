"""What the host uses, and has used, measured against what the kernel tells this process."""

import itertools
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.conftest import Service, wait_until

from .support import BUSY, assert_problem, at_once

pytestmark = pytest.mark.engine

MIB = 1024 * 1024
POINT = {
    "at", "interval_s", "cpu_percent", "load_1m", "memory_used_bytes", "memory_max_bytes",
    "memory_available_bytes", "disk_used_bytes", "network_rx_bytes_per_s",
    "network_tx_bytes_per_s",
}  # fmt: skip


def sees_the_host() -> bool:
    """Whether this process runs on the host itself: there, the kernel's own processes are seen."""
    try:
        return Path("/proc/2/comm").read_text() == "kthreadd\n"
    except OSError:
        return False


def received() -> dict[str, int]:
    """Bytes that each interface has received, in the network of the first process."""
    lines = Path("/proc/1/net/dev").read_text().splitlines()[2:]
    rows = (line.replace(":", ": ").split() for line in lines)
    return {row[0].rstrip(":"): int(row[1]) for row in rows}


def as_text(size: int) -> str:
    return f"{size / MIB:.2f} MB"


def new_sample(service: Service) -> dict[str, Any]:
    """The figures of a sample that was not there before."""
    before = service.get("/system/stats")["timestamp"]

    def another() -> Any:
        found = service.get("/system/stats")
        return found if found["timestamp"] > before else None

    found: dict[str, Any] = wait_until(another, 15, "another sample is taken")
    return found


def history(service: Service, **window: Any) -> list[dict[str, Any]]:
    points: list[dict[str, Any]] = service.get("/system/stats/history", **window)["points"]
    return points


# Now


def test_the_host_is_described(service: Service) -> None:
    found = service.get("/system/stats")
    assert found.keys() == {
        "hostname", "hostname_scope", "cpu", "memory", "disk", "network", "uptime_s",
        "uptime_scope", "timestamp", "age_s", "interval_s", "containers",
    }  # fmt: skip
    memory, disk = psutil.virtual_memory(), psutil.disk_usage("/")
    assert found["cpu"]["count"] == psutil.cpu_count()
    assert 0 <= found["cpu"]["percent"] <= 100
    assert found["cpu"]["load_average"] == pytest.approx(psutil.getloadavg(), abs=4)
    assert found["memory"]["total_bytes"] == memory.total
    assert found["memory"]["available_bytes"] == pytest.approx(memory.available, rel=0.3)
    assert found["memory"]["used_bytes"] + found["memory"]["available_bytes"] == memory.total
    assert found["memory"]["percent"] == pytest.approx(memory.percent, abs=20)
    assert found["disk"]["path"] == "/"
    assert found["disk"]["total_bytes"] == disk.total
    assert found["disk"]["free_bytes"] == pytest.approx(disk.free, rel=0.1)
    assert 0 <= found["disk"]["percent"] <= 100
    assert found["uptime_s"] == pytest.approx(time.time() - psutil.boot_time(), abs=60)
    assert abs(found["timestamp"] - time.time()) < 30
    assert 0 <= found["age_s"] <= 1.5
    assert found["interval_s"] > 0
    for part, names in (
        ("memory", ("total", "used", "available")),
        ("disk", ("total", "used", "free")),
        ("network", ("rx", "tx")),
    ):
        for name in names:
            size = found[part][f"{name}_bytes"]
            assert found[part][name] == (None if size is None else as_text(size))
    assert found["containers"]["total"] >= found["containers"]["running"] >= 0


def test_each_part_says_whose_it_is(service: Service) -> None:
    found = service.get("/system/stats")
    scopes = {
        **{part: found[part]["scope"] for part in ("cpu", "memory", "disk", "network")},
        "uptime": found["uptime_scope"],
        "hostname": found["hostname_scope"],
    }
    assert set(scopes.values()) <= {"host", "container"}
    if sees_the_host():
        assert {scopes[part] for part in ("cpu", "memory", "network", "uptime")} == {"host"}


@pytest.mark.skipif(not sees_the_host(), reason="this is no host, so its traffic is not known here")
def test_traffic_is_the_network_cards(service: Service) -> None:
    service.created()
    before = received()
    network = new_sample(service)["network"]
    after = received()
    ours, hosts = (Path(f"/proc/{process}/net/dev").stat().st_ino for process in ("self", "1"))
    if ours == hosts:  # the engine may have a network of its own, with the containers' ends in it
        assert any(name.startswith("veth") for name in after), "a container has a network"
    counted = network["interfaces"]
    if not counted:
        assert network["rx_bytes"] is None
        pytest.skip("this host has no network card")
    assert not [name for name in counted if name.startswith(("lo", "veth", "docker", "br-"))]
    least, most = (sum(each[name] for name in counted) for each in (before, after))
    assert least <= network["rx_bytes"] <= most
    assert network["tx_bytes"] > 0


def test_a_busy_host_is_seen(service: Service) -> None:
    service.created(command=BUSY)
    new_sample(service)
    time.sleep(1.2)  # the figure is the mean since the sample before
    assert new_sample(service)["cpu"]["percent"] > 60 / (psutil.cpu_count() or 1)


def test_who_asks_within_a_second_gets_the_same_sample_at_once(service: Service) -> None:
    new_sample(service)
    begun = time.monotonic()
    answers = at_once([lambda: service.get("/system/stats")] * 10)
    assert time.monotonic() - begun < 1
    assert len({answer["timestamp"] for answer in answers}) <= 2


def test_the_age_is_since_the_sample(service: Service) -> None:
    first = new_sample(service)
    time.sleep(0.3)
    second = service.get("/system/stats")
    if second["timestamp"] == first["timestamp"]:
        assert second["age_s"] >= first["age_s"] + 0.25
    assert second["timestamp"] + second["age_s"] == pytest.approx(time.time(), abs=1)


# History


def test_samples_are_kept_as_points(service: Service) -> None:
    begin = time.time()
    samples = [new_sample(service) for _ in range(3)]
    points = history(service, since=begin - 1)
    assert len(points) >= 3
    by_time = {datetime.fromisoformat(point["at"]).timestamp(): point for point in points}
    for sample in samples:
        point = by_time[sample["timestamp"]]
        assert point.keys() == POINT
        assert point["cpu_percent"] == pytest.approx(sample["cpu"]["percent"], abs=0.11)
        assert point["load_1m"] == pytest.approx(sample["cpu"]["load_average"][0], abs=0.01)
        for ours, theirs in (
            ("memory_used_bytes", "used"),
            ("memory_available_bytes", "available"),
        ):
            assert point[ours] == pytest.approx(sample["memory"][f"{theirs}_bytes"], rel=1e-6)
        assert point["memory_max_bytes"] == point["memory_used_bytes"]
        assert point["disk_used_bytes"] == pytest.approx(sample["disk"]["used_bytes"], rel=1e-6)
        assert point["interval_s"] == pytest.approx(sample["interval_s"], abs=0.01)
    assert all(point["at"].endswith("Z") for point in points)
    times = [datetime.fromisoformat(point["at"]) for point in points]
    assert all(before < after for before, after in itertools.pairwise(times))


def test_only_what_is_later_is_told(service: Service) -> None:
    new_sample(service)
    new_sample(service)
    *_, before, last = history(service)
    for since in (before["at"], before["at"].removesuffix("Z"), f"{_seconds(before['at']):.6f}"):
        assert history(service, since=since)[0] == last
    assert history(service, since=last["at"]) in ([], history(service)[-1:])
    assert history(service, since=time.time() + 3600) == []


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def test_points_are_folded(service: Service) -> None:
    new_sample(service)
    new_sample(service)
    answer = service.get("/system/stats/history", step=3600)
    points = history(service)
    assert answer["step_s"] == 3600
    folded = answer["points"]
    assert 1 <= len(folded) <= 2, "an hour may have begun in between"
    assert max(point["memory_max_bytes"] for point in folded) >= max(
        point["memory_used_bytes"] for point in points[:-1]
    )
    assert service.get("/system/stats/history")["step_s"] is None


@pytest.mark.parametrize(
    ("window", "field"),
    [
        ({"since": "yesterday"}, "since"),
        ({"since": ""}, "since"),
        ({"since": "nan"}, "since"),
        ({"step": "0"}, "step"),
        ({"step": "3600.5"}, "step"),
        ({"step": "minute"}, "step"),
        ({"until": "2026-01-02T15:04:05Z"}, "until"),
    ],
)
def test_a_window_that_makes_no_sense_is_a_problem(
    service: Service, window: dict[str, str], field: str
) -> None:
    answer = service.client.get("/system/stats/history", params=window)
    problem = assert_problem(answer, 422, "invalid-request")
    assert [error["field"] for error in problem["errors"]] == [field]
