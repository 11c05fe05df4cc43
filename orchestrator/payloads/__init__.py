"""What the engine's JSON and texts mean, both ways. Pure: no I/O, no state.

    containers   an inspection becomes a Container; what a listing and labels say of one
    create       a request becomes the body of a create
    rebuild      an inspection becomes the body of a create of the same, on other ports
    images       which labels and ports a container gets from its image
    refusals     the engine's error texts, and ssh's, become our errors
    capabilities which limits the engine really applies, by what it says of itself

Shapes are those of the Docker Engine API; texts are those of the engines that `refusals` names.
"""

from .capabilities import (
    Capabilities,
)
from .containers import (
    agrees,
    environment_of,
    is_husk,
    is_own_volume,
    parse_container,
    words,
)
from .create import (
    create_body,
    fingerprint,
)
from .images import (
    exposed_ports,
    image_labels,
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

__all__ = [
    "Capabilities",
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
    "pull_failure",
    "rebuilt_body",
    "refusal",
    "tunnel_failure",
    "words",
]
