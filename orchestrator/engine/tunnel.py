"""Brings the socket of an engine on another machine here, through the `ssh` program.

One ssh carries all connections to the engine. Each is a forwarded one, of which sshd allows any
number; of commands on one connection (`docker system dial-stdio`) it allows ten, and who opens many
connections is throttled. What uses the socket here notices nothing of SSH: time-outs, streams and
the reuse of connections are those of any Unix socket. Over there, neither a shell nor a `docker`
command is needed.

Keys, known hosts, agents, jump hosts and aliases are ssh's own business, in ~/.ssh. It asks nobody
anything: without a key that works and a host key that it knows, there is no tunnel.
"""

import logging
import math
import os
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ..addresses import SCHEME, SshAddress

log = logging.getLogger(__name__)

# ssh gives up a connection on which nothing has been heard for INTERVAL * COUNT seconds.
ALIVE_INTERVAL, ALIVE_COUNT = 5, 3
# Seconds until ssh is tried again when it was turned away: twice as long after each time. Only a
# person can change that, and each attempt is an entry in the log over there.
PAUSES = (1.0, 30.0)
_TURNED_AWAY = re.compile(r"permission denied|host key|too many authentication failures", re.I)
# Seconds after which an ssh whose tunnel does not lead to the engine is replaced: what its user may
# do was settled when it logged in.
RENEW = 5.0
_POLL = 0.02  # seconds between looks whether the socket is there
_WORDS = 20  # lines of ssh that are remembered, or logged until it works
_PATIENCE = 5.0  # seconds for ssh to end
_MOMENT = 0.3  # seconds for its words to come

# Runs a command until it ends or the pipe on standard input does, which ends with this process
# however that ends; then takes the socket's directory away.
_KEEPER = """
directory=$1; shift
exec 3<&0
"$@" </dev/null 3<&- & ssh=$!
{ read -r _; kill "$ssh"; } <&3 2>/dev/null & watch=$!
exec 3<&-
wait "$ssh"; code=$?
kill "$watch" 2>/dev/null
rm -rf "$directory"
exit "$code"
"""


class TunnelFailedError(Exception):
    """There is no tunnel. The message is what ssh said, for the log and for `refusals`."""


class Tunnel:
    """Keeps an ssh running whose end here is a socket of the engine's.

    Blocking, for any thread. Nothing runs before the first `open`.
    """

    def __init__(self, address: SshAddress) -> None:
        self._address = address
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._ssh: _Ssh | None = None
        self._words: deque[str] = deque(maxlen=_WORDS)
        self._logged: set[str] = set()  # what ssh has said since it last worked
        self._fresh = -math.inf  # when ssh was started or last worked, in seconds of time.monotonic
        self._failure: TunnelFailedError | None = None
        self._pause = PAUSES[0]
        self._not_before = -math.inf

    def last_words(self) -> str:
        """What ssh has said since it was let in or `works` was called.

        Waits a moment for it: it is asked for after failures, which are known before their reason.
        """
        deadline = time.monotonic() + _MOMENT
        while not self._words and time.monotonic() < deadline:
            time.sleep(_POLL)
        return "\n".join(self._words)

    def works(self) -> None:
        """To be called when the engine has answered: what ssh said before is history."""
        self._words.clear()
        self._logged.clear()
        self._fresh = time.monotonic()

    def open(self, seconds: float) -> str:
        """The path of the socket here, at the end of a tunnel that stands; opened unless it does.

        Raises TunnelFailedError when there is none after so many seconds.
        """
        deadline = time.monotonic() + seconds
        with self._lock:
            useless = self._words and time.monotonic() > self._fresh + RENEW
            if self._ssh is None or self._ssh.ended or useless:
                self._end()
                if self._failure is not None and time.monotonic() < self._not_before:
                    raise self._failure
                try:
                    self._ssh = self._opened(deadline)
                    self._words.clear()  # greetings; why it fails, it says once it is used
                except TunnelFailedError as failure:
                    self._failure = failure
                    if _TURNED_AWAY.search(str(failure)):
                        self._not_before = time.monotonic() + self._pause
                        self._pause = min(self._pause * 2, PAUSES[1])
                    raise
            self._failure, self._pause = None, PAUSES[0]
            return str(self._ssh.socket)

    def close(self) -> None:
        """Ends ssh, and an `open` that waits for it. There is no way back."""
        self._closed.set()
        with self._lock:
            self._end()

    def _opened(self, deadline: float) -> "_Ssh":
        """One that is let in, and accepts connections therefore."""
        self._words.clear()
        self._fresh = time.monotonic()
        ssh = _Ssh(self._address, self._hear)
        try:
            while not ssh.accepts():
                if ssh.ended:
                    ssh.end()  # with its last words
                    raise TunnelFailedError("\n".join(self._words) or "ssh ended without a word")
                if self._closed.is_set() or time.monotonic() > deadline:
                    raise TunnelFailedError("\n".join((*self._words, "ssh: timed out")))
                time.sleep(_POLL)
        except BaseException:
            ssh.end()
            raise
        return ssh

    def _hear(self, words: str) -> None:
        """Remembers what ssh says, and logs what it has not said before."""
        self._words.append(words)
        alike = re.sub(r"\d+", "0", words)  # numbers of channels
        if alike not in self._logged and len(self._logged) < _WORDS and words[0] != "@":
            self._logged.add(alike)
            log.warning("ssh says: %s", words)

    def _end(self) -> None:
        if self._ssh is not None:
            self._ssh.end()
            self._ssh = None


