"""Images that the engine does not have are pulled, here from a registry that this process serves,
or are not, each for a reason that a caller gets to know.
"""

import base64
import json
from collections.abc import Callable
from typing import Any

import docker
import pytest
from docker.errors import APIError

from tests.conftest import Service, wait_until

from .registry import Answer, Registry, error, page
from .support import SLEEP, assert_problem, at_once, nothing_changes, port_of

pytestmark = pytest.mark.engine


@pytest.fixture
def on_engine(docker_client: docker.DockerClient) -> Callable[[str], bool]:
    def on_engine(image: str) -> bool:
        try:
            docker_client.images.get(image)
        except APIError:
            return False
        return True

    return on_engine


def pulls(registry: Registry, image: str) -> int:
    name, tag = image.removeprefix(f"{registry.address}/").split(":")
    return registry.asked.count(f"/v2/{name}/manifests/{tag}")


def test_a_missing_image_is_pulled_once(
    registry: Registry, service: Service, on_engine: Callable[[str], bool]
) -> None:
    image = registry.add("team/app", "1.0", "7777/tcp")
    assert not on_engine(image)
    container = service.created(image=image, command=["/none"], start=False)
    assert container["image"] == image
    assert on_engine(image)
    rows = service.get("/ports")["ports"]
    assert [row["container_port"] for row in rows] == ["7777/tcp"]
    asked = pulls(registry, image)
    assert asked > 0
    service.created(image=image, command=["/none"], start=False)
    assert pulls(registry, image) == asked


def test_pull_always_fetches_what_the_registry_has_now(
    registry: Registry, service: Service, docker_client: docker.DockerClient
) -> None:
    image = registry.add("team/app", "latest")
    service.created(image=image, command=["/none"], start=False)
    first = docker_client.images.get(image).id
    registry.add("team/app", "latest", "8888/udp")
    service.created(image=image, command=["/none"], start=False)
    assert docker_client.images.get(image).id == first
    service.created(image=image, command=["/none"], start=False, pull="always")
    assert docker_client.images.get(image).id != first
    ports = {row["container_port"] for row in service.get("/ports")["ports"]}
    assert "8888/udp" in ports


def test_an_image_that_its_registry_does_not_have_is_not_found(
    registry: Registry, service: Service, docker_client: docker.DockerClient
) -> None:
    registry.add("team/app", "1.0")
    for image in ("team/app:2.0", "team/other:1.0"):
        for pull in ("missing", "always"):
            with nothing_changes(service, docker_client):
                problem = assert_problem(
                    service.create(image=f"{registry.address}/{image}", pull=pull),
                    404,
                    "image-not-found",
                    image=f"{registry.address}/{image}",
                )
            assert image in problem["detail"]


def test_an_image_that_may_not_be_pulled_is_not_asked_for(
    registry: Registry, service: Service, on_engine: Callable[[str], bool]
) -> None:
    image = registry.add("team/app", "1.0")
    assert_problem(service.create(image=image, pull="never"), 404, "image-not-found")
    assert registry.asked == []
    assert not on_engine(image)


def test_a_slow_pull_holds_up_its_own_callers_only(registry: Registry, service: Service) -> None:
    image = registry.add("team/app", "1.0")
    registry.open.clear()

    def create_from_it() -> int:
        return service.create(image=image, command=["/none"], start=False).status_code

    def do_other_things() -> int:
        wait_until(lambda: any("/blobs/" in path for path in registry.asked), 20)
        container = service.created(command=SLEEP)
        assert service.port_row(port_of(container))["state"] == "in_use"
        assert service.get("/health")["ports"]["reserved"] == 0, "a pull takes no port"
        registry.open.set()
        return 0

    assert at_once([*[create_from_it] * 3, do_other_things]) == [201, 201, 201, 0]


# Why a pull fails


