"""Defines the errors about a host port: it is not ours, somebody else has it, none is left."""

from .kinds import ConflictError, InvalidError, MissingError, UnavailableError


class PortNotFound(MissingError):
    code = "port-not-found"
    title = "The port is outside the range of this service"
    example = "Port 80 is outside 8001-8999, the ports that this service gives out."


class PortOutOfRange(InvalidError):
    code = "port-out-of-range"
    title = "The port is outside the range of this service"
    example = (
        "Port 80 is outside 8001-8999. Pin one of these, or leave `port` out and the service"
        " picks a free one."
    )


class PortInUse(ConflictError):
    code = "port-in-use"
    title = "The port is in use"
    example = (
        'Port 8001 is in use by container "web-1". Pin another one, or leave `port` out and the'
        " service picks a free one."
    )


class PortGivenAway(ConflictError):
    code = "port-given-away"
    title = "The container's port was given to another one"
    example = (
        'Port 8001 of this container was given to "web-2" while it was stopped. Remove "web-2",'
        " or create this container anew to get another port."
    )


class PortRefused(ConflictError):
    """The engine refused to start a container because one of its ports is taken.

    `port` is the refused one where the engine's text names it, else None.
    Callers of the service never see it: another port is tried.
    """

    code = "port-refused"
    title = "The engine refused the port"
    example = "The port is taken."

    def __init__(self, message: str, port: int | None) -> None:
        super().__init__(message, port=port)
        self.port = port


class PortsExhausted(UnavailableError):
    code = "ports-exhausted"
    title = "No port is left"
    example = (
        "All ports of 8001-8999 are taken: 0 left, 1 wanted. Remove or stop a container, or widen"
        " PORT_RANGE."
    )
