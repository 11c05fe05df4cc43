"""Says what is to be made: a create's request with every default settled, before anything is made.

`containers.create` settles it, `containers.launch` runs it, `payloads.create` writes it down for
the engine.
"""

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from .containers import Limits
from .create import CreateRequest
from .create_files import path_of
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
    ulimits: Mapping[str, tuple[int, int]] = field(default_factory=dict)  # name -> soft, hard
    shm_size: int | None = None  # bytes of /dev/shm, None for the engine's own


@dataclass(frozen=True)
class Spec:
    """A container that is to be made."""

    asked: CreateRequest
    image: Image
    name: str | None  # None: the engine invents one
    container_ports: tuple[str, ...]  # those that get a host port each, in order; "53/tcp+udp" one
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
        if asked.entrypoint is None:
            words = (*image.program, *(asked.command or image.command))
        else:  # the image's command is for the image's entry point
            words = (*asked.entrypoint, *(asked.command or ()))
        return Program.of(words, {**image.env, **asked.env}, asked.workdir or image.directory)

    def mounts_at(self, path: str) -> list[tuple[str, str]]:
        """The volume or tmpfs that is to be at a path of the container: its field, and what people
        call it.
        """
        return [(name, shown) for name, place, shown in self._mounts() if place == path]

    def below(self, path: str) -> tuple[str, str] | None:
        """The same of what is to be at a path or below it, the working directory too."""
        wanted = self._mounts()
        if (directory := self.asked.workdir) is not None:
            wanted.append(("workdir", directory, f'directory "{directory}"'))
        for name, place, shown in wanted:
            if place == path or place.startswith(f"{path}/"):
                return name, shown
        return None

    def _mounts(self) -> list[tuple[str, str, str]]:
        volumes, tmpfs = self.asked.volumes, self.asked.tmpfs
        return [
            *(("volumes", path_of(volume), f'volume "{volume}"') for volume in volumes),
            *(("tmpfs", each, f'directory "{each}"') for each in tmpfs),
        ]
