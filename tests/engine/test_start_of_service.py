"""The service's start: bad settings end it, uvicorn can do it, the first answer knows all."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import docker
import httpx
import pytest

from tests.conftest import ROOT, Service, free_port, wait_until

from .support import SLEEP, assert_sentence

pytestmark = pytest.mark.engine


def run_to_its_end(command: list[str], **settings: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"HOST": "127.0.0.1", "PORT": str(free_port())} | settings
    return subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT_RANGE", "abc"),
        ("PORT", "99999"),
        ("DEFAULT_MEMORY", "lots"),
        ("PUBLISH_ADDRESS", "nowhere"),
    ],
)
def test_a_bad_setting_ends_the_start_with_one_line(name: str, value: str) -> None:
    ended = run_to_its_end(["main.py"], **{name: value})
    assert ended.returncode not in (0, None)
    lines = (ended.stdout + ended.stderr).splitlines()
    assert len(lines) == 1, lines
    assert name in lines[0]
    assert value in lines[0]
    assert_sentence(lines[0])


def test_a_bad_setting_ends_uvicorn_main_app_too() -> None:
    ended = run_to_its_end(["-m", "uvicorn", "main:app"], PORT_RANGE="abc")
    assert ended.returncode not in (0, None)
    assert len((ended.stdout + ended.stderr).splitlines()) == 1
    assert "PORT_RANGE" in ended.stderr


def test_uvicorn_main_app_serves(tmp_path: Path, docker_client: docker.DockerClient) -> None:
    port = free_port()
    log = tmp_path / "uvicorn.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", "main:app", "--port", str(port)],
            cwd=ROOT,
            stdout=output,
            stderr=output,
        )
    try:

        def answers() -> bool:
            assert process.poll() is None, log.read_text()
            try:
                answer = httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False)
            except httpx.TransportError:
                return False
            return answer.status_code == 200

        wait_until(answers, 30, "uvicorn main:app answers")
    finally:
        process.terminate()
        process.wait(30)


def test_nothing_is_done_by_an_import_alone(tmp_path: Path) -> None:
    ended = run_to_its_end(
        ["-c", "import main, threading; print(threading.active_count())"], PORT_RANGE="abc"
    )
    assert (ended.returncode, ended.stdout.strip()) == (0, "1")


def test_the_first_answer_knows_the_containers_that_are_there(
    start_service: Callable[..., Service],
) -> None:
    service = start_service()
    container = service.created(command=SLEEP)
    service.stop()
    service.start(wait=False)

    def first_answer() -> httpx.Response | None:
        try:
            return service.client.get("/containers", params={"label": service.label})
        except httpx.TransportError:
            return None

    answer = wait_until(first_answer, 30, "the first answer")
    assert answer.status_code == 200
    assert [found["id"] for found in answer.json()] == [container["id"]]
