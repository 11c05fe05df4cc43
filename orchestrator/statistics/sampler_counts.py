"""What the sampler counts about itself, for whoever watches the service."""

from collections import Counter, defaultdict
from copy import deepcopy
from dataclasses import dataclass, field

from ..models import Source


def _zeros() -> defaultdict[Source, float]:
    return defaultdict(float)


@dataclass
class SamplerCounts:
    """Since the start, by source of the samples."""

    samples: Counter[Source] = field(default_factory=Counter)
    failures: Counter[Source] = field(default_factory=Counter)
    cpu_seconds: defaultdict[Source, float] = field(
        default_factory=lambda: defaultdict(float)
    )  # of this process
    seconds: defaultdict[Source, float] = field(default_factory=lambda: defaultdict(float))
    stretch: float = 1.0  # how much longer than wanted intervals are, for the budget's sake
    streams: int = 0  # open at the moment

    def copy(self) -> "SamplerCounts":
        """As it is at this moment."""
        return deepcopy(self)
