"""What becomes of calls to an engine that hangs or hangs up: a socket that plays one."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from orchestrator import errors
from orchestrator.engine import Engine
from orchestrator.settings import Settings

pytestmark = pytest.mark.anyio

CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"


def answer(body: bytes, status: str = "200 OK") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


VERSION = answer(b'{"Version": "20.10.24", "ApiVersion": "1.41"}')


class Pretender:
    """Answers a request by the text that its first line contains, or never; then may hang up."""

    def __init__(self, path: Path) -> None:
        self.address = f"unix://{path}"
        self.answers: dict[str, bytes] = {"/version": VERSION, "/info": answer(b"{}")}
        self.hangs_up = False
        self.asked = threading.Event()  # something that has no answer
        self._sockets = [socket.socket(socket.AF_UNIX)]
        self._sockets[0].bind(str(path))
        self._sockets[0].listen(16)
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        for each in self._sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client = self._sockets[0].accept()[0]
                self._sockets.append(client)
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError):
            while request := client.recv(65536).decode():
                line = request.partition("\r\n")[0]
                found = [text for part, text in self.answers.items() if part in line]
                if found:
                    client.sendall(found[0])
                else:
                    self.asked.set()
                if self.hangs_up and "/version" not in line and "/info" not in line:
                    client.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def pretender(tmp_path: Path) -> Iterator[Pretender]:
    pretender = Pretender(tmp_path / "engine.sock")
    yield pretender
    pretender.close()


Told = list[tuple[str, float, str | None]]


@pytest.fixture
def told() -> Told:
    """What the observer of the engine's calls has been told."""
    return []


@pytest.fixture
async def engine(pretender: Pretender, told: Told) -> AsyncIterator[Engine]:
    settings = Settings(docker_host=pretender.address, engine_timeout=1, pull_timeout=1)
    engine = Engine(settings, lambda *call: told.append(call))
    await engine.connect()
    yield engine
    engine.close()


async def becomes(holds: Callable[[], bool]) -> None:
    for _ in range(500):
        if holds():
            return
        await asyncio.sleep(0.02)
    pytest.fail("not within 10 seconds")


def is_free(engine: Engine, pool: str) -> bool:
    """Whether no thread of a pool is at work."""
    return not engine._connection._pools[pool]._under_way


async def test_a_call_that_hangs_ends_in_time_and_so_does_its_thread(
    pretender: Pretender, engine: Engine
) -> None:
    with pytest.raises(errors.EngineTimeout):
        await engine.containers.inspect("abc")
    await becomes(lambda: is_free(engine, "reads"))


async def test_a_pull_that_hangs_ends_in_time_and_so_does_its_thread(
    pretender: Pretender, engine: Engine
) -> None:
    """The SDK itself would wait for ever."""
    pretender.answers["/images/create"] = CHUNKED + b'12\r\n{"status": "some"}\r\n'
    with pytest.raises((errors.EngineTimeout, errors.EngineUnavailable)):
        await engine.images.pull("some/image:1")
    await becomes(lambda: is_free(engine, "pulls"))


async def test_an_engine_that_hangs_up_before_it_answers(
    pretender: Pretender, engine: Engine
) -> None:
    pretender.hangs_up = True
    with pytest.raises(errors.EngineUnavailable):
        await engine.containers.inspect("abc")


@pytest.mark.parametrize("part", [b"", b'{"status": "so', b'{"status": "some"}\n'])
async def test_an_engine_that_hangs_up_in_the_middle_of_a_pull(
    pretender: Pretender, engine: Engine, part: bytes
) -> None:
    pretender.hangs_up = True
    pretender.answers["/images/create"] = CHUNKED + (
        b"%x\r\n%s\r\n" % (len(part), part) if part else b""
    )
    with pytest.raises(errors.EngineUnavailable):
        await engine.images.pull("some/image:1")


async def test_an_engine_that_hangs_up_in_the_middle_of_an_answer(
    pretender: Pretender, engine: Engine
) -> None:
    pretender.hangs_up = True
    pretender.answers["/json"] = answer(b'{"Id": "abc"}')[:-5]
    with pytest.raises(errors.EngineUnavailable):
        await engine.containers.inspect("abc")


async def test_an_answer_that_is_no_json(pretender: Pretender, engine: Engine) -> None:
    pretender.answers["/json"] = answer(b"<html>")
    with pytest.raises(errors.EngineUnavailable):
        await engine.containers.inspect("abc")


async def test_the_observer_is_told_of_a_call_how_long_it_took_and_what_its_caller_got(
    pretender: Pretender, engine: Engine, told: Told
) -> None:
    pretender.answers["/json"] = answer(b'{"Id": "abc", "Config": {}}')
    await engine.containers.environment("abc")
    pretender.answers["/json"] = answer(b'{"message": "no such container"}', "404 Not Found")
    with pytest.raises(errors.ContainerNotFound):
        await engine.containers.inspect("abc")
    with pytest.raises(errors.EngineTimeout):
        await engine.ping(0.3)
    assert [(name, code) for name, _, code in told] == [
        ("connect", None),
        ("inspect", None),
        ("inspect", "container-not-found"),
        ("ping", "engine-timeout"),
    ]
    assert 0.3 <= told[-1][1] < 1


async def test_the_observer_is_told_of_a_pull_that_fails_after_it_was_answered(
    pretender: Pretender, engine: Engine, told: Told
) -> None:
    line = b'{"error": "dial tcp: no route to host"}\n'
    pretender.answers["/images/create"] = CHUNKED + b"%x\r\n%s\r\n0\r\n\r\n" % (len(line), line)
    with pytest.raises(errors.RegistryUnreachable):
        await engine.images.pull("some/image:1")
    name, _, code = told[-1]
    assert (name, code) == ("pull", "registry-unreachable")


async def test_a_call_that_is_repeated_counts_as_two(
    pretender: Pretender, engine: Engine, told: Told
) -> None:
    pretender.hangs_up = True
    with pytest.raises(errors.EngineUnavailable):
        await engine.containers.inspect("abc")
    assert [code for name, _, code in told if name == "inspect"] == ["engine-unavailable"] * 2


async def test_the_observer_hears_nothing_of_a_call_whose_caller_has_gone(
    engine: Engine, told: Told
) -> None:
    call = asyncio.create_task(engine.containers.inspect("abc"))
    await asyncio.sleep(0.1)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert [name for name, _, _ in told] == ["connect"]


async def test_events_that_come_after_their_subscriber_has_gone_are_not_followed(
    pretender: Pretender, engine: Engine
) -> None:
    def followers() -> int:
        return sum(thread.name == "events" for thread in threading.enumerate())

    events = engine.events()
    with pytest.raises(errors.EngineTimeout):
        await anext(events)
    assert pretender.asked.is_set()
    for client in pretender._sockets[1:]:
        client.sendall(CHUNKED)
    await becomes(lambda: followers() == 0)


async def test_the_file_of_the_socket_tells_one_engine_from_the_next(
    pretender: Pretender, engine: Engine, tmp_path: Path
) -> None:
    first = engine.socket_file()
    assert first is not None
    await engine.connect()
    assert engine.socket_file() == first
    path = tmp_path / "engine.sock"
    path.unlink()
    assert engine.socket_file() is None
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        assert engine.socket_file() not in (None, first)


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:2375", "unix:///nowhere/docker.sock"])
def test_an_engine_without_a_socket_file(address: str) -> None:
    assert Engine(Settings(docker_host=address)).socket_file() is None
