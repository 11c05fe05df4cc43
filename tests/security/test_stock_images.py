"""Images that everybody runs, as they come, under what containers get by default.

No registry need be reachable: the images are built from Debian's packages, with entry points that
do as root what the official ones do; `stock_images` holds what they are made of. They are built
once for each content of it, and stay on the engine.
"""

import hashlib
import io
import os
import socket
import tarfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import docker
import httpx
import pytest
from docker.errors import ImageNotFound

from tests.conftest import IMAGE, TEST_LABEL, Service, wait_until
from tests.engine.support import port_of

pytestmark = pytest.mark.engine

Build = Callable[[str], str]

CONTEXT = Path(__file__).parent / "stock_images"
# What an entry point's first run may take on a machine that is busy: initdb is the longest.
SECONDS = 120
APT_FAILED = "non-zero code: 100"


class Stock(NamedTuple):
    """A program, what it must be given, and what a user sees of it."""

    name: str
    container_port: int
    answers: Callable[[int], bool]
    exit_code: int  # after the image's signal to stop
    changes_user: bool
    env: dict[str, str] = {}  # noqa: RUF012 - read only

    @property
    def body(self) -> dict[str, Any]:
        return {"container_ports": [self.container_port], "env": self.env}


def says_ok(port: int) -> bool:
    with suppress(httpx.TransportError):
        return httpx.get(f"http://127.0.0.1:{port}/", timeout=5, trust_env=False).status_code == 200
    return False


def says_pong(port: int) -> bool:
    return asked(port, b"PING\r\n", 7) == b"+PONG\r\n"


def wants_a_password(port: int) -> bool:
    """Takes no TLS, which nobody set up, then asks one who comes over the network to prove it."""
    no_tls = asked(port, bytes.fromhex("0000000804d2162f"), 1)
    words = b"user\0postgres\0\0"
    start = (len(words) + 8).to_bytes(4, "big") + (3 << 16).to_bytes(4, "big") + words
    return no_tls == b"N" and asked(port, start, 1) == b"R"


