"""What the audit makes of pip-audit's output: only an unreachable database is no failure."""

import json
from typing import Any

import pytest

from scripts.advisories import UNREACHABLE, verdict

CLEAN = {"name": "sound", "version": "1.0", "vulns": []}
VULNERABLE = {
    "name": "holed",
    "version": "2.0",
    "vulns": [{"id": "PYSEC-1", "fix_versions": ["2.1"], "description": ""}],
}
UNKNOWN = {"name": "lost", "skip_reason": "Dependency not found on PyPI: lost (1.0)"}
PROJECT = {"name": "docker-orchestration-api", "skip_reason": "distribution marked as editable"}


@pytest.mark.parametrize(
    ("dependencies", "code"),
    [
        ([CLEAN, PROJECT], 0),
        ([CLEAN, VULNERABLE, PROJECT], 1),
        ([VULNERABLE, UNKNOWN], 1),
        ([CLEAN, UNKNOWN], 1),
        ([UNKNOWN, PROJECT], UNREACHABLE),
        ([PROJECT], 1),
    ],
)
def test_the_exit_code(dependencies: list[dict[str, Any]], code: int) -> None:
    assert verdict(0, json.dumps({"dependencies": dependencies}), "")[0] == code


def test_a_vulnerability_is_named_with_what_mends_it() -> None:
    _, lines = verdict(1, json.dumps({"dependencies": [VULNERABLE]}), "")
    assert lines[0] == "holed 2.0: PYSEC-1, fixed in 2.1"


def test_only_a_lost_connection_is_an_unreachable_database() -> None:
    lost = "Traceback\nrequests.exceptions.ConnectionError: Failed to resolve 'api.example'"
    code, lines = verdict(1, "", lost)
    assert code == UNREACHABLE
    assert lines[-1] == "skipped: the advisory database cannot be reached"
    assert verdict(2, "", "error: unrecognized arguments")[0] == 1
    assert verdict(1, "", "")[0] == 1
