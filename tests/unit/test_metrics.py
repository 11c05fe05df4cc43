"""What Prometheus is told of a given state, and what is counted on the way."""

import asyncio
import itertools
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from orchestrator.http import MeteredRequests
from orchestrator.models import Container, InterfaceCounters, Limits, Sample
from orchestrator.ports import PortAllocator
from orchestrator.quantities import PortRange
from orchestrator.state import Inventory
from orchestrator.statistics import (
    MEDIA_TYPES,
    Meters,
    Metrics,
    SamplerCounts,
    format_for,
)
from orchestrator.statistics import prometheus as telling
from orchestrator.statistics.prometheus import Snapshot, exposition

from .examples import container

pytestmark = pytest.mark.anyio

WEB = container("a1" * 32, name="web", limits=Limits(memory=1000, cpus=0.5))
FULL = Sample(
    at=1700000000.5,
    source="cgroup-v2",
    cpu_ns=1_500_000_000,
    host_cpu_ns=1,
    cpus=2,
    cpu_periods=10,
    cpu_throttled_periods=4,
    cpu_throttled_ns=250_000_000,
    memory_total=900,
    memory=800,
    memory_cache=100,
    memory_rss=700,
    memory_page_cache=200,
    memory_swap=1,
    memory_limit=1000,
    oom_kills=2,
    networks={
        "eth0": InterfaceCounters(
            rx_bytes=1, rx_packets=2, rx_errors=3, rx_dropped=4,
            tx_bytes=5, tx_packets=6, tx_errors=7, tx_dropped=8,
        )
    },
    block_read=11,
    block_write=12,
    pids=3,
)  # fmt: skip


def state(*samples: tuple[Container, Sample], **other: Any) -> Snapshot:
    given: dict[str, Any] = {
        "version": "1.2.3",
        "samples": list(samples),
        "containers": Inventory().counts(),
        "ports": PortAllocator(PortRange(8001, 8010), 8000).summary(),
        "sampler": SamplerCounts(),
        "oldest_sample": None,
        "connected": True,
        "reconnects": 0,
        "events": 0,
        "repaired_ports": 0,
        "listing_age": None,
    }
    return Snapshot(**given | other)


