"""Defines the errors about a request, whatever it asks for: who sends it, its form, its size, and
how much else is under way.
"""

from .kinds import (
    CallerError,
    ContentError,
    ForbiddenError,
    InvalidError,
    LimitError,
    UnavailableError,
)


class InvalidRequest(InvalidError):
    code = "invalid-request"
    title = "The request is not valid"
    example = 'memory: memory is a number with a unit, like "512m" or "1g", or bytes.'


class IdempotencyKeyReused(InvalidError):
    code = "idempotency-key-reused"
    title = "The idempotency key belongs to another request"
    example = (
        'This Idempotency-Key came with another body before, which made "web-1". Use a new key'
        " for a new container."
    )


class PreconditionFailed(LimitError):
    """A change, or an answer, is wanted only under a condition that does not hold."""

    code = "precondition-failed"
    title = "The condition of the request does not hold"
    example = (
        "If-Match asks for an answer with the same bytes, which no ETag here promises. Leave it"
        " out; nothing was changed."
    )


class Unauthenticated(CallerError):
    code = "unauthenticated"
    title = "A key is needed"
    example = (
        "A key is needed. Send it as Authorization: Bearer KEY, or to a browser as the password."
    )


class InsufficientScope(ForbiddenError):
    code = "insufficient-scope"
    title = "The key may only read"
    example = 'The key "dashboard" may only read. Use one with the scope write.'


class HostNotAllowed(ForbiddenError):
    code = "host-not-allowed"
    title = "The service does not answer to this name"
    example = (
        "This service does not answer to that name in the Host header. Call it by its address, or"
        " add the name to the setting ALLOWED_HOSTS."
    )


class FromContainer(ForbiddenError):
    """A container of this service called it, and nobody said that they may."""

    code = "from-container"
    title = "Containers may not call this service"
    example = (
        "This service does not answer to the containers it has made. The setting"
        " ALLOW_FROM_CONTAINERS lets them in."
    )


class CrossOrigin(ForbiddenError):
    code = "cross-origin"
    title = "A page of another origin may not do this"
    example = (
        "A page of another origin may not change anything here. The setting CORS_ORIGINS lets"
        " origins in."
    )


class UnsupportedMediaType(ContentError):
    code = "unsupported-media-type"
    title = "The body is not JSON"
    example = "The body must be JSON, sent with the header Content-Type: application/json."


class MalformedRequest(LimitError):
    code = "malformed-request"
    title = "The request is not HTTP"
    example = (
        "This is not HTTP/1.1 as it should be, so the connection is closed. Look at what the"
        " client or a proxy in between has sent."
    )


class RequestTooSlow(LimitError):
    code = "request-too-slow"
    title = "The request took too long to arrive"
    example = "The request was not here in full within 30 seconds. Send it again in one go."


class BodyTooLarge(LimitError):
    code = "body-too-large"
    title = "The body is too large"
    example = "The body is larger than 65536 bytes. Send less, or raise MAX_BODY."


class UrlTooLong(LimitError):
    code = "url-too-long"
    title = "The URL is too long"
    example = "The URL is longer than 8192 bytes. Shorten the path or the query."


class HeadersTooLarge(LimitError):
    code = "headers-too-large"
    title = "The headers are too many or too large"
    example = (
        "The request has more than 100 headers, or more than 32768 bytes of them. Leave out what"
        " is not needed."
    )


class TooManyStreams(LimitError):
    code = "too-many-streams"
    title = "Too many streams are open"
    example = (
        "50 streams of yours are open, and no more are given. Close one, or raise MAX_STREAMS."
    )


class TooManyChanges(LimitError):
    code = "too-many-changes"
    title = "Too many changes of one caller are under way"
    example = (
        "128 changes of yours are under way or waiting, and no more are taken. Wait for some to"
        " end, or raise MAX_CHANGES."
    )


class Overloaded(UnavailableError):
    code = "overloaded"
    title = "Too many requests are under way"
    example = (
        "500 requests are under way, and no more are taken. Try again in a few seconds, or raise"
        " MAX_REQUESTS."
    )


class TooManyConnections(UnavailableError):
    code = "too-many-connections"
    title = "Too many connections are open"
    example = (
        "All connections that the service takes are at work. Try again in a few seconds, or raise"
        " MAX_CONNECTIONS."
    )


class TooBusy(UnavailableError):
    code = "too-busy"
    title = "Too many changes are waiting"
    example = (
        "256 changes are under way or waiting, and no more are taken. Try again in a few seconds,"
        " or raise MUTATION_QUEUE."
    )


class AuditUnavailable(UnavailableError):
    """Whoever runs the service wants no change without a line in the audit."""

    code = "audit-unavailable"
    title = "The audit cannot be written"
    example = (
        "No change is made while the audit cannot be written. The operator finds the reason in GET"
        " /health and in the log; try again when it is gone."
    )


class ShuttingDown(UnavailableError):
    code = "shutting-down"
    title = "The service is shutting down"
    example = "The service is being stopped. Try again when it is back; containers keep running."
