"""That the benchmarks can be called, and count right. What they measure, they measure for real."""

import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from benchmarks.accuracy import compared, largest, shown, summary
from benchmarks.askers import parse_events
from benchmarks.cpu_time import Meter, Spent, listener
from benchmarks.docker_stats import Figures, from_engine, parse_percent, parse_row, parse_size
from benchmarks.measure import percentile, show_times
from benchmarks.sampling_cost import history_bytes, show_spent

COMMANDS = ("accuracy", "at_scale", "container_stats", "ports", "recovery", "release")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_benchmark_says_what_it_does(command: str) -> None:
    call = [sys.executable, "-m", f"benchmarks.{command}", "--help"]
    answer = subprocess.run(call, capture_output=True, text=True, check=True)
    assert answer.stdout.startswith(f"usage: {command}.py")
    assert "default" in answer.stdout


def test_a_benchmark_has_bounds() -> None:
    call = [sys.executable, "-m", "benchmarks.ports", "--times", "1000000000"]
    answer = subprocess.run(call, capture_output=True, text=True)
    assert answer.returncode == 2
    assert "--times is from 1 to 1000000" in answer.stderr


def test_ports_per_second() -> None:
    call = [sys.executable, "-m", "benchmarks.ports", "--times", "100"]
    answer = subprocess.run(call, capture_output=True, text=True, check=True)
    assert "998 of 999" in answer.stdout


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [
        ([5.0], 99, 5.0),
        ([1.0, 2.0, 3.0, 4.0], 50, 2.0),
        ([float(i) for i in range(1, 101)], 99, 99),
    ],
)
def test_percentiles(values: list[float], percent: float, expected: float) -> None:
    assert percentile(values, percent) == expected


def test_a_table_of_times(capsys: pytest.CaptureFixture[str]) -> None:
    show_times("Things", {"fast": [0.001, 0.002, 0.003], "slow": [0.004]}, "slow")
    assert capsys.readouterr().out.splitlines() == [
        "",
        "Things",
        "      times  median ms  p99 ms  ratio to slow",
        "fast      3       2.00    3.00          0.500",
        "slow      1       4.00    4.00          1.000",
    ]


# What `docker stats` prints


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0B", 0),
        ("516B", 516),
        ("1.2kB", 1200),
        ("104MB", 104_000_000),
        ("1e+03kB", 1_000_000),  # 999,600 bytes in three digits
        ("2.5TB", 2.5e12),
        ("760KiB", 760 * 1024),
        ("101.3MiB", 101.3 * 1024**2),
        ("23.54GiB", 23.54 * 1024**3),
        (" 4.5MiB ", 4.5 * 1024**2),
        ("--", None),
    ],
)
def test_sizes_of_docker_stats(text: str, size: float | None) -> None:
    assert parse_size(text) == (None if size is None else pytest.approx(size))


@pytest.mark.parametrize("text", ["", "MB", "12", "12 M", "12MiBB", "-1B"])
def test_what_is_no_size_is_not_taken_for_one(text: str) -> None:
    with pytest.raises(ValueError, match="no size"):
        parse_size(text)


def test_percents_of_docker_stats() -> None:
    assert parse_percent("99.87%") == 99.87
    assert parse_percent("--") is None


def test_a_row_of_docker_stats() -> None:
    row = {
        "BlockIO": "67.5MB / 67MB",
        "CPUPerc": "12.50%",
        "MemPerc": "0.89%",
        "MemUsage": "4.578MiB / 512MiB",
        "NetIO": "1.2kB / 0B",
        "PIDs": "61",
    }
    figures = parse_row(row)
    assert figures.memory == pytest.approx(4.578 * 1024**2)
    assert figures == Figures(
        cpu_percent=12.5,
        memory=figures.memory,
        memory_limit=512 * 1024**2,
        memory_percent=0.89,
        network_rx=1200,
        network_tx=0,
        block_read=67_500_000,
        block_write=67_000_000,
        pids=61,
    )


