"""What may be done, by whom, with how much of the host."""

from .access import (
    Access,
    require_write_scope,
)
from .confinement import (
    confinement_of,
    has_init,
    limits_of,
)
from .quotas import (
    Admission,
    Quotas,
)

__all__ = [
    "Access",
    "Admission",
    "Quotas",
    "confinement_of",
    "has_init",
    "limits_of",
    "require_write_scope",
]
