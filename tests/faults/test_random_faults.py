"""What random_steps can do, chosen by Hypothesis. RANDOM_EXAMPLES=60 looks ten times as long."""

import os
from collections.abc import Callable
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from tests.conftest import Service

from .private_engine import PrivateEngine
from .proxy import Proxy
from .random_steps import ACTIONS, SETTINGS, World

pytestmark = pytest.mark.engine

EXAMPLES = int(os.environ.get("RANDOM_EXAMPLES", "6"))
STEPS = 25

_WEIGHTED = [name for name, (weight, _) in ACTIONS.items() for _ in range(weight)]


class RandomFaults(RuleBasedStateMachine):
    world: ClassVar[World]
    steps: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        self.world.reset()

    @rule(action=st.sampled_from(_WEIGHTED), data=st.data())
    def step(self, action: str, data: st.DataObject) -> None:
        type(self).steps += 1
        self.world.step(action, lambda below: data.draw(st.integers(0, below - 1)))

    def teardown(self) -> None:
        print("\n".join(self.world.trace))


def test_no_mixture_of_requests_commands_and_faults_breaks_an_invariant(
    engine: PrivateEngine,
    proxy: Proxy,
    start_service: Callable[..., Service],
    note: Callable[[str, object], None],
) -> None:
    RandomFaults.world = World(engine, proxy, start_service(**SETTINGS))
    RandomFaults.steps = 0
    try:
        run_state_machine_as_test(
            RandomFaults,
            settings=settings(
                max_examples=EXAMPLES,
                stateful_step_count=STEPS,
                deadline=None,
                derandomize=True,
                database=None,
                phases=(Phase.explicit, Phase.generate),  # to shrink would take an hour
                suppress_health_check=list(HealthCheck),
            ),
        )
        RandomFaults.world.end()
    finally:
        RandomFaults.world.close()
        note("steps", RandomFaults.steps)
        note("slowest agreement", RandomFaults.world.slowest)
