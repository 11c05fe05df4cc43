"""The suite of attacks: the service holds against it as it is run, it finds faults where there are
some, and attacks nobody's machine but one's own.
"""

import http.server
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from main import create_app
from orchestrator.settings import Settings
from tests.conftest import ROOT, Service, free_port, wait_until
from tests.security.attack import addresses, doors, run
from tests.security.attack.__main__ import main
from tests.security.attack.elsewhere import ELSEWHERE
from tests.security.attack.registry import NEEDS
from tests.security.attack.target import LABEL, Target

KEYS = {"one": "one-" * 8, "two": "two-" * 8}
# By topic; of slots, where much is waited for, one by one.
PARTS = list(
    dict.fromkeys(
        each.name if each.name.startswith("slots/") else f"{each.name.partition('/')[0]}/"
        for each in run.chosen(None)
    )
)
# Slow senders are given up sooner, for these tests to end.
SETTINGS = {"REQUEST_TIMEOUT": "2"}


def attacked(url: str, *arguments: str) -> tuple[int, str, list[dict[str, Any]]]:
    """The exit code of the command, how the names of what it makes begin, and what it says of each
    attack.
    """
    done = subprocess.run(
        [sys.executable, "-m", "tests.security.attack", url, "--json", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert not done.stderr, done.stderr
    about, *attacks = map(json.loads, done.stdout.splitlines())
    return done.returncode, about["prefix"], attacks


# Against the service


@pytest.fixture(scope="module", params=["with two keys", "without keys"])
def shape(
    request: pytest.FixtureRequest,
    docker_client: docker.DockerClient,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Service, list[str]]]:
    """A service, and what to attack it with."""
    folder = tmp_path_factory.mktemp("attack")
    settings, arguments = dict(SETTINGS), []
    if request.param == "with two keys":
        file = folder / "keys"
        file.write_text("".join(f"{name} write {key}\n" for name, key in KEYS.items()))
        settings["API_KEY_FILE"] = str(file)
        arguments = ["--key", KEYS["one"], "--other-key", KEYS["two"]]
    service = Service(folder, settings)
    service.start()
    key = {"Authorization": f"Bearer {KEYS['one']}"}
    wait_until(lambda: service.client.get("/health/ready", headers=key).status_code == 200, 20)
    yield service, arguments
    service.stop()
    service.client.close()


def made_by(prefix: str, client: docker.DockerClient) -> list[Any]:
    found: list[Any] = client.api.containers(all=True, filters={"label": f"{LABEL}={prefix}"})
    return found


@pytest.mark.engine
@pytest.mark.parametrize("part", PARTS)
def test_the_service_holds(
    shape: tuple[Service, list[str]], part: str, docker_client: docker.DockerClient
) -> None:
    service, arguments = shape
    code, prefix, found = attacked(service.url, "--only", part, *arguments)
    assert [each for each in found if each["outcome"] == "FAULT"] == []
    assert code == 0
    assert all(each["attack"].startswith(part) and each["saw"] for each in found)
    # With two keys nothing is left out; without any, what is about keys.
    skipped = {each["saw"] for each in found if each["outcome"] == "skipped"}
    assert skipped <= (set() if arguments else {"the service asks for no keys",
                                                NEEDS["two callers"]})  # fmt: skip
    assert made_by(prefix, docker_client) == []


@pytest.mark.engine
@pytest.mark.parametrize("shape", ["with two keys"], indirect=True)
def test_without_a_key_only_what_needs_none_is_tried(
    shape: tuple[Service, list[str]], docker_client: docker.DockerClient
) -> None:
    service, _ = shape
    before = service.client.get("/containers", headers={"Authorization": f"Bearer {KEYS['one']}"})
    code, prefix, found = attacked(service.url, "--only", "s/")  # doors, callers, creates, slots
    outcomes = {each["attack"]: each["outcome"] for each in found}
    assert code == 0
    assert outcomes["doors/nothing-without-a-key"] == "held"
    assert outcomes["creates/one-name-at-once"] == "skipped"
    assert {each["saw"] for each in found if each["outcome"] == "skipped"} <= set(NEEDS.values())
    assert before.status_code == 200
    assert made_by(prefix, docker_client) == []


@pytest.mark.engine
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_was_made_goes_when_it_is_interrupted(
    shape: tuple[Service, list[str]], docker_client: docker.DockerClient, number: signal.Signals
) -> None:
    service, arguments = shape
    command = [sys.executable, "-m", "tests.security.attack", service.url, "--only", "stops-of"]
    with subprocess.Popen(
        [*command, "--json", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as attacker:
        assert attacker.stdout is not None
        prefix = json.loads(attacker.stdout.readline())["prefix"]
        wait_until(lambda: made_by(prefix, docker_client), 30, "a container is made")
        attacker.send_signal(number)
        _, told = attacker.communicate(timeout=60)
    assert attacker.returncode == 130
    assert told == "interrupted; what was made is removed\n"
    assert made_by(prefix, docker_client) == []


# Against one that has faults


class Naive(http.server.BaseHTTPRequestHandler):
    """A service as somebody might write it in an hour: it lets everybody in, believes each header,
    makes what it is asked to, and shows its traces.
    """

    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        try:
            status, found = self.made(body)
        except (ValueError, LookupError, OSError):
            status, found = 500, {"error": traceback.format_exc()}
        text = json.dumps(found).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.send_header("X-Request-ID", self.headers.get("X-Request-ID") or "1")
        self.send_header("Access-Control-Allow-Origin", self.headers.get("Origin") or "*")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    def made(self, body: bytes) -> tuple[int, Any]:
        path = self.path.partition("?")[0]
        if path == "/health/live":
            return 200, {"status": "alive"}
        if path == "/containers/create":
            return 201, json.loads(body or b"{}") | {"id": "0123456789ab"}
        if ".." in path:
            return 200, Path("/etc/passwd").read_text()
        if path.startswith("/ports/"):
            return 200, {"port": int(path.rpartition("/")[2])}
        if path == "/":
            return 200, {"home": f"http://{self.headers.get('X-Forwarded-Host') or 'here'}/"}
        return 200, []

    def __getattr__(self, name: str) -> Any:
        """Each method is answered alike."""
        if name.startswith("do_"):
            return self.answer
        raise AttributeError(name)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def naive() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Naive)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def faults_of(url: str, only: str) -> dict[str, str]:
    target = Target(url)
    target.look()
    found = list(run.outcomes(target, run.chosen(only)))
    return {each.attack: each.saw for each in found if each.outcome == run.FAULT}


def test_faults_are_found(naive: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.security.attack.target.SECONDS", 2.0)
    found = faults_of(naive, "doors/")
    assert "a file is shown" in found["doors/files-of-the-machine"]
    assert "200, not 400 or 403" in found["doors/names-of-others"]
    assert "200, not 401 or 403" in found["doors/pages-of-others"]
    assert "x-frame-options: None" in found["doors/headers-of-answers"]
    assert found["doors/parts-of-urls"] == "the answer is 500"
    assert "it was taken" in found["doors/ids-of-requests"]
    assert "doors/forms-of-pages" in found
    found = faults_of(naive, "creates/")
    assert '"Privileged": true}: 201, not 422' in found["creates/fields-of-the-engine"]
    assert "201, not 422" in found["creates/root-where-it-is-forbidden"]
    assert "evil.example" in faults_of(naive, "callers/another-place")["callers/another-place"]
    assert "framing/two-lengths" in faults_of(naive, "framing/two-lengths")


def test_faults_are_told_and_make_the_exit_code(
    naive: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, found = attacked(naive, "--only", "doors/na")
    assert code == 1
    assert {each["outcome"] for each in found} == {"FAULT"}
    assert main([naive, "--only", "doors/files"]) == 1
    told = capsys.readouterr().out
    assert re.search(r"^FAULT    doors/files-of-the-machine: Paths that .* — /static", told, re.M)
    assert "0 held, 1 FAULT, 0 skipped" in told


def test_one_that_does_not_answer_is_a_fault(naive: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.security.attack.target.SECONDS", 0.5)
    target = Target(naive)
    target.look()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        target.port = silent.getsockname()[1]
        (found,) = run.outcomes(target, run.chosen("doors/forms"))
    assert (found.outcome, found.saw) == (run.FAULT, "no answer: timed out")


# What it attacks, and what it says of itself


@pytest.mark.parametrize(
    ("address", "may"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("10.1.2.3", True),
        ("172.31.0.1", True),
        ("192.168.1.1", True),
        ("fd00::1", True),
        ("::ffff:127.0.0.1", True),
        ("172.32.0.1", False),
        ("169.254.169.254", False),
        ("192.0.2.1", False),
        ("8.8.8.8", False),
        ("100.64.0.1", False),
        ("::ffff:8.8.8.8", False),
        ("2001:db8::1", False),
        ("fe80::1%lo", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
    ],
)
def test_only_own_and_private_addresses_are_attacked(address: str, may: bool) -> None:
    assert addresses.may_be_attacked(address) is may


def test_a_name_that_also_leads_elsewhere_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def found(*_: object, **__: object) -> list[Any]:
        return [(0, 0, 0, "", (each, 80)) for each in ("127.0.0.1", "192.0.2.1")]

    monkeypatch.setattr(socket, "getaddrinfo", found)
    with pytest.raises(addresses.NotYours, match="--i-run-this-service"):
        addresses.resolve("both.example", 80)
    assert addresses.resolve("both.example", 80, anywhere=True) == "127.0.0.1"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://192.0.2.1:8000", "neither an address of this machine nor of a private network"),
        ("ftp://127.0.0.1", "is no URL like"),
        ("127.0.0.1:8000", "is no URL like"),
        ("http://key@127.0.0.1", "is no URL like"),
        ("http://127.0.0.1:{free}", "nothing that can be attacked answers"),
    ],
)
def test_what_cannot_be_attacked_is_told_and_is_2(
    url: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([url.format(free=free_port())]) == 2
    assert reason in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["http://127.0.0.1", "--only", "nosuch"], ["--what"]])
def test_wrong_usage_is_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: python -m tests.security.attack" in capsys.readouterr().err


def test_the_list_has_each_attack_and_what_is_held_elsewhere(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--list"]) == 0
    told = capsys.readouterr().out
    assert len(run.chosen(None)) > 40
    for each in run.chosen(None):
        assert f"{each.name} " in told
        assert each.tries in told
    assert all(test in told for test in ELSEWHERE.values())
    assert main(["--list", "--only", "flood/"]) == 0
    assert "doors/" not in capsys.readouterr().out


def test_names_of_attacks_are_unique() -> None:
    names = [each.name for each in run.chosen(None)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("test", ELSEWHERE.values())
def test_what_is_held_elsewhere_is(test: str) -> None:
    file, _, name = test.partition("::")
    assert f"def {name}(" in (Path(__file__).parent / file).read_text()


def test_every_route_is_tried_without_a_key() -> None:
    """But for what everybody may ask."""
    tried = {
        (method, path.replace("/nobody", "/{}").replace("/8001", "/{}"))
        for method, path in doors.ROUTES
    }
    known = {
        (method.upper(), re.sub(r"\{\w+\}", "{}", path))
        for path, methods in create_app(Settings()).openapi()["paths"].items()
        for method in methods
    }
    assert known - tried == {("GET", "/health/live")}
