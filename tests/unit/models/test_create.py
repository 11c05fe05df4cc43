"""Bad input, and what no input can express."""

import base64
import json
import posixpath
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from orchestrator.http.problems import explain_validation
from orchestrator.models import CreateRequest, Image
from orchestrator.payloads import create_body

from ..examples import spec


def accepted(**body: Any) -> CreateRequest:
    """As a body of JSON is taken."""
    return CreateRequest.model_validate(json.loads(json.dumps(body)))


def refused(**body: Any) -> str:
    """The sentence that a caller gets."""
    with pytest.raises(ValidationError) as error:
        accepted(**body)
    found = error.value.errors()
    return explain_validation([{**each, "loc": ("body", *each["loc"])} for each in found]).message


def engine_body(request: CreateRequest) -> dict[str, Any]:
    return create_body(spec(request, Image(request.image or "image")), {"5000/tcp": 8001}, "0")


def test_every_field_may_be_left_out() -> None:
    assert accepted() == CreateRequest()


@pytest.mark.parametrize("body", [[], "x", 1, None, True])
def test_a_body_that_is_no_object_is_refused(body: object) -> None:
    with pytest.raises(ValidationError):
        CreateRequest.model_validate(body)


@pytest.mark.parametrize(
    "field",
    ["privileged", "binds", "Binds", "network_mode", "pid_mode", "cap_add", "devices",
     "ipc_mode", "memroy", "Name", "", "host_config", "mounts", "security_opt"],
)  # fmt: skip
def test_an_unknown_field_is_refused_by_name(field: str) -> None:
    assert "There is no such field" in refused(**{field: True})


# Names


@pytest.mark.parametrize("name", ["web", "web-1", "W.e_b-1", "00", "a" * 128, "created", "stat"])
def test_names_that_docker_takes_are_taken(name: str) -> None:
    assert accepted(name=name).name == name


@pytest.mark.parametrize(
    "name",
    ["", "a", "-web", ".web", "_web", "web 1", " web", "web\n", "/web", "web/1", "wéb", "w²",
     "web\x00", "\ud800web", "a" * 129, "a" * 10_240, "${HOME}", "web:1", "../x", 5, True, ["web"]],
)  # fmt: skip
def test_names_outside_dockers_pattern_are_refused(name: Any) -> None:
    sentence = refused(name=name)
    assert sentence.startswith("name: ")
    assert len(sentence) < 300


# Images


@pytest.mark.parametrize(
    "image",
    ["nginx", "nginx:1.27", "library/nginx", "registry.example/team/app:v1.2_3-x",
     "localhost:5000/app",
     "nginx@sha256:" + "a" * 64, "r.example:443/a/b/c:t@sha256:" + "0" * 64, "sha256:" + "f" * 64,
     "base-api-server:latest", "a__b/c-d", "0f4c1d2a9b7e", "UPPER.example/app"],
)  # fmt: skip
def test_image_references_are_taken(image: str) -> None:
    assert accepted(image=image).image == image


@pytest.mark.parametrize(
    "image",
    ["", " ", "NGINX", "nginx:", "nginx:la test", ":latest", "a/../../b", "../x", "a//b",
     "/etc/passwd",
     "a/./b", "a?b=c", "a#b", "a%2e%2e/b", "nginx@sha256:xyz", "nginx\n", "http://x/y", "a" * 513,
     "-a", "a-", "a\\b", "nginx:" + "t" * 129, "nginx\x00", "\ud800", "a/../containers/json", 5],
)  # fmt: skip
def test_what_is_no_image_reference_is_refused(image: Any) -> None:
    assert refused(image=image).startswith("image: ")


@given(st.text("ab/.:@%?#-_A0 \\", max_size=30))
def test_no_accepted_image_leaves_its_place_in_the_engines_path(image: str) -> None:
    """It becomes part of `GET /images/{name}/json`."""
    try:
        accepted(image=image)
    except ValidationError:
        return
    path = f"/images/{image}/json"
    assert posixpath.normpath(path) == path
    assert re.fullmatch(r"[\w./:@-]+", image, re.ASCII)


# Ports


