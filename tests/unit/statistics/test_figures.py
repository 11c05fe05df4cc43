"""Statistics from recorded replies of real engines; record_payloads.py makes them.

What is expected comes from the reply itself, by the docker CLI's formulas written out here again.
"""

from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from orchestrator.models import ContainerStats, Limits, Sample
from orchestrator.payloads import parse_engine_stats, without_control_group
from orchestrator.statistics.figures import Rates, follows, rates, summarise

from ..examples import PAYLOADS, container, payload

RECORDED = sorted({path.stem.rpartition("-oneshot-1")[0] for path in PAYLOADS.glob("*-oneshot-1*")})
V1 = [name for name in RECORDED if name.endswith("v1")]
V2 = [name for name in RECORDED if name.endswith("v2")]
WEB = container("0f4c1d2a9b7e" + "0" * 52, name="web")

every_engine = pytest.mark.parametrize("engine", RECORDED)
v1_engines = pytest.mark.parametrize("engine", V1)
v2_engines = pytest.mark.parametrize("engine", V2)


def parse(name: str) -> Sample:
    return parsed(payload(name))


def parsed(reply: dict[str, Any]) -> Sample:
    sample = parse_engine_stats(reply)
    assert sample is not None
    return sample


def stats(reply: dict[str, Any], earlier: dict[str, Any] | None = None) -> ContainerStats:
    sample = parsed(reply)
    return summarise(WEB, rates(None if earlier is None else parsed(earlier), sample), sample)


def cli_cpu_percent(before: dict[str, Any], after: dict[str, Any]) -> float:
    """calculateCPUPercentUnix of cli/command/container/stats_helpers.go, with cpu_stats of two
    replies where the CLI takes precpu_stats and cpu_stats of one.
    """
    cpu_delta = after["cpu_usage"]["total_usage"] - before["cpu_usage"]["total_usage"]
    system_delta = after["system_cpu_usage"] - before["system_cpu_usage"]
    online = after.get("online_cpus") or len(after["cpu_usage"].get("percpu_usage") or [])
    if system_delta > 0 and cpu_delta > 0:
        return float(cpu_delta / system_delta * online * 100)
    return 0.0


def cli_memory(memory: dict[str, Any]) -> int:
    """calculateMemUsageUnixNoCache."""
    for name in ("total_inactive_file", "inactive_file"):
        value = memory["stats"].get(name)
        if value is not None and value < memory["usage"]:
            return int(memory["usage"] - value)
    return int(memory["usage"])


def test_there_are_recordings_of_both_engines_and_both_cgroup_versions() -> None:
    assert {
        "engine-20.10-cgroup-v1",
        "engine-20.10-cgroup-v2",
        "engine-28.5-cgroup-v1",
    } <= set(RECORDED)


# CPU


@every_engine
def test_cpu_of_two_one_shot_replies_is_what_the_docker_cli_would_show(engine: str) -> None:
    earlier, later = payload(f"{engine}-oneshot-1"), payload(f"{engine}-oneshot-2")
    shown = stats(later, earlier)
    expected = cli_cpu_percent(earlier["cpu_stats"], later["cpu_stats"])
    assert shown.cpu_percent == pytest.approx(expected, abs=0.005)
    assert 50 < expected < 130  # one CPU was kept busy
    assert shown.cpu_percent_of_host == pytest.approx(expected / 2, abs=0.005)  # of two CPUs


@every_engine
def test_cpu_of_a_reply_with_two_samples_is_what_the_docker_cli_shows(engine: str) -> None:
    reply = payload(f"{engine}-stream-false")
    earlier = reply | {"cpu_stats": reply["precpu_stats"], "read": reply["preread"]}
    expected = cli_cpu_percent(reply["precpu_stats"], reply["cpu_stats"])
    assert stats(reply, earlier).cpu_percent == pytest.approx(expected, abs=0.005)
    assert 50 < expected < 130


