"""Which Python the scripts choose, on a PATH of programs that say which version they are."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

OLD = "print('is 3.9.2')"
FITS = ""
BARE = "print('is without its venv module')"


class Machine:
    """A folder of programs, the only ones that the scripts find."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.bin = root / "bin"
        (root / "scripts").mkdir(parents=True)
        shutil.copy(ROOT / "scripts/prepare.sh", root / "scripts")
        self.bin.mkdir()
        for tool in ("dirname", "mkdir", "id"):
            found = shutil.which(tool)
            assert found
            (self.bin / tool).symlink_to(found)

    def add(self, name: str, says: str, folder: str = "bin") -> str:
        """A Python that says of itself what `python_fault` would have it print."""
        return self.program(name, says.replace("print(", "echo ").rstrip(")") or ":", folder)

    def program(self, name: str, script: str, folder: str = "bin") -> str:
        path = self.root / folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return str(path)

    def run(
        self, command: str, path: str = "", **environment: str
    ) -> "subprocess.CompletedProcess[str]":
        bash = shutil.which("bash")
        assert bash
        # Nobody may install anything, and the machine's own Python is out of sight.
        script = (
            f'set -euo pipefail; . "$0"; PATH=$TEST_PATH; can_install() {{ false; }}; {command}'
        )
        return subprocess.run(
            [bash, "-c", script, str(self.root / "scripts/prepare.sh")],
            env={
                "PATH": os.environ["PATH"],
                "TEST_PATH": f"{self.bin}{path and ':'}{path}",
                **environment,
            },
            capture_output=True,
            text=True,
            timeout=60,
            cwd=self.root,
        )

    def chosen(self, path: str = "", **environment: str) -> str:
        run = self.run('prepare_python; printf "%s" "$found"', path, **environment)
        assert run.returncode == 0, run.stderr
        return run.stdout


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "checkout")


def test_python3_is_chosen_where_it_will_do(machine: Machine) -> None:
    python3 = machine.add("python3", FITS)
    machine.add("python3.13", FITS)
    assert machine.chosen() == python3


def test_the_newest_is_chosen_where_python3_is_too_old(machine: Machine) -> None:
    machine.add("python3", OLD)
    machine.add("python3.12", FITS)
    newest = machine.add("python3.13", FITS)
    assert machine.chosen() == newest


def test_what_does_not_run_or_has_no_venv_is_passed_over(machine: Machine) -> None:
    machine.add("python3", BARE)
    machine.program("python3.14", "echo 'pyenv: python3.14: command not found' >&2; exit 127")
    fits = machine.add("python3.12", FITS)
    assert machine.chosen() == fits


def test_one_behind_another_of_its_name_is_found(machine: Machine) -> None:
    machine.program("python3.13", "exit 127")
    behind = machine.add("python3.13", FITS, "elsewhere")
    assert machine.chosen(str(Path(behind).parent)) == behind


@pytest.mark.parametrize("given", ["elsewhere/python3.12", "./elsewhere/python3.12", "{path}"])
def test_the_one_that_is_asked_for_is_chosen(machine: Machine, given: str) -> None:
    machine.add("python3", FITS)
    asked = machine.add("python3.12", FITS, "elsewhere")
    found = machine.chosen(PYTHON=given.format(path=asked))
    assert Path(found).resolve() == Path(asked)


def test_the_one_that_is_asked_for_and_will_not_do_is_not_replaced(machine: Machine) -> None:
    machine.add("python3", FITS)
    old = machine.add("python3.9", OLD)
    run = machine.run("prepare_python", PYTHON=old)
    assert run.returncode == 1
    assert f"there is none: {old} is 3.9.2." in run.stderr


def test_where_there_is_none_it_says_what_is_wanted_and_how_to_get_one(machine: Machine) -> None:
    old, bare = machine.add("python3", OLD), machine.add("python3.12", BARE)
    run = machine.run("prepare_python")
    assert run.returncode == 1
    assert run.stderr.startswith("error: Python 3.11 or later with its venv module is needed")
    assert f"{old} is 3.9.2, {bare} is without its venv module." in run.stderr
    assert "apt-get install python3 python3-venv" in run.stderr
    assert "PYTHON=/path/to/python3.12" in run.stderr


def test_where_there_is_nothing_it_says_so(machine: Machine) -> None:
    assert "there is none: no python3 on PATH." in machine.run("prepare_python").stderr


def test_this_very_python_will_do(machine: Machine) -> None:
    """The question itself, which the programs above only answer."""
    run = machine.run('python_fault "$THIS"', THIS=sys.executable)
    assert run.stdout in ("", "is without its venv module\n")


def test_the_lowest_version_is_the_same_wherever_it_is_written() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    lowest = project["project"]["requires-python"].removeprefix(">=")
    assert project["tool"]["mypy"]["python_version"] == lowest
    assert project["tool"]["ruff"]["target-version"] == "py" + lowest.replace(".", "")
    assert f"--target={lowest}- " in (ROOT / "scripts/check").read_text()
    prepare = (ROOT / "scripts/prepare.sh").read_text()
    assert f"sys.version_info < ({lowest.replace('.', ', ')}, 0," in prepare
    assert re.findall(r"Python (3\.\d+) or later", prepare) == [lowest]
