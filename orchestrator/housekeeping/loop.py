"""Finishes what crashes interrupted, takes away what they left, and looks whether promises that
depend on the host are kept, again and again.
"""

import asyncio
import logging

from ..containers import Leftovers, Mover, Networks
from ..errors import OrchestratorError

log = logging.getLogger(__name__)

# Seconds between two rounds; less where the grace of husks is less.
LONGEST_SECONDS = 30.0


class Housekeeping:
    """Keeps house every `seconds`, LONGEST_SECONDS at most."""

    def __init__(
        self, mover: Mover, leftovers: Leftovers, networks: Networks, seconds: float
    ) -> None:
        self._work = (
            mover.finish_all,
            leftovers.remove_husks,
            leftovers.remove_unused_images,
            networks.check,
        )
        self._seconds = min(LONGEST_SECONDS, seconds)

    async def run(self) -> None:
        """Keeps house until it is cancelled."""
        while True:
            await asyncio.sleep(self._seconds)
            await self.run_once()

    async def run_once(self) -> None:
        """One round: what fails is tried again in the next one."""
        for work in self._work:
            try:
                await work()
            except OrchestratorError as error:
                log.warning("Housekeeping has to wait: %s", error)