@every_engine
def test_cpu_figures_say_what_they_are_the_mean_of(engine: str) -> None:
    earlier, later = payload(f"{engine}-oneshot-1"), payload(f"{engine}-oneshot-2")
    shown = stats(later, earlier)
    times = [datetime.fromisoformat(reply["read"]) for reply in (earlier, later)]
    assert shown.interval_s == pytest.approx((times[1] - times[0]).total_seconds(), abs=0.001)
    assert shown.sampled_at == times[1]
    assert shown.timestamp == times[1].timestamp()
    assert shown.sampled_at.tzinfo is UTC


@every_engine
def test_cpu_is_unknown_after_one_sample(engine: str) -> None:
    shown = stats(payload(f"{engine}-oneshot-1"))
    assert (shown.cpu_percent, shown.cpu_percent_of_host, shown.interval_s) == (None, None, None)


@every_engine
def test_cpu_of_a_container_that_did_nothing_is_zero(engine: str) -> None:
    reply = payload(f"{engine}-paused")
    later = deepcopy(reply)
    later["read"] = (datetime.fromisoformat(reply["read"]) + timedelta(seconds=1)).isoformat()
    later["cpu_stats"]["system_cpu_usage"] += 1_000_000_000
    assert stats(later, reply).cpu_percent == 0


@v1_engines
@pytest.mark.parametrize("change", [-1, 0])
def test_cpu_is_zero_when_the_hosts_time_did_not_grow(engine: str, change: int) -> None:
    earlier, later = payload(f"{engine}-oneshot-1"), payload(f"{engine}-oneshot-2")
    later["cpu_stats"]["system_cpu_usage"] = earlier["cpu_stats"]["system_cpu_usage"] + change
    assert stats(later, earlier).cpu_percent == 0


@v1_engines
def test_cpu_counts_cpus_where_the_engine_does_not_say_how_many(engine: str) -> None:
    earlier, later = payload(f"{engine}-oneshot-1"), payload(f"{engine}-oneshot-2")
    expected = stats(later, earlier).cpu_percent
    del later["cpu_stats"]["online_cpus"]
    assert stats(later, earlier).cpu_percent == expected
    del later["cpu_stats"]["cpu_usage"]["percpu_usage"]
    assert stats(later, earlier).cpu_percent is None


@v1_engines
@pytest.mark.parametrize("which", [0, 1])
def test_cpu_is_unknown_where_the_hosts_time_is(engine: str, which: int) -> None:
    replies = [payload(f"{engine}-oneshot-1"), payload(f"{engine}-oneshot-2")]
    del replies[which]["cpu_stats"]["system_cpu_usage"]
    shown = stats(replies[1], replies[0])
    assert (shown.cpu_percent, shown.cpu_percent_of_host) == (None, None)


@every_engine
def test_of_a_container_without_a_control_group_only_traffic_is_known(engine: str) -> None:
    """What the engine counts then is the group's that it shares with others."""
    earlier = without_control_group(parse(f"{engine}-oneshot-1"))
    later = without_control_group(parse(f"{engine}-oneshot-2"))
    whole = stats(payload(f"{engine}-oneshot-2"))
    told = summarise(WEB, rates(earlier, later), later).model_dump()
    known = {name for name, value in told.items() if value is not None and name != "age_s"}
    assert known == {
        *("container_id", "name", "timestamp", "sampled_at", "source"),
        *("memory_limit", "memory_limit_bytes"),
        *("network_rx", "network_tx", "network_rx_bytes", "network_tx_bytes"),
    }
    assert told["network_rx_bytes"] == whole.network_rx_bytes


def test_cpu_is_also_told_as_a_share_of_the_containers_limit() -> None:
    half = container("a" * 64, name="half", limits=Limits(cpus=0.5))
    sample = Sample(at=10.0, source="engine", cpu_ns=1)
    shown = summarise(half, Rates(interval=1.0, cpu_percent=25.0, host_share=0.125), sample)
    assert (shown.cpu_percent, shown.cpu_percent_of_limit) == (25.0, 50.0)
    assert summarise(WEB, Rates(cpu_percent=25.0), sample).cpu_percent_of_limit is None
    assert summarise(half, Rates(), sample).cpu_percent_of_limit is None


