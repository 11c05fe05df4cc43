"""Defines the errors of the Docker engine: it is away, fails, or is late."""

from .kinds import DeadlineError, UnavailableError


class EngineUnavailable(UnavailableError):
    code = "engine-unavailable"
    title = "The Docker engine cannot be reached"
    example = (
        "The Docker engine cannot be reached. See that it runs, that this service may use its"
        " socket, and that DOCKER_HOST is right; the service reconnects by itself."
    )


class EngineFailed(UnavailableError):
    """The engine answered with an error that this service has no better name for."""

    code = "engine-failed"
    title = "The Docker engine reported an error"
    example = (
        "The Docker engine reported an error of its own; this service's log has its words under"
        " the request's id. Try again; if it stays, look at the engine's log."
    )


class EngineTimeout(DeadlineError):
    code = "engine-timeout"
    title = "The Docker engine did not answer in time"
    example = (
        "The Docker engine did not answer within 20 seconds. Look at GET /health, and at"
        " GET /containers for what has happened meanwhile."
    )
