"""A login file as it may be: what can be used of it is; the rest is a complaint, no error."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.engine.credentials import login_for

REGISTRY = "registry.example:5000"
AUTH = base64.b64encode(b"me:secret-word").decode()


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path / "config.json"


def entry(value: Any, registry: str = REGISTRY) -> dict[str, Any]:
    return {"auths": {registry: value}}


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"auths": None},
        {"auths": []},
        {"auths": {}, "credHelpers": None, "credsStore": None},
        entry({}),
        entry({"auth": ""}),  # as credential stores and `docker logout` leave it
        entry({"auth": None, "identitytoken": ""}),
        entry({"username": "me"}),
        {"credHelpers": "odd", "credsStore": 7},
        {"credHelpers": {REGISTRY: ""}, "credsStore": ""},
        {"credHelpers": {"other.example": "no-such-helper"}},
        # What is wrong with the entry of another registry concerns nobody.
        entry(7, "other.example"),
        entry({"auth": "!"}, "other.example"),
        {"HttpHeaders": 7, "proxies": [], "detachKeys": {}},
    ],
    ids=json.dumps,
)
def test_nothing_is_sent_where_nobody_has_logged_in(file: Path, config: Any) -> None:
    file.write_text(json.dumps(config))
    found = login_for(f"{REGISTRY}/team/app:1")
    assert (found.fields, found.complaint) == ({}, None)


def test_there_need_be_no_file(file: Path) -> None:
    assert not file.exists()
    assert login_for(f"{REGISTRY}/team/app:1").complaint is None


@pytest.mark.filterwarnings("ignore:docker-credential")  # the SDK's, of a helper that is missing
@pytest.mark.parametrize(
    ("config", "named"),
    [
        (entry(7), f'entry "{REGISTRY}"'),
        (entry("odd"), f'entry "{REGISTRY}"'),
        (entry({"auth": 7}), f'entry "{REGISTRY}"'),
        (entry({"auth": "!!!"}), f'entry "{REGISTRY}"'),
        (entry({"auth": base64.b64encode(b"secret-word").decode()}), f'entry "{REGISTRY}"'),
        (entry({"auth": base64.b64encode(b"\xff\xfe:\xff").decode()}), f'entry "{REGISTRY}"'),
        (entry({"auth": ["x"]}), f'entry "{REGISTRY}"'),
        ({"credsStore": "no-such-helper"}, "credential helper no-such-helper"),
        ({"credHelpers": {REGISTRY: "no-such-helper"}}, "credential helper no-such-helper"),
        ([], "no JSON object"),
        (None, "no JSON object"),
        ("odd", "no JSON object"),
    ],
    ids=lambda value: value if isinstance(value, str) else json.dumps(value),
)
def test_a_complaint_names_what_cannot_be_used_and_not_what_is_in_it(
    file: Path, config: Any, named: str, caplog: pytest.LogCaptureFixture
) -> None:
    file.write_text(json.dumps(config))
    found = login_for(f"{REGISTRY}/team/app:1")
    assert found.fields == {}
    assert named in str(found.complaint)
    assert "docker login" in str(found.complaint)
    assert "secret-word" not in f"{found.complaint} {caplog.text}"


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe", b'{"auths":', b"\x00" * 100])
def test_a_file_that_is_no_json_is_complained_of(file: Path, data: bytes) -> None:
    file.write_bytes(data)
    assert "cannot be read" in str(login_for(f"{REGISTRY}/app").complaint)


def test_a_file_that_cannot_be_read_is_complained_of(file: Path) -> None:
    file.mkdir()
    assert "cannot be read" in str(login_for(f"{REGISTRY}/app").complaint)


@pytest.mark.parametrize(
    ("config", "image", "username"),
    [
        (entry({"auth": AUTH}), f"{REGISTRY}/app", "me"),
        (entry({"auth": AUTH}, f"https://{REGISTRY}/v1/"), f"{REGISTRY}/app", "me"),
        (entry({"auth": AUTH, "email": None}), f"{REGISTRY}/app", "me"),
        (entry({"username": "me", "password": "p"}), f"{REGISTRY}/app", "me"),
        (entry({"auth": AUTH}, "https://index.docker.io/v1/"), "app:1", "me"),
        # An entry that cannot be used does not stand in the way of another one.
        ({"auths": {"other.example": 7, REGISTRY: {"auth": AUTH}}}, f"{REGISTRY}/app", "me"),
    ],
    ids=str,
)
def test_a_login_is_sent(file: Path, config: Any, image: str, username: str) -> None:
    file.write_text(json.dumps(config))
    found = login_for(image)
    assert found.complaint is None
    assert found.fields["username"] == username
    assert "secret-word" not in repr(found)
