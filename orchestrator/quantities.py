"""Reads and writes quantities as people write them: "512m", "8001-8999", "45.23 MB". Pure."""

import re
from collections.abc import Collection
from dataclasses import dataclass

MIB = 1024 * 1024
NANO = 1_000_000_000  # of a CPU: the engine counts them by billionths

_MEMORY = re.compile(r"(\d{1,20}(?:\.\d{1,6})?)\s*([bkmgt]?)(?:i?b)?", re.IGNORECASE | re.ASCII)
# The same for the OpenAPI description, without the spaces around; it cannot tell the amounts.
MEMORY_PATTERN = r"^[0-9]{1,20}(?:\.[0-9]{1,6})? ?[bkmgtBKMGT]?(?:[iI]?[bB])?$"
_FACTORS = {"": 1, "b": 1, "k": 1024, "m": MIB, "g": 1024 * MIB, "t": 1024 * 1024 * MIB}

_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)([smhd])", re.ASCII)
DURATION_PATTERN = "^[0-9]{1,9}(?:\\.[0-9]{1,3})?[smhd]$"
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}

_CONTAINER_PORTS = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?(?:/(tcp|udp|sctp))?", re.ASCII)

# 6 MiB is the least that the engine accepts; 16 TiB is beyond any host and within its 64 bits.
MEMORY_MIN = 6 * MIB
MEMORY_MAX = 16 * 1024 * 1024 * MIB
# With less a container has hardly room for the files that the engine itself puts into it.
DISK_MIN = MIB
DISK_MAX = MEMORY_MAX


def whole(value: object) -> object:
    """Returns a number without a fraction as an int, for to JSON Schema 5.0 is one; the rest as it
    is.
    """
    return int(value) if isinstance(value, float) and value.is_integer() else value


def parse_memory(value: object) -> int:
    """Bytes from `512m`, `1.5g`, `1GiB`, `536870912` or a whole number; units are powers of 1024.

    Raises ValueError with a sentence for the caller when the text is malformed, or the amount is
    less than 6 MiB or more than 16 TiB.
    """
    size = parse_size(value, "memory")
    if not MEMORY_MIN <= size <= MEMORY_MAX:
        raise ValueError('memory must be from "6m", the least that Docker accepts, to "16t"')
    return size


def parse_disk(value: object) -> int:
    """The same for what a container may write. Raises ValueError below 1 MiB and above 16 TiB."""
    size = parse_size(value, "disk")
    if not DISK_MIN <= size <= DISK_MAX:
        raise ValueError('disk must be from "1m" to "16t"')
    return size


def parse_size(value: object, what: str) -> int:
    """The same for any amount of bytes. Raises ValueError, about `what`, for a malformed text."""
    value = whole(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    match = _MEMORY.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f'{what} is a number with a unit, like "512m" or "1g", or bytes')
    return int(float(match[1]) * _FACTORS[match[2].lower()])


def parse_seconds(value: object) -> float:
    """Seconds from a number, or from a text like `90s`, `10m`, `48h` or `7d`. Raises ValueError
    with a sentence for the caller.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError('a time is a number of seconds, or a text like "90s" or "10m"')
    return float(match[1]) * _SECONDS[match[2]]


def megabytes(size: int | None) -> str | None:
    """Bytes as people read them, in units of 1024²: 47427092 is "45.23 MB"."""
    return None if size is None else f"{size / MIB:.2f} MB"


def expanded(text: str) -> list[str]:
    """Container ports from "80", "53/udp" or "6379-6382/tcp", each with its protocol; nothing for
    what is none. A range has its ports in order.
    """
    match = _CONTAINER_PORTS.fullmatch(text.strip().lower())
    if match is None:
        return []
    first, last = int(match[1]), int(match[2] or match[1])
    if not 1 <= first <= last <= 65535:
        return []
    return [f"{number}/{match[3] or 'tcp'}" for number in range(first, last + 1)]


def each_protocol(container_port: str) -> list[str]:
    """The ports of the engine that have one host port together: "53/tcp" and "53/udp" of
    "53/tcp+udp"; of any other the port itself.
    """
    number, _, protocols = container_port.partition("/")
    return [f"{number}/{protocol}" for protocol in protocols.split("+")]


def together(container_ports: Collection[str]) -> str:
    """The same the other way: one text for the container ports that have a host port together. Of
    several numbers, which are none of ours, the first counts.
    """
    number, _, protocol = min(container_ports).partition("/")
    same = sorted(each for each in container_ports if each.startswith(f"{number}/"))
    return f"{number}/{'+'.join(each.partition('/')[2] for each in same)}" if protocol else number


@dataclass(frozen=True)
class PortRange:
    """The host ports from `first` to `last`, both included."""

    first: int
    last: int

    @classmethod
    def parse(cls, text: str) -> "PortRange":
        """A range from "8001-8999"; ValueError when it is not one within 1-65535."""
        match = re.fullmatch(r"\s*(\d{1,5})\s*-\s*(\d{1,5})\s*", text, re.ASCII)
        if match is None:
            raise ValueError('a port range looks like "8001-8999"')
        first, last = int(match[1]), int(match[2])
        if not 1 <= first <= last <= 65535:
            raise ValueError("a port range goes upward and lies within 1-65535")
        return cls(first, last)

    @property
    def size(self) -> int:
        return self.last - self.first + 1

    def __contains__(self, port: object) -> bool:
        return isinstance(port, int) and self.first <= port <= self.last

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"