REFUSALS: dict[str, tuple[dict[str, Answer], int, str]] = {
    "401": ({"/v2/team": error(401, "UNAUTHORIZED", "who?")}, 403, "image-pull-denied"),
    "403": ({"/v2/team": error(403, "DENIED", "no")}, 403, "image-pull-denied"),
    "403 of a proxy": ({"/v2/team": page(403)}, 503, "registry-unreachable"),
    "404": ({"/v2/team": error(404, "NAME_UNKNOWN", "no")}, 404, "image-not-found"),
    "404 of a server that is no registry": ({"/v2/": page(404)}, 503, "registry-unreachable"),
    "429": ({"/v2/team": error(429, "TOOMANYREQUESTS", "wait")}, 503, "registry-limit"),
    "429 of a proxy": ({"/v2/team": page(429)}, 503, "registry-unreachable"),
    "429 in the middle": (
        {"/v2/team/app/blobs": error(429, "TOOMANYREQUESTS", "wait")}, 503, "registry-limit",
    ),
    "500": ({"/v2/team": error(500, "UNKNOWN", "denied")}, 503, "registry-unreachable"),
    "503 of a proxy": ({"/v2/team": page(503)}, 503, "registry-unreachable"),
    "no manifest": ({"/v2/team": Answer(200, b"hello", "text/html")}, 503, "registry-unreachable"),
}  # fmt: skip


@pytest.mark.parametrize("refusal", REFUSALS)
def test_what_a_registry_says_is_told_apart(
    refusal: str, registry: Registry, service: Service, docker_client: docker.DockerClient
) -> None:
    image = registry.add("team/app", "1.0")
    registry.refusals, status, code = REFUSALS[refusal]
    for pull in ("missing", "always"):
        with nothing_changes(service, docker_client):
            answer = service.create(image=image, pull=pull)
            problem = assert_problem(answer, status, code, image=image)
        assert image in problem["detail"]
        assert registry.address not in problem["detail"].replace(image, "")
        assert ("retry-after" in answer.headers) == (status == 503)
    registry.refusals = {}
    assert service.created(image=image, command=["/none"], start=False)["image"] == image


def test_an_image_for_another_machine_is_not_for_this_one(
    registry: Registry, service: Service, docker_client: docker.DockerClient
) -> None:
    image = registry.add("team/app", "1.0", platforms=["linux/mips64le", "windows/amd64"])
    with nothing_changes(service, docker_client):
        problem = assert_problem(service.create(image=image), 422, "image-platform", image=image)
    assert problem["platform"] == f"linux/{registry.architecture}"
    assert problem["platform"] in problem["detail"]


def test_a_layer_that_is_not_what_it_should_be_is_broken(
    registry: Registry, service: Service, docker_client: docker.DockerClient
) -> None:
    image = registry.add("team/app", "1.0", layer=b"something else" * 100)
    with nothing_changes(service, docker_client):
        assert_problem(service.create(image=image), 502, "image-broken", image=image)


def test_a_registry_that_is_not_there_is_unreachable(
    service: Service, docker_client: docker.DockerClient
) -> None:
    with nothing_changes(service, docker_client):
        answer = service.create(image="127.0.0.1:1/team/app:1.0")
        assert_problem(answer, 503, "registry-unreachable")
    assert int(answer.headers["retry-after"]) > 5


# Logins that come with a create

USER, SECRET = "somebody-9", "s3cr3t-Xq7 /+?&%ü"
TOKEN = "t0k3n-Xq7.abc_def-ghi"


def in_every_form(*secrets: str) -> list[str]:
    """A secret as it is, and as headers, URLs and JSON have it."""
    pair = f"{USER}:{SECRET}".encode()
    plain = [*secrets, base64.b64encode(pair).decode(), base64.urlsafe_b64encode(pair).decode()]
    return [form for each in plain for form in (each, json.dumps(each)[1:-1])]


