"""What happens to every request, whatever its path: named, counted, noted, let in or refused."""

from .asgi import (
    App,
    Message,
    Receive,
    Send,
    route_of,
)
from .counted import (
    MeteredRequests,
)
from .keys import (
    Keyring,
)
from .limits import (
    MAX_HEADERS_SIZE,
    Limits,
    StreamLimit,
)

__all__ = [
    "MAX_HEADERS_SIZE",
    "App",
    "Keyring",
    "Limits",
    "Message",
    "MeteredRequests",
    "Receive",
    "Send",
    "StreamLimit",
    "route_of",
]
