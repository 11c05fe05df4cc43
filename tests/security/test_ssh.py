"""An engine over SSH: real OpenSSH on both sides, the engine one of the tests' own.

sshd is run by these tests, with nobody's rights but those of a plain user who may only forward:
its key opens no shell, and of commands it would allow one at a time.
"""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.conftest import Service, wait_until
from tests.faults.private_engine import PrivateEngine, own_network, why_not

from .test_socket import running, use_from_afar

USER = "daemon"  # exists on every Linux, and is no more than it is called
PORT = 2222
RIGHTS = "restrict,port-forwarding"


class SshServer:
    """sshd at 127.0.0.1:PORT, and an `ssh` that knows its key and has one of its own.

    `programs` has that `ssh`: the real one with a configuration of its own, for it looks at that of
    the user's home whatever the environment says.
    """

    def __init__(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="sshd-"))
        self.root.chmod(0o755)
        self.programs = self.root / "programs"
        self.known_hosts = self.root / "known_hosts"
        self.log = self.root / "log"
        self._authorized = self.root / "authorized_keys"
        self._process: subprocess.Popen[bytes] | None = None
        for name in ("host_key", "user_key", "other_key"):
            self._make_key(name)
        shutil.chown(self.root / "host_key", USER)
        self.let_in("user_key")
        self.know("host_key")
        (self.root / "sshd_config").write_text(
            f"Port {PORT}\nListenAddress 127.0.0.1\nHostKey {self.root}/host_key\n"
            f"AuthorizedKeysFile {self._authorized}\nPidFile none\nStrictModes no\n"
            "PasswordAuthentication no\nMaxSessions 1\n"
        )
        (self.root / "ssh_config").write_text(
            f"Host engine\nHostName 127.0.0.1\nPort {PORT}\nUser {USER}\nHost *\n"
            f"IdentityFile {self.root}/user_key\nIdentitiesOnly yes\nIdentityAgent none\n"
            f"UserKnownHostsFile {self.known_hosts}\nGlobalKnownHostsFile /dev/null\n"
        )
        self.programs.mkdir()
        ssh = self.programs / "ssh"
        ssh.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {self.root}/ssh_config "$@"\n')
        ssh.chmod(0o755)

    def start(self) -> None:
        program = shutil.which("sshd", path=_path())
        assert program is not None
        libraries = [*Path(program).parents[2].glob("usr/lib/*-linux-gnu")]  # where it was unpacked
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *("setpriv", "--pdeathsig", "KILL", "--reuid", USER, "--clear-groups"),
                    *(program, "-D", "-e", "-f", self.root / "sshd_config"),
                ],
                cwd="/",
                env=os.environ | {"LD_LIBRARY_PATH": ":".join(map(str, libraries))},
                stdout=log,
                stderr=log,
            )
        wait_until(lambda: "Server listening" in self.log.read_text(), 10, "sshd listens")

    def end(self) -> None:
        """Ends sshd and everybody's connections. A no-op when it does not run."""
        if self._process is None:
            return
        for pid in self._sessions():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.kill()
        self._process.wait(10)
        self._process = None
        self.log.write_text("")

    def let_in(self, key: str, rights: str = RIGHTS) -> None:
        """Whoever has this key, and nobody else."""
        self._authorized.write_text(f"{rights} {(self.root / f'{key}.pub').read_text()}")

    def know(self, key: str) -> None:
        """The one host key that ssh takes for that of the server."""
        text = (self.root / f"{key}.pub").read_text()
        self.known_hosts.write_text(f"[127.0.0.1]:{PORT} {text}")

    def _make_key(self, name: str) -> None:
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.root / name)]
        subprocess.run(command, check=True)

    def _sessions(self) -> list[int]:
        assert self._process is not None
        found = [self._process.pid]
        for pid in found:
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                with suppress(OSError):
                    found += map(int, children.read_text().split())
        return found[1:]


def _path() -> str:
    return f"{os.environ['PATH']}:/usr/sbin"


def _why_not() -> str | None:
    missing = [name for name in ("ssh", "sshd") if shutil.which(name, path=_path()) is None]
    return f"{' and '.join(missing)} of OpenSSH missing" if missing else None