def assert_kept_nowhere(
    service: Service, client: docker.DockerClient, answers: list[Any], *secrets: str
) -> None:
    told = service.log() + "".join(answer.text + str(answer.headers) for answer in answers)
    told += json.dumps(service.get("/containers")) + service.client.get("/metrics").text
    name, _, value = service.label.partition("=")
    for entry in client.api.containers(all=True, filters={"label": f"{name}={value}"}):
        told += json.dumps(client.api.inspect_container(entry["Id"]))
        told += service.client.get(f"/containers/{entry['Id']}/env").text
    assert '"verb": "create"' in told, "the audit is in the log"
    for secret in in_every_form(*secrets):
        assert secret not in told


def test_a_login_is_used_for_its_pull_and_kept_nowhere(
    registry: Registry,
    start_service: Callable[..., Service],
    docker_client: docker.DockerClient,
    on_engine: Callable[[str], bool],
) -> None:
    service = start_service(LOG_LEVEL="debug")
    image = registry.add("team/app", "1.0")
    assert not on_engine(image)
    registry.login = (USER, SECRET)
    right, wrong = ({"username": USER, "password": each} for each in (SECRET, f"{SECRET}!"))
    answers = [service.create(image=image, registry_auth=wrong)]
    assert_problem(answers[0], 403, "image-pull-denied")
    key = {"Idempotency-Key": "order-of-one"}
    body = {"image": image, "command": ["/none"], "start": False, "pull": "always"}
    body["labels"] = dict([service.label.split("=")])
    answers.extend(
        service.client.post("/containers/create", json=body | {"registry_auth": each}, headers=key)
        for each in (right, wrong)  # a repetition is the same request, whatever its login
    )
    assert [answer.status_code for answer in answers[1:]] == [201, 200]
    # For that pull alone: the next one has none.
    answers.append(service.create(image=image, pull="always"))
    assert_problem(answers[-1], 403, "image-pull-denied")
    # What the registry says of it does not come out either.
    for text in in_every_form(SECRET):
        registry.refusals = {"/v2/team": error(403, "DENIED", f"{USER} {text} {SECRET!r}")}
        answers.append(service.create(image=image, pull="always", registry_auth=right))
        assert_problem(answers[-1], 403, "image-pull-denied")
    answers.append(service.create(image=image, registry_auth={"username": USER, SECRET: SECRET}))
    assert_problem(answers[-1], 422, "invalid-request")
    assert "***" in service.log()
    assert_kept_nowhere(service, docker_client, answers, SECRET)


@pytest.mark.parametrize("kind", ["identity token", "registry token"])
def test_a_token_is_one_for_the_token_service_or_for_the_registry(
    kind: str,
    registry: Registry,
    start_service: Callable[..., Service],
    docker_client: docker.DockerClient,
) -> None:
    service = start_service(LOG_LEVEL="debug")
    image = registry.add("team/app", "1.0")
    registry.token = TOKEN
    if kind == "identity token":
        registry.token, registry.identity_token = "given-by-the-token-service", TOKEN
    answers = [
        service.create(image=image, registry_auth={"token": f"no{TOKEN}"}, start=False),
        service.create(image=image, registry_auth={"token": TOKEN}, command=["/x"], start=False),
    ]
    assert_problem(answers[0], 403, "image-pull-denied")
    assert answers[1].status_code == 201, answers[1].text
    assert_kept_nowhere(service, docker_client, answers, TOKEN)


def test_those_with_a_login_of_their_own_share_no_pull(
    registry: Registry, service: Service
) -> None:
    image = registry.add("team/app", "1.0")
    registry.login = (USER, SECRET)
    right = {"username": USER, "password": SECRET}

    def create(login: dict[str, str] | None) -> int:
        body = {"image": image, "command": ["/none"], "start": False, "pull": "always"}
        return service.create(**body, registry_auth=login).status_code

    logins = [right, None, right, {**right, "password": "wrong"}]
    assert at_once([lambda login=login: create(login) for login in logins]) == [201, 403, 201, 403]  # type: ignore[misc]
