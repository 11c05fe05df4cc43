"""Says what is to be made: a create's request with every default settled, before anything is made.

`containers.create` settles it, `containers.launch` runs it, `payloads.create` writes it down for
the engine.
"""

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from .containers import Limits
from .create import CreateRequest
from .engine import Image

# Where a container without PATH is looked through, by every engine.
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Program:
    """What a container runs first: its name, PATH, and the directory that it runs in."""

    name: str
    path: str
    directory: str

    @classmethod
    def of(cls, words: Sequence[str], env: Mapping[str, str], directory: str) -> "Program | None":
        """The program of an entry point with its command; None where there is neither, which the
        engine has its own words for.
        """
        if not words:
            return None
        return cls(words[0], env.get("PATH", DEFAULT_PATH), posixpath.join("/", directory))

    def places(self) -> Iterator[str]:
        """Where it may be, as absolute paths, in the order in which they are tried."""
        if not self.name:
            return
        if "/" in self.name:
            yield posixpath.join(self.directory, self.name)
            return
        for directory in self.path.split(":"):
            yield posixpath.join(self.directory, directory, self.name)


@dataclass(frozen=True)
class Confinement:
    """The limits and restrictions of one container."""

    limits: Limits
    init: bool  # whether process 1 is an init process
    capabilities_dropped: tuple[str, ...]
    log_rotation: tuple[str, str] | None  # the size of a file and the number of files
    read_only: bool = False  # its root file system
    tmpfs: Mapping[str, str] = field(default_factory=dict)  # path -> mount options
    user: str | None = None  # in place of the image's


@dataclass(frozen=True)
class Spec:
    """A container that is to be made."""

    asked: CreateRequest
    image: Image
    name: str | None  # None: the engine invents one
    container_ports: tuple[str, ...]  # those that get a host port each, in the order asked for
    confinement: Confinement
    publish_addresses: tuple[str, ...]  # of the engine's host; none: all it has
    owner: str | None = None  # the name of the caller's key
    key: str | None = None  # its idempotency key

    @property
    def volumes(self) -> list[str]:
        """The names of its named volumes."""
        return [volume.partition(":")[0] for volume in self.asked.volumes]

    @property
    def program(self) -> Program | None:
        """What it runs first, by the image and what was asked for."""
        image, asked = self.image, self.asked
        words = (*image.program, *(asked.command or image.command))
        return Program.of(words, {**image.env, **asked.env}, image.directory)
