import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.addresses import SshAddress


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("ssh://engine", SshAddress("engine")),
        ("ssh://me@engine:2222", SshAddress("engine", "me", 2222)),
        ("ssh://Engine-A", SshAddress("Engine-A")),  # an alias, as it is written
        ("ssh://me@engine/", SshAddress("engine", "me")),
        (
            "ssh://me@engine/run/user/1000/docker.sock",
            SshAddress("engine", "me", None, "/run/user/1000/docker.sock"),
        ),
        ("ssh://me@[fd00::1]:22", SshAddress("fd00::1", "me", 22)),
        (" ssh://engine ", SshAddress("engine")),
    ],
)
def test_an_address_has_parts(text: str, parts: SshAddress) -> None:
    assert SshAddress.parse(text) == parts


@pytest.mark.parametrize(
    "text",
    [
        "ssh://",
        "ssh://me:secret-word@engine",
        "ssh://me:sec/ret@engine",
        "ssh://-oProxyCommand=secret-word",
        "ssh://-l@engine",
        "ssh://me@engine:port",
        "ssh://me@engine:99999",
        "ssh://engine/a:/secret-word",
        "ssh://engine/a b",
        "ssh://engine/%d/docker.sock",
        "ssh://engine?x=1",
        "ssh://[engine",
        "tcp://engine:2375",
    ],
)
def test_what_is_no_address_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="address") as refused:
        SshAddress.parse(text)
    assert "secret" not in str(refused.value)


@given(st.text(max_size=40))
def test_no_address_becomes_an_option_or_another_argument(text: str) -> None:
    try:
        address = SshAddress.parse(f"ssh://{text}")
    except ValueError:
        return
    for part in (address.host, address.user or "x"):
        assert not part.startswith("-")
        assert part.isascii()
        assert part.isprintable()
        assert " " not in part
    assert ":" not in address.socket
