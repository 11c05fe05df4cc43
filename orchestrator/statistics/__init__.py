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
from .selection import (
    StatsSelection,
    StreamPace,
    StreamSelection,
)
from .sources import (
    SamplerCounts,
    Sources,
)
from .streams import (
    Streams,
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
    "Streams",
    "format_for",
]
