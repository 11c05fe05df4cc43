"""How Hypothesis runs: where CI is set, the same examples each time; elsewhere, new ones, and those
that failed once are kept, where the checkout can be written to.
"""

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("local", deadline=None)
settings.register_profile("read-only", deadline=None, database=None)
settings.register_profile("ci", deadline=None, derandomize=True, database=None)
WRITABLE = os.access(Path(__file__).parents[2], os.W_OK)
settings.load_profile("ci" if os.environ.get("CI") else "local" if WRITABLE else "read-only")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
