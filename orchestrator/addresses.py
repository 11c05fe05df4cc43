"""Takes addresses apart and puts them together: `ssh://user@host:port/path`, as DOCKER_HOST has it,
hosts and paths as callers and proxies write them, and URLs that containers answer at. Pure.
"""

import ipaddress
import re
from dataclasses import dataclass
from string import Formatter
from urllib.parse import SplitResult, urlsplit

SCHEME = "ssh://"
# Where an engine's socket is, unless the address says otherwise.
SOCKET = "/var/run/docker.sock"

# Neither may look like an option or part of another argument of the `ssh` program.
_NAME = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.\\-]{0,254}", re.ASCII)
_HOST = re.compile(r"[A-Za-z0-9_.:][A-Za-z0-9_.:%-]{0,254}", re.ASCII)
_PATH = re.compile(r"(?:/[A-Za-z0-9_.@+,=-]+){1,32}", re.ASCII)

# What stands before all paths; no part of it is "." or "..".
_ROOT = re.compile(r"(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._~-]+){1,16}", re.ASCII)
_NAMED_HOST = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*", re.ASCII)
# In brackets with a port or without, or of IPv4 with a port or without, or of IPv6 alone. Without a
# zone: that would be any text, and means nothing elsewhere.
_ADDRESS = re.compile(
    r"(?:\[([0-9a-f:.]{2,45})\]|([0-9.]{7,15}))(?::([0-9]{1,5}))?|([0-9a-f:.]{2,45})",
    re.ASCII | re.IGNORECASE,
)
_URL = re.compile(r"[A-Za-z0-9._~:/?#\[\]!$&'()*+,;=%-]+", re.ASCII)


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


@dataclass(frozen=True)
class UrlTemplate:
    """A URL in which `{name}`, `{port}` and `{id}` stand for those of a container."""

    text: str

    @classmethod
    def parse(cls, text: str) -> "UrlTemplate":
        """Takes a template. Raises ValueError with what is wrong with it."""
        wanted = "a URL like https://{name}.example.org or http://example.org:{port} is wanted"
        try:
            parts = list(Formatter().parse(text))
        except ValueError:
            raise ValueError(f"{wanted}; its braces do not match") from None
        fields = {field for _, field, _, _ in parts if field is not None}
        if unknown := sorted(fields - {"name", "port", "id"}):
            raise ValueError(
                f"there is no field {{{unknown[0]}}}, only {{name}}, {{port}} and {{id}}"
            )
        if any(form or conversion for _, _, form, conversion in parts):
            raise ValueError(f"{wanted}, with nothing but a name in braces")
        if not fields:
            raise ValueError(f"{wanted}, else all containers have the same")
        found = cls(text)
        shown = found.of(name="web-1", port=65535, id="0f4c1d2a9b7e")
        try:
            url = urlsplit(shown)
            usable = url.port != 0  # raises for one that is too high
        except ValueError:
            usable = False
        if not (
            usable and url.scheme in ("http", "https") and url.hostname and _URL.fullmatch(shown)
        ):
            raise ValueError(wanted)
        return found

    def of(self, *, name: str, port: int, id: str) -> str:  # noqa: A002
        """Returns the URL of one container."""
        return self.text.format(name=name, port=port, id=id)

    def split(self, *, name: str, port: int, id: str) -> SplitResult:  # noqa: A002
        """Returns the parts of the URL of one container."""
        return urlsplit(self.of(name=name, port=port, id=id))


def host_alone(text: str) -> str:
    """Returns a name or address in small letters, without brackets. Raises ValueError for anything
    else, such as one with a port.
    """
    host = text.strip().lower()
    try:
        return str(ipaddress.ip_address(host.removeprefix("[").removesuffix("]")))
    except ValueError:
        if len(host) > 253 or not _NAMED_HOST.fullmatch(host):
            raise ValueError(
                "a name or an address without a port is wanted, like docker.example.org"
            ) from None
        return host


def address_of(text: str) -> tuple[str, int] | None:
    """Returns the address and the port, 0 for none, that stand in a text: `1.2.3.4`, `1.2.3.4:567`,
    `::1`, `[::1]`, `[::1]:567`; None for anything else. An address has one spelling, whichever it
    came in.
    """
    found = _ADDRESS.fullmatch(text.strip(" \t"))
    if found is None:
        return None
    try:
        address = ipaddress.ip_address(found[1] or found[2] or found[4])
    except ValueError:
        return None
    port = int(found[3] or 0)
    if port > 65535 or (found[1] and address.version != 6):
        return None
    return str(getattr(address, "ipv4_mapped", None) or address), port


def root_path(text: str) -> str:
    """Returns what stands before all paths, like /docker. Raises ValueError for anything else."""
    if len(text) > 256 or not _ROOT.fullmatch(text):
        raise ValueError(
            "the beginning of a path is wanted, like /docker: with a slash before each part, none"
            " at its end, and letters, digits and . _ ~ - between"
        )
    return text


def bracketed(host: str) -> str:
    """Returns a host as it stands in a URL: an IPv6 address is in brackets."""
    return f"[{host}]" if ":" in host else host