@every_engine
def test_throttling_is_what_the_engine_counted(engine: str) -> None:
    reply = payload(f"{engine}-oneshot-1")
    reply["cpu_stats"]["throttling_data"] = {
        "periods": 40,
        "throttled_periods": 30,
        "throttled_time": 1_500_000_000,
    }
    shown = stats(reply)
    assert (shown.cpu_periods, shown.cpu_throttled_periods) == (40, 30)
    assert shown.cpu_throttled_s == 1.5
    del reply["cpu_stats"]["throttling_data"]
    shown = stats(reply)
    assert (shown.cpu_periods, shown.cpu_throttled_periods, shown.cpu_throttled_s) == (None,) * 3


# Rates


@every_engine
def test_rates_are_means_per_second(engine: str) -> None:
    earlier, later = parse(f"{engine}-oneshot-1"), parse(f"{engine}-oneshot-2")
    seconds = later.at - earlier.at
    since = rates(earlier, later)
    assert since.interval == seconds
    sent = (later.network_tx or 0) - (earlier.network_tx or 0)
    assert since.network_tx == pytest.approx(sent / seconds)
    assert since.throttled == 0


def test_nothing_is_known_of_the_time_before_a_first_sample_or_a_restart() -> None:
    sample = Sample(at=10.0, source="engine", cpu_ns=100)
    assert rates(None, sample) == Rates()
    assert rates(Sample(at=9.0, source="engine", cpu_ns=101), sample) == Rates()
    assert rates(Sample(at=10.0, source="engine", cpu_ns=1), sample) == Rates()


def test_a_counter_that_went_back_is_no_rate() -> None:
    """An interface may be taken away, and what it counted with it."""
    earlier = Sample(at=9.0, source="engine", cpu_ns=1, block_read=10, block_write=10)
    later = Sample(at=10.0, source="engine", cpu_ns=2, block_read=9, block_write=20)
    since = rates(earlier, later)
    assert (since.block_read, since.block_write) == (None, 10.0)
    assert (since.network_rx, since.throttled, since.cpu_percent) == (None, None, None)


# Memory


@every_engine
@pytest.mark.parametrize("case", ["oneshot-1", "no-limit", "page-cache", "paused", "network-none"])
def test_memory_is_what_the_docker_cli_shows(engine: str, case: str) -> None:
    reply = payload(f"{engine}-{case}")
    memory, shown = reply["memory_stats"], stats(reply)
    used = cli_memory(memory)
    assert shown.memory_usage_bytes == used
    assert shown.memory_usage == f"{used / 1024 / 1024:.2f} MB"
    assert shown.memory_limit_bytes == memory["limit"]
    assert shown.memory_percent == pytest.approx(100 * used / memory["limit"], abs=0.005)


@every_engine
def test_memory_leaves_out_the_page_cache(engine: str) -> None:
    reply = payload(f"{engine}-page-cache")
    shown = stats(reply)
    assert reply["memory_stats"]["usage"] > 50 * 1024 * 1024
    assert shown.memory_usage_bytes is not None
    assert shown.memory_usage_bytes < 10 * 1024 * 1024
    assert shown.memory_cache_bytes is not None
    assert shown.memory_cache_bytes > 50 * 1024 * 1024
    assert shown.memory_usage_bytes + shown.memory_cache_bytes == reply["memory_stats"]["usage"]


@every_engine
def test_the_memory_limit_is_the_containers_or_else_the_hosts(engine: str) -> None:
    assert stats(payload(f"{engine}-oneshot-1")).memory_limit == "128.00 MB"
    unlimited = stats(payload(f"{engine}-no-limit")).memory_limit_bytes
    assert unlimited is not None
    assert 2**30 < unlimited < 2**45  # the recording host's memory, not a kernel's "no limit"


