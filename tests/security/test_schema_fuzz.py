"""The whole API as its OpenAPI description has it, thousands of requests of schemathesis: no 5xx,
no answer that the description does not have, nothing left.

What is asked for is, in part, what the answers before have named.

SCHEMA_FUZZ_SEED=7 takes other cases, SCHEMA_FUZZ_TIMES=10 ten times as many. The seed and the
cases of each phase and operation are in the output of the test, and so in that of a failure.
"""

import base64
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, Service
from tests.faults.private_engine import PrivateEngine

from .own_engine import KEY, VOLUMES, assert_nothing_is_left, remove_what_is_listed
from .own_engine import engine as engine
from .own_engine import service as service

pytestmark = pytest.mark.engine

SEED = int(os.environ.get("SCHEMA_FUZZ_SEED", "5"))
TIMES = int(os.environ.get("SCHEMA_FUZZ_TIMES", "1"))

LEAST = 2000  # cases

# Of a phase, at most so many for an operation, and so many sequences of requests in the last one.
EXAMPLES = {"reads": 80, "creates": 100, "changes": 25, "sequences": 25}

CONFIGURATION = """
workers = 1
request-timeout = 60
continue-on-failure = true
auth.openapi.key.bearer = "{key}"

[generation]
no-shrink = true
database = "none"
max-examples = {reads}

[phases.stateful]
generation.max-examples = {sequences}

[[operations]]
include-path = "/containers/create"
generation.max-examples = {creates}

[[operations]]
include-path-regex = "/containers/[{{]id[}}]($|/start|/stop|/restart)"
include-method = ["POST", "DELETE"]
generation.max-examples = {changes}
"""


class Report:
    """What schemathesis has done and found."""

    def __init__(self, directory: Path, exit_code: int, output: str) -> None:
        self.exit_code, self.output = exit_code, output
        self.summary: dict[str, Any] = json.loads((directory / "summary.json").read_text())
        self.phases: Counter[str] = Counter()
        self.operations: Counter[str] = Counter()
        self.statuses: dict[str, Counter[int]] = {}
        self.created: list[dict[str, Any]] = []  # the bodies of creates that succeeded
        with (directory / "events.ndjson").open() as lines:
            for line in lines:
                scenario = json.loads(line).get("ScenarioFinished")
                if scenario is not None:
                    self._add(scenario)

    def _add(self, scenario: dict[str, Any]) -> None:
        cases = scenario["recorder"].get("cases", {})
        for name, interaction in scenario["recorder"].get("interactions", {}).items():
            case = cases[name]["value"]
            request, answer = interaction["request"], interaction.get("response")
            operation = f"{request['method']} {case['path']}"
            self.phases[scenario["phase"]] += 1
            self.operations[operation] += 1
            status = answer["status_code"] if answer else 0  # which the summary has as an error
            self.statuses.setdefault(operation, Counter())[status] += 1
            if status == 201:
                body = base64.b64decode(request.get("body", {}).get("$base64", ""))
                self.created.append((json.loads(body) if body else None) or {})

    @property
    def cases(self) -> int:
        return self.phases.total()

    def __str__(self) -> str:
        lines = [f"seed {SEED}, {self.cases} cases: {dict(self.phases)}"]
        lines += [f"{self.summary['filtered']} failures were none, see schema_fuzz_hooks"]
        for operation, count in sorted(self.operations.items()):
            if set(statuses := self.statuses[operation]) != {405}:
                lines.append(f"{count:5} {operation}: {dict(sorted(statuses.items()))}")
        others = sum(statuses[405] for statuses in self.statuses.values())
        lines.append(f"{others:5} with a method that the path does not have")
        return "\n".join(lines)


def run_schemathesis(service: Service, directory: Path) -> Report:
    (directory / "openapi.json").write_text(service.client.get("/openapi.json").text)
    counts = {name: count * TIMES for name, count in EXAMPLES.items()}
    (directory / "schemathesis.toml").write_text(CONFIGURATION.format(key=KEY, **counts))
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--no-color"),
        *("--config-file", f"{directory}/schemathesis.toml"),
        *("run", f"{directory}/openapi.json", "--url", service.url, "--seed", str(SEED)),
        # All checks; how long an answer may take, a machine at work does not tell.
        *("--checks", "all", "--max-response-time", "60", "--warnings", "off"),
        *("--report", "json,ndjson", "--report-json-path", f"{directory}/summary.json"),
        *("--report-ndjson-path", f"{directory}/events.ndjson"),
    ]
    hooks = {"SCHEMATHESIS_HOOKS": "tests.security.schema_fuzz_hooks", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command,
        cwd=directory,  # where it leaves what it remembers
        env=os.environ | hooks,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    print(done.stdout)
    return Report(directory, done.returncode, done.stdout)


def test_no_request_that_the_description_leads_to_is_answered_otherwise(
    service: Service,
    engine: PrivateEngine,
    tmp_path: Path,
    record_property: Any,
) -> None:
    mounts = [f"{name}:/{name}" for name in VOLUMES]
    made = service.created(volumes=mounts, start=False)
    service.client.delete(f"/containers/{made['id']}").raise_for_status()
    report = run_schemathesis(service, tmp_path)
    print(report)
    record_property("cases", report.cases)

    assert report.summary["failures"] == []
    assert report.summary["errors"] == []
    assert report.exit_code == 0
    assert report.summary["complete"]
    assert {phase["status"] for phase in report.summary["phases"].values()} == {"success"}
    assert report.cases >= LEAST
    # Every operation was asked, with success too, and never failed.
    described = {
        f"{method.upper()} {path}"
        for path, methods in service.get("/openapi.json")["paths"].items()
        for method in methods
    }
    succeeded = {
        operation
        for operation, statuses in report.statuses.items()
        if any(200 <= status < 300 for status in statuses)
    }
    answered = {each for each in succeeded if not each.startswith("OPTIONS ")}
    assert answered == {*described, "POST /containers"}
    assert max(max(statuses) for statuses in report.statuses.values()) < 500

    remove_what_is_listed(service)
    volumes = {*VOLUMES, *(each for body in report.created for each in body.get("volumes") or ())}
    assert_nothing_is_left(service, engine, {each.partition(":")[0] for each in volumes})