def told(of: Snapshot, counted: CollectorRegistry | None = None) -> dict[tuple[str, str], float]:
    """(name, the labels that tell one from another) -> value."""
    text = exposition(of, counted or CollectorRegistry())
    return {
        (sample.name, ",".join(v for k, v in sample.labels.items() if k not in ("id", "image"))): (
            sample.value
        )
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def test_a_container_has_cadvisors_metrics() -> None:
    found = told(state((WEB, FULL)))
    of_web = {name: value for (name, labels), value in found.items() if "web" in labels}
    assert of_web == {
        "container_cpu_usage_seconds_total": 1.5,
        "container_cpu_cfs_periods_total": 10,
        "container_cpu_cfs_throttled_periods_total": 4,
        "container_cpu_cfs_throttled_seconds_total": 0.25,
        "container_memory_usage_bytes": 900,
        "container_memory_working_set_bytes": 800,
        "container_memory_cache": 200,
        "container_memory_rss": 700,
        "container_memory_swap": 1,
        "container_spec_memory_limit_bytes": 1000,
        "container_spec_cpu_quota": 50_000,
        "container_spec_cpu_period": 100_000,
        "container_oom_events_total": 2,
        "container_network_receive_bytes_total": 1,
        "container_network_receive_packets_total": 2,
        "container_network_receive_errors_total": 3,
        "container_network_receive_packets_dropped_total": 4,
        "container_network_transmit_bytes_total": 5,
        "container_network_transmit_packets_total": 6,
        "container_network_transmit_errors_total": 7,
        "container_network_transmit_packets_dropped_total": 8,
        "container_fs_reads_bytes_total": 11,
        "container_fs_writes_bytes_total": 12,
        "container_threads": 3,
        "container_start_time_seconds": datetime(2026, 1, 1, tzinfo=UTC).timestamp(),
        "container_last_seen": 1700000000.5,
    }


def test_what_is_not_known_has_no_series() -> None:
    found = told(state((container("b2" * 32, name="bare"), Sample(at=1.0, source="engine"))))
    names = {name for name, labels in found if "bare" in labels}
    assert names == {
        "container_spec_memory_limit_bytes",  # 0: it has none
        "container_start_time_seconds",
        "container_last_seen",
    }


def test_what_is_about_a_cpu_limit_is_told_where_there_is_one() -> None:
    """As cAdvisor does it: the kernel says 0 for a container without one."""
    free = container("b3" * 32, name="free")
    limited = container("b4" * 32, name="limited", limits=Limits(cpus=0.29))
    found = told(state((free, FULL), (limited, FULL)))
    assert not [name for name, labels in found if "free" in labels and "cfs" in name]
    assert not [name for name, labels in found if "free" in labels and "spec_cpu" in name]
    assert found["container_spec_cpu_quota", "limited"] == 29_000
    assert found["container_cpu_cfs_periods_total", "limited"] == 10


def test_labels_tell_containers_apart_whatever_they_are_called() -> None:
    odd = container("c3" * 32, name='a"b\\c')
    text = exposition(state((WEB, FULL), (odd, FULL)), CollectorRegistry())
    ids = {
        (sample.labels["id"], sample.labels["name"])
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
        if sample.name == "container_threads"
    }
    assert ids == {(WEB.full_id, "web"), (odd.full_id, 'a"b\\c')}


def test_the_service_tells_of_itself() -> None:
    counts = SamplerCounts(streams=2, stretch=1.5)
    counts.samples["engine"] = 7
    counts.cpu_seconds["engine"] = 0.5
    found = told(
        state(
            sampler=counts, oldest_sample=4.0, connected=False, reconnects=3, repaired_ports=1,
            listing_age=9.0,
        )
    )  # fmt: skip
    expected = {
        ("info", "1.2.3"): 1,
        ("ports", "free"): 10,
        ("ports", "in_use"): 0,
        ("containers", "running"): 0,
        ("engine_connected", ""): 0,
        ("engine_reconnects_total", ""): 3,
        ("repaired_ports_total", ""): 1,
        ("listing_age_seconds", ""): 9,
        ("sampler_samples_total", "engine"): 7,
        ("sampler_cpu_seconds_total", "engine"): 0.5,
        ("sampler_stretch_ratio", ""): 1.5,
        ("sampler_oldest_sample_age_seconds", ""): 4,
        ("streams", ""): 2,
    }
    for (name, labels), value in expected.items():
        assert found[f"orchestration_api_{name}", labels] == value


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", "text/plain; version=0.0.4"),
        ("*/*", "text/plain; version=0.0.4"),
        ("text/plain; version=..", "text/plain; version=0.0.4"),
        ("application/openmetrics-text; version=1.0.0, text/plain", "application/openmetrics-text"),
        ("application/openmetrics-text; version=x", "application/openmetrics-text"),
        ("\x00\xff,;=,,", "text/plain; version=0.0.4"),
    ],
)
def test_the_format_is_what_was_asked_for_and_nothing_asked_for_is_a_failure(
    accept: str, expected: str
) -> None:
    wanted = format_for(accept)
    text = exposition(state((WEB, FULL)), Meters().registry, wanted)
    assert MEDIA_TYPES[wanted].startswith(expected)
    assert text.endswith(b"# EOF\n") == expected.startswith("application")


# Who asks at the same time


class Idle:
    """Stands in for watcher and sampler: nothing happens, nothing was sampled."""

    connected, connections, events, repaired_ports = True, 1, 0, 0
    counts = SamplerCounts()

    def __init__(self) -> None:
        self.renewed = 0
        self.renewing = asyncio.Event()
        self.renewing.set()

    def latest(self) -> list[Any]:
        return []

    def oldest_age(self) -> None:
        return None

    async def renew(self) -> None:
        self.renewed += 1
        await self.renewing.wait()