@pytest.fixture(scope="module")
def engine() -> Iterator[PrivateEngine]:
    for reason, required in ((why_not(), "REQUIRE_FAULTS"), (_why_not(), "REQUIRE_SSH")):
        if reason:
            if os.environ.get(required) == "1":
                pytest.fail(reason, pytrace=False)
            pytest.skip(reason)
    with own_network():
        engine = PrivateEngine()
        try:
            engine.start()
            engine.load_image()
            shutil.chown(engine.socket, USER)
            yield engine
        finally:
            engine.remove()


@pytest.fixture
def sshd(engine: PrivateEngine) -> Iterator[SshServer]:
    server = SshServer()
    try:
        server.start()
        yield server
    finally:
        server.end()
        shutil.rmtree(server.root)
        engine.clear()


@pytest.fixture
def settings(sshd: SshServer, engine: PrivateEngine, tmp_path: Path) -> dict[str, str]:
    temporary = tmp_path / "t"
    temporary.mkdir()
    return {
        "DOCKER_HOST": f"ssh://{USER}@127.0.0.1:{PORT}{engine.socket}",
        "PATH": f"{sshd.programs}:{os.environ['PATH']}",
        "TMPDIR": str(temporary),
    }


def is_healthy(service: Service) -> bool:
    return service.client.get("/health").status_code == 200


def test_an_engine_is_used_over_ssh(
    settings: dict[str, str], engine: PrivateEngine, tmp_path: Path
) -> None:
    with running(tmp_path, **settings) as service:
        use_from_afar(service, engine, f"ssh://127.0.0.1:{PORT}")
        assert USER not in service.log()
    wait_until(lambda: not any((tmp_path / "t").iterdir()), 10, "ssh ends with a killed service")


def test_a_connection_that_is_lost_comes_back(
    settings: dict[str, str], engine: PrivateEngine, sshd: SshServer, tmp_path: Path
) -> None:
    settings |= {"DOCKER_HOST": f"ssh://engine{engine.socket}"}  # as ssh_config has it
    with running(tmp_path, **settings) as service:
        service.created(name="before")
        sshd.end()

        def problem() -> str:
            return str(service.client.get("/health").json()["docker"]["problem"])

        wait_until(lambda: "no SSH connection" in problem(), 10, "the loss is noticed")
        answer = service.client.get("/containers")
        assert [each["name"] for each in answer.json()] == ["before"], "answered from memory"
        engine.run(name="meanwhile")
        sshd.start()
        wait_until(lambda: is_healthy(service), 20, "it is connected again")
        assert {each["name"] for each in service.get("/containers")} == {"before", "meanwhile"}
        service.stop()
    assert not any((tmp_path / "t").iterdir()), "ssh ends with the service"


WRONG: dict[str, tuple[Callable[[SshServer], object], str]] = {
    "a foreign host key": (lambda sshd: sshd.know("other_key"), "host key"),
    "a key that is not let in": (lambda sshd: sshd.let_in("other_key"), "does not let"),
    "forwarding is forbidden": (
        lambda sshd: sshd.let_in("user_key", "restrict"),
        "SSH works",
    ),
    "no ssh": (lambda sshd: (sshd.programs / "ssh").unlink(), "no program `ssh`"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_is_said_in_one_line_and_mended_without_a_restart(
    wrong: str, settings: dict[str, str], sshd: SshServer, tmp_path: Path
) -> None:
    spoil, words = WRONG[wrong]
    ssh = (sshd.programs / "ssh").read_text()
    spoil(sshd)
    settings["PATH"] = str(sshd.programs)
    with running(tmp_path, **settings) as service:
        answer = service.client.get("/health")
        assert answer.status_code == 503
        assert words in answer.json()["docker"]["problem"]
        log = service.log()
        lines = [line for line in log.splitlines() if "Not connected" in line]
        assert len(lines) == 1
        assert words in lines[0]
        assert "Traceback" not in log

        sshd.know("host_key")
        sshd.let_in("user_key")
        (sshd.programs / "ssh").write_text(ssh)
        (sshd.programs / "ssh").chmod(0o755)
        wait_until(lambda: is_healthy(service), 20, "what was mended works")
