"""Writes the lines of the audit to a file or to standard error, and knows whether it can.

What cannot be written is never passed over: it is counted, told as a problem until lines can be
written again, and goes to standard error meanwhile. A file is a regular one that its owner alone
may read; it is opened again when it was moved away, or its directory is back.
"""

import errno
import json
import logging
import os
import stat
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

log = logging.getLogger(__name__)

MODE = 0o600
# Bytes that must be free where the file is, for a line that is to come to fit.
ROOM = 64 * 1024
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY
# For a pipe that nobody reads would keep the service waiting for ever.
_FLAGS |= os.O_NONBLOCK


class Trail(logging.Handler):
    """Takes the audit's lines. `told` hears whether they can be written, and how many could not be,
    each time that one of both changes.

    Raises OSError when it is made for a file that cannot be used.
    """

    def __init__(
        self, path: str | None, told: Callable[[bool, int], None] = lambda _, __: None
    ) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter("%(message)s"))
        self._path = path
        self._told = told
        self._file: int | None = None
        self._torn = False  # the last line is there in part
        self._missing = 0  # lines, since the last one that was written
        self._since = ""
        self.lost = 0
        self.problem: str | None = None
        if path is not None:
            self._file = _opened(path)
        told(True, 0)

    def emit(self, record: logging.LogRecord) -> None:
        """Writes a line; one that cannot be is lost for the file, and stands on standard error."""
        line = self.format(record)
        try:
            self._follow()
            self._write(line)
        except (OSError, ValueError) as error:
            self.lost += 1
            self._missing += 1
            self._since = self._since or _now()
            self._failed(error)
            self._told(False, 1)
            if self._path is not None:
                _say(line)

    def check(self) -> str | None:
        """Returns why a line that came now could not be written; None if it could. Tries what has
        failed again.
        """
        try:
            self._follow()
            self._require_room()
            if self.problem is not None:
                self._recover()
        except (OSError, ValueError) as error:
            self._failed(error)
            self._told(False, 0)
        return self.problem

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None
        super().close()

    def _follow(self) -> None:
        """Has the file open that is at the path now."""
        if self._path is None:
            return
        try:
            now: os.stat_result | None = Path(self._path).stat()
        except FileNotFoundError:
            now = None
        if self._file is not None:
            held = os.fstat(self._file)
            if now is not None and (now.st_dev, now.st_ino) == (held.st_dev, held.st_ino):
                return
            os.close(self._file)
            self._file, self._torn = None, False
        self._file = _opened(self._path)

    def _require_room(self) -> None:
        if self._file is None:
            return
        found = os.fstatvfs(self._file)
        if found.f_blocks and found.f_bavail * found.f_frsize < ROOM:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _write(self, line: str) -> None:
        if self.problem is not None:
            self._recover()
        self._append(line)

    def _recover(self) -> None:
        """Says in the audit itself what is missing, by which it is known that it works again."""
        self._require_room()
        if self._missing:
            gap = {"time": _now(), "lost": self._missing, "since": self._since}
            self._append(json.dumps(gap))
        log.warning("The audit is written again; %d lines are missing in it.", self._missing)
        self.problem, self._missing, self._since = None, 0, ""
        self._told(True, 0)

    def _append(self, line: str) -> None:
        if self._file is None:
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()
            return
        data = f"{chr(10) if self._torn else ''}{line}\n".encode()
        written = os.write(self._file, data)
        if written < len(data):
            self._torn = self._torn or written > 0
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._torn = False

    def _failed(self, error: OSError | ValueError) -> None:
        reason = (error.strerror if isinstance(error, OSError) else None) or "it is closed"
        if self.problem is None:
            log.error("The audit cannot be written: %s. Changes leave no line there.", reason)
        self.problem = (
            f"The audit cannot be written: {reason}. See to the path of AUDIT_LOG, its disk and its"
            " mode; the service goes on with it by itself."
        )


def _opened(path: str) -> int:
    """Opens a file for lines behind those it has, with a mode for its owner alone. Raises OSError
    for anything but a regular file.
    """
    try:
        found = Path(path).stat()
    except FileNotFoundError:
        pass
    else:
        _require_regular(found)  # before it is opened, which devices and pipes may take amiss
    file = os.open(path, _FLAGS, MODE)
    try:
        found = os.fstat(file)
        _require_regular(found)
        if stat.S_IMODE(found.st_mode) & ~MODE:
            os.fchmod(file, MODE)
    except OSError as error:
        os.close(file)
        if error.errno in (errno.EPERM, errno.EROFS):
            raise OSError(
                error.errno, "others may read it, and its mode cannot be made 0600"
            ) from error
        raise
    return file


def _require_regular(found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file")


def _say(line: str) -> None:
    try:
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        pass  # the count tells of it


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
