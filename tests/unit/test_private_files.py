"""The files that the scripts write: for their owner alone, whoever made an earlier one."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT, wait_until

SCRIPTS = ("scripts/prepare.sh", "scripts/run", ".ci/run")


def in_the_shell(checkout: Path, command: str) -> None:
    (checkout / "scripts").mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "scripts/prepare.sh", checkout / "scripts")
    subprocess.run(
        ["bash", "-c", f'set -euo pipefail; umask 000; . "$0"; {command}', "scripts/prepare.sh"],
        cwd=checkout,
        check=True,
        capture_output=True,
    )


@pytest.mark.parametrize("before", [None, 0o666, 0o400])
def test_a_private_file_is_new_and_its_owners(tmp_path: Path, before: int | None) -> None:
    file = tmp_path / "log"
    if before is not None:
        file.write_text("what others wrote")
        file.chmod(before)
    in_the_shell(tmp_path, "private_file log; printf 'line\\n' >>log; : >other")
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.read_text() == "line\n"
    assert (tmp_path / "other").stat().st_mode & 0o777 == 0o666  # the shell's own mask is as it was


def test_it_is_not_what_a_link_leads_to(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("of somebody else")
    (tmp_path / "log").symlink_to(target)
    in_the_shell(tmp_path, "private_file log")
    assert target.read_text() == "of somebody else"
    assert not (tmp_path / "log").is_symlink()


# Stands for Python in all that scripts/run does with one, and for the API.
PYTHON = """#!/bin/sh
case "$*" in
  "-m venv --clear .venv") mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
  *"pip install"*) echo packages ;;
  */main.py) echo callers ;;
esac
"""


def test_what_a_run_leaves_is_private(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    for name in ("scripts/run", "scripts/prepare.sh", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    python = tmp_path / "python"
    python.write_text(PYTHON)
    python.chmod(0o755)
    (tmp_path / ".run").mkdir()
    (tmp_path / ".run/api.log").touch(mode=0o666)
    subprocess.run(
        ["bash", "-c", "umask 000; exec scripts/run"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHON": str(python)},
        check=True,
        capture_output=True,
    )
    log = tmp_path / ".run/api.log"
    wait_until(lambda: log.read_text() == "callers\n", 10, "the API has written its log")
    assert (tmp_path / ".run/pip.log").read_text() == "packages\n"
    modes = {file.name: file.stat().st_mode & 0o777 for file in (tmp_path / ".run").iterdir()}
    assert modes == dict.fromkeys(("api.log", "api.pid", "pip.log"), 0o600)


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_log_is_made_private_before_it_is_written(script: str) -> None:
    lines = (ROOT / script).read_text().splitlines()
    logs = re.compile(r'(?:>|\btee )"?(\$log\b|\$\(log_of|\.run/\w+\.log|\$pid_file)')
    written = [(n, found[1]) for n, line in enumerate(lines) if (found := logs.search(line))]
    assert written
    for number, name in written:
        before = "\n".join(lines[max(0, number - 8) : number])
        assert re.search(rf'private_file "?{re.escape(name)}', before), lines[number]