@pytest.mark.parametrize(
    ("given_ports", "taken"),
    [
        ([5000], ["5000/tcp"]),
        (["5000"], ["5000/tcp"]),
        (["5000/tcp", "53/udp", 1, 65535], ["5000/tcp", "53/udp", "1/tcp", "65535/tcp"]),
        (["53/tcp", "53/udp", "53/sctp"], ["53/tcp", "53/udp", "53/sctp"]),
        (["00080"], ["80/tcp"]),
        (["53/tcp+udp", "53/sctp"], ["53/tcp+udp", "53/sctp"]),
        (["53/udp+tcp"], ["53/tcp+udp"]),
        (["6379-6381", 80], ["6379/tcp", "6380/tcp", "6381/tcp", "80/tcp"]),
        (["53-54/tcp+udp"], ["53/tcp+udp", "54/tcp+udp"]),
        (["0053-53/udp", 9], ["53/udp", "9/tcp"]),
    ],
)
def test_container_ports(given_ports: list[Any], taken: list[str]) -> None:
    assert accepted(container_ports=given_ports).container_ports == taken


@pytest.mark.parametrize(
    "port",
    [0, -1, 65536, "0", "70000", "", "http", "80/icmp", "80/TCP/x", "8000-", "-80", "80-0",
     "80-99999", "1-2-3", "80/tcp+tcp", "80/tcp+sctp", 80.5, True, None,
     "80 ", "٨٠", "80/", "/tcp", "8001:80", [80], "9" * 5000, 10**30],
)  # fmt: skip
def test_what_is_no_container_port_is_refused(port: Any) -> None:
    assert "1 to 65535" in refused(container_ports=[port])


@pytest.mark.parametrize(
    "ports",
    [[], [5000, 5000], [80, "80/tcp"], ["080", 80], list(range(1, 66)), "5000", 5000,
     ["53/tcp+udp", "53/udp"], ["53/tcp+udp", "53/tcp"], ["80-82", 81], ["1-65"],
     ["1-65535", "1-65535"], ["1-60/udp", "1-5"]],
)  # fmt: skip
def test_container_ports_are_a_list_of_different_ones(ports: Any) -> None:
    assert refused(container_ports=ports).startswith("container_ports: ")


def test_a_range_of_container_ports_goes_upward() -> None:
    assert "goes upward" in refused(container_ports=["82-80"])


@pytest.mark.parametrize("port", [0, -1, 65536, "8005", 8005.5, True, [8005], 10**30])
def test_a_pinned_port_is_a_whole_number_from_1_to_65535(port: Any) -> None:
    assert refused(port=port).startswith("port: ")
    assert accepted(port=8005).port == 8005


# Memory, CPUs, processes


@pytest.mark.parametrize(
    ("memory", "size"),
    [("512m", 2**29), ("1g", 2**30), (2**29, 2**29), (str(2**29), 2**29), ("1.5GiB", 3 * 2**29)],
)
def test_memory(memory: Any, size: int) -> None:
    assert accepted(memory=memory).memory == size


@pytest.mark.parametrize(
    "memory", ["", "lots", "512x", "-1g", 0, -5, 1, "5m", "17t", 1.5, True, ["1g"], {}, 10**400]
)
def test_malformed_memory_is_refused(memory: Any) -> None:
    assert refused(memory=memory).startswith("memory: memory ")


@pytest.mark.parametrize(("disk", "size"), [("10g", 10 * 2**30), ("1m", 2**20), (2**20, 2**20)])
def test_disk(disk: Any, size: int) -> None:
    assert accepted(disk=disk).disk == size


@pytest.mark.parametrize("disk", ["", "lots", 0, "1023k", "17t", True, ["1g"]])
def test_malformed_disk_is_refused(disk: Any) -> None:
    assert refused(disk=disk).startswith("disk: disk ")


@pytest.mark.parametrize("cpus", [0, 0.001, -1, 4097, "many", True, [1], 1e400])
def test_cpus_are_a_number_that_docker_takes(cpus: Any) -> None:
    assert refused(cpus=cpus).startswith("cpus: ")
    assert accepted(cpus=0.5).cpus == 0.5


def test_not_a_number_is_not_a_number() -> None:
    for text in ('{"cpus": NaN}', '{"wait": NaN}', '{"cpus": Infinity}', '{"wait": Infinity}'):
        with pytest.raises(ValidationError):
            CreateRequest.model_validate(json.loads(text))


@pytest.mark.parametrize("pids", [0, -1, "5", 5.5, True, 10**9])
def test_pids(pids: Any) -> None:
    assert refused(pids=pids).startswith("pids: ")
    assert accepted(pids=100).pids == 100


