"""Keys as a file has them, and a file that changes under a running service."""

import os
from pathlib import Path

import pytest

from orchestrator.callers import BadKeys, digest
from orchestrator.http import Keyring
from orchestrator.http.keys import parse

ONE, TWO, THREE = "a" * 32, "b" * 40, "c" * 64


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_file_with_one_key_alone() -> None:
    (key,) = parse(f"# made with openssl\n\n  {ONE}\n")
    assert (key.name, key.scope, key.digest) == ("file", "write", digest(ONE))


def test_a_file_with_names_and_scopes() -> None:
    keys = parse(f"# who\ndash read {ONE}\r\n\n\tci  write\t{TWO}")
    assert [(key.name, key.scope) for key in keys] == [("dash", "read"), ("ci", "write")]


def test_a_key_may_have_a_quota_of_its_own() -> None:
    keys = parse(f"ci write {ONE} containers=20\nany write {TWO} containers=0\ndash read {THREE}")
    assert [key.containers for key in keys] == [20, 0, None]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no key"),
        ("# only a comment\n", "no key"),
        ("short", "32 to 512"),
        (f"{ONE}\n{TWO}", "line 1"),
        (f"ci {ONE}", "line 1"),
        (f"# x\nci read {ONE} more", "line 2"),
        (f"ci read {ONE} containers=-1", "line 1"),
        (f"ci read {ONE} containers=", "line 1"),
        (f"ci read {ONE} containers=1 containers=2", "line 1"),
        (f"ci admin {ONE}", "scope in line 1"),
        (f"c/i read {ONE}", "name in line 1"),
        ("ci read short-secret", "line 1"),
        (f"ci read {ONE}\nci write {TWO}", "one name"),
        (f"ci read {ONE}\ndash write {ONE}", "two names"),
    ],
)
def test_a_malformed_file_is_refused_without_showing_it(text: str, reason: str) -> None:
    with pytest.raises(BadKeys, match=reason) as refused:
        parse(text)
    assert not any(secret in str(refused.value) for secret in (ONE, TWO, "short-secret"))


def test_keys_of_the_variable_and_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"dash read {ONE}\n")
    keyring = Keyring(digest(TWO), str(file))
    dash, default = keyring.find(ONE), keyring.find(TWO)
    assert dash is not None
    assert default is not None
    assert (dash.name, dash.scope) == ("dash", "read")
    assert (default.name, default.scope) == ("default", "write")
    for wrong in ("", THREE, ONE[:-1], ONE + "a", ONE.upper(), "é" * 32, "\udce9"):
        assert keyring.find(wrong) is None
    file.write_text(f"default read {ONE}\n")
    with pytest.raises(BadKeys, match="one name"):
        Keyring(digest(TWO), str(file))


def test_no_key_is_configured() -> None:
    keyring = Keyring()
    assert not keyring.configured
    assert keyring.find("") is None


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "long").write_bytes(b"#" * (1024 * 1024 + 1))
    (tmp_path / "binary").write_bytes(b"\xff" * 40)
    for name in ("missing", "pipe", "long", "binary", ".", "nul\0"):
        with pytest.raises(BadKeys):
            Keyring(None, str(tmp_path / name))


def test_a_change_counts_within_a_second(tmp_path: Path) -> None:
    clock, file = Clock(), tmp_path / "keys"
    file.write_text(ONE)
    keyring = Keyring(None, str(file), clock)
    file.write_text(TWO)
    clock.now += 1
    assert keyring.find(ONE) is None
    assert keyring.find(TWO)


def test_a_file_that_breaks_leaves_the_keys_and_is_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock, file = Clock(), tmp_path / "keys"
    file.write_text(ONE)
    keyring = Keyring(None, str(file), clock)
    for broken in (None, "", f"secretname write {TWO} {THREE}"):
        caplog.clear()
        if broken is None:
            file.unlink()
        else:
            file.write_text(broken)
        for _ in range(3):
            clock.now += 1
            assert keyring.find(ONE)
            assert keyring.find(TWO) is None
        assert [record.levelname for record in caplog.records] == ["ERROR"]
        assert not any(text in caplog.text for text in ("secretname", TWO, THREE))
    file.write_text(f"ci write {TWO}")
    clock.now += 1
    assert keyring.find(TWO)
    assert keyring.find(ONE) is None