def test_figures_from_the_engine_are_those_of_docker_stats() -> None:
    figures = from_engine(
        {
            "cpu_stats": {
                "cpu_usage": {"total_usage": 1_500_000_000},
                "system_cpu_usage": 12_000_000_000,
                "online_cpus": 2,
            },
            "precpu_stats": {
                "cpu_usage": {"total_usage": 1_000_000_000},
                "system_cpu_usage": 10_000_000_000,
            },
            "memory_stats": {"usage": 1000, "limit": 3200, "stats": {"inactive_file": 200}},
            "networks": {
                "eth0": {"rx_bytes": 1, "tx_bytes": 2},
                "eth1": {"rx_bytes": 10, "tx_bytes": 20},
            },
            "blkio_stats": {
                "io_service_bytes_recursive": [
                    {"op": "read", "value": 3},
                    {"op": "Write", "value": 4},
                    {"op": "write", "value": 5},
                ]
            },
            "pids_stats": {"current": 7},
        }
    )
    assert figures == Figures(
        cpu_percent=50,
        memory=800,
        memory_limit=3200,
        memory_percent=25,
        memory_cache=200,
        network_rx=11,
        network_tx=22,
        block_read=3,
        block_write=9,
        pids=7,
    )


# Accuracy


def test_cpu_figures_are_means_and_all_else_is_of_the_last_answer() -> None:
    first, last = Figures(cpu_percent=90, memory=1), Figures(cpu_percent=100, memory=2)
    unknown = replace(last, cpu_percent=None, memory=3)
    assert summary([[first], [last], [unknown]]) == [Figures(cpu_percent=95, memory=3)]


def test_differences_are_shown_in_the_unit_of_the_figure() -> None:
    assert shown("memory", 200 * 1024**2) == "200.00 MiB"
    assert shown("network_rx", -70) == "-70 B"
    assert shown("cpu_percent", 99.5) == "99.50"
    assert compared("cpu_percent", 99.0, 100.0) == "99.00 (-1.00%)"
    assert compared("cpu_percent", 0.1, 0.0) == "0.10"
    assert compared("block_read", None, 100.0) == "-"


def test_the_largest_difference_counts() -> None:
    assert largest("pids", [(1, 1), (9, 10)]) == "-1 (-10.00%)"
    assert largest("pids", [(10, 10), (None, 5)]) == "0 (+0.00%), 1 unknown"
    assert largest("pids", [(None, 5)]) == "-"


# Cost


def test_events_of_a_stream_count_when_they_are_complete() -> None:
    text = (
        b'event: stats\ndata: {"a": 1}\n\n: still here\n\ndata: {"a":\ndata: 2}\r\n\r\ndata: {"a"'
    )
    assert parse_events(text) == [{"a": 1}, {"a": 2}]


def test_who_listens_at_a_socket(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        server.listen()
        assert listener(str(tmp_path / "socket")) == os.getpid()


def test_cpu_time_of_a_busy_process() -> None:
    with subprocess.Popen([sys.executable, "-S", "-c", "while True: pass"]) as busy:
        try:
            meter = Meter({"busy": [psutil.Process(busy.pid)], "nobody": []})
            spent = meter.over(0.3)
        finally:
            busy.kill()
    assert 1 < spent.percent("busy") < 110  # 10 are too many beside other work
    assert spent.percent("nobody") == 0
    assert spent.percent() == spent.percent("busy")


def test_a_sample_costs_what_is_spent_more_than_without(capsys: pytest.CaptureFixture[str]) -> None:
    nothing = {"service": 0.0, "dockerd": 0.1, "containerd": 0.0, "shims": 0.1, "asker": 5.0}
    asked = nothing | {"service": 0.2, "dockerd": 0.3, "shims": 0.2}
    show_spent("Cost", [("idle", Spent(10, nothing), 0), ("asked", Spent(10, asked), 1000)])
    _, _, _, idle, row = capsys.readouterr().out.splitlines()
    assert " ".join(idle.split()) == "idle 0.00 1.00 0.00 1.00 1.00 50.00"
    assert " ".join(row.split()) == "asked 100.0 2.00 3.00 0.00 5.00 400 2.00 500 50.00"


def test_a_full_history_is_small() -> None:
    assert 10_000 < history_bytes() < 200_000