@pytest.mark.parametrize("wait", [-1, 601, "soon", True])
def test_wait_is_a_number_of_seconds(wait: Any) -> None:
    assert refused(wait=wait).startswith("wait: ")
    assert accepted(wait=30).wait == 30


@pytest.mark.parametrize("start", ["yes", 1, "true"])
def test_start_is_true_or_false(start: Any) -> None:
    assert refused(start=start).startswith("start: ")
    assert accepted(start=False).start is False


# Environment, labels, command, restart policy, pull


@pytest.mark.parametrize(
    "env",
    [{"": "x"}, {"A=B": "x"}, {"A": 5}, {"A": None}, {"A": "x\x00y"}, {"A\x00": "x"}, ["A=B"],
     "A=B",
     {"A": "\ud800"}, {"\udfff": "x"}, {f"A{n}": "" for n in range(1001)}],
)  # fmt: skip
def test_bad_environments_are_refused(env: Any) -> None:
    assert refused(env=env).startswith("env")


def test_values_of_the_environment_are_taken_as_they_are() -> None:
    env = {"A": "b=c d\n$E", "PATH": "", "É": "ü"}
    assert set(engine_body(accepted(env=env))["Env"]) == {"A=b=c d\n$E", "PATH=", "É=ü"}


@pytest.mark.parametrize(
    "labels",
    [{"": "x"}, {"a": 5}, {"a": "x\x00"}, {"a\x00": "x"}, ["a"],
     {"orchestration-api.managed": "false"},
     {"orchestration-api.": ""}, {"orchestration-api.ports": "1"}, {"a": "\ud800"}, {"\ud800": ""}],
)  # fmt: skip
def test_bad_labels_are_refused(labels: Any) -> None:
    assert refused(labels=labels).startswith("labels")


def test_labels_of_ones_own_are_taken() -> None:
    labels = {"team": "blue", "orchestration-apiary": "bees", "a.b/c": ""}
    assert accepted(labels=labels).labels == labels


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("sleep 600", ["sleep", "600"]),
        ("sh -c 'echo \"a b\"'", ["sh", "-c", 'echo "a b"']),
        (["sh", "-c", "echo a b"], ["sh", "-c", "echo a b"]),
        ("echo $HOME; ls | cat", ["echo", "$HOME;", "ls", "|", "cat"]),
        (["echo", ""], ["echo", ""]),
    ],
)
def test_commands(command: Any, words: list[str]) -> None:
    assert accepted(command=command).command == words


@pytest.mark.parametrize(
    "command",
    ["", "   ", [], [""], "'unfinished", "back\\", ["a", 5], [None], {"a": 1}, 5, ["a\x00"],
     "a\x00b",
     ["\ud800"], "\ud800", "''"],
)  # fmt: skip
def test_bad_commands_are_refused(command: Any) -> None:
    assert refused(command=command).startswith("command")


@pytest.mark.parametrize(
    "policy", ["no", "always", "unless-stopped", "on-failure", "on-failure:3", "on-failure:0"]
)
def test_restart_policies(policy: str) -> None:
    assert accepted(restart_policy=policy).restart_policy == policy


@pytest.mark.parametrize(
    "policy",
    ["", "sometimes", "always:3", "on-failure:", "on-failure:-1", "on-failure:x", "no\n", "NO",
     "on-failure:٣", "on-failure:99999", True, "always\x00", "\ud800"],
)  # fmt: skip
def test_bad_restart_policies_are_refused(policy: Any) -> None:
    assert refused(restart_policy=policy).startswith("restart_policy: ")


@pytest.mark.parametrize("pull", ["", "sometimes", True])
def test_pull_is_one_of_three(pull: Any) -> None:
    assert refused(pull=pull).startswith("pull: ")
    assert [accepted(pull=word).pull for word in ("missing", "always", "never")]


# Volumes


@pytest.mark.parametrize(
    ("volume", "mount"),
    [
        ("data:/var/lib/data", ("data", "/var/lib/data", False)),
        ("data:/data:ro", ("data", "/data", True)),
        ("data:/data:rw", ("data", "/data", False)),
        ("a.b_c-1:/x y", ("a.b_c-1", "/x y", False)),
        ("data:/data..old", ("data", "/data..old", False)),
    ],
)
def test_volumes(volume: str, mount: tuple[str, str, bool]) -> None:
    name, target, read_only = mount
    (made,) = engine_body(accepted(volumes=[volume]))["HostConfig"]["Mounts"]
    wanted = {"Type": "volume", "Source": name, "Target": target, "ReadOnly": read_only}
    assert made.items() >= wanted.items()


