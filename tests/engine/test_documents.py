"""Every curl line of README.md and docs/, run as it stands, gives the answer that is shown for it.

The examples of a document run in their order. Compared is the shape of the answers: the same fields
in the same places. Ids, times and measurements differ.
"""

import json
import os
import re
import secrets
import subprocess
import uuid
from collections.abc import Callable
from pathlib import Path

import docker
import pytest

from tests import documents
from tests.conftest import Service
from tests.documents import Example

from .support import port_range

pytestmark = pytest.mark.engine

KEYS = {"API_KEY": secrets.token_hex(32), "READ_KEY": secrets.token_hex(32)}
# What the service of an example is started with, by the name of its setup.
SETUPS = {
    "": {},
    "keys": {"API_KEY": KEYS["API_KEY"], "API_KEY_FILE": "keys"},
    "images": {"ALLOWED_IMAGES": "nginx:1.*"},
    "quotas": {"MAX_MEMORY": "1g"},
}
WITH_EXAMPLES = [document for document in documents.DOCUMENTS if documents.examples(document)]


def test_there_are_examples() -> None:
    assert sum(len(documents.examples(document)) for document in WITH_EXAMPLES) >= 30


@pytest.mark.parametrize("document", WITH_EXAMPLES, ids=lambda document: str(document.name))
def test_examples(
    document: Path,
    start_service: Callable[..., Service],
    tmp_path: Path,
    docker_client: docker.DockerClient,
) -> None:
    keys = tmp_path / "keys"
    keys.write_text(f"dash read {KEYS['READ_KEY']}\n")
    services: dict[str, Service] = {}
    run = uuid.uuid4().hex[:8]
    try:
        for example in documents.examples(document):
            assert example.setup in SETUPS, f"{example.place}: no setup {example.setup!r}"
            if example.setup not in services:
                settings = dict(SETUPS[example.setup])
                if "API_KEY_FILE" in settings:
                    settings["API_KEY_FILE"] = str(keys)
                services[example.setup] = start_service(**settings)
            check(example, output(example, services[example.setup], run))
    finally:
        for service in services.values():
            service.stop()
        for container in docker_client.api.containers(all=True, filters={"name": run}):
            docker_client.api.remove_container(container["Id"], force=True, v=True)
        for volume in docker_client.volumes.list(filters={"name": run}):
            volume.remove(force=True)


def output(example: Example, service: Service, run: str) -> str:
    """What the command prints, run against this service.

    Port 8000 and the ports from 8001 on are those of the service, and what is called web-1 or
    data-1 has a name of this test run.
    """
    ports = port_range(service)

    def port(number: re.Match[str]) -> str:
        offset = int(number[0]) - 8001
        return str(service.port if offset < 0 else ports[offset])

    command = re.sub(r"\b80[0-1][0-9]\b", port, example.command)
    command = re.sub(r"\b(?:web|data)-[1-9]\b", rf"\g<0>-{run}", command)
    ended = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=os.environ | KEYS | {"NO_PROXY": "localhost,127.0.0.1"},
    )
    assert ended.returncode == 0, f"{example.place}: {command}\n{ended.stdout}\n{ended.stderr}"
    return ended.stdout


def check(example: Example, printed: str) -> None:
    """The output is as the document shows it; where it shows none, it is no problem document."""
    wrong: str | None = None
    if example.kind == "json":
        wrong = documents.difference(documents.parse(example.answer), json.loads(printed))
    elif example.answer.startswith(("data:", "event:")):
        shown, got = documents.events(example.answer), documents.events(printed)
        assert [name for name, _ in got] == [name for name, _ in shown], f"{example.place}: {got}"
        for (_, wanted), (_, data) in zip(shown, got, strict=True):
            wrong = wrong or documents.difference(documents.parse(wanted), json.loads(data))
    elif example.kind == "text":
        wrong = None if measured(printed) == measured(example.answer) else "another text"
    elif "urn:docker-orchestration-api:" in printed:
        wrong = "a problem, which the document does not show"
    assert wrong is None, f"{example.place}: {wrong}\n{printed}"


def measured(text: str) -> list[str]:
    """Lines without what differs from one time to the next: numbers with a fraction."""
    return re.sub(r"\d+\.\d+", "number", text.strip()).splitlines()
