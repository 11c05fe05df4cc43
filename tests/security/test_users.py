"""The restricted profile never runs as root, whatever an image calls its user and whatever lies in
place of its /etc/passwd; nor does it take a caller's word for it.
"""

import io
import tarfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import docker
import pytest
from docker.errors import APIError

from tests.conftest import TEST_LABEL, Service
from tests.engine.support import SLEEP, assert_problem, at_once, nothing_changes, unique

pytestmark = pytest.mark.engine

NOBODY = "65534:65534"
PASSWD = "root:x:0:0::/:/bin/sh\ntoor:x:0:0::/:/bin/sh\napp:x:1234:0::/:/bin/sh\napp:x:0:0::/:/x\n"
BuildImage = Callable[..., str]


def uid_of(client: docker.DockerClient, container: dict[str, Any]) -> int:
    """By what the kernel says of its first process."""
    pid = client.containers.get(container["id"]).top(ps_args="-eo pid,uid")["Processes"][0][1]
    return int(pid)


def probes(client: docker.DockerClient) -> list[str]:
    """The containers that were created to look at an image, which no test has labelled."""
    filters = {"label": "orchestration-api.create", "status": "created"}
    entries = client.api.containers(all=True, filters=filters)
    return [
        entry["Id"]
        for entry in entries
        if entry["Command"].startswith("/none") and TEST_LABEL not in entry["Labels"]
    ]


@pytest.mark.parametrize(
    ("user", "runs_as"),
    [
        ("toor", NOBODY),
        ("+0", NOBODY),
        ("00", NOBODY),
        ("0:1000", NOBODY),
        ("toor:app", NOBODY),
        ("root", NOBODY),
        ("app", "1234"),
        ("app:12", "1234:12"),
        ("1000", "1000"),
        ("1:0", "1:0"),
    ],
)
def test_an_image_whose_user_may_be_root(
    user: str,
    runs_as: str,
    build_image: BuildImage,
    service: Service,
    docker_client: docker.DockerClient,
    inspect: Callable[[str], dict[str, Any]],
) -> None:
    lines = PASSWD.replace("\n", "\\n")
    image = build_image("USER 0", f"RUN printf '{lines}' > /etc/passwd", f"USER {user}")
    made = service.created(image=image, command=SLEEP, profile="restricted")
    assert inspect(made["id"])["Config"]["User"] == runs_as
    assert uid_of(docker_client, made) == int(runs_as.partition(":")[0])
    assert probes(docker_client) == []


@pytest.mark.parametrize("user", ["0x0", " 0", "0 ", "\t0", "4294967296", "-0", "١", "app\u00a0"])
def test_an_image_whose_user_is_no_number_and_no_name(
    user: str,
    odd: Callable[..., str],
    service: Service,
    inspect: Callable[[str], dict[str, Any]],
) -> None:
    made = service.created(image=odd(User=user), command=SLEEP, profile="restricted", start=False)
    assert inspect(made["id"])["Config"]["User"] == NOBODY


def _file(path: str, content: bytes) -> tuple[tarfile.TarInfo, bytes]:
    entry = tarfile.TarInfo(path)
    entry.size = len(content)
    return entry, content


def _special(path: str, kind: bytes, target: str = "") -> tuple[tarfile.TarInfo, bytes]:
    entry = tarfile.TarInfo(path)
    entry.type, entry.linkname = kind, target
    entry.devmajor, entry.devminor = 1, 5  # /dev/zero
    return entry, b""


USERS = PASSWD.encode()
FILES: dict[str, tuple[list[tuple[tarfile.TarInfo, bytes]], str]] = {
    "a link": (
        [_file("usr/users", USERS), _special("etc/passwd", tarfile.SYMTYPE, "../usr/users")],
        "1234",
    ),
    "a link out": ([_special("etc/passwd", tarfile.SYMTYPE, "../../../../etc/passwd")], NOBODY),
    "a circle": ([_special("etc/passwd", tarfile.SYMTYPE, "passwd")], NOBODY),
    "a pipe": ([_special("etc/passwd", tarfile.FIFOTYPE)], NOBODY),
    "a device without an end": ([_special("etc/passwd", tarfile.CHRTYPE)], NOBODY),
    "a directory": ([_special("etc/passwd", tarfile.DIRTYPE)], NOBODY),
    "nothing": ([], NOBODY),
    "16 MB": ([_file("etc/passwd", USERS + b"x" * (16 << 20))], NOBODY),
    "zeros": ([_file("etc/passwd", b"\0" * 100_000)], NOBODY),
    "no number": ([_file("etc/passwd", b"app:x:+5:0\n")], NOBODY),
    "half a line": ([_file("etc/passwd", b"app:x")], NOBODY),
    "too large a number": ([_file("etc/passwd", b"app:x:4294967296:0\n")], NOBODY),
}


@pytest.fixture
def made_of(docker_client: docker.DockerClient) -> Iterator[Callable[..., str]]:
    """Makes an image of these files."""
    names: list[str] = []

    def make(files: list[tuple[tarfile.TarInfo, bytes]], *changes: str) -> str:
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            for entry, content in files:
                tar.addfile(entry, io.BytesIO(content))
        name = f"{TEST_LABEL}-{unique()}"
        docker_client.api.import_image_from_data(
            archive.getvalue(), repository=name, tag="1", changes=list(changes)
        )
        names.append(f"{name}:1")
        return names[-1]

    yield make
    for name in names:
        with suppress(APIError):
            docker_client.images.remove(name, force=True)


@pytest.mark.parametrize("what", FILES)
def test_what_lies_in_place_of_the_file_of_users(
    what: str,
    made_of: Callable[..., str],
    service: Service,
    docker_client: docker.DockerClient,
    inspect: Callable[[str], dict[str, Any]],
) -> None:
    files, expected = FILES[what]
    image = made_of(files, "USER app", 'CMD ["/x"]')
    made = service.created(image=image, profile="restricted", start=False)
    assert inspect(made["id"])["Config"]["User"] == expected
    assert probes(docker_client) == []


def test_many_at_once_and_none_is_left(
    build_image: BuildImage, service: Service, docker_client: docker.DockerClient
) -> None:
    image = build_image("USER 0", "RUN echo app:x:1234:0::/:/bin/sh > /etc/passwd", "USER app")
    asked = {"image": image, "profile": "restricted", "start": False, "command": SLEEP}
    made = at_once([lambda: service.created(**asked)] * 6)
    users = {docker_client.api.inspect_container(each["id"])["Config"]["User"] for each in made}
    assert users == {"1234"}
    assert probes(docker_client) == []


def test_an_image_with_volumes_leaves_none(
    build_image: BuildImage, service: Service, docker_client: docker.DockerClient
) -> None:
    image = build_image("VOLUME /etc /var/lib/own", "USER toor")
    before = {each.name for each in docker_client.volumes.list()}
    made = service.created(image=image, profile="restricted", start=False, command=SLEEP)
    assert service.client.delete(f"/containers/{made['id']}").status_code == 200
    mine = {
        each.name
        for each in docker_client.volumes.list(filters={"dangling": True})
        if each.name not in before
    }
    assert mine == set()


@pytest.mark.parametrize("user", ["root", "toor", "+0", "00", "0:5", "0x0", " 0", "0x5", 0])
def test_a_caller_cannot_ask_for_root_either(
    user: Any, service: Service, docker_client: docker.DockerClient
) -> None:
    with nothing_changes(service, docker_client):
        assert_problem(service.create(profile="restricted", user=user), 422, "invalid-request")
