"""The scripts as a new user meets them: not root, of the group docker, with a fresh clone.

It takes minutes, so it is a part of its own of .ci/run; FIRST_RUN=1 runs it. What is cloned is what
was committed. PYTHON, /usr/bin/python3 without it, is the Python that the user has.
"""

import os
import pwd
import re
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from ..conftest import ROOT, free_port

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(os.environ.get("FIRST_RUN") != "1", reason="takes minutes; FIRST_RUN=1"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a user"),
    pytest.mark.skipif(not shutil.which("useradd"), reason="there is no useradd"),
]

PYTHON = os.environ.get("PYTHON") or "/usr/bin/python3"
# What pip, and nothing else, may need of this machine to reach its packages.
PASSED_ON = re.compile(
    r"PIP_.*|SSL_CERT_.*|REQUESTS_CA_BUNDLE|https?_proxy|no_proxy", re.IGNORECASE
)


class User:
    """An ordinary user of this machine, of the group docker."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.home = Path(pwd.getpwnam(name).pw_dir)
        self.clone = self.home / "api"

    def run(self, command: str, seconds: float, **environment: str) -> str:
        """What a shell in the clone prints, with the limits that are usual; it must succeed."""
        passed_on = {name: text for name, text in os.environ.items() if PASSED_ON.fullmatch(name)}
        process = subprocess.Popen(
            [
                shutil.which("runuser") or "runuser",
                "-u",
                self.name,
                "--",
                "bash",
                "-c",
                f"ulimit -Sn 1024; {command}",
            ],
            cwd=self.clone,
            env={
                "PATH": "/usr/local/bin:/usr/bin:/bin",
                "HOME": str(self.home),
                "USER": self.name,
                "LANG": "C.UTF-8",
                "PYTHON": PYTHON,
                **passed_on,
                **environment,
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        began = time.monotonic()
        try:
            output, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.end_all()
            output, _ = process.communicate(timeout=10)
            pytest.fail(f"{command} took longer than {seconds} s:\n{output}", pytrace=False)
        print(f"$ {command}\n{output}({time.monotonic() - began:.0f} s)")
        assert process.returncode == 0
        return output

    def end_all(self) -> None:
        """Ends every process of this user's, and no other."""
        number = pwd.getpwnam(self.name).pw_uid
        for place in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if place.stat().st_uid == number:
                    os.kill(int(place.name), signal.SIGKILL)


@pytest.fixture(scope="module")
def user() -> Iterator[User]:
    name = f"first-run-{uuid.uuid4().hex[:8]}"
    try:
        subprocess.run(["useradd", "-m", "-s", "/bin/bash", "-G", "docker", name], check=True)
        user = User(name)
        # Without hard links: what is given to the user must not be the objects of this checkout.
        clone = ["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(user.clone)]
        subprocess.run(clone, check=True)
        subprocess.run(["chown", "-R", f"{name}:", str(user.clone)], check=True)
        yield user
        user.end_all()
    finally:
        subprocess.run(["userdel", "--remove", "--force", name], check=False, capture_output=True)


def test_a_first_run_ends_with_the_api_answering(user: User) -> None:
    port = free_port()
    setting = {"PORT": str(port), "PORT_RANGE": "28801-28899"}
    first = user.run("scripts/run", 900, **setting)
    version = user.run('"$PYTHON" --version', 10).strip()
    assert f"ready, {version} (" in first
    assert f"The API answers at http://127.0.0.1:{port}" in first
    answer = user.run(f"curl --silent --show-error --fail http://127.0.0.1:{port}/health", 60)
    assert '"status":"healthy"' in answer
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60) as client:
        created = client.post("/containers/create", json={})
        assert created.status_code == 201, created.text
        container = created.json()
        assert client.delete(f"/containers/{container['id']}?force=true").status_code == 200
    again = user.run("scripts/run", 300, **setting)
    assert "up to date" in again
    assert "stopped" in user.run("scripts/run --stop", 60, **setting)


def test_some_tests_of_the_engine_pass(user: User) -> None:
    output = user.run("scripts/test tests/engine/test_environments.py", 900)
    assert re.search(r"\d+ passed", output)
    assert "failed" not in output


def test_unit_tests_need_neither_a_home_nor_files_to_write_nor_many_open(user: User) -> None:
    """After scripts/test, which has installed what they need."""
    command = "ulimit -n 256; chmod -R a-w .; .venv/bin/python -m pytest -q tests/unit"
    environment = {"HOME": "/nonexistent", "CI": ""}
    output = user.run(f"{command}; code=$?; chmod -R u+w .; exit $code", 1500, **environment)
    assert re.search(r"\d+ passed", output)
