"""Starts services by forking a process that has imported main.py and waits: an import takes two
seconds of a processor, and a run of all tests starts more than a thousand services.

What is forked goes on as `python main.py` does from its second line on. The import itself is tested
where tests start a service as a user does, and in the first run of an ordinary user.
"""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent


class Process:
    """A service that was forked, with what tests use of a subprocess.Popen."""

    def __init__(self, number: int, pid: int, parent: "Parent") -> None:
        self._number = number
        self.pid = pid
        self._parent = parent

    def poll(self) -> int | None:
        """Its exit code, below zero for the signal that ended it; None while it runs."""
        return self._parent.exit_code(self._number, 0)

    def wait(self, timeout: float) -> int:
        """Its exit code, once it has one; raises TimeoutExpired after so many seconds."""
        code = self._parent.exit_code(self._number, timeout)
        if code is None:
            raise subprocess.TimeoutExpired("main.py", timeout)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Parent:
    """A process that forks services, in the network namespace of the thread that makes it. It ends
    with the process that it works for.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.forked", str(theirs.fileno())],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        self._heard = b""
        # By number, from 0 on: the system gives the same process id again.
        self._pids: list[int] = []
        self._codes: dict[int, int] = {}

    def fork(self, environment: dict[str, str], log: Path) -> Process:
        """Starts a service that appends to a file what it prints."""
        with self._lock:
            order = {"environment": environment, "log": str(log)}
            self._socket.sendall(json.dumps(order).encode() + b"\n")
            number = len(self._pids)
            while number == len(self._pids):
                self._hear()
            return Process(number, self._pids[number], self)

    def exit_code(self, number: int, seconds: float) -> int | None:
        """The exit code of one that was forked; None if it runs on for so many seconds."""
        deadline = time.monotonic() + seconds
        while True:
            with self._lock:  # only for a moment: others may want to send a signal
                while select.select([self._socket], [], [], 0)[0]:
                    self._hear()
                if number in self._codes or time.monotonic() >= deadline:
                    return self._codes.get(number)
            select.select([self._socket], [], [], max(0, min(0.05, deadline - time.monotonic())))

    def end(self) -> None:
        self._socket.close()
        self._process.wait(30)

    def _hear(self) -> None:
        told = self._socket.recv(65536)
        if not told:
            raise EOFError("the process that forks services has ended")
        *lines, self._heard = (self._heard + told).split(b"\n")
        for event in map(json.loads, lines):
            if "pid" in event:
                self._pids.append(event["pid"])
            else:
                self._codes[event["number"]] = event["code"]


_parents: dict[int, Parent] = {}


def fork(environment: dict[str, str], log: Path) -> Process:
    """Starts a service in the network namespace of this thread."""
    if (namespace := _namespace()) not in _parents:
        _parents[namespace] = Parent()
    return _parents[namespace].fork(environment, log)


def end_here() -> None:
    """Ends what forks services in the network namespace of this thread."""
    if parent := _parents.pop(_namespace(), None):
        parent.end()


def end_all() -> None:
    """Ends what forks services, in every namespace."""
    while _parents:
        _parents.popitem()[1].end()


def _namespace() -> int:
    return Path("/proc/thread-self/ns/net").stat().st_ino


def _next_order(orders: socket.socket) -> dict[str, Any] | None:
    """Forks for each order, and tells of each process that begins or ends. Returns the order in the
    child that it is for, and None in the parent, once nobody has orders any more.
    """
    woken, wake = socket.socketpair()
    wake.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
    lines = orders.makefile("rb")
    numbers: dict[int, int] = {}  # by process id, of those that run
    begun = 0
    while True:
        ready = select.select([orders, woken], [], [])[0]
        if woken in ready:
            woken.recv(4096)
            for pid, code in _ended():
                _tell(orders, number=numbers.pop(pid), code=code)
        if orders in ready:
            line = lines.readline()
            if not line:
                return None
            pid = os.fork()
            if not pid:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                for each in (lines, orders, woken, wake):
                    each.close()
                order: dict[str, Any] = json.loads(line)
                return order
            numbers[pid], begun = begun, begun + 1
            _tell(orders, pid=pid)


def _ended() -> Iterator[tuple[int, int]]:
    """The children that have ended, each with its exit code."""
    with suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            yield ended[0], os.waitstatus_to_exitcode(ended[1])


def _tell(orders: socket.socket, **event: int) -> None:
    orders.sendall(json.dumps(event).encode() + b"\n")


def _become(order: dict[str, Any]) -> None:
    """Gives this process the session, the output and the environment that were asked for."""
    os.setsid()
    log = os.open(order["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    os.environ.clear()
    os.environ.update(order["environment"])
    sys.argv = ["main.py"]


if __name__ == "__main__":
    import main

    if (order := _next_order(socket.socket(fileno=int(sys.argv[1])))) is not None:
        _become(order)
        main.main()