def metrics_of(idle: Any) -> Metrics:
    ports = PortAllocator(PortRange(8001, 8010), 8000)
    return Metrics(Meters(), Inventory(), ports, idle, idle, "1.2.3")


async def test_who_asks_at_the_same_time_shares_one_text() -> None:
    idle = Idle()
    idle.renewing.clear()
    metrics = metrics_of(idle)
    asked = [asyncio.create_task(metrics.text("text")) for _ in range(3)]
    await asyncio.sleep(0)
    idle.renewing.set()
    first, second, third = await asyncio.gather(*asked)
    assert first is second is third
    assert idle.renewed == 1


async def test_who_asks_while_a_text_is_made_gets_one_that_was_begun_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun, go_on, made = threading.Event(), threading.Event(), itertools.count()

    def slow(*_: Any) -> bytes:
        begun.set()
        assert go_on.wait(10)
        return b"%d" % next(made)

    monkeypatch.setattr(telling, "exposition", slow)
    metrics = metrics_of(Idle())
    early = asyncio.create_task(metrics.text("text"))
    await asyncio.to_thread(begun.wait, 10)
    late = [asyncio.create_task(metrics.text("text")) for _ in range(5)]
    other = asyncio.create_task(metrics.text("openmetrics"))
    await asyncio.sleep(0)
    late[0].cancel()  # who goes away takes nothing from the others
    go_on.set()
    assert await early == b"0"
    assert await asyncio.gather(*late[1:]) == [b"1"] * 4
    assert await other == b"2"


async def test_a_failure_does_not_last() -> None:
    class Failing(Idle):
        async def renew(self) -> None:
            await super().renew()
            if self.renewed == 1:
                raise RuntimeError("a bug")

    metrics = metrics_of(Failing())
    with pytest.raises(RuntimeError):
        await metrics.text("text")
    assert b"orchestration_api_info" in await metrics.text("text")


# What is counted


def test_calls_of_the_engine_are_timed_and_their_errors_kept_by_kind() -> None:
    meters = Meters()
    meters.engine_called("create", 0.3, None)
    meters.engine_called("create", 0.02, "name-in-use")
    found = told(state(), meters.registry)
    assert found["orchestration_api_engine_call_seconds_count", "create"] == 2
    assert found["orchestration_api_engine_call_seconds_sum", "create"] == pytest.approx(0.32)
    assert found["orchestration_api_engine_call_errors_total", "create,name-in-use"] == 1
    assert not any(name.endswith("_created") for name, _ in found)


def test_there_is_a_registry_for_each_app() -> None:
    first, second = Meters(), Meters()
    first.engine_called("ping", 0.1, None)
    assert ("orchestration_api_engine_call_seconds_count", "ping") not in told(
        state(), second.registry
    )


class Route:
    path = "/containers/{id}"


async def answer(meters: Meters, status: int | None, method: str = "GET", **scope: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["route"] = Route()
        if status is None:
            raise RuntimeError("a bug")
        await send({"type": "http.response.start", "status": status})
        await send({"type": "http.response.body", "more_body": True})
        await send({"type": "http.response.body"})

    async def nothing(*_: Any) -> Any: ...

    asked = {"type": "http", "method": method, "path": "/containers/web"} | scope
    await MeteredRequests(app, meters.requested)(asked, nothing, nothing)


def requests(meters: Meters) -> Iterator[tuple[str, float]]:
    for (name, labels), value in told(state(), meters.registry).items():
        if name == "orchestration_api_http_requests_total":
            yield labels, value


async def test_requests_are_counted_by_the_template_of_their_path() -> None:
    meters = Meters()
    await answer(meters, 200)
    await answer(meters, 200)
    await answer(meters, 404)
    await answer(meters, 405, method="X" * 1000)
    with pytest.raises(RuntimeError):
        await answer(meters, None)
    await answer(meters, 200, type="lifespan")
    assert dict(requests(meters)) == {
        "GET,/containers/{id},200": 2,
        "GET,/containers/{id},404": 1,
        "other,/containers/{id},405": 1,
        "GET,/containers/{id},500": 1,
    }
