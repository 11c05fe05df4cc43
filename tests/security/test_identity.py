"""Whose a container is, and which one is meant: held against commits, names, keys and clocks."""

import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.errors import APIError

from tests.conftest import IMAGE, ROOT, TEST_LABEL, Service, wait_until
from tests.engine.support import (
    SLEEP,
    act,
    assert_problem,
    at_once,
    nothing_changes,
    port_of,
    remove,
    unique,
)

pytestmark = pytest.mark.engine

Start = Callable[..., Service]
Inspect = Callable[[str], dict[str, Any]]
CREATE = "orchestration-api.create"
CI, OPS = "ci-" * 16, "ops-" * 16


@pytest.fixture
def commit(docker_client: docker.DockerClient) -> Iterator[Callable[[str], str]]:
    """Does what `docker commit` does; returns the name of the image."""
    made: list[str] = []

    def commit(container: str) -> str:
        made.append(f"{TEST_LABEL}-{uuid.uuid4().hex}:1")
        repository, _, tag = made[-1].partition(":")
        docker_client.api.commit(container, repository, tag)
        return made[-1]

    yield commit
    for name in made:
        with suppress(APIError):
            docker_client.images.remove(name, force=True)


@pytest.fixture
def create_outside(docker_client: docker.DockerClient) -> Iterator[Callable[..., Any]]:
    """Creates a container as somebody else would, and does not start it."""
    made: list[Any] = []

    def create(image: str = IMAGE, labels: dict[str, str] | None = None, **options: Any) -> Any:
        made.append(docker_client.containers.create(image, SLEEP, labels=labels or {}, **options))
        return made[-1]

    yield create
    for container in made:
        with suppress(APIError):
            container.remove(force=True)


def husk(create_outside: Callable[..., Any]) -> Any:
    """What a crash leaves: a container of ours that was never started."""
    return create_outside(
        labels={"orchestration-api.managed": "true", CREATE: uuid.uuid4().hex}, name=unique()
    )


def is_there(container: Any) -> bool:
    try:
        container.reload()
    except APIError:
        return False
    return True


def keyed_create(service: Service, key: str, bearer: str | None = None, **body: Any) -> Any:
    name, value = service.label.split("=")
    headers = {"Idempotency-Key": key}
    if bearer is not None:
        headers["Authorization"] = f"Bearer {bearer}"
    body = {"command": SLEEP, "labels": {name: value}} | body
    return service.client.post("/containers/create", json=body, headers=headers)


# Commits


def test_what_is_made_from_a_commit_of_ours_is_somebody_elses(
    start_service: Start,
    commit: Callable[[str], str],
    run_outside: Callable[..., Any],
    create_outside: Callable[..., Any],
) -> None:
    service, key = start_service(HUSK_GRACE="2"), unique()
    container = keyed_create(service, key, env={"OURS": "x"}).json()
    image = commit(container["id"])
    ran = run_outside(image, command=SLEEP, name=unique(), environment={"SECRET": "s3cret"})
    made = create_outside(image, name=unique())
    again = create_outside(commit(ran.id), name=unique())  # of a commit of one from a commit
    for each in (ran, made, again):
        found = _seen(service, each)
        assert not found["managed"]
        assert not [name for name in found["labels"] if name.startswith("orchestration-api.")]
        assert_problem(service.client.get(f"/containers/{each.name}/env"), 403, "not-managed")
        for verb in ("start", "stop", "restart"):
            answer = service.client.post(f"/containers/{each.name}/{verb}")
            assert_problem(answer, 403, "not-managed")
        answer = service.client.delete(f"/containers/{each.name}?force=true")
        assert_problem(answer, 403, "not-managed")
    # The one that it comes from is ours as before.
    assert service.get(f"/containers/{container['id']}")["managed"]
    remove(service, container["id"])
    repeated = keyed_create(service, key, env={"OURS": "x"})
    assert repeated.status_code == 201
    assert repeated.json()["id"] not in (ran.short_id, made.short_id, again.short_id)
    # Nothing of it is a husk, also not to the next service.
    for _ in range(2):
        left = husk(create_outside)
        _gone(left)
        assert all(map(is_there, (ran, made, again)))
        service.stop()
        service.start()
        assert not service.get(f"/containers/{made.name}")["managed"]


def _seen(service: Service, container: Any) -> Any:
    """What the service tells of a container that somebody else has made, once it has seen it."""

    def told() -> Any:
        answer = service.client.get(f"/containers/{container.id}")
        return answer.json() if answer.status_code == 200 else None

    return wait_until(told, 20, f"{container.name} is seen")


def _gone(container: Any) -> None:
    wait_until(lambda: not is_there(container), 30, f"{container.name}, a husk, is removed")


