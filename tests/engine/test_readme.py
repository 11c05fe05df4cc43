"""The README's curl lines, run as they stand, give the answers that the README shows.

Compared is the shape: the same fields in the same places. Ids, times and measurements differ.
"""

import json
import re
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import ROOT, Service

pytestmark = pytest.mark.engine

EXAMPLE = re.compile(
    r"<!-- example -->\n```bash\n(?P<command>.*?)\n```\n\n```json\n(?P<answer>.*?)\n```", re.DOTALL
)


def shape(value: Any) -> Any:
    """Field names and types, to any depth. Whether block I/O is counted is up to the kernel, and
    how many environment variables or interfaces there are to the image and the host.
    """
    if isinstance(value, dict):
        return {
            name: "number or null" if name.startswith("block_") else shape(member)
            for name, member in value.items()
        }
    if isinstance(value, list) and value and all(isinstance(member, str) for member in value):
        return "texts"
    if isinstance(value, list):
        return [shape(member) for member in value]
    return (
        "number"
        if isinstance(value, int | float) and not isinstance(value, bool)
        else str(type(value))
    )


def test_examples(start_service: Callable[..., Service]) -> None:
    examples = list(EXAMPLE.finditer((ROOT / "README.md").read_text()))
    assert len(examples) >= 10
    service = start_service()
    port = "8001"  # what the README's container got; here it may be another
    try:
        for example in examples:
            command = (
                example["command"]
                .replace("http://localhost:8000", service.url)
                .replace(":8001", f":{port}")
                .replace("/8001", f"/{port}")
            )
            run = subprocess.run(
                ["bash", "-c", command], capture_output=True, text=True, check=False
            )
            assert run.returncode == 0, f"{command}\n{run.stderr}"
            got, shown = json.loads(run.stdout), json.loads(example["answer"])
            if isinstance(got, dict) and got.get("ports") and got.get("url"):
                port = got["url"].rpartition(":")[2]
            if isinstance(got, dict) and "health" in got:
                got["health"] = shown["health"]  # soon healthy, or not yet
            assert shape(got) == shape(shown), command
    finally:
        service.client.delete("/containers/web-1", params={"force": True})