@pytest.mark.parametrize(
    "volume",
    ["", "data", "/data", "/:/host", "/etc:/etc", "/var/run/docker.sock:/var/run/docker.sock",
     "./x:/x", "../x:/x", "~:/x", "~/x:/x", "data:x", "data:/", "data://", "data:/.",
     "data:/../etc",
     "data:/a/..", "data:/a/../..", "data:/a:z", "data:/a:ro,z", "data:/a:ro:rw", "data:", ":/a",
     "C:\\x:/x", "c:/x:/y", "\\\\host\\x:/x", "a/b:/x", "data:/a:", "data:/a\x00", "data:/\ud800",
     "a:/x", "dätä:/x", "data\n:/x", {"type": "bind"}, 5, None],
)  # fmt: skip
def test_what_is_no_named_volume_is_refused(volume: Any) -> None:
    assert refused(volumes=[volume]).startswith("volumes")


@pytest.mark.parametrize(
    ("volume", "why"),
    [
        ("data:/proc", "what is at /proc the engine makes itself"),
        ("data:/./proc//sys/", "what is at /proc the engine makes itself"),
        ("data:/sys/fs/cgroup", "what is at /sys the engine makes itself"),
        ("data:/dev/null", "what is at /dev the engine makes itself"),
        ("data:/dev", "what is at /dev the engine makes itself"),
        ("d" * 270 + ":/data", "a name of 270 characters; 255 is the most"),
        ("data:/" + "a" * 256, "a name in its path has more than 255 bytes"),
        ("data:/" + "ä" * 128, "a name in its path has more than 255 bytes"),
        ("data:/" + "/".join(["a" * 99] * 11), "its path has more than 1024 bytes"),
    ],
)
def test_a_volume_that_cannot_be_is_named_with_the_reason(volume: str, why: str) -> None:
    sentence = refused(volumes=[volume])
    assert sentence.startswith(f'volumes.0: volume "{volume[:4]}')
    assert why in sentence
    assert len(sentence) < 300


@pytest.mark.parametrize(
    "volume",
    ["data:/procs", "data:/dev/shm", "data:/dev/shm/x", "d" * 255 + ":/data", "data:/" + "a" * 255,
     "data:/etc/passwd", "data:/usr", "data:/x/proc"],
)  # fmt: skip
def test_a_volume_that_may_be_is_left_to_the_engine(volume: str) -> None:
    assert accepted(volumes=[volume]).volumes == [volume]


def test_two_volumes_cannot_have_one_path() -> None:
    assert refused(volumes=["aa:/data", "bb:/data/"]).startswith("volumes: ")
    assert refused(volumes=["aa:/data", "bb://data"]).startswith("volumes: ")


@given(st.text("ab/.:~\\\n r\x00", max_size=24) | st.text())
def test_no_accepted_volume_contains_a_path_of_the_host(volume: str) -> None:
    try:
        request = CreateRequest(volumes=[volume])
    except ValidationError:
        return
    (mount,) = engine_body(request)["HostConfig"]["Mounts"]
    assert set(mount) == {"Type", "Source", "Target", "ReadOnly", "VolumeOptions"}
    assert set(mount["VolumeOptions"]) == {"Labels"}
    assert mount["Type"] == "volume"
    assert re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+", mount["Source"], re.ASCII)
    assert mount["Target"].startswith("/")
    assert posixpath.normpath(mount["Target"]).strip("/") != ""
    assert ".." not in mount["Target"].split("/")


# Anything at all

