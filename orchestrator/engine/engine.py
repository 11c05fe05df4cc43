"""Stands for the Docker engine in the rest of the service: connect, ping, and its calls by noun."""

from collections.abc import AsyncGenerator, Callable

from ..models import EngineInfo
from ..payloads import Capabilities
from ..settings import Settings
from .connection import Connection
from .containers import ContainerCalls
from .events import container_events
from .images import ImageCalls
from .inherited import InheritedLabels
from .networks import NetworkCalls
from .sizes import SizeCalls
from .volumes import VolumeCalls


class Engine:
    """The engine at `DOCKER_HOST`. `connect` before anything else; it may be called again.

    `on_call` is told of each call: its name, how many seconds it took with the wait for a thread,
    and the code of the error that its caller got, if any.
    """

    def __init__(
        self,
        settings: Settings,
        on_call: Callable[[str, float, str | None], None] = lambda *_: None,
    ) -> None:
        self._connection = connection = Connection(settings, on_call)
        self.images = ImageCalls(connection, settings.pull_timeout)
        inherited = InheritedLabels(self.images)
        self.containers = ContainerCalls(
            connection, inherited, settings.pull_timeout, settings.publish_address
        )
        self.networks = NetworkCalls(connection)
        self.volumes = VolumeCalls(connection)
        self.sizes = SizeCalls(connection)

    @property
    def capabilities(self) -> Capabilities:
        """What this engine can do, as it said when it was last asked."""
        return self._connection.capabilities

    @property
    def socket_path(self) -> str | None:
        """The file system path of the engine's Unix socket; None when it is reached otherwise."""
        return self._connection.socket_path

    def socket_file(self) -> tuple[int, int, int] | None:
        """What tells the file of the engine's socket from another one under the same path."""
        return self._connection.socket_file()

    @property
    def address(self) -> str:
        """Where the engine is, for people: without credentials."""
        return self._connection.address

    @property
    def host(self) -> str | None:
        """The host that the engine is reached at; None where that is by a socket of this one."""
        return self._connection.host

    async def connect(self) -> EngineInfo:
        """Opens a connection anew, agrees on an API version, and says what answers."""
        return await self._connection.connect()

    async def look_again(self) -> None:
        """Asks the engine once more what it can do. Raises what the engine raises."""
        await self._connection.look_again()

    async def ping(self, seconds: float) -> None:
        """Raises EngineUnavailable or EngineTimeout unless the engine answers in time."""
        await self._connection.ping(seconds)

    def events(self) -> AsyncGenerator[str, None]:
        """Yields the full id of a container whenever something happens to it; first an empty
        string, once the subscription stands. Ends when the connection does.
        """
        return container_events(self._connection)

    def close(self) -> None:
        """Ends the connection. There is no way back."""
        self._connection.close()
