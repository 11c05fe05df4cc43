"""Takes addresses apart: `ssh://user@host:port/path`, as DOCKER_HOST has it. Pure."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

SCHEME = "ssh://"
# Where an engine's socket is, unless the address says otherwise.
SOCKET = "/var/run/docker.sock"

# Neither may look like an option or part of another argument of the `ssh` program.
_NAME = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.\\-]{0,254}", re.ASCII)
_HOST = re.compile(r"[A-Za-z0-9_.:][A-Za-z0-9_.:%-]{0,254}", re.ASCII)
_PATH = re.compile(r"(?:/[A-Za-z0-9_.@+,=-]+){1,32}", re.ASCII)


@dataclass(frozen=True)
class SshAddress:
    """The parts of an SSH address of an engine."""

    host: str  # or a name that ~/.ssh/config knows
    user: str | None = None  # None: whom ~/.ssh/config names, else the one who asks
    port: int | None = None  # None: as ~/.ssh/config says, else 22
    socket: str = SOCKET  # the path of the engine's socket over there

    @classmethod
    def parse(cls, text: str) -> "SshAddress":
        """Takes an address apart. Raises ValueError with a reason that repeats nothing of it."""
        reason = "an address like ssh://user@host:22 or ssh://user@host/path/of/docker.sock"
        try:
            url = urlsplit(text.strip())
            host, port = url.hostname, url.port
        except ValueError:
            raise ValueError(f"{reason} is wanted") from None
        if url.password is not None:
            raise ValueError(
                "a password has no place in an SSH address: the service uses the keys of ssh, from"
                " its files or its agent"
            )
        # As it was written: `hostname` is in small letters, which aliases need not be.
        written = url.netloc.rpartition("@")[2]
        if host and not written.startswith("["):
            host = written.partition(":")[0]
        path = url.path.rstrip("/")
        if (
            url.scheme != "ssh"
            or url.query
            or url.fragment
            or not host
            or not _HOST.fullmatch(host)
            or not (url.username is None or _NAME.fullmatch(url.username))
            or not (path == "" or _PATH.fullmatch(path))
        ):
            raise ValueError(f"{reason} is wanted")
        return cls(host, url.username, port, path or SOCKET)
