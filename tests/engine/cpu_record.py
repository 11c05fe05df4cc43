"""What a container's processes have had of the CPU, moment by moment: the kernel's own account of
them, in which a figure of any time can be looked up afterwards, however busy the machine is.
"""

import threading
import time
from bisect import bisect_left
from types import TracebackType

import docker
import psutil

from tests.conftest import wait_until

EVERY = 0.01  # seconds: a tick of the account


class CpuRecord:
    """Is kept while it is open, of a container that is busy, by one process below the first one,
    which is the init process.
    """

    def __init__(self, client: docker.DockerClient, container_id: str) -> None:
        first = psutil.Process(client.api.inspect_container(container_id)["State"]["Pid"])

        def all_there() -> list[psutil.Process]:
            found = [first, *first.children(recursive=True)]
            return found if len(found) > 1 else []

        self._processes: list[psutil.Process] = wait_until(all_there, what="the program runs")
        self._at: list[float] = []
        self._seconds: list[float] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep)

    def __enter__(self) -> "CpuRecord":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()

    def percent(self, end: float, seconds: float) -> float:
        """The share of a core in the `seconds` before `end`, a time since 1970."""
        return 100 * (self._until(end) - self._until(end - seconds)) / seconds

    def _until(self, moment: float) -> float:
        """Seconds of CPU time up to a moment, between what was read before and after it. Before the
        record, the container is taken to have been busy since it began.
        """
        assert moment <= self._at[-1], "the record was kept then"
        if moment < self._at[0]:
            return max(0.0, self._seconds[0] - (self._at[0] - moment))
        after = max(1, bisect_left(self._at, moment))
        (begin, end), (less, more) = self._at[after - 1 : after + 1], self._seconds[after - 1 :][:2]
        return less + (more - less) * (moment - begin) / (end - begin)

    def _keep(self) -> None:
        while True:
            last = self._ended.is_set()
            times = [each.cpu_times() for each in self._processes]
            self._at.append(time.time())
            self._seconds.append(sum(each.user + each.system for each in times))
            if last:
                return
            self._ended.wait(EVERY)