@v1_engines
def test_a_page_cache_larger_than_the_usage_is_not_taken_off(engine: str) -> None:
    """The kernel counts the two at different moments."""
    reply = payload(f"{engine}-oneshot-1")
    usage = reply["memory_stats"]["usage"]
    reply["memory_stats"]["stats"]["total_inactive_file"] = usage + 4096
    assert stats(reply).memory_usage_bytes == usage


@v1_engines
def test_memory_that_the_kernel_does_not_count_is_unknown(engine: str) -> None:
    """Without the memory controller, as Debian's kernels for the Raspberry Pi, there is none."""
    shown = stats(payload(f"{engine}-oneshot-1") | {"memory_stats": {}})
    assert shown.memory_usage is None
    assert shown.memory_usage_bytes is None
    assert shown.memory_limit is None
    assert shown.memory_percent is None
    assert shown.memory_cache_bytes is None


@v1_engines
def test_memory_without_counters_is_the_usage_and_an_unknown_cache(engine: str) -> None:
    reply = payload(f"{engine}-oneshot-1")
    del reply["memory_stats"]["stats"]
    shown = stats(reply)
    assert shown.memory_usage_bytes == reply["memory_stats"]["usage"]
    assert shown.memory_cache_bytes is None


# Network


@every_engine
def test_network_is_what_the_interface_counted(engine: str) -> None:
    reply = payload(f"{engine}-oneshot-1")
    shown, interface = stats(reply), reply["networks"]["eth0"]
    assert shown.network_rx_bytes == interface["rx_bytes"] > 0
    assert shown.network_tx_bytes == interface["tx_bytes"] > 50_000  # it had kept sending
    assert shown.network_tx == f"{interface['tx_bytes'] / 1024 / 1024:.2f} MB"


@every_engine
def test_network_is_the_sum_of_all_interfaces(engine: str) -> None:
    reply = payload(f"{engine}-oneshot-1")
    eth0 = reply["networks"]["eth0"]
    reply["networks"]["eth1"] = eth0 | {"rx_bytes": 1000, "tx_bytes": 2000}
    shown = stats(reply)
    assert shown.network_rx_bytes == eth0["rx_bytes"] + 1000
    assert shown.network_tx_bytes == eth0["tx_bytes"] + 2000


@every_engine
def test_each_interface_is_kept_apart(engine: str) -> None:
    reply = payload(f"{engine}-oneshot-1")
    networks = parsed(reply).networks
    assert networks is not None
    assert networks["eth0"].model_dump() == {
        name: value for name, value in reply["networks"]["eth0"].items() if "_" in name
    }


@every_engine
@pytest.mark.parametrize("case", ["network-none", "network-host"])
def test_network_is_unknown_without_an_interface_of_its_own(engine: str, case: str) -> None:
    shown = stats(payload(f"{engine}-{case}"))
    assert (shown.network_rx, shown.network_tx) == (None, None)
    assert (shown.network_rx_bytes, shown.network_tx_bytes) == (None, None)


# Block I/O, processes


@v1_engines
def test_block_io_is_summed_over_devices_whatever_the_case(engine: str) -> None:
    reply = payload(f"{engine}-oneshot-1")
    reply["blkio_stats"]["io_service_bytes_recursive"] = [
        {"major": 254, "minor": 0, "op": "Read", "value": 4096},
        {"major": 254, "minor": 0, "op": "Write", "value": 8192},
        {"major": 254, "minor": 0, "op": "Sync", "value": 12288},
        {"major": 254, "minor": 0, "op": "Total", "value": 12288},
        {"major": 254, "minor": 16, "op": "Read", "value": 1},
    ]
    shown = stats(reply)
    assert (shown.block_read_bytes, shown.block_write_bytes) == (4097, 8192)


