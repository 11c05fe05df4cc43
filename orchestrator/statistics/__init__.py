"""What containers and the host use: sampled once for all who ask, kept, told."""

from .host import (
    HostMonitor,
)
from .meters import (
    Meters,
)
from .pace import (
    Interest,
)
from .prometheus import (
    MEDIA_TYPES,
    Metrics,
    format_for,
)
from .sampler import (
    Sampler,
)
from .sampler_counts import (
    SamplerCounts,
)
from .selection import (
    StatsSelection,
    StreamPace,
    StreamSelection,
)
from .sources import (
    Sources,
)

__all__ = [
    "MEDIA_TYPES",
    "HostMonitor",
    "Interest",
    "Meters",
    "Metrics",
    "Sampler",
    "SamplerCounts",
    "Sources",
    "StatsSelection",
    "StreamPace",
    "StreamSelection",
    "format_for",
]
