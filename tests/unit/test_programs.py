"""Where the program of a container may be, and what the engine says of such a place."""

import asyncio
import base64
import json
from typing import Any

import pytest

from orchestrator.errors import StartRefused
from orchestrator.inside import Programs, program_of
from orchestrator.inside.program import DEFAULT_PATH, Program, judge

# As engines 20.10 and 26.1 answer, of a program, /etc/passwd, /bin (a link), and a device.
PROGRAM, FILE, LINK, DEVICE = 0o755, 0o644, 0o1000000777, 0o410000666
DIRECTORY = 1 << 31 | 0o755


def header(mode: int, target: str = "") -> str:
    described = {"name": "x", "size": 1, "mode": mode, "mtime": "", "linkTarget": target}
    return base64.b64encode(json.dumps(described).encode()).decode()


class FakeEngine:
    """A file system: path -> what the engine says of it; nothing else is there."""

    def __init__(self, **paths: tuple[int, str | None]) -> None:
        self.paths = {"/": (200, header(DIRECTORY))} | paths
        self.asked: list[str] = []

    async def stat_path(self, _: str, path: str) -> tuple[int, str | None]:
        self.asked.append(path)
        return self.paths.get(path, (404, None))


def of(**paths: tuple[int, str | None]) -> tuple[FakeEngine, Programs]:
    engine = FakeEngine(**paths)
    return engine, Programs(engine)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("status", "text", "expected"),
    [
        (200, header(PROGRAM), "found"),
        (200, header(0o001), "found"),
        (200, header(FILE), "missing"),
        (200, header(DIRECTORY), "missing"),
        (200, header(DEVICE), "in doubt"),
        (200, header(LINK, "/usr/bin/dash"), "/usr/bin/dash"),
        (200, header(LINK, "dash"), "in doubt"),
        (200, header(LINK), "in doubt"),
        (404, None, "missing"),
        (500, None, "in doubt"),
        (400, None, "in doubt"),
        (403, None, "in doubt"),
        (200, None, "in doubt"),
        (200, "no base64!", "in doubt"),
        (200, base64.b64encode(b"no json").decode(), "in doubt"),
        (200, base64.b64encode(b"[]").decode(), "in doubt"),
        (200, base64.b64encode(b'{"mode": "x", "linkTarget": ""}').decode(), "in doubt"),
    ],
)
def test_what_the_engine_says_of_a_place(status: int, text: str | None, expected: str) -> None:
    assert judge(status, text) == expected


@pytest.mark.parametrize(
    ("config", "options", "expected"),
    [
        ({"Cmd": ["a", "b"]}, {}, Program("a", DEFAULT_PATH, "/")),
        ({"Entrypoint": ["e"], "Cmd": ["a"]}, {}, Program("e", DEFAULT_PATH, "/")),
        ({"Entrypoint": ["e"]}, {"command": ["a"]}, Program("e", DEFAULT_PATH, "/")),
        ({"Entrypoint": None, "Cmd": ["a"]}, {"command": ["b"]}, Program("b", DEFAULT_PATH, "/")),
        (
            {"Cmd": ["a"], "Env": ["A=1", "PATH=/x:/y"], "WorkingDir": "/app"},
            {"env": {"B": "2"}},
            Program("a", "/x:/y", "/app"),
        ),
        ({"Cmd": ["a"], "Env": ["PATH=/x"]}, {"env": {"PATH": "/z"}}, Program("a", "/z", "/")),
        ({}, {}, None),
        ({"Cmd": None, "Entrypoint": []}, {}, None),
    ],
)
def test_the_program_of_a_container(
    config: dict[str, Any], options: dict[str, Any], expected: Program | None
) -> None:
    assert program_of(config, **options) == expected


@pytest.mark.parametrize(
    ("program", "places"),
    [
        (Program("a", "/x:/y/", "/app"), ["/x/a", "/y/a"]),
        (Program("a", ":rel", "/app"), ["/app/a", "/app/rel/a"]),
        (Program("./a", "/x", "/app"), ["/app/./a"]),
        (Program("/a", "/x", "/app"), ["/a"]),
        (Program("", "/x", "/app"), []),
    ],
)
def test_where_it_is_looked_for(program: Program, places: list[str]) -> None:
    assert list(program.places()) == places


FOUND = (200, header(PROGRAM))


def require(programs: Programs, program: Program | None, image_id: str | None) -> None:
    asyncio.run(programs.require("c", program, image_id))


def missing(programs: Programs, name: str, path: str = "/x:/y") -> bool:
    try:
        require(programs, Program(name, path, "/"), "image")
    except StartRefused:
        return True
    return False


def test_it_is_found_in_any_directory_of_path() -> None:
    engine, programs = of(**{"/y/a": FOUND, "/x/d": (200, header(DIRECTORY)), "/y/d": FOUND})
    assert not missing(programs, "a")
    assert engine.asked == ["/x/a", "/y/a"]
    assert not missing(programs, "d"), "a directory of that name is passed over"
    assert missing(programs, "b")
    assert missing(programs, "")


def test_links_are_followed_and_never_for_ever() -> None:
    _, programs = of(
        **{
            "/good": (200, header(LINK, "/x/a")),
            "/x/a": FOUND,
            "/dangling": (200, header(LINK, "/nope")),
            "/loop": (200, header(LINK, "/loop")),
        }
    )
    assert not missing(programs, "/good")
    assert missing(programs, "/dangling")
    assert not missing(programs, "/loop")


def test_in_doubt_it_is_started() -> None:
    _, programs = of(**{"/x/a": (500, None)})
    assert not missing(programs, "a")
    assert not missing(programs, "/proc/self/exe"), "it is there when the container runs"
    assert not missing(programs, "/sbin/docker-init")
    assert not missing(programs, "b", ":".join(f"/{n}" for n in range(100)))
    engine, programs = of()
    engine.paths.clear()
    assert not missing(programs, "a"), "the container itself is gone"


def test_what_an_image_has_is_asked_for_once() -> None:
    engine, programs = of(**{"/x/a": FOUND})
    program = Program("a", "/x", "/")
    for _ in range(3):
        require(programs, program, "image")
    assert len(engine.asked) == 1
    require(programs, program, "another image")
    require(programs, program, None)
    require(programs, program, None)
    assert len(engine.asked) == 4
    require(programs, None, "image")
    assert len(engine.asked) == 4
    for _ in range(2):
        with pytest.raises(StartRefused) as refused:
            require(programs, Program("b", "/x", "/"), "image")
        assert refused.value.fields == {"program": "b"}
    for number in range(2000):
        require(programs, program, f"image {number}")
    assert len(programs._found) <= 1000
