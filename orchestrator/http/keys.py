"""Keeps the keys that say who may call, each with a name and a scope; of a key only the digest.

A key comes from API_KEY, or from the file that API_KEY_FILE names, which is read again when it
changes. No message of this module has a key in it, or a line of the file.
"""

import hashlib
import hmac
import logging
import re
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from ..callers import BadKeys, Scope, digest

logger = logging.getLogger(__name__)

API_KEY_NAME = "default"
FILE_KEY_NAME = "file"

_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_CONTAINERS = re.compile(r"containers=([0-9]{1,6})")
_LONGEST_FILE = 1024 * 1024  # bytes
_LOOK_SECONDS = 0.5


@dataclass(frozen=True)
class Key:
    """A key lets its holder in. `containers` is how many it may have in place of
    CONTAINERS_PER_KEY; 0 is any number.
    """

    name: str
    scope: Scope
    digest: bytes
    containers: int | None = None


def parse(text: str) -> tuple[Key, ...]:
    """Returns the keys of a file: one key alone, or lines of `name scope key`, each with
    `containers=20` behind it where that key has a quota of its own. A # begins a comment line.

    Raises BadKeys, with the number of the line.
    """
    rows = [
        (number, line.split())
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    if not rows:
        raise BadKeys("there is no key in it")
    if len(rows) == 1 and len(rows[0][1]) == 1:
        return (Key(FILE_KEY_NAME, "write", digest(rows[0][1][0])),)
    found: list[Key] = []
    for number, parts in rows:
        if len(parts) not in (3, 4):
            raise BadKeys(f"line {number} is not `name scope key`")
        name, scope, key, *rest = parts
        if not _NAME.fullmatch(name):
            raise BadKeys(f"the name in line {number} has other characters than A-Z a-z 0-9 . _ -")
        if scope not in ("read", "write"):
            raise BadKeys(f"the scope in line {number} is neither read nor write")
        quota = _CONTAINERS.fullmatch(rest[0]) if rest else None
        if rest and quota is None:
            raise BadKeys(f"what follows the key in line {number} is not like `containers=20`")
        containers = int(quota[1]) if quota else None
        try:
            found.append(Key(name, cast("Scope", scope), digest(key), containers))
        except BadKeys as error:
            raise BadKeys(f"line {number}: {error}") from None
    return _distinct(found)


def _distinct(keys: list[Key]) -> tuple[Key, ...]:
    if len({key.name for key in keys}) < len(keys):
        raise BadKeys("two keys have one name")
    if len({key.digest for key in keys}) < len(keys):
        raise BadKeys("one key has two names")
    return tuple(keys)


class Keyring:
    """Holds the keys of a service. Raises BadKeys when it is made from a file that cannot be used.

    Later on, a file that cannot be used leaves the keys as they were, and an error in the log for
    each change of it.
    """

    def __init__(
        self,
        api_key: bytes | None = None,
        file: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fixed = [] if api_key is None else [Key(API_KEY_NAME, "write", api_key)]
        self._file = None if file is None else Path(file)
        self._clock = clock
        self._looked = clock()
        self._seen = self._look()
        self._keys = self._read()

    @property
    def configured(self) -> bool:
        """Whether a key is asked for at all."""
        return bool(self._fixed) or self._file is not None

    def find(self, presented: str) -> Key | None:
        """Returns the key that was presented. Takes as long whether one matches, or none."""
        self._refresh()
        given = hashlib.sha256(presented.encode("utf-8", "surrogateescape")).digest()
        found: Key | None = None
        for key in self._keys:
            if hmac.compare_digest(key.digest, given):
                found = key
        return found

    def has(self, key: Key) -> bool:
        """Whether a key that was found before is still one, for all that it lets its holder do."""
        self._refresh()
        return key in self._keys

    def _refresh(self) -> None:
        now = self._clock()
        if self._file is None or now - self._looked < _LOOK_SECONDS:
            return
        self._looked = now
        seen = self._look()
        if seen == self._seen:
            return
        self._seen = seen
        try:
            self._keys = self._read()
        except BadKeys as error:
            logger.error("API_KEY_FILE has changed and cannot be used: %s. The keys stay.", error)
        else:
            logger.info("API_KEY_FILE was read again: %d keys.", len(self._keys))

    def _look(self) -> tuple[int, ...] | None:
        """What tells a change of the file; None where there is none."""
        try:
            found = self._file.stat() if self._file else None
        except (OSError, ValueError):
            return None
        return found and (found.st_mtime_ns, found.st_size, found.st_ino, found.st_ctime_ns)

    def _read(self) -> tuple[Key, ...]:
        if self._file is None:
            return tuple(self._fixed)
        try:
            # A pipe or a device would keep everybody waiting.
            if not stat.S_ISREG((about := self._file.stat()).st_mode):
                raise BadKeys("it is not a file")
            if about.st_size > _LONGEST_FILE:
                raise BadKeys("it is longer than 1 MB")
            text = self._file.read_bytes().decode("ascii")
        except OSError as error:
            raise BadKeys(f"it cannot be read ({error.strerror})") from None
        except UnicodeDecodeError:
            raise BadKeys("it has characters that are not ASCII") from None
        except BadKeys:
            raise
        except ValueError:
            raise BadKeys("it is no path") from None
        return _distinct([*self._fixed, *parse(text)])