texts = st.text(max_size=10) | st.text(st.characters(categories=["Cs", "Cc", "L"]), max_size=5)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | texts
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
plausible: dict[str, st.SearchStrategy[Any]] = {
    "name": texts,
    "image": texts,
    "container_ports": st.lists(st.integers() | texts, max_size=3),
    "port": st.integers(0, 70000),
    "env": st.dictionaries(texts, texts, max_size=3),
    "command": texts | st.lists(texts, max_size=3),
    "labels": st.dictionaries(texts, texts, max_size=3),
    "memory": st.integers() | texts,
    "cpus": st.floats() | st.integers(),
    "pids": st.integers(),
    "disk": st.integers() | texts,
    "restart_policy": texts,
    "volumes": st.lists(texts, max_size=2),
    "wait": st.floats(),
    "start": st.booleans(),
    "init": st.booleans(),
    "registry_auth": st.dictionaries(
        st.sampled_from(["username", "password", "token"]), texts | st.none(), max_size=3
    ),
    "entrypoint": texts | st.lists(texts, max_size=3),
    "user": texts | st.integers(),
    "workdir": texts.map("/{}".format) | texts,
    "hostname": texts,
    "shm_size": st.integers() | texts,
    "tmpfs": st.lists(texts.map("/{}".format), max_size=3)
    | st.dictionaries(texts.map("/{}".format), st.integers(0, 1 << 20), max_size=3),
    "ulimits": st.fixed_dictionaries(
        {}, optional={"nofile": st.integers(), "core": st.integers() | texts}
    ),
    "stop_signal": texts | st.integers(),
    "stop_timeout": st.integers() | st.floats() | texts,
    "healthcheck": st.fixed_dictionaries(
        {}, optional={"test": texts | st.lists(texts), "interval": st.floats() | st.integers()}
    ),
    "tty": st.booleans(),
    "extra_hosts": st.dictionaries(texts, texts, max_size=2) | st.lists(texts, max_size=2),
    "dns": st.lists(texts, max_size=2),
    "platform": texts,
    "read_only": st.booleans(),
}


def test_every_field_is_tried() -> None:
    assert set(plausible) | {"pull", "profile"} == set(CreateRequest.model_fields)


@given(
    st.fixed_dictionaries({}, optional=plausible)
    | st.dictionaries(st.sampled_from(sorted(CreateRequest.model_fields)), anything, max_size=4)
    | st.dictionaries(texts, anything, max_size=2)
)
def test_anything_is_refused_or_can_be_sent_to_the_engine(body: dict[str, Any]) -> None:
    """Whatever JSON can carry, lone surrogates and NUL too."""
    try:
        request = CreateRequest.model_validate(body)
    except ValidationError as error:
        explain_validation(error.errors())
        return
    sent = json.dumps(engine_body(request), ensure_ascii=False, allow_nan=False)
    sent.encode()
    assert "\\u0000" not in sent
    assert not set(engine_body(request)["HostConfig"]) & {"Binds", "Privileged", "NetworkMode"}


# Logins for registries


LOGIN = {"username": "somebody", "password": "s3cr3t-Xq7"}


@pytest.mark.parametrize("login", [LOGIN, {"token": "s3cr3t-Xq7"}, {**LOGIN, "token": None}, None])
def test_a_login_is_taken_and_not_shown(login: Any) -> None:
    request = accepted(registry_auth=login)
    assert (request.registry_auth is None) == (login is None)
    for text in (repr(request), str(request), request.model_dump_json(), str(request.model_dump())):
        assert "s3cr3t-Xq7" not in text
        assert "somebody" not in text


@pytest.mark.parametrize(
    "login",
    [
        {}, {"username": "somebody"}, {"password": "s3cr3t-Xq7"}, {**LOGIN, "token": "s3cr3t-Xq7"},
        {"username": "", "password": ""}, {"token": ""}, {"token": 5}, {"token": ["s3cr3t-Xq7"]},
        {"s3cr3t-Xq7": "x", **LOGIN}, {"token": "s3cr3t-Xq7\x00"}, {"token": "s3cr3t-Xq7\ud800"},
        {"token": "s3cr3t-Xq7" * 10_000}, "somebody:s3cr3t-Xq7", ["s3cr3t-Xq7"], 5, True,
    ],
)  # fmt: skip
def test_what_is_no_login_is_refused_and_not_repeated(login: Any) -> None:
    sentence = refused(registry_auth=login)
    assert sentence.startswith("registry_auth: a login for a registry is ")
    assert "s3cr3t-Xq7" not in sentence
    with pytest.raises(ValidationError) as error:
        CreateRequest.model_validate({"registry_auth": login, "name": "!"})
    assert "s3cr3t-Xq7" not in str(error.value)


@given(
    username=st.text(st.characters(exclude_categories=["Cs"]), min_size=3, max_size=10),
    password=st.text(st.characters(exclude_categories=["Cs"]), min_size=6, max_size=20),
)
def test_a_login_is_taken_out_of_what_an_engine_says(username: str, password: str) -> None:
    try:
        auth = accepted(registry_auth={"username": username, "password": password}).registry_auth
    except ValidationError:
        assert "\x00" in username + password
        return
    assert auth is not None
    pair = base64.b64encode(f"{username}:{password}".encode()).decode()
    forms = (password, quote(password), quote_plus(password), pair)
    for form in forms:
        assert form not in auth.hidden_in(f'Get "https://r/token?x={form}&y": {form}: denied')