class _Ssh:
    """One run of the program, with a directory of its own for the socket."""

    def __init__(self, address: SshAddress, hear: Callable[[str], None]) -> None:
        if shutil.which("ssh") is None:
            raise TunnelFailedError("ssh: no such program")
        directory = tempfile.mkdtemp(prefix="engine-")  # only this user may look into it
        self.socket = Path(directory, "docker.sock")
        pipe, self._pipe = os.pipe()
        words, said = os.pipe()
        try:
            self._process = subprocess.Popen(  # noqa: S603, the address is the operator's
                ["/bin/sh", "-c", _KEEPER, "sh", directory, *command(address, self.socket)],
                stdin=pipe,
                stdout=subprocess.DEVNULL,
                stderr=said,
                start_new_session=True,  # out of reach of the terminal's Ctrl-C
            )
        except OSError as error:
            shutil.rmtree(directory, ignore_errors=True)
            os.close(self._pipe)
            os.close(words)
            raise TunnelFailedError(f"ssh cannot be run: {error}") from error
        finally:
            os.close(pipe)
            os.close(said)
        self._ended = False
        self._reader = threading.Thread(target=_read, args=(words, hear), name="ssh", daemon=True)
        self._reader.start()

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def accepts(self) -> bool:
        """Whether the socket is there; then the one who asks has had a connection to the engine."""
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.socket)) == 0

    def end(self) -> None:
        """Returns when all that it said has been heard. A no-op the second time."""
        if self._ended:
            return
        self._ended = True
        os.close(self._pipe)
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(_PATIENCE)


@contextmanager
def engine_here(seconds: float) -> Iterator[None]:
    """Has DOCKER_HOST in the environment lead to a tunnel meanwhile, if it is an SSH address.

    For programs that leave the connection to the SDK. Raises ValueError for an address that is
    none, and TunnelFailedError.
    """
    address = os.environ.get("DOCKER_HOST", "")
    if not address.startswith(SCHEME):
        yield
        return
    tunnel = Tunnel(SshAddress.parse(address))
    try:
        os.environ["DOCKER_HOST"] = f"unix://{tunnel.open(seconds)}"
        yield
    finally:
        os.environ["DOCKER_HOST"] = address
        tunnel.close()


def command(address: SshAddress, local: Path) -> list[str]:
    """The ssh that makes the engine's socket over there appear as `local`."""
    options = {
        "BatchMode": "yes",
        "ExitOnForwardFailure": "yes",
        "ServerAliveInterval": str(ALIVE_INTERVAL),
        "ServerAliveCountMax": str(ALIVE_COUNT),
        # A connection of its own: one that is shared may end with another program.
        "ControlMaster": "no",
        "ControlPath": "none",
        "PermitLocalCommand": "no",
    }
    return [
        *("ssh", "-N", "-T", "-a", "-x"),
        *(f"-o{name}={value}" for name, value in options.items()),
        *("-L", f"{local}:{address.socket}"),
        *(("-l", address.user) if address.user else ()),
        *(("-p", str(address.port)) if address.port else ()),
        *("--", address.host),
    ]


def _read(words: int, hear: Callable[[str], None]) -> None:
    with open(words, errors="replace") as lines:
        for line in lines:
            if line.strip():
                hear(line.strip())
