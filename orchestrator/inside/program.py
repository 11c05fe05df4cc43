"""Checks, before a start, that the container's program exists: with an init process the engine does
not notice that it is missing.

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
from typing import Literal

from ..engine import Engine
from ..models import Program
from ..payloads import cannot_be_run

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

Verdict = Literal["found", "missing", "in doubt"]


def judge(status: int, header: str | None) -> Verdict | str:
    """Judges by what `HEAD /containers/{id}/archive?path=` says of a path whether there is a
    program, or the absolute path that it is a link to. `header` is X-Docker-Container-Path-Stat.
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
    """Looks for programs in containers that were created, but not started."""

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

    async def _look_for(self, container_id: str, program: Program) -> Verdict:
        for number, place in enumerate(program.places()):
            if number == _MOST_PLACES:
                return "in doubt"
            if (found := await self._look_at(container_id, place)) != "missing":
                return found
        # A container that is gone has nothing at all.
        there = await self._engine.containers.stat_path(container_id, "/")
        return "missing" if there[0] == 200 else "in doubt"

    async def _look_at(self, container_id: str, place: str) -> Verdict:
        for _ in range(_MOST_LINKS):
            # As it is said of a container that does not run, `..` included.
            if any(f"{place}/".startswith(f"{made}/") for made in _MADE_AT_START):
                return "in doubt"
            found = judge(*await self._engine.containers.stat_path(container_id, place))
            if found in ("found", "missing", "in doubt"):
                return found  # type: ignore[return-value]
            place = found
        return "in doubt"
