"""What may be done, by whom, with how much of the host.

access       which containers may be read, changed, and shown with their secrets
confinement  the limits and restrictions that every container gets
disk         what containers may write, and whether the engine's disk has room for another one
images       which images and volumes a create may use
quotas       how much containers may have: each, all together, those of a key
"""

from .access import Access, require_write_scope
from .confinement import NOBODY, check_health_check, check_memory, confinement_of, limits_of
from .disk import DiskRules
from .images import Permissions, not_ours
from .quotas import Admission, Quotas

__all__ = [
    "NOBODY",
    "Access",
    "Admission",
    "DiskRules",
    "Permissions",
    "Quotas",
    "check_health_check",
    "check_memory",
    "confinement_of",
    "limits_of",
    "not_ours",
    "require_write_scope",
]
