"""Starts and restarts containers that exist, on their own ports, or has them moved to others."""

from collections.abc import Awaitable, Callable

from ..errors import PortGivenAway, PortInUse, PortRefused
from ..models import Container
from ..ports import Reservation, port_in_use
from ..state import Mirror
from .launch import Launcher
from .move import Mover


class Starter:
    """Gets a container that its caller has claimed to run, on ports that are its own."""

    def __init__(self, mirror: Mirror, launcher: Launcher, mover: Mover) -> None:
        self._mirror = mirror
        self._ports = mirror.ports
        self._launcher = launcher
        self._mover = mover

    async def start(self, container: Container) -> Container:
        """Starts a stopped container. Raises StartRefused, and what the engine raises."""
        await self._launcher.check_program(container)
        return await self._run(container, self._launcher.start)

    async def restart(self, container: Container, grace: int) -> Container:
        """Stops a container, killing it after `grace` seconds, and starts it."""
        await self._launcher.check_program(container)
        return await self._run(
            container,
            lambda each, reservation: self._launcher.restart(each, reservation, grace),
        )

    async def _run(
        self,
        container: Container,
        start: Callable[[Container, Reservation], Awaitable[Container]],
    ) -> Container:
        """Starts a container with its ports reserved; one that cannot have them is moved, unless
        it is somebody else's.
        """
        try:
            reservation = self._ports.reserve_own(container)
        except PortGivenAway:
            if not container.managed:
                raise
            return await self._mover.move(container)
        with reservation:
            try:
                return await start(container, reservation)
            except PortRefused as refusal:
                refused = refusal
        now = await self._mirror.existing(container.full_id)
        if not container.managed:
            raise self._in_use(container, refused.port) from refused
        return await self._mover.move(now, {refused.port} if refused.port else ())

    def _in_use(self, container: Container, port: int | None) -> PortInUse:
        """The error for the port of an existing container that the engine refused."""
        ours = [own for own in container.own_ports if own in self._ports.range]
        if ours and (port in ours or port is None):
            return port_in_use(self._ports.row(port or ours[0]))
        return PortInUse(
            f'Port {port or ""} of "{container.name}" is held by somebody else on the host. Free'
            " it, or create the container anew to get another port.",
            port=port,
        )
