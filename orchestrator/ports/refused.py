"""A port that the engine refused is held, so that it is not tried again at once."""

from ..errors import PortRefused
from ..host import HostPorts
from ..quantities import PortRange
from .allocator import PortAllocator
from .reservation import Reservation


class RefusedPorts:
    """Finds out which port the engine refused and who has it, and has the allocator hold it."""

    def __init__(self, ports: PortAllocator, host_ports: HostPorts) -> None:
        self._ports = ports
        self._host_ports = host_ports

    async def hold(self, refused: PortRefused, reservation: Reservation) -> None:
        """Marks the port that the engine refused, with who has it, where the host says so."""
        ports = set(reservation.ports.values())
        suspects = {port for port in ports if port == refused.port} or ports
        if not suspects:
            return
        first, last = min(suspects), max(suspects)
        seen = await self._host_ports.listeners(PortRange(first, last), lambda _: False) or {}
        # The engine names the port, mostly; if not, those count that somebody listens on.
        for port in suspects & seen.keys() or suspects:
            name = seen.get(port)
            self._ports.hold(port, f'process "{name}"' if name else None)