def test_a_user_name_is_taken_out_where_it_is_a_word() -> None:
    auth = accepted(registry_auth={"username": "ci", "password": "long-enough"}).registry_auth
    assert auth is not None
    assert auth.hidden_in('Get "http://r/?account=ci&x": insufficient') == (
        'Get "http://r/?account=***&x": insufficient'
    )


# What the OpenAPI description says of a create

SCHEMA = CreateRequest.model_json_schema()["properties"]


@pytest.mark.parametrize("field", ["port", "pids", "memory", "disk"])
def test_an_integer_may_be_written_as_json_schema_lets_it(field: str) -> None:
    number = 2**29 if field in ("memory", "disk") else 8005
    assert getattr(accepted(**{field: float(number)}), field) == number
    assert "integer" in json.dumps(SCHEMA[field])
    refused(**{field: number + 0.5})


def test_a_container_port_may_be_written_as_json_schema_lets_it() -> None:
    assert accepted(container_ports=[80.0]).container_ports == ["80/tcp"]


def described(name: str) -> Iterator[str]:
    """The patterns of a field, of its items, and of the names in it."""

    def patterns(part: Any) -> Iterator[str]:
        if isinstance(part, dict):
            if isinstance(part.get("pattern"), str) and "type" in part:
                yield part["pattern"]
            for key, child in part.items():
                if key != "not":
                    yield from patterns(child)
        elif isinstance(part, list):
            for child in part:
                yield from patterns(child)

    return patterns(SCHEMA[name])


TEXTS = [
    "", "a", "ab", "a" * 128, "A.b-c_d", "-a", ".a", "a\n", "ab\n", "ä", "create", "a b",
    "web.moving.x", "web.moving", "keyed-0123456789abcdef", "keyed-0123", "0123456789ab", "0" * 65,
    "nginx", "nginx:1.27", "Nginx", "a/b/c:d", "127.0.0.1:5000/a/b", "a//b", "a:", "a@sha256:ab",
    "a@sha256:" + "0" * 64, "a..b", "a__b", "a___b", "a--b", "http://a",
    "0", "1", "65535", "65536", "080", "00080", "000080", "53/udp", "53/UDP", "53/", "99999/tcp",
    "1-2", "53/tcp+udp", "53/udp+tcp", "53-54/tcp+udp", "53/tcp+", "1-99999", "1-2-3", "-1", "1-0",
    "0:0", "root", "root:0", "1:app", "2147483647", "2147483648", ":1", "a:", "$x", "+0",
    "SIGTERM", "TERM", "SIGRTMIN+3", "RTMIN+16", "RTMAX-14", "15", "64", "65", "SIG15", "sigterm",
    "web-1", "web-", "a.b", "localhost", "localhosts", "LOCALHOST", "a" * 63, "a" * 64,
    "linux/amd64", "linux/arm/v7", "linux", "arm64", "windows/amd64", "linux/arm64/", "Linux/x",
    "/srv", "/srv/", "/", "/.", "/..", "/a/..", "srv", "/a:b", "/a/.b",
    "no", "always", "on-failure", "on-failure:", "on-failure:9999", "on-failure:12345", "No",
    "data:/", "data:/x", "data:/x:ro", "data:/x:rx", "data:/.", "data:/..", "data:/a/..", "d:/x",
    "data:/a/.b", "data:/a/..b", "data:/...", "data://x", "data:/./x/", "data:x", "/a:/x", ".a:/x",
    "data:/../x", "data:/a/../b", "data:/a/.", "data:/a\n", "data:/a\x00", "data:/a:",
    "data:/a:b:ro",
]  # fmt: skip


@pytest.mark.parametrize(
    "field",
    ["name", "image", "container_ports", "restart_policy", "volumes", "user", "stop_signal",
     "hostname", "platform", "workdir"],
)  # fmt: skip
def test_the_description_tells_which_texts_will_do(field: str) -> None:
    (pattern,) = described(field)
    for text in TEXTS:
        several = field in ("container_ports", "volumes")
        try:
            accepted(**{field: [text] if several else text})
        except ValidationError:
            taken = False
        else:
            taken = True
        # Python's `$` would match before a line's end, other than that of JSON Schema.
        says = re.search(pattern.removesuffix("$") + r"\Z", text) is not None
        assert says == taken or text == "create", text
