"""A sampler with its memory and streams, and samples that the test makes up."""

import asyncio
import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from orchestrator.models import Container, Sample
from orchestrator.policy import Access
from orchestrator.settings import Settings, Unmanaged
from orchestrator.state import Inventory
from orchestrator.statistics import Interest, Sampler, SamplerCounts, Streams

from ..examples import container

WEB, DB = container("a1" * 32, name="web"), container("b2" * 32, name="db")


class Samples:
    """Stands for the sources: a sample of now, half a CPU busy, from files or from the engine."""

    def __init__(self) -> None:
        self.read_ones: list[str] = []
        self.containers: list[Container] = []
        self.asked: list[str] = []
        self.kept: list[set[str]] = []
        self.by_engine: set[str] = set()
        self.ended: set[str] = set()
        self.seconds = 0.0
        self.failure: Exception | None = None
        self.cpu_ns = 0
        self.ahead = 0.0  # seconds
        self.counts = SamplerCounts()

    def sample(self) -> Sample:
        now = time.time() + self.ahead
        return Sample(
            at=now,
            source="engine",
            cpu_ns=self.cpu_ns + int(now * 5e8),
            host_cpu_ns=int(now * 2e9),
            cpus=2,
            memory=1000,
        )

    async def read(self, containers: Sequence[Container]) -> list[Sample | None]:
        self.read_ones += [each.name for each in containers]
        self.containers += containers
        await asyncio.sleep(0)
        absent = self.by_engine | self.ended
        return [None if each.name in absent else self.sample() for each in containers]

    async def ask(self, container: Container) -> Sample | None:
        self.asked.append(container.name)
        await asyncio.sleep(self.seconds)
        if self.failure is not None:
            raise self.failure
        return None if container.name in self.ended else self.sample()

    async def keep(self, ids: Collection[str]) -> None:
        self.kept.append(set(ids))


class Host:
    """Stands for the host's statistics."""

    def __init__(self) -> None:
        self.samples = 0

    async def sample(self) -> None:
        self.samples += 1


class Setting:
    def __init__(
        self, budget: float = 0.2, unmanaged: Unmanaged = "false", **settings: Any
    ) -> None:
        self.samples, self.host, self.inventory = Samples(), Host(), Inventory()
        self.interest = Interest(budget)
        self.counts = self.samples.counts
        access = Access(unmanaged, None)
        self.sampler = Sampler(
            self.samples,  # type: ignore[arg-type]
            self.host,  # type: ignore[arg-type]
            self.inventory,
            access,
            self.interest,
            Settings(**settings),
        )
        self.streams = Streams(self.sampler, self.inventory, access, self.interest)
        self.memory = self.sampler._samples
        self.inventory.put(WEB)
        self.inventory.put(DB)


def age_by(it: Setting, seconds: float) -> None:
    """As if so much time had passed since the newest samples."""
    latest = it.memory._latest
    for full_id, each in latest.items():
        latest[full_id] = replace(each, taken=each.taken - seconds)
    it.samples.ahead += seconds


THEIRS = container("c3" * 32, name="theirs", managed=False)
