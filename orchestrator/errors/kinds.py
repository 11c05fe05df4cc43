"""Defines the kinds of errors. Each error has a code, a title, and a sentence on what to do.

Programs match on the `code`, which never changes. Of the sentence each class has an `example`, for
the documentation. What else there is to tell of the case are fields (`port`, `name`, `matches`, …).
Nothing here knows HTTP: `http.problems` maps the kinds to status codes.

The engine's own words go into `__cause__` and the log, since they may carry paths and addresses.
"""

from typing import ClassVar


class OrchestratorError(Exception):
    """Something went wrong; the base of all errors of this service.

    `message` says what happened and what to do; `example` is one such sentence, as documentation
    shows it. `fields` are JSON values that describe the case; None values are left out.
    """

    code: ClassVar[str] = "internal-error"
    title: ClassVar[str] = "Something went wrong in the service"
    example: ClassVar[str] = (
        "This is a fault of the service; its log has more under this request's id."
    )

    def __init__(self, message: str, **fields: object) -> None:
        super().__init__(message)
        self.message = message
        self.fields = {name: value for name, value in fields.items() if value is not None}


# The kinds. What is raised is always one of their children, in the modules beside this one.


class InvalidError(OrchestratorError):
    """The request itself is wrong; the same request will never work."""


class MissingError(OrchestratorError):
    """What the request names does not exist."""


class ConflictError(OrchestratorError):
    """The request is fine, but not in the present state of things."""


class ForbiddenError(OrchestratorError):
    """The operator does not allow it, or a registry."""


class CallerError(OrchestratorError):
    """It is not known who asks, and that must be known."""


class ContentError(OrchestratorError):
    """The body is of a kind that this service does not take."""


class LimitError(OrchestratorError):
    """The request is more than is taken, or cannot be read, whatever it asks for."""


class UpstreamError(OrchestratorError):
    """Somebody who had to be asked for it, a registry, does not answer as it should."""


class UnavailableError(OrchestratorError):
    """Not now; the same request may work later. `retry_after` is in seconds."""

    retry_after: ClassVar[int] = 5


class StorageError(OrchestratorError):
    """There is no room for it on a disk. `retry_after` is in seconds."""

    retry_after: ClassVar[int] = 60


class DeadlineError(OrchestratorError):
    """The engine did not answer in time. `retry_after` is in seconds."""

    retry_after: ClassVar[int] = 5
