"""The benchmarks on engines of their own, with a few containers: they run, and leave nothing."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.usefixtures("private_network")


def leftovers() -> set[str]:
    return {path.name for path in Path("/tmp").glob("benchmark-*")}


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (["at_scale", "--private", "--count", "3", "--rounds", "1"], "503 ports-exhausted"),
        (["release", "--private", "--count", "2"], "port free in GET /ports"),
        (
            ["container_stats", "--private", "--count=2", "--rounds=1", "--seconds=0.3"],
            "first answers without a CPU figure: 0 of 2",
        ),
        (["accuracy", "--private", "--seconds=0.3"], '"source": "cgroup'),
        (
            [
                *("versions", "--private", "--before=.", "--containers=2", "--rounds=5"),
                *("--creates=1", "--seconds=0.1"),
            ],
            "Until a container runs, 1 with each",
        ),
        (["creates", "--private", "--count", "1"], "service, without an init process"),
        (["recovery", "--count", "2", "--rounds", "1"], "GET /health is 200"),
    ],
)
def test_a_benchmark_runs_and_leaves_nothing(command: list[str], expected: str) -> None:
    before = leftovers()
    name, *arguments = command
    answer = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", *arguments],
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert answer.returncode == 0, answer.stderr
    assert expected in answer.stdout
    assert leftovers() - before == set()
