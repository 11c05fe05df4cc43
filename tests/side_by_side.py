"""Which tests may run at the same time, in processes of their own: what scripts/test does.

Most tests wait: for an engine, for a container, for time to pass. Tests that have an engine of
their own, in a network of its own, or none, disturb nobody. Those of the engine under test name
what they make by chance and have ports that nobody else uses, so two processes may be at it: one
with `tests/engine`, and one with all others, which also want what there is only one of, the ports
of Compose for example.
"""

from typing import Any

from xdist.scheduler import LoadScopeScheduling

# Files whose tests use an engine of their own in a network of its own, or none, and nothing else
# that there is one of on a machine.
APART = (
    "tests/faults/",
    "tests/unit/",
    *(f"tests/security/test_{name}.py" for name in ("socket", "ssh", "podman")),
    *(f"tests/security/test_{name}_fuzz.py" for name in ("schema", "input")),
)
# Those of them whose tests each find the engine of their process empty: dealt out one by one.
ONE_BY_ONE = (
    "tests/faults/test_crashes.py",
    "tests/faults/test_broken_engine.py",
    "tests/faults/test_load.py",
)
ENGINE, OTHERS = "tests/engine/", "others"
# What takes long comes first, since what is left at the end is left to one process.
ORDER = (
    ENGINE,
    OTHERS,
    "tests/security/",
    "tests/faults/test_benchmarks.py",
    *ONE_BY_ONE,
    "tests/faults/",
    "tests/unit/",
)


def unit_of(test: str) -> str:
    """What a test is never parted from: tests of one unit run in one process, in their order."""
    path = test.partition("::")[0]
    if path.startswith(APART):
        return test if path in ONE_BY_ONE else path
    return ENGINE if path.startswith(ENGINE) else OTHERS


def rank(test: str) -> int:
    """The place of a test's unit in the order in which they are begun."""
    return next(place for place, start in enumerate(ORDER) if unit_of(test).startswith(start))


class SideBySide(LoadScopeScheduling):  # type: ignore[misc]
    """Gives each process that has little left to do the next unit."""

    def __init__(self, config: Any, log: Any) -> None:
        config.option.loadscopereorder = False  # which would put the most tests first
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)
