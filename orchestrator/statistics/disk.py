"""Has it counted, seldom, what containers have written, for the quota TOTAL_DISK and for /metrics.

The engine walks through all files for that. So it is done only while somebody wants to know, every
DISK_INTERVAL seconds, and less often where it takes long: for a twentieth of the time at most.
"""

import asyncio
import logging
import math
import time
from collections.abc import Callable

from ..errors import OrchestratorError
from ..settings import Settings
from ..state import Written

log = logging.getLogger(__name__)

# A look may take one part in so many of the time.
SHARE = 20
# For so many seconds after a scrape of /metrics somebody is taken to want to know; at least two
# intervals.
ASKED_SECONDS = 900.0
BEAT_SECONDS = 1.0


class DiskSampler:
    """Has `written` look at all containers when that is due. `clock` counts seconds."""

    def __init__(
        self, written: Written, settings: Settings, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.written = written
        self._clock = clock
        self._interval = settings.disk_interval
        self._quota = bool(settings.total_disk)
        self._asked = -math.inf
        self._next = -math.inf
        self._failure: str | None = None

    def asked(self) -> None:
        """Notes that somebody wants to know."""
        self._asked = self._clock()

    @property
    def problem(self) -> str | None:
        """What the quota is not held by, and what to do; None where it is."""
        if self._quota and self._failure is not None:
            return (
                "What containers have written could not be counted, so TOTAL_DISK goes by older"
                f" figures. The engine's answer was: {self._failure}"
            )
        return None

    async def run(self) -> None:
        """Has it counted whenever that is due, until it is cancelled."""
        while True:
            try:
                await self.run_once()
            except Exception:
                log.exception("What containers have written could not be counted")
            await asyncio.sleep(BEAT_SECONDS)

    async def run_once(self) -> None:
        """Has it counted, if that is due now."""
        began = self._clock()
        if began < self._next or not self._is_wanted(began):
            return
        try:
            await self.written.look()
            self._failure = None
        except OrchestratorError as error:
            self._failure = error.message
            log.warning("What containers have written could not be counted: %s", error)
        ended = self._clock()
        self._next = max(began + self._interval, ended + (SHARE - 1) * (ended - began))

    def _is_wanted(self, now: float) -> bool:
        return self._quota or now - self._asked < max(ASKED_SECONDS, 2 * self._interval)
