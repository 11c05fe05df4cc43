"""What can go wrong, in the service's own words.

Every failure that a caller can meet is one of these. An error carries a stable `code` that
programs match on, a sentence that says what to do, and the fields of the case (`port`, `name`,
`matches`, …). It knows nothing of HTTP: `problems.py` maps the kinds below to status codes.

The engine's own words go into `__cause__` and the log, since they may carry paths and addresses.
"""

from typing import ClassVar


class OrchestratorError(Exception):
    """Base of all errors of this package.

    `fields` are JSON values that describe the case; None values are left out.
    """

    code: ClassVar[str] = "internal-error"
    title: ClassVar[str] = "Something went wrong in the service"

    def __init__(self, message: str, **fields: object) -> None:
        super().__init__(message)
        self.message = message
        self.fields = {name: value for name, value in fields.items() if value is not None}


# The kinds. What is raised is always one of their children further down.


class InvalidError(OrchestratorError):
    """The request itself is wrong; the same request will never work."""


class MissingError(OrchestratorError):
    """What the request names does not exist."""


class ConflictError(OrchestratorError):
    """The request is fine, but not in the present state of things."""


class ForbiddenError(OrchestratorError):
    """The operator does not allow it."""


class CallerError(OrchestratorError):
    """It is not known who asks, and that must be known."""


class ContentError(OrchestratorError):
    """The body is of a kind that this service does not take."""


class LimitError(OrchestratorError):
    """The request is more than is taken, or cannot be read, whatever it asks for."""


class UnavailableError(OrchestratorError):
    """Not now; the same request may work later. `retry_after` is in seconds."""

    retry_after: ClassVar[int] = 5


class DeadlineError(OrchestratorError):
    """The engine did not answer in time. `retry_after` is in seconds."""

    retry_after: ClassVar[int] = 5


# Invalid


class InvalidRequest(InvalidError):
    code = "invalid-request"
    title = "The request is not valid"


class PortOutOfRange(InvalidError):
    code = "port-out-of-range"
    title = "The port is outside the range of this service"


class IdempotencyKeyReused(InvalidError):
    code = "idempotency-key-reused"
    title = "The idempotency key belongs to another request"


class StartRefused(InvalidError):
    """The engine cannot start what the request describes, for example an unknown command."""

    code = "start-refused"
    title = "The container cannot be started"


# Missing


class ContainerNotFound(MissingError):
    code = "container-not-found"
    title = "No such container"


class ImageNotFound(MissingError):
    code = "image-not-found"
    title = "No such image"


class PortNotFound(MissingError):
    code = "port-not-found"
    title = "The port is outside the range of this service"


# Conflict


class AmbiguousId(ConflictError):
    code = "ambiguous-id"
    title = "Several containers match"


class NameInUse(ConflictError):
    code = "name-in-use"
    title = "The name is in use"


class PortInUse(ConflictError):
    code = "port-in-use"
    title = "The port is in use"


class PortGivenAway(ConflictError):
    code = "port-given-away"
    title = "The container's port was given to another one"


class ContainerNotRunning(ConflictError):
    code = "container-not-running"
    title = "The container does not run"


class ContainerPaused(ConflictError):
    code = "container-paused"
    title = "The container is paused"


class ContainerBusy(ConflictError):
    """The engine is in the middle of something with this container, for example its removal."""

    code = "container-busy"
    title = "The container is busy"


class NetworkMissing(ConflictError):
    """A network that the container is on was removed. One of ours is made again, unnoticed."""

    code = "network-missing"
    title = "A network of the container is gone"


# Forbidden


class NotManaged(ForbiddenError):
    code = "not-managed"
    title = "The container is not managed by this service"


class InsufficientScope(ForbiddenError):
    code = "insufficient-scope"
    title = "The key may only read"


class HostNotAllowed(ForbiddenError):
    code = "host-not-allowed"
    title = "The service does not answer to this name"


class FromContainer(ForbiddenError):
    """A container of this service called it, and nobody said that they may."""

    code = "from-container"
    title = "Containers may not call this service"


class CrossOrigin(ForbiddenError):
    code = "cross-origin"
    title = "A page of another origin may not do this"


class ImageNotAllowed(ForbiddenError):
    code = "image-not-allowed"
    title = "The image may not be cloned"


class VolumeNotManaged(ForbiddenError):
    code = "volume-not-managed"
    title = "The volume is not managed by this service"


class OverLimit(ForbiddenError):
    code = "over-limit"
    title = "No container may have that much"


class QuotaExceeded(ForbiddenError):
    """Removing a container makes room for another; waiting alone does not."""

    code = "quota-exceeded"
    title = "The quota is used up"


# Who asks, and with what


class Unauthenticated(CallerError):
    code = "unauthenticated"
    title = "A key is needed"


class UnsupportedMediaType(ContentError):
    code = "unsupported-media-type"
    title = "The body is not JSON"


# Limits


class MalformedRequest(LimitError):
    code = "malformed-request"
    title = "The request is not HTTP"


class RequestTooSlow(LimitError):
    code = "request-too-slow"
    title = "The request took too long to arrive"


class BodyTooLarge(LimitError):
    code = "body-too-large"
    title = "The body is too large"


class UrlTooLong(LimitError):
    code = "url-too-long"
    title = "The URL is too long"


class HeadersTooLarge(LimitError):
    code = "headers-too-large"
    title = "The headers are too many or too large"


class TooManyStreams(LimitError):
    code = "too-many-streams"
    title = "Too many streams are open"


# Unavailable, too late


class Overloaded(UnavailableError):
    code = "overloaded"
    title = "Too many requests are under way"


class TooManyConnections(UnavailableError):
    code = "too-many-connections"
    title = "Too many connections are open"


class TooBusy(UnavailableError):
    code = "too-busy"
    title = "Too many changes are waiting"


class ShuttingDown(UnavailableError):
    code = "shutting-down"
    title = "The service is shutting down"


class PortsExhausted(UnavailableError):
    code = "ports-exhausted"
    title = "No port is left"


class NetworkFull(UnavailableError):
    """A network takes no more containers, or the engine can make no more networks. Callers see
    it only when no other network can take the container either.
    """

    code = "network-full"
    title = "No network can take the container"


class EngineUnavailable(UnavailableError):
    code = "engine-unavailable"
    title = "The Docker engine cannot be reached"


class EngineFailed(UnavailableError):
    """The engine answered with an error that this service has no better name for."""

    code = "engine-failed"
    title = "The Docker engine reported an error"


class ImagePullFailed(UnavailableError):
    code = "image-pull-failed"
    title = "The image cannot be pulled"


class EngineTimeout(DeadlineError):
    code = "engine-timeout"
    title = "The Docker engine did not answer in time"


class PortRefused(ConflictError):
    """The engine refused to start a container because one of its ports is taken.

    `port` is the refused one where the engine's text names it, else None.
    Callers of the service never see it: lifecycle solves it by trying on.
    """

    code = "port-refused"
    title = "The engine refused the port"

    def __init__(self, message: str, port: int | None) -> None:
        super().__init__(message, port=port)
        self.port = port
