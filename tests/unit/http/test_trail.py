"""The audit's file: what cannot be written is counted and told, until it can be again."""

import errno
import io
import json
import logging
import os
import stat
from pathlib import Path

import pytest

from orchestrator.http import trail as module
from orchestrator.http.trail import Trail


class Told:
    """Keeps what a trail tells: whether it can be written, and how many lines were lost."""

    def __init__(self) -> None:
        self.all: list[tuple[bool, int]] = []

    def __call__(self, writable: bool, lost: int) -> None:
        self.all.append((writable, lost))


def write(trail: Trail, text: str) -> None:
    trail.handle(logging.LogRecord("audit", logging.INFO, "", 0, text, None, None))


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("before", [None, 0o600, 0o644, 0o666, 0o4777])
def test_only_the_owner_may_read_it(tmp_path: Path, before: int | None) -> None:
    path = tmp_path / "audit"
    if before is not None:
        path.write_text("first\n")
        path.chmod(before)
    trail = Trail(str(path))
    write(trail, "one")
    assert mode(path) == 0o600
    assert lines(path) == (["one"] if before is None else ["first", "one"])
    trail.close()


def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to(tmp_path / "fifo")
    for path in (tmp_path / "fifo", tmp_path / "link", tmp_path, Path("/dev/full")):
        with pytest.raises(OSError, match="not a regular file"):
            Trail(str(path))
    with pytest.raises(FileNotFoundError):
        Trail(str(tmp_path / "none" / "audit"))
    assert mode(Path("/dev/full")) == 0o666


def test_a_mode_that_cannot_be_changed_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    path = tmp_path / "audit"
    path.touch(0o600)
    monkeypatch.setattr(os, "fchmod", refuse)
    Trail(str(path)).close()
    path.chmod(0o640)
    with pytest.raises(OSError, match="others may read it"):
        Trail(str(path))


def test_a_directory_that_goes_is_told_and_the_audit_goes_on_when_it_is_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    path, told = tmp_path / "a" / "audit", Told()
    path.parent.mkdir()
    trail = Trail(str(path), told)
    write(trail, "one")
    assert trail.check() is None
    path.parent.rename(tmp_path / "b")
    problem = trail.check()
    assert problem is not None
    assert "No such file or directory" in problem
    for text in ("two", "three"):
        write(trail, text)
    assert trail.lost == 2
    assert capsys.readouterr().err == "two\nthree\n"
    path.parent.mkdir()
    write(trail, "four")
    assert (trail.problem, trail.check(), trail.lost) == (None, None, 2)
    gap, line = lines(path)
    assert json.loads(gap)["lost"] == 2
    assert line == "four"
    assert lines(tmp_path / "b" / "audit") == ["one"]
    assert [each for each in told.all if each[1]] == [(False, 1)] * 2
    assert told.all[-1] == (True, 0)
    # Once for each change, and no trace.
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]
    assert not any(record.exc_info for record in caplog.records)
    trail.close()


def test_a_pipe_in_its_place_is_told_and_does_not_hang(tmp_path: Path) -> None:
    path = tmp_path / "audit"
    trail = Trail(str(path))
    path.unlink()
    os.mkfifo(path)
    write(trail, "one")
    assert "not a regular file" in (trail.problem or "")
    path.unlink()
    assert trail.check() is None
    assert json.loads(lines(path)[0])["lost"] == 1
    trail.close()


def test_a_line_of_which_only_a_part_fits_does_not_spoil_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, real = tmp_path / "audit", os.write
    trail = Trail(str(path))
    monkeypatch.setattr(os, "write", lambda file, data: real(file, data[:5]))
    write(trail, "a line that is torn")
    assert trail.lost == 1
    assert "No space left" in (trail.problem or "")
    monkeypatch.undo()
    write(trail, "whole")
    found = lines(path)
    assert (found[0], found[2]) == ("a lin", "whole")
    assert json.loads(found[1])["lost"] == 1
    trail.close()


def test_a_disk_without_room_for_a_line_is_told_before_one_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    trail = Trail(str(tmp_path / "audit"))
    monkeypatch.setattr(module, "ROOM", 1 << 62)
    for _ in range(3):
        assert "No space left" in (trail.check() or "")
        write(trail, "one")
    assert trail.lost == 3
    assert len(caplog.records) == 1
    monkeypatch.undo()
    assert trail.check() is None
    trail.close()


def test_standard_error_that_is_closed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    trail = Trail(None)

    class Full(io.StringIO):
        def flush(self) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("sys.stderr", Full())
    write(trail, "one")
    assert trail.lost == 1
    assert trail.problem is not None
    monkeypatch.undo()
    assert trail.check() is None
