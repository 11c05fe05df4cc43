"""The command line: what wins, what is refused, and how."""

import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator import __version__
from orchestrator.command_line import parse_arguments
from orchestrator.settings import BadSettings, load_settings

ROOT = Path(__file__).parents[2]


def test_the_command_line_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOST", "127.0.0.1")
    monkeypatch.setenv("PORT", "7001")
    settings = load_settings(**parse_arguments(["--host", "::1", "--port=7002"]))
    assert (settings.host, settings.port) == ("::1", 7002)


@pytest.mark.parametrize("arguments", [[], ["--port="], ["--host", "", "--port", ""]])
def test_what_is_left_out_or_empty_is_the_environments(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOST", "::1")
    monkeypatch.setenv("PORT", "7001")
    settings = load_settings(**parse_arguments(arguments))
    assert (settings.host, settings.port) == ("::1", 7001)


@pytest.mark.parametrize("port", ["0", "65536", "http", "-1"])
def test_a_bad_port_is_refused_by_the_name_that_it_was_given_under(
    port: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PORT", "7001")
    with pytest.raises(BadSettings, match=f"^--port='{port}' cannot be used: [^\n]+$"):
        load_settings(**parse_arguments([f"--port={port}"]))


def test_an_address_for_all_to_reach_needs_a_key_here_too() -> None:
    with pytest.raises(BadSettings, match="there is no key"):
        load_settings(**parse_arguments(["--host=0.0.0.0"]))


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (["--version"], 0, f"docker-orchestration-api {__version__}\n"),
        (["--help"], 0, "--port NUMBER"),
        (["--port", "x"], 1, "docker-orchestration-api: --port='x' cannot be used: "),
        (["--prot", "7000"], 2, "unrecognized arguments: --prot 7000"),
    ],
)
def test_the_program_answers_in_text(arguments: list[str], code: int, expected: str) -> None:
    run = subprocess.run(
        [sys.executable, ROOT / "main.py", *arguments], capture_output=True, text=True, timeout=60
    )
    assert run.returncode == code
    assert expected in run.stdout + run.stderr
    assert "Traceback" not in run.stderr