@v1_engines
def test_block_io_that_the_kernel_does_not_count_is_unknown(engine: str) -> None:
    """The recorded container wrote 4 MiB past the page cache and read 1 MiB; this kernel's v1
    hierarchy did not count it, and the engine said so with an empty list, or with null.
    """
    reply = payload(f"{engine}-oneshot-2")
    assert not reply["blkio_stats"]["io_service_bytes_recursive"]
    shown = stats(reply)
    assert (shown.block_read_bytes, shown.block_write_bytes) == (None, None)


@every_engine
def test_processes_are_counted(engine: str) -> None:
    assert stats(payload(f"{engine}-oneshot-1")).pids == 1
    assert stats(payload(f"{engine}-page-cache")).pids == 2
    assert stats(payload(f"{engine}-oneshot-1") | {"pids_stats": {}}).pids is None


# Who, and containers that do not run


@every_engine
def test_statistics_say_whose_they_are(engine: str) -> None:
    shown = stats(payload(f"{engine}-oneshot-1"))
    assert (shown.container_id, shown.name, shown.source) == ("0f4c1d2a9b7e", "web", "engine")


@every_engine
@pytest.mark.parametrize("case", ["stopped", "created"])
def test_a_container_that_does_not_run_has_no_sample(engine: str, case: str) -> None:
    assert parse_engine_stats(payload(f"{engine}-{case}")) is None


def test_an_empty_reply_is_no_sample() -> None:
    assert parse_engine_stats({}) is None
    nulls = {"cpu_stats": None, "memory_stats": None, "networks": None, "blkio_stats": None}
    assert parse_engine_stats(nulls) is None


@every_engine
def test_a_paused_container_has_a_sample(engine: str) -> None:
    assert stats(payload(f"{engine}-paused")).pids == 1


# Two samples


@every_engine
def test_a_later_sample_follows_an_earlier_one(engine: str) -> None:
    earlier, later = parse(f"{engine}-oneshot-1"), parse(f"{engine}-oneshot-2")
    assert follows(earlier, later)
    assert not follows(later, earlier)
    assert not follows(earlier, earlier)


@v1_engines
def test_a_sample_after_a_restart_does_not_follow(engine: str) -> None:
    """Counters begin anew, so a difference would mean nothing."""
    later = payload(f"{engine}-oneshot-2")
    later["cpu_stats"]["cpu_usage"]["total_usage"] = 1000
    assert not follows(parse(f"{engine}-oneshot-1"), parsed(later))


# cgroup v2


@v2_engines
def test_a_v2_host_words_it_otherwise(engine: str) -> None:
    """No figures per CPU, no `total_` counters; what is expected of it is tested above."""
    reply = payload(f"{engine}-page-cache")
    assert "percpu_usage" not in reply["cpu_stats"]["cpu_usage"]
    assert not any(name.startswith("total_") for name in reply["memory_stats"]["stats"])
    shown = stats(reply)
    assert shown.memory_cache_bytes == reply["memory_stats"]["stats"]["inactive_file"]
    assert shown.memory_cache_bytes is not None
    assert shown.memory_cache_bytes > 60 * 1024 * 1024


@v2_engines
def test_block_io_is_counted_on_v2(engine: str) -> None:
    """The recorded container wrote 4 MiB past the page cache and read 1 MiB of it."""
    shown = stats(payload(f"{engine}-oneshot-2"))
    assert shown.block_write_bytes == 4 * 1024 * 1024
    assert shown.block_read_bytes is not None
    assert shown.block_read_bytes >= 1024 * 1024


@v2_engines
def test_null_lists_of_v2_are_unknown(engine: str) -> None:
    reply = payload(f"{engine}-oneshot-1")
    reply["blkio_stats"]["io_service_bytes_recursive"] = None
    shown = stats(reply)
    assert (shown.block_read_bytes, shown.block_write_bytes) == (None, None)
