"""What can go wrong, each error with its code, title and example.

    kinds        what every error carries, and the kinds that HTTP has status codes for
    containers   a container is not there, not ours, in no state for it, or asks for too much
    ports        a host port is none of ours, somebody else has it, or none is left
    images       an image may not be cloned, or the engine cannot get it
    engine       the Docker engine is away, fails, or is late
    requests     who asks, with what, how large, and while how much else is under way

A new error is one class in the module of its topic, of the kind that fits; then it is named here
and on the routes that raise it. A unit test holds this list to the classes.
"""

from .containers import (
    AmbiguousId,
    ContainerBusy,
    ContainerNotFound,
    ContainerNotRunning,
    ContainerPaused,
    NameInUse,
    NetworkFull,
    NetworkMissing,
    NotManaged,
    OverLimit,
    QuotaExceeded,
    StartRefused,
    VolumeNotManaged,
)
from .engine import (
    EngineFailed,
    EngineTimeout,
    EngineUnavailable,
)
from .images import (
    ImageNotAllowed,
    ImageNotFound,
    ImagePullFailed,
)
from .kinds import (
    CallerError,
    ConflictError,
    ContentError,
    DeadlineError,
    ForbiddenError,
    InvalidError,
    LimitError,
    MissingError,
    OrchestratorError,
    UnavailableError,
)
from .ports import (
    PortGivenAway,
    PortInUse,
    PortNotFound,
    PortOutOfRange,
    PortRefused,
    PortsExhausted,
)
from .requests import (
    BodyTooLarge,
    CrossOrigin,
    FromContainer,
    HeadersTooLarge,
    HostNotAllowed,
    IdempotencyKeyReused,
    InsufficientScope,
    InvalidRequest,
    MalformedRequest,
    Overloaded,
    PreconditionFailed,
    RequestTooSlow,
    ShuttingDown,
    TooBusy,
    TooManyConnections,
    TooManyStreams,
    Unauthenticated,
    UnsupportedMediaType,
    UrlTooLong,
)

__all__ = [
    "AmbiguousId",
    "BodyTooLarge",
    "CallerError",
    "ConflictError",
    "ContainerBusy",
    "ContainerNotFound",
    "ContainerNotRunning",
    "ContainerPaused",
    "ContentError",
    "CrossOrigin",
    "DeadlineError",
    "EngineFailed",
    "EngineTimeout",
    "EngineUnavailable",
    "ForbiddenError",
    "FromContainer",
    "HeadersTooLarge",
    "HostNotAllowed",
    "IdempotencyKeyReused",
    "ImageNotAllowed",
    "ImageNotFound",
    "ImagePullFailed",
    "InsufficientScope",
    "InvalidError",
    "InvalidRequest",
    "LimitError",
    "MalformedRequest",
    "MissingError",
    "NameInUse",
    "NetworkFull",
    "NetworkMissing",
    "NotManaged",
    "OrchestratorError",
    "OverLimit",
    "Overloaded",
    "PortGivenAway",
    "PortInUse",
    "PortNotFound",
    "PortOutOfRange",
    "PortRefused",
    "PortsExhausted",
    "PreconditionFailed",
    "QuotaExceeded",
    "RequestTooSlow",
    "ShuttingDown",
    "StartRefused",
    "TooBusy",
    "TooManyConnections",
    "TooManyStreams",
    "Unauthenticated",
    "UnavailableError",
    "UnsupportedMediaType",
    "UrlTooLong",
    "VolumeNotManaged",
]
