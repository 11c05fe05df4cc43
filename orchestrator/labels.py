"""Names the labels that this service writes: on its containers, and on volumes and networks it
makes.

They are its only database. A caller's label under `LABEL_PREFIX` is refused.
"""

LABEL_PREFIX = "orchestration-api."

LABEL_MANAGED = LABEL_PREFIX + "managed"
LABEL_PORTS = LABEL_PREFIX + "ports"  # "8001,8002": the host ports that the container was given
LABEL_START = LABEL_PREFIX + "start"  # "false": created with `start: false`, so not a husk
# The create that made the container, or the volume; what proves that a container is ours, see
# payloads.ownership.
LABEL_CREATE = LABEL_PREFIX + "create"
LABEL_IMAGE = LABEL_PREFIX + "image"  # what the caller called the image that it was cloned from
LABEL_KEY = LABEL_PREFIX + "idempotency-key"
LABEL_REQUEST = LABEL_PREFIX + "request"  # what came with the key: see fingerprint() in payloads
LABEL_CREATED_BY = LABEL_PREFIX + "created-by"  # the name of the caller's key, where there was one

# On a container that was moved, see `moves`:
LABEL_MOVED_FROM = (
    LABEL_PREFIX + "moved-from"
)  # the full ids it had, the last one last, between commas
LABEL_NAME = LABEL_PREFIX + "name"  # the name that it has once the move is finished
LABEL_PREVIOUS_PORTS = LABEL_PREFIX + "previous-ports"  # "5000/tcp=0.0.0.0:8001,…"
LABEL_VOLUMES = (
    LABEL_PREFIX + "volumes"
)  # names of anonymous volumes that it took over, between commas
