"""What the engine's JSON and texts mean, both ways. Pure: no I/O, no state."""

from .capabilities import (
    Enforcement,
)
from .containers import (
    agrees,
    create_body,
    environment_of,
    exposed_ports,
    fingerprint,
    image_labels,
    is_husk,
    is_own_volume,
    parse_container,
    words,
)
from .rebuild import (
    endpoints,
    rebuilt_body,
)
from .refusals import (
    cannot_be_run,
    pull_failure,
    refusal,
    tunnel_failure,
)
from .statistics import (
    parse_engine_stats,
    without_control_group,
)

__all__ = [
    "Enforcement",
    "agrees",
    "cannot_be_run",
    "create_body",
    "endpoints",
    "environment_of",
    "exposed_ports",
    "fingerprint",
    "image_labels",
    "is_husk",
    "is_own_volume",
    "parse_container",
    "parse_engine_stats",
    "pull_failure",
    "rebuilt_body",
    "refusal",
    "tunnel_failure",
    "without_control_group",
    "words",
]
