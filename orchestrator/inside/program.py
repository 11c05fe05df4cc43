"""Whether the program of a container is in it, asked before it is started with an init process.

Without an init process the engine says at the start that a program is missing. With one it starts
the init process, which is always there, and the container ends a moment later with exit code 127.
So it is looked for before, the way that execvp(3) does: in the directories of PATH, unless its name
has a slash. Only what is certainly missing, or certainly cannot be run, is told so; where there is
doubt, the container is started. A script whose interpreter is missing, a program for another CPU
and rights of the container's user are not seen.

What was found in an image is remembered, for images do not change.
"""

import base64
import binascii
import json
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ..engine import Engine
from ..payloads import cannot_be_run

# Where a container without PATH is looked through, by every engine.
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# What is below these exists only while a container runs.
_MADE_AT_START = ("/proc", "/sys", "/dev", "/sbin/docker-init")
# More directories or links than this are not gone through.
_MOST_PLACES = 32
_MOST_LINKS = 8
# So many programs are remembered, each of less than a kilobyte.
_MOST_REMEMBERED = 1000

# Go's os.FileMode, https://pkg.go.dev/io/fs#FileMode
_DIRECTORY, _LINK = 1 << 31, 1 << 27
_IRREGULAR = _DIRECTORY | _LINK | 1 << 26 | 1 << 25 | 1 << 24 | 1 << 21 | 1 << 19
_EXECUTABLE = 0o111

Found = Literal["found", "missing", "in doubt"]


@dataclass(frozen=True)
class Program:
    """What a container runs first: its name, PATH, and the directory that it runs in."""

    name: str
    path: str
    directory: str

    def places(self) -> Iterator[str]:
        """Where it may be, as absolute paths, in the order in which they are tried."""
        if not self.name:
            return
        if "/" in self.name:
            yield posixpath.join(self.directory, self.name)
            return
        for directory in self.path.split(":"):
            yield posixpath.join(self.directory, directory, self.name)


def program_of(
    config: Mapping[str, Any],
    *,
    command: Sequence[str] | None = None,
    env: Mapping[str, str] | None = None,
) -> Program | None:
    """The program of a container or image, by the `Config` of its inspection, with another command
    and further variables; None if it names none, which the engine has its own words for.
    """
    words = [*(config.get("Entrypoint") or ()), *(command or config.get("Cmd") or ())]
    if not words:
        return None
    path = DEFAULT_PATH
    for variable in config.get("Env") or ():
        name, _, value = variable.partition("=")
        if name == "PATH":
            path = value
    path = (env or {}).get("PATH", path)
    return Program(words[0], path, posixpath.join("/", config.get("WorkingDir") or ""))


def judge(status: int, header: str | None) -> Found | str:
    """What `HEAD /containers/{id}/archive?path=` says of the path: whether there is a program, or
    the absolute path that it is a link to. `header` is X-Docker-Container-Path-Stat.
    """
    if status == 404:
        return "missing"
    if status != 200 or header is None:
        return "in doubt"
    try:
        described = json.loads(base64.b64decode(header, validate=True))
        mode, target = int(described["mode"]), str(described["linkTarget"])
    except (binascii.Error, ValueError, LookupError, TypeError):
        return "in doubt"
    if mode & _LINK:
        return target if target.startswith("/") else "in doubt"
    if mode & _IRREGULAR:
        return "missing" if mode & _DIRECTORY else "in doubt"
    return "found" if mode & _EXECUTABLE else "missing"


class Programs:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._found: set[tuple[str, Program]] = set()  # with the image's id

    async def require(
        self, container_id: str, program: Program | None, image_id: str | None
    ) -> None:
        """Raises StartRefused if a container that was created, but not started, lacks its program,
        and what the engine raises. `image_id` is None where something may lie over the image.
        """
        if program is None or (image_id is not None and (image_id, program) in self._found):
            return
        found = await self._look_for(container_id, program)
        if found == "missing":
            raise cannot_be_run(program.name)
        if found == "found" and image_id is not None:
            if len(self._found) >= _MOST_REMEMBERED:
                self._found.clear()
            self._found.add((image_id, program))

    async def _look_for(self, container_id: str, program: Program) -> Found:
        for number, place in enumerate(program.places()):
            if number == _MOST_PLACES:
                return "in doubt"
            if (found := await self._look_at(container_id, place)) != "missing":
                return found
        # A container that is gone has nothing at all.
        there = await self._engine.stat_path(container_id, "/")
        return "missing" if there[0] == 200 else "in doubt"

    async def _look_at(self, container_id: str, place: str) -> Found:
        for _ in range(_MOST_LINKS):
            # As it is said of a container that does not run, `..` included.
            if any(f"{place}/".startswith(f"{made}/") for made in _MADE_AT_START):
                return "in doubt"
            found = judge(*await self._engine.stat_path(container_id, place))
            if found in ("found", "missing", "in doubt"):
                return found  # type: ignore[return-value]
            place = found
        return "in doubt"
