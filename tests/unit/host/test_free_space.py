"""How much room a disk has left."""

import shutil
from pathlib import Path

import pytest

from orchestrator.host import free_bytes


def test_it_is_what_df_shows(tmp_path: Path) -> None:
    free = free_bytes(str(tmp_path))
    assert free is not None
    assert abs(free - shutil.disk_usage(tmp_path).free) < 2**30  # others write meanwhile


@pytest.mark.parametrize("path", ["/nonexistent/path", "", "with\0zero"])
def test_what_cannot_be_seen_is_not_known(path: str) -> None:
    assert free_bytes(path) is None
