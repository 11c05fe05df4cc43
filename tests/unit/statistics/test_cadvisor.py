"""Containers by cAdvisor's names, as Prometheus is told of them."""

from datetime import UTC, datetime

from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from orchestrator.models import Limits, Sample
from orchestrator.statistics.prometheus import exposition

from ..examples import container
from .told import FULL, WEB, state, told


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


def test_what_containers_have_written_is_told_of_stopped_ones_too() -> None:
    stopped = container("b2" * 32, name="idle", state="exited")
    found = told(state(written=[(WEB, 7), (stopped, 0)], written_age=12.5))
    assert found["container_fs_usage_bytes", ",web"] == 7
    assert found["container_fs_usage_bytes", ",idle"] == 0
    assert found["orchestration_api_written_age_seconds", ""] == 12.5
    assert ("orchestration_api_written_age_seconds", "") not in told(state())