def asked(port: int, question: bytes, size: int) -> bytes:
    """The first bytes of the answer; b"" where nobody, or only the engine's proxy, is there."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 5) as connection:
        connection.sendall(question)
        with connection.makefile("rb") as answer:
            return answer.read(size)
    return b""


STOCK = {
    stock.name: stock
    for stock in (
        Stock("nginx", 80, says_ok, 0, changes_user=True),
        Stock("redis", 6379, says_pong, 0, changes_user=True),
        Stock(
            "postgres",
            5432,
            wants_a_password,
            0,
            changes_user=True,
            env={"POSTGRES_PASSWORD": "a password"},
        ),
        # It has no handler of its own: 128 + SIGTERM.
        Stock("python", 8000, says_ok, 143, changes_user=False),
    )
}


@pytest.fixture(scope="session")
def stock_image(docker_client: docker.DockerClient) -> Build:
    """The name of the image of one of the programs, which is built where the engine has none."""
    context, tag = packed()

    def image_of(program: str) -> str:
        name = f"{TEST_LABEL}-stock-{program}:{tag}"
        with suppress(ImageNotFound):
            docker_client.images.get(name)
            return name
        context.seek(0)
        # Read to its end, also after an error: the connection is free only then.
        told = list(
            docker_client.api.build(
                fileobj=context,
                custom_context=True,
                target=program,
                tag=name,
                buildargs={"BASE_IMAGE": IMAGE},
                rm=True,
                use_config_proxy=True,
                decode=True,
            )
        )
        errors = [line["error"] for line in told if "error" in line]
        if any(APT_FAILED in error for error in errors):
            reason = "Debian's packages cannot be had, so there is no stock image to run"
            if os.environ.get("REQUIRE_ENGINE") == "1":
                pytest.fail(reason, pytrace=False)
            pytest.skip(reason)
        assert not errors, "".join(line.get("stream", "") for line in told) + errors[0]
        return name

    return image_of


def packed() -> tuple[io.BytesIO, str]:
    """The context of the build, and a tag that is another one for any other content."""
    context, digest = io.BytesIO(), hashlib.sha256()
    with tarfile.open(fileobj=context, mode="w") as tar:
        for path in sorted(CONTEXT.iterdir()):
            content = path.read_bytes()
            member = tarfile.TarInfo(path.name)
            member.size, member.mode = len(content), 0o755 if path.suffix == ".sh" else 0o644
            tar.addfile(member, io.BytesIO(content))
            digest.update(f"{path.name} {len(content)}\n".encode() + content)
    return context, digest.hexdigest()[:16]


@pytest.fixture(params=STOCK)
def stock(request: pytest.FixtureRequest) -> Stock:
    return STOCK[request.param]


def waits_for(
    service: Service, stock: Stock, container: dict[str, Any], client: docker.DockerClient
) -> None:
    """Until the program answers on its host port, over its own protocol."""
    path, port = f"/containers/{container['id']}", port_of(container, f"{stock.container_port}/tcp")

    def answers() -> bool:
        if service.get(path)["state"] != "running":
            pytest.fail(f"it ended:\n{client.api.logs(container['id']).decode()}")
        return stock.answers(port)

    wait_until(answers, SECONDS, f"{stock.name} answers on port {port}")


def users_of(client: docker.DockerClient, container: str) -> set[str]:
    return {uid for _, uid in client.api.top(container, ps_args="-eo pid,uid")["Processes"]}


def test_it_runs_as_it_comes_and_stops_when_it_is_asked_to(
    stock: Stock, stock_image: Build, service: Service, docker_client: docker.DockerClient
) -> None:
    container = service.created(image=stock_image(stock.name), **stock.body)
    path = f"/containers/{container['id']}"
    for _ in range(2):  # the second time with the files that it made the first time
        waits_for(service, stock, container, docker_client)
        # The init process is root's; where the server changes its user there is another one.
        assert len(users_of(docker_client, container["id"])) == 1 + stock.changes_user
        stopped = service.client.post(f"{path}/stop").json()
        assert (stopped["state"], stopped["exit_code"]) == ("exited", stock.exit_code)
        container = service.client.post(f"{path}/start").json()


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("nginx", ["nginx", "-c", "/etc/nginx/nginx-in-tmp.conf", "-g", "daemon off;"]),
        ("redis", ["redis-server", "--protected-mode", "no", "--save", ""]),
        ("python", None),
    ],
)
def test_under_the_restricted_profile_it_runs_when_it_writes_nowhere_but_in_tmp(
    name: str,
    command: list[str] | None,
    stock_image: Build,
    service: Service,
    docker_client: docker.DockerClient,
) -> None:
    stock, given = STOCK[name], {"command": command} if command else {}
    container = service.created(
        image=stock_image(name), profile="restricted", **stock.body, **given
    )
    waits_for(service, stock, container, docker_client)
    assert len(users_of(docker_client, container["id"])) == 1
    stopped = service.client.post(f"/containers/{container['id']}/stop").json()
    assert (stopped["state"], stopped["exit_code"]) == ("exited", stock.exit_code)


@pytest.mark.parametrize(
    ("name", "reason"), [("nginx", "Read-only file system"), ("postgres", "not permitted")]
)
def test_under_the_restricted_profile_it_ends_when_it_needs_more(
    name: str,
    reason: str,
    stock_image: Build,
    service: Service,
    docker_client: docker.DockerClient,
) -> None:
    container = service.created(image=stock_image(name), profile="restricted", **STOCK[name].body)
    path = f"/containers/{container['id']}"
    wait_until(lambda: service.get(path)["state"] == "exited", SECONDS, f"{name} gives up")
    assert service.get(path)["exit_code"] == 1
    assert reason in docker_client.api.logs(container["id"]).decode()


def test_under_the_restricted_profile_redis_does_not_end_before_it_has_saved(
    stock_image: Build, service: Service, docker_client: docker.DockerClient
) -> None:
    stock = STOCK["redis"]
    container = service.created(image=stock_image("redis"), profile="restricted", **stock.body)
    waits_for(service, stock, container, docker_client)
    answer = service.client.post(f"/containers/{container['id']}/stop?timeout=1")
    assert answer.json()["exit_code"] == 137  # killed