def test_a_clone_of_a_commit_is_ours(
    service: Service, commit: Callable[[str], str], inspect: Inspect
) -> None:
    first = service.created(command=SLEEP)
    clone = service.created(image=commit(first["id"]), command=SLEEP)
    assert clone["managed"]
    assert (
        inspect(clone["id"])["Config"]["Labels"][CREATE]
        != (inspect(first["id"])["Config"]["Labels"][CREATE])
    )
    remove(service, clone["id"])
    assert service.get(f"/containers/{first['id']}")["state"] == "running"


def test_labels_in_a_dockerfile_make_nothing_ours(
    service: Service, build_image: Callable[..., str], run_outside: Callable[..., Any]
) -> None:
    for line in (
        "LABEL orchestration-api.managed=true",
        f"LABEL orchestration-api.managed=true {CREATE}=1 orchestration-api.ports=8001",
    ):
        ran = run_outside(build_image(line), command=SLEEP, name=unique())
        found = _seen(service, ran)
        assert not found["managed"]


def test_one_whose_image_is_gone_stays_whose_it_is(
    start_service: Start,
    build_image: Callable[..., str],
    commit: Callable[[str], str],
    create_outside: Callable[..., Any],
    docker_client: docker.DockerClient,
) -> None:
    service = start_service()
    image = build_image(f"LABEL of={unique()}")
    ours = service.created(image=image, command=SLEEP, start=False)
    snapshot = commit(ours["id"])
    foreign = create_outside(snapshot, name=unique())
    for name in (image, snapshot):
        docker_client.images.remove(name, force=True)
    service.stop()
    service.start()  # it has seen neither image
    assert not service.get(f"/containers/{foreign.name}")["managed"]
    assert service.get(f"/containers/{ours['id']}")["managed"]
    assert act(service, ours["id"], "start")["state"] == "running"
    remove(service, ours["id"])
    assert is_there(foreign)


def test_containers_are_made_by_the_id_that_was_looked_at(
    service: Service,
    build_image: Callable[..., str],
    inspect: Inspect,
    docker_client: docker.DockerClient,
) -> None:
    """So the tag may lead elsewhere by then; people go on seeing the name that they gave."""
    image = build_image("LABEL tag=moves")
    looked_at = docker_client.images.get(image).id
    container = service.created(image=image, command=SLEEP)
    details = inspect(container["id"])
    assert details["Config"]["Image"] == details["Image"] == looked_at
    assert container["image"] == image
    act(service, container["id"], "stop", timeout=0)
    service.created(command=SLEEP, port=port_of(container))
    moved = act(service, container["id"], "start")
    assert moved["port_changed"]
    assert moved["image"] == image
    assert moved["managed"]


def test_nobody_clones_what_a_move_has_made_an_image_of(
    service: Service, inspect: Inspect, docker_client: docker.DockerClient
) -> None:
    """It has the files of somebody's container; neither its name nor its id, nor the beginning of
    that, nor one of those below it is an image for others.
    """
    container = service.created(command=SLEEP)
    images = []
    for _ in range(2):
        act(service, container["id"], "stop", timeout=0)
        service.created(command=SLEEP, port=port_of(container))
        container = act(service, container["id"], "start")
        assert container["port_changed"]
        images.append(docker_client.images.get(inspect(container["id"])["Image"]).attrs)
    names = [name for image in images for name in image["RepoTags"]]
    assert names, "the last one has a name"
    ids = [image["Id"] for image in images]
    hidden = [each.removeprefix("sha256:")[:length] for each in ids for length in (12, 64)]
    for image in (*names, *ids, *hidden, f"any:{hidden[0]}"):
        answer = service.create(image=image, pull="never")
        assert answer.status_code in (403, 404), (image, answer.text)
        assert answer.json()["code"] in ("image-not-allowed", "image-not-found"), answer.text
    assert_problem(service.create(image=hidden[-1]), 403, "image-not-allowed")
    # One that somebody has given a name of their own is theirs to give.
    given = f"given-away:{container['name']}"
    docker_client.api.tag(ids[-1], "given-away", container["name"])
    try:
        service.created(image=given, command=SLEEP, start=False)
    finally:
        docker_client.images.remove(given, force=True)


# Names


def test_a_name_that_could_be_an_id_is_refused(
    service: Service, docker_client: docker.DockerClient, inspect: Inspect
) -> None:
    victim = inspect(service.created(command=SLEEP, start=False)["id"])["Id"]
    with nothing_changes(service, docker_client):
        for name in (victim[:12], victim[:13], victim, "0" * 12, "f" * 64):
            assert_problem(service.create(name=name), 422, "invalid-request")
        for name in (victim[:6], victim[:11]):
            assert_problem(service.create(name=name), 409, "name-in-use", name=name)


