"""What the engine's JSON and texts mean, both ways. Pure: no I/O, no state.

containers    inspections and listings become our types
ownership     which containers are ours, whatever labels images bring
create        a Spec becomes the body of a create
rebuild       an inspection becomes the body of a create of the same once more
images        images and volumes, and the program of an image
archives      a file out of an archive
statistics    the engine's statistics become a sample
refusals      error texts become our errors; runtime_refusals those about what was to be started
pull_failures why a pull failed, by the engine's words
capabilities  what an engine can do, by what it says of itself
"""

from .archives import first_file
from .capabilities import Capabilities
from .containers import (
    environment_of,
    is_husk,
    parse_container,
    parse_listed,
    words,
    written_of,
)
from .create import create_body, fingerprint
from .images import created_of_volume, is_own_volume, parse_image, program_of
from .ownership import image_behind_claim
from .pull_failures import pull_failure
from .rebuild import endpoint_of, parse_blueprint, rebuilt_body
from .refusals import refusal, refused_for_another, tunnel_failure
from .runtime_refusals import about_spec, cannot_be_run
from .statistics import parse_engine_stats, without_control_group

__all__ = [
    "Capabilities",
    "about_spec",
    "cannot_be_run",
    "create_body",
    "created_of_volume",
    "endpoint_of",
    "environment_of",
    "fingerprint",
    "first_file",
    "image_behind_claim",
    "is_husk",
    "is_own_volume",
    "parse_blueprint",
    "parse_container",
    "parse_engine_stats",
    "parse_image",
    "parse_listed",
    "program_of",
    "pull_failure",
    "rebuilt_body",
    "refusal",
    "refused_for_another",
    "tunnel_failure",
    "without_control_group",
    "words",
    "written_of",
]
