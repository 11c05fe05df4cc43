"""That the benchmarks can be called, and count right. What they measure, they measure for real."""

import subprocess
import sys

import pytest

from benchmarks.measure import percentile, show_times

COMMANDS = ("at_scale", "ports", "recovery", "release")


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
