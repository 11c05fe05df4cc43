"""What containers and the host use: sampled once for all who ask, kept, told.

sampler     takes samples when they are due, and answers who asks for figures
streams     who follows them, and how that ends
pace        how often each container is sampled, within a CPU budget; the beat
sources     the kernel's files or the engine, and what samples from them cost
samples     each container's newest sample, and its history
history     figures over time, in bounded memory; pure
disk        has it counted, seldom, what containers have written
figures     two samples of a container become its figures; pure
selection   the figures of many containers in one answer; pure
host        what the host uses: its last sample, and its history
meters      requests and calls of the engine, counted as they happen
prometheus  the text of /metrics, with what this service tells of itself
cadvisor    the metrics of containers in it, by cAdvisor's names
"""

from .disk import DiskSampler
from .host import HostMonitor
from .meters import Meters
from .pace import Interest
from .prometheus import MEDIA_TYPES, Metrics, format_for
from .sampler import Sampler
from .selection import StatsSelection, StreamPace, StreamSelection
from .sources import SamplerCounts, Sources
from .streams import Streams

__all__ = [
    "MEDIA_TYPES",
    "DiskSampler",
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