def test_an_id_goes_before_the_name_of_a_stranger(
    service: Service, create_outside: Callable[..., Any], inspect: Inspect
) -> None:
    victim = service.created(command=SLEEP)
    full_id = inspect(victim["id"])["Id"]
    strangers = [create_outside(name=full_id[:length]) for length in (12, 20)]
    for stranger in strangers:
        _seen(service, stranger)
        assert service.get(f"/containers/{stranger.name}")["id"] == victim["id"]
    assert act(service, victim["id"], "stop", timeout=0)["name"] == victim["name"]
    remove(service, victim["id"])
    assert all(map(is_there, strangers))


def test_names_of_the_services_own_are_not_given(
    service: Service, docker_client: docker.DockerClient
) -> None:
    with nothing_changes(service, docker_client):
        for name in ("web.moving.0123456789ab", "a.moving.", "keyed-0123456789abcdef"):
            assert_problem(service.create(name=name), 422, "invalid-request")


def test_a_container_called_like_a_successor_keeps_nobody_from_moving(
    service: Service, create_outside: Callable[..., Any]
) -> None:
    container = service.created(command=SLEEP, name=unique())
    stranger = create_outside(name=f"{container['name']}.moving.{container['id']}")
    act(service, container["id"], "stop", timeout=0)
    service.created(command=SLEEP, port=port_of(container))
    moved = act(service, container["name"], "start")
    assert (moved["port_changed"], moved["name"]) == (True, container["name"])
    assert is_there(stranger)


# Idempotency keys


@pytest.fixture
def keyed(start_service: Start, tmp_path: Path) -> Service:
    file = tmp_path / "keys"
    file.write_text(f"ci write {CI}\nops write {OPS}\n")
    service = start_service(API_KEY_FILE=str(file))
    service.client.headers["Authorization"] = f"Bearer {CI}"
    return service


@pytest.mark.parametrize("body", [{}, {"env": {"A": "1"}}])
def test_an_idempotency_key_is_its_callers_alone(keyed: Service, body: dict[str, Any]) -> None:
    key = unique()
    answers = at_once([partial(keyed_create, keyed, key, who, **body) for who in (CI, OPS) * 3])
    assert sorted(answer.status_code for answer in answers) == [200] * 4 + [201] * 2
    of_ci, of_ops = ({each.json()["id"] for each in answers[first::2]} for first in (0, 1))
    assert (len(of_ci), len(of_ops), len(of_ci | of_ops)) == (1, 1, 2)
    keyed.stop()
    keyed.start()
    for who, ids in ((CI, of_ci), (OPS, of_ops)):
        again = keyed_create(keyed, key, who, **body)
        assert (again.status_code, again.json()["id"]) == (200, *ids)
    # What one has sent tells the other nothing.
    other = keyed_create(keyed, key + "x", CI, env={"B": "1"})
    assert keyed_create(keyed, key + "x", OPS, env={"B": "2"}).status_code == 201
    assert other.status_code == 201


def test_a_name_of_another_callers_is_in_use(keyed: Service) -> None:
    key, name = unique(), unique()
    assert keyed_create(keyed, key, CI, name=name).status_code == 201
    assert_problem(keyed_create(keyed, key, OPS, name=name), 409, "name-in-use", name=name)
    assert keyed_create(keyed, key, CI, name=name).status_code == 200


def test_what_earlier_versions_made_goes_on_answering(
    keyed: Service, create_outside: Callable[..., Any], inspect: Inspect
) -> None:
    """They called a container after the key alone, and wrote the same labels on it."""
    key = unique()
    now = keyed_create(keyed, key, CI, start=False).json()
    labels = inspect(now["id"])["Config"]["Labels"] | {CREATE: uuid.uuid4().hex}
    remove(keyed, now["id"])
    del labels["orchestration-api.image"]
    before = create_outside(labels=labels, name=unique("keyed"))
    _seen(keyed, before)
    again = keyed_create(keyed, key, CI, start=False)
    assert (again.status_code, again.json()["id"]) == (200, before.short_id)
    assert keyed_create(keyed, key, OPS, start=False).status_code == 201


# Clocks

AHEAD = """
import datetime, sys, time
now = time.time
class Ahead(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(now() + 3600, tz)
datetime.datetime, time.time = Ahead, lambda: now() + 3600
sys.argv = ["main.py"]
import main
main.main()
"""


def test_a_clock_that_is_ahead_makes_nothing_a_husk(
    start_service: Start, create_outside: Callable[..., Any]
) -> None:
    service = start_service(HUSK_GRACE="5")
    service.stop()
    with service.log_file.open("ab") as log:
        service.process = subprocess.Popen(
            [sys.executable, "-c", AHEAD], cwd=ROOT, env=service.environment, stdout=log, stderr=log
        )
    wait_until(service.answers, 30, "the service answers")
    old = husk(create_outside)
    _seen(service, old)
    young: list[Any] = []

    def gone() -> bool:
        """Another service creates one after the other; each is new when house is kept."""
        young.append(husk(create_outside))
        time.sleep(1)
        return not is_there(old)

    wait_until(gone, 60, "what is old enough is removed")
    assert all(map(is_there, young[-2:]))
