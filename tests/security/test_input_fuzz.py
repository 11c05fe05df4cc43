"""Whatever stands where a name, an image or a value belongs is taken as it is, or refused aloud.

Over sockets of the test's own, for a client would put the bytes in order first. INPUT_FUZZ_TIMES=10
tries ten times as many inputs, and others each time; without it they are always the same.
"""

import http.client
import json
import os
import re
import shlex
import socket
import string
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.conftest import IMAGE, Service
from tests.engine.odd_images import odd_archive
from tests.engine.support import PROBLEM_FIELDS, assert_sentence
from tests.faults.private_engine import PrivateEngine

from .own_engine import (
    FOREIGN_NAME,
    KEY,
    assert_nothing_is_left,
    names_of_volumes,
    remove_what_is_listed,
)
from .own_engine import engine as engine
from .own_engine import service as service

pytestmark = pytest.mark.engine

TIMES = int(os.environ.get("INPUT_FUZZ_TIMES", "1"))
SECONDS = 60  # that no answer takes


def fuzz(examples: int) -> settings:
    return settings(
        max_examples=examples * TIMES,
        deadline=None,
        derandomize=TIMES == 1,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Fuzzed:
    """A service, asked with bytes as they are, and what must be true of every answer."""

    def __init__(self, service: Service, engine: PrivateEngine) -> None:
        self.service, self.engine = service, engine
        self.asked = self.created = 0
        self.volumes: set[str] = set()  # of creates that were not refused
        self.before = self.everything()

    def ask(
        self,
        method: str,
        target: bytes,
        body: bytes = b"",
        content_type: str = "application/json",
        **headers: bytes,
    ) -> Answer:
        """The answer, which is a success, or a problem that says what is wrong with the request."""
        self.asked += 1
        head = [
            method.encode() + b" " + target + b" HTTP/1.1",
            b"Host: localhost",
            b"Connection: close",
            b"Authorization: Bearer " + KEY.encode(),
            *(name.replace("_", "-").encode() + b": " + headers[name] for name in headers),
        ]
        if body:
            head += [
                b"Content-Type: " + content_type.encode(),
                b"Content-Length: %d" % len(body),
            ]
        with socket.create_connection(("127.0.0.1", self.service.port), SECONDS) as connection:
            connection.sendall(b"\r\n".join([*head, b"", body]))
            response = http.client.HTTPResponse(connection, method=method)
            response.begin()
            told = {name.lower(): value for name, value in response.getheaders()}
            answer = Answer(response.status, told, response.read())
        if answer.status == 307:  # a slash too many: it says what was meant, and does nothing
            assert re.match("/[^/]", answer.headers["location"])
        elif answer.status >= 300:
            assert_refusal(answer)
        return answer

    def create(self, **fields: Any) -> Answer:
        """A create, which leaves nothing behind when it is refused. It does not start, and pulls
        nothing, unless it is told to.
        """
        fields = {"start": False, "pull": "never"} | fields
        return self.create_of(json.dumps(fields).encode())

    def create_of(
        self, body: bytes, content_type: str = "application/json", **headers: bytes
    ) -> Answer:
        answer = self.ask("POST", b"/containers/create", body, content_type, **headers)
        if answer.status != 201:
            self.assert_nothing_changed()
        return answer

    def assert_nothing_changed(self) -> None:
        """Since the last container of these tests was removed."""
        assert self.everything() == self.before

    def everything(self) -> tuple[set[str], set[str]]:
        """The engine's containers and volumes."""
        return {each["Id"] for each in self.engine.containers()}, names_of_volumes(self.engine)

    def taken(self, answer: Answer) -> Iterator[dict[str, Any]]:
        """What `docker inspect` says of the container of a create, if it was not refused; it is
        removed afterwards.
        """
        if answer.status == 201:
            self.created += 1
            try:
                yield self.engine.inspect(answer.json["id"])
            finally:
                removed = self.ask("DELETE", f"/containers/{answer.json['id']}?timeout=1".encode())
                assert removed.status == 200
                self.before = self.everything()


def assert_refusal(answer: Answer) -> None:
    assert 400 <= answer.status < 500, answer
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json
    assert problem.keys() >= PROBLEM_FIELDS
    assert problem["status"] == answer.status
    assert problem["code"]
    assert problem["title"]
    assert_sentence(problem["detail"])
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert len(answer.body) < 10_000


@pytest.fixture(scope="module")
def fuzzed(service: Service, engine: PrivateEngine) -> Iterator[Fuzzed]:
    fuzzed = Fuzzed(service, engine)
    yield fuzzed
    remove_what_is_listed(service)
    assert_nothing_is_left(service, engine, fuzzed.volumes)
    print(f"{fuzzed.asked} requests, {fuzzed.created} containers")


# What is sent

STRANGE = [
    "", "-", ".", "..", "...", "../..", "/", "//", "a/b", "%2F", "%2e%2e", "%00", "%", "%zz",
    "\x00", "\n", "\r\n", "\t", " ", "a b", "\x7f", "\x1b[31m", "é", "\ufb01", "\u202e",
    "\U0001f433", "\ufffe", "{id}", "${HOME}", "$(id)", "`id`", "'; --", '"', "\\", "*", "?", "#",
    ":", "@", "=", "null", "None", "true", "0", "-1", "1e999", "__proto__", "create", "running",
    "stats", "host", "none", "container:x", "http://x/", "sha256:" + "0" * 64, "0" * 12, "0" * 64,
    "x" * 64, "a" * 127, "a" * 129, "a" * 5000, "9" * 20, "9" * 5000,
]  # fmt: skip
strange = st.sampled_from(STRANGE)
anything = st.text(st.characters(codec="utf-8"), max_size=40)
# Surrogates too, which JSON can write and UTF-8 cannot.
any_text = st.one_of(strange, st.text(max_size=40))
word = st.from_regex(r"[a-zA-Z0-9_.\-]{1,20}", fullmatch=True)


def in_a_path(text: str) -> bytes:
    return quote(text, safe="").encode()


encoded = st.one_of(strange, anything, word).map(in_a_path)
# With what no client sends: no byte of it is encoded, but for the two that would end the line.
raw = st.one_of(
    strange.map(lambda text: text.encode(errors="surrogatepass")), st.binary(max_size=30)
).map(lambda data: data.replace(b"\r", b"%0D").replace(b"\n", b"%0A"))
overlong = st.sampled_from([b"%C0%AF", b"%ED%A0%80", b"%F8%88%80%80%80", b"%u002e", b"%FF%FE"])


# Ids and names in paths

BY_ID = [
    ("GET", b"/containers/%s"),
    ("GET", b"/containers/%s/env"),
    ("GET", b"/containers/%s/stats"),
    ("GET", b"/containers/%s/stats/history"),
    ("GET", b"/containers/%s/stats/stream?limit=1"),
    ("POST", b"/containers/%s/start"),
    ("POST", b"/containers/%s/stop?timeout=1"),
    ("POST", b"/containers/%s/restart?timeout=1"),
    ("DELETE", b"/containers/%s?timeout=1"),
    ("DELETE", b"/containers/%s?force=true"),
    ("GET", b"/ports/%s"),
    ("DELETE", b"/volumes/%s"),
]


@fuzz(400)
@given(route=st.sampled_from(BY_ID), key=st.one_of(encoded, raw, overlong))
def test_what_is_no_containers_name_leads_to_none(
    fuzzed: Fuzzed, route: tuple[str, bytes], key: bytes
) -> None:
    method, pattern = route
    answer = fuzzed.ask(method, pattern % key)
    # With a `/`, `?` or `#` in it, and without anything, it leads elsewhere.
    if answer.status == 200:
        assert method == "GET"
    fuzzed.assert_nothing_changed()


@fuzz(100)
@given(data=st.data(), route=st.sampled_from([each for each in BY_ID if b"/containers" in each[1]]))
def test_a_container_is_found_by_its_name_and_the_beginning_of_its_id_only(
    fuzzed: Fuzzed, data: st.DataObject, route: tuple[str, bytes]
) -> None:
    method, pattern = route
    foreign = fuzzed.engine.inspect(FOREIGN_NAME)["Id"]
    for details in fuzzed.taken(fuzzed.create(name="The.one_-")):
        full_id, name = details["Id"], details["Name"][1:]
        key = data.draw(names_like(name, full_id) | names_like(FOREIGN_NAME, foreign))
        answer = fuzzed.ask("GET", b"/containers/" + in_a_path(key))
        hit = key == name or full_id.startswith(key)
        others = key == FOREIGN_NAME or foreign.startswith(key)
        if hit and others:
            assert (answer.status, answer.json["code"]) == (409, "ambiguous-id")
        elif hit or others:
            assert answer.json["name"] == (name if hit else FOREIGN_NAME)
        else:
            assert (answer.status, answer.json["code"]) == (404, "container-not-found")
        if not hit:
            also = fuzzed.ask(method, pattern % in_a_path(key))
            if not others:
                assert also.status == 404
            elif pattern == b"/containers/%s":
                assert also.status == 200
            else:
                assert (also.status, also.json["code"]) == (403, "not-managed")


def names_like(name: str, full_id: str) -> st.SearchStrategy[str]:
    """Its name, its id in part or in full, and what is nearly one of them."""
    lengths = st.integers(1, 64)
    return st.one_of(
        lengths.map(lambda length: full_id[:length]),
        lengths.map(lambda length: full_id[-length:]),
        lengths.map(lambda length: full_id[:length].upper()),
        st.sampled_from([name, name.upper(), f"{name} ", f" {name}", name[:-1], f"{name}-"]),
        st.sampled_from(
            [f"{full_id[:12]}\n", f"{full_id}0", f"-{full_id[:12]}", f"{full_id[:6]}*"]
        ),
    )


QUERIES = [
    b"/containers?%s=%s",
    b"/containers/stats?%s=%s",
    b"/containers/stats/stream?limit=1&%s=%s",
    b"/system/stats/history?%s=%s",
    b"/containers/somebody-elses/stats/history?%s=%s",
]
PARAMETERS = [b"state", b"name", b"label", b"managed", b"sort", b"top", b"every", b"since", b"step"]


@fuzz(300)
@given(
    path=st.sampled_from(QUERIES),
    parameter=st.one_of(st.sampled_from(PARAMETERS), encoded, raw),
    value=st.one_of(encoded, raw, overlong),
)
def test_a_query_is_understood_or_refused(
    fuzzed: Fuzzed, path: bytes, parameter: bytes, value: bytes
) -> None:
    fuzzed.ask("GET", path % (parameter, value))


# What a create is told


@fuzz(100)
@given(key=st.one_of(raw, word.map(str.encode)), request_id=raw)
@example(key=b"order-1", request_id=b"a\x1b[31mb")
def test_a_key_and_an_id_of_a_request_are_plain_text_or_refused(
    fuzzed: Fuzzed, key: bytes, request_id: bytes
) -> None:
    body = b'{"start":false,"pull":"never"}'
    answer = fuzzed.create_of(body, Idempotency_Key=key, X_Request_ID=request_id)
    assert set(answer.headers["x-request-id"]) <= set(string.ascii_letters + string.digits + "._-")
    for details in fuzzed.taken(answer):
        kept = details["Config"]["Labels"]["orchestration-api.idempotency-key"]
        assert kept == key.decode("ascii").strip()


@fuzz(150)
@given(name=st.one_of(any_text, word))
@example(name="ab")
def test_a_name_is_the_containers_own_or_refused(fuzzed: Fuzzed, name: str) -> None:
    answer = fuzzed.create(name=name)
    for details in fuzzed.taken(answer):
        assert details["Name"] == f"/{name}"
        assert answer.json["name"] == name
        assert fuzzed.ask("GET", b"/containers/" + name.encode()).json["id"] == answer.json["id"]
        fuzzed.before = fuzzed.everything()
        again = fuzzed.create(name=name)
        assert (again.status, again.json["code"]) == (409, "name-in-use")


def test_the_name_of_somebody_elses_container_is_in_use(fuzzed: Fuzzed) -> None:
    answer = fuzzed.create(name=FOREIGN_NAME)
    assert (answer.status, answer.json["code"]) == (409, "name-in-use")


NAME, DIGITS = IMAGE.partition(":")[0], "0" * 64
references = st.one_of(
    any_text,
    st.from_regex(r"[a-zA-Z0-9._:/@\-]{1,30}", fullmatch=True),
    st.builds(
        "{}{}{}{}".format,
        st.sampled_from(["", "localhost/", "127.0.0.1:1/", "[::1]:5000/", "R.ex/", "a:b/", "/"]),
        st.sampled_from([NAME, "a/b", "A/b", "a//b", "a__b", "a..b", "é", "", "a" * 300]),
        st.sampled_from(
            ["", ":", ":latest", ":no", ":" + "t" * 128, ":" + "t" * 129, ":-", ":a:b"]
        ),
        st.sampled_from(["", "@", f"@sha256:{DIGITS}", "@sha256:0", "@md5:0", f"@x512:{DIGITS}"]),
    ),
    st.sampled_from(["a" * 10_240, "a/" * 5000, IMAGE, f" {IMAGE}", f"{IMAGE}\n", IMAGE.upper()]),
)


@fuzz(300)
@given(image=references)
@example(image=IMAGE)
def test_an_image_is_one_that_there_is_or_refused(fuzzed: Fuzzed, image: str) -> None:
    answer = fuzzed.create(image=image)
    for details in fuzzed.taken(answer):
        assert answer.json["image"] == image
        ours = fuzzed.engine.call("GET", f"/images/{IMAGE}/json")["Id"]
        assert details["Config"]["Image"] == details["Image"] == ours
    if answer.status == 404:
        assert answer.json["code"] == "image-not-found"


# A value that a log line would have, if it had the values.
SECRET = "hunter2-correct-horse"
secrets = any_text.map(lambda text: f"{SECRET}{text}")
environments = st.one_of(
    st.dictionaries(st.one_of(any_text, word), st.one_of(any_text, secrets), max_size=5),
    st.dictionaries(word, secrets, max_size=5),
    st.sampled_from([999, 1000, 1001, 5000]).map(
        lambda number: {f"N{each}": str(each) for each in range(number)}
    ),
    st.integers(1, 70_000).map(lambda size: {"HUGE": SECRET + "x" * size}),
    st.lists(st.one_of(any_text, st.builds("{}={}".format, word, secrets)), max_size=5),
    st.dictionaries(
        word, st.one_of(st.none(), st.booleans(), st.integers(), st.lists(secrets)), max_size=3
    ),
    secrets,
)


@fuzz(300)
@given(env=environments)
@example(env={"A": "", "a": "=", "B C": "\n\t\x1b", "é": "\U0001f433", " ": " "})
def test_an_environment_comes_back_as_it_was_sent(fuzzed: Fuzzed, env: Any) -> None:
    answer = fuzzed.create(env=env)
    assert SECRET.encode() not in answer.body
    for details in fuzzed.taken(answer):
        path = f"/containers/{answer.json['id']}/env".encode()
        assert env.items() <= fuzzed.ask("GET", path).json["env"].items()
        assert {f"{name}={value}" for name, value in env.items()} <= set(
            details["Config"]["Env"] or ()
        )
        assert set(answer.json["env"]) >= env.keys()
        assert SECRET.encode() not in fuzzed.ask("GET", b"/containers").body


def test_no_value_of_an_environment_is_in_the_log(fuzzed: Fuzzed) -> None:
    for details in fuzzed.taken(fuzzed.create(env={"PASSWORD": SECRET}, start=True)):
        assert f"PASSWORD={SECRET}" in details["Config"]["Env"]
    assert "PASSWORD" not in fuzzed.service.log()
    assert SECRET not in fuzzed.service.log()


@fuzz(100)
@given(labels=st.dictionaries(st.one_of(any_text, word), any_text, max_size=4))
@example(labels={"orchestration-api.managed": "false"})
@example(labels={"orchestration-api.": ""})
@example(labels={"Orchestration-api.managed": "false", "a=b": "c=d", "é": "\n"})
def test_labels_are_the_containers_own_or_refused(fuzzed: Fuzzed, labels: dict[str, str]) -> None:
    answer = fuzzed.create(labels=labels)
    for details in fuzzed.taken(answer):
        assert labels.items() <= details["Config"]["Labels"].items()
        assert labels.items() <= answer.json["labels"].items()
        assert details["Config"]["Labels"]["orchestration-api.managed"] == "true"


@fuzz(100)
@given(command=st.one_of(any_text, st.lists(any_text, max_size=4)))
@example(command="sh -c 'exit 3'")
@example(command=["sh", ""])
def test_a_command_is_run_word_by_word_or_refused(fuzzed: Fuzzed, command: str | list[str]) -> None:
    for details in fuzzed.taken(fuzzed.create(command=command)):
        words = shlex.split(command) if isinstance(command, str) else command
        assert details["Config"]["Cmd"] == words


@fuzz(15)
@given(command=st.lists(st.one_of(strange, anything), min_size=1, max_size=3))
def test_a_command_that_cannot_start_leaves_nothing(fuzzed: Fuzzed, command: list[str]) -> None:
    for details in fuzzed.taken(fuzzed.create(command=command, start=True)):
        assert details["Config"]["Cmd"] == command


paths = st.one_of(any_text, st.lists(st.one_of(strange, word), max_size=3).map("/".join))
volumes = st.one_of(
    any_text,
    st.builds(
        "{}{}{}{}".format,
        st.one_of(word.map("{}:".format), st.sampled_from(["", ":", "/:", "../a:", "a:"])),
        st.sampled_from(["/", "", "//", "/data/"]),
        paths,
        st.sampled_from(["", ":ro", ":rw", ":z", ":ro,z", ":", ":rw:ro", ":nocopy", ":rshared"]),
    ),
)  # fmt: skip


@fuzz(200)
@given(wanted=st.lists(volumes, max_size=2))
@example(wanted=["data:/data:ro", "more:/data/"])
def test_a_volume_is_a_named_one_or_refused(fuzzed: Fuzzed, wanted: list[str]) -> None:
    answer = fuzzed.create(volumes=wanted)
    for details in fuzzed.taken(answer):
        fuzzed.volumes |= {volume.partition(":")[0] for volume in wanted}
        assert all(mount["Type"] == "volume" for mount in details["Mounts"])
        assert {mount["Name"] for mount in details["Mounts"]} <= fuzzed.volumes
        assert len(details["Mounts"]) == len(wanted)
        assert not details["HostConfig"]["Privileged"]


FIELDS = [
    "network", "networks", "network_mode", "NetworkMode", "networking_config", "ports", "binds",
    "mounts", "volumes_from", "links", "dns", "extra_hosts", "hostname", "privileged", "cap_add",
    "devices", "pid_mode", "ipc_mode", "user", "runtime", "security_opt", "HostConfig", "",
]  # fmt: skip
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=True), any_text),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(any_text, inner, max_size=3)
    ),
    max_leaves=5,
)


@fuzz(200)
@given(field=st.one_of(st.sampled_from(FIELDS), any_text), value=values)
@example(field="network", value="host")
def test_there_is_no_other_field(fuzzed: Fuzzed, field: str, value: Any) -> None:
    answer = fuzzed.create(**{field: value})
    assert (answer.status, answer.json["code"]) == (422, "invalid-request")


KNOWN = [
    "name", "image", "container_ports", "port", "env", "command", "labels", "memory", "cpus",
    "pids", "restart_policy", "volumes", "profile", "init", "wait",
    "registry_auth",
]  # fmt: skip
ports = st.one_of(
    st.integers(), st.integers(0, 65536), st.floats(), any_text, st.booleans(),
    st.builds("{}/{}".format, st.integers(-1, 65536), st.sampled_from(["tcp", "udp", "sctp", "x"])),
)  # fmt: skip


@fuzz(200)
@given(wanted=st.lists(ports, max_size=3), port=st.one_of(st.none(), ports))
@example(wanted=[53, "53/udp"], port=None)
@example(wanted=[5000], port=8500)
def test_ports_are_the_ones_that_were_asked_for_or_refused(
    fuzzed: Fuzzed, wanted: list[Any], port: Any
) -> None:
    for details in fuzzed.taken(fuzzed.create(container_ports=wanted, port=port)):
        bound = details["HostConfig"]["PortBindings"]
        assert len(bound) == len(wanted)
        given = {int(each["HostPort"]) for (each,) in bound.values()}
        assert all(8001 <= each <= 8999 for each in given)
        assert port is None or port in given


def test_a_protocol_that_the_hosts_kernel_may_lack_is_no_fault_of_the_engine(
    fuzzed: Fuzzed,
) -> None:
    answer = fuzzed.create(container_ports=["5000/sctp"], start=True)
    for details in fuzzed.taken(answer):
        assert details["State"]["Running"]
    if answer.status != 201:
        assert (answer.status, answer.json["code"]) == (422, "start-refused")
        assert "SCTP" in answer.json["detail"]


@fuzz(300)
@given(body=st.dictionaries(st.sampled_from(KNOWN), values, max_size=3))
def test_a_value_of_another_kind_is_refused(fuzzed: Fuzzed, body: dict[str, Any]) -> None:
    for _ in fuzzed.taken(fuzzed.create(**body)):
        pass


# What an image brings along


class OddImages:
    """Makes images on the tests' engine, by their configuration; one at a time."""

    NAME = "odd:1"

    def __init__(self, engine: PrivateEngine) -> None:
        self._engine = engine
        self._base = engine.http.get(f"/images/{IMAGE}/get").content

    def make(self, config: dict[str, Any]) -> bool:
        """Whether the engine takes such an image at all."""
        archive = odd_archive(self._base, self.NAME, config, bare=True)
        loaded = self._engine.http.post("/images/load", content=archive)
        return loaded.is_success and "Loaded image" in loaded.text

    def remove(self) -> None:
        self._engine.http.delete(f"/images/{self.NAME}", params={"force": True})


@pytest.fixture(scope="module")
def odd_images(engine: PrivateEngine) -> Iterator[OddImages]:
    images = OddImages(engine)
    yield images
    images.remove()


odd_words = st.one_of(
    st.none(),
    st.sampled_from(
        [[], [""], ["sleep", "9"], ["/bin/sh", "-c", "exit 3"], ["/nope"], ["/"], ["", "x"],
         "sleep 9", "", ["sleep"], ["sh", "-c", "kill -9 $$"], ["a" * 5000], ["\x00"], ["é", "\n"]]
    ),
    st.lists(any_text, max_size=3),
)  # fmt: skip
exposed = st.one_of(
    st.sampled_from(
        ["80", "80/tcp", "81/TCP", "53/udp", "90-92/tcp", "9-1/tcp", "0/tcp", "70000/tcp", "-1/tcp",
         "132/sctp", "http/tcp", "", "/", "80/", "/tcp", "80/x", "80/tcp/udp", "1-70000/tcp",
         "1-65535/udp", "9" * 400 + "/tcp", " 80/tcp", "٨٠/tcp"]
    ),
    st.builds("{}/{}".format, st.integers(1, 65535), st.sampled_from(["tcp", "udp"])),
    any_text,
)  # fmt: skip
odd_paths = st.one_of(
    st.sampled_from(
        ["", "/", "/data", "relative", ".", "..", "/a/../..", "C:\\app", "c:\\data", "/bin/sh",
         "/bin", "/proc", "/proc/self", "/sys", "/dev", "/dev/null", "/etc/passwd", "/etc/hosts",
         "/tmp", "/run", "/a:b", "//x//", "/" + "a" * 300, "/" + "a/" * 3000, "/é", "/\x00", "/\n"]
    ),
    any_text,
)  # fmt: skip
odd_labels = st.sampled_from(
    ["managed", "ports", "create", "start", "created-by", "idempotency-key", "request", "moved",
     "earlier-ids", "network", ""]
).map("orchestration-api.{}".format)  # fmt: skip
seconds = st.sampled_from([0, -1, 1, 1_000_000, 30_000_000_000, 2**63 - 1])
ODD: dict[str, st.SearchStrategy[Any]] = {
    "User": st.one_of(
        st.sampled_from(
            ["", "0", "root", "0:0", ":", "1000", "1000:", ":1000", "nobody", "a:b:c", "-1",
             "4294967296", "root:root", "99999999999999999999", " ", "/bin/sh"]
        ),
        any_text,
    ),
    "Env": st.one_of(
        st.none(),
        st.lists(
            st.one_of(
                st.sampled_from(["NAKED", "=x", "=", "", "PATH", "PATH=", "A=1", "A=2", "a b=c",
                                 "PATH=/bin", "X=" + "y" * 200_000]),
                any_text,
            ),
            max_size=4,
        ),
    ),
    "Cmd": odd_words,
    "Entrypoint": odd_words,
    "Shell": odd_words,
    "OnBuild": st.none() | st.lists(any_text, max_size=2),
    "WorkingDir": odd_paths,
    "Volumes": st.none() | st.dictionaries(odd_paths, st.just({}), max_size=3),
    "ExposedPorts": st.one_of(
        st.none(),
        st.dictionaries(exposed, st.just({}), max_size=4),
        st.sampled_from([20, 1000, 3000]).map(
            lambda count: {f"{9 + n}/tcp": {} for n in range(count)}
        ),
    ),
    "Labels": st.none() | st.dictionaries(odd_labels | any_text, any_text, max_size=4),
    "StopSignal": st.one_of(
        st.sampled_from(["SIGTERM", "SIGKILL", "9", "SIGNOSUCH", "", "0", "99", "-1", "KILL"]),
        any_text,
    ),
    "StopTimeout": st.none() | seconds,
    "Healthcheck": st.none() | st.fixed_dictionaries(
        {},
        optional={
            "Test": st.sampled_from(
                [None, [], ["NONE"], ["NONE", "x"], ["CMD"], ["CMD", ""], ["CMD", "/bin/true"],
                 ["CMD-SHELL"], ["CMD-SHELL", ""], ["CMD-SHELL", "exit 0"], ["odd"], [""],
                 ["", "x"], ["cmd", "x"], ["CMD", "/nope", "\x00"]]
            ),
            "Interval": seconds, "Timeout": seconds, "StartPeriod": seconds,
            "Retries": st.sampled_from([0, -1, 1, 2**31]),
        },
    ),
    "Hostname": any_text, "Domainname": any_text, "MacAddress": any_text,
    "Tty": st.booleans(), "OpenStdin": st.booleans(), "StdinOnce": st.booleans(),
    "AttachStdin": st.booleans(), "NetworkDisabled": st.booleans(),
    "ArgsEscaped": st.booleans(),
    "Odd": values,
}  # fmt: skip
# Few at a time: the first that is refused hides the others.
odd_configs = st.lists(st.sampled_from(sorted(ODD)), min_size=1, max_size=3, unique=True).flatmap(
    lambda fields: st.fixed_dictionaries({field: ODD[field] for field in fields})
)
what_is_asked_of_it = st.fixed_dictionaries(
    {"start": st.booleans()},
    optional={
        "container_ports": st.sampled_from([[80], ["53/udp", 80]]),
        "command": st.sampled_from([["sleep", "9"], "sleep 9", ["/nope"], [""]]),
        "env": st.just({"PATH": "/bin", "A": "b"}),
        "init": st.booleans(),
        "profile": st.sampled_from(["default", "restricted"]),
        "restart_policy": st.sampled_from(["no", "always", "on-failure:1"]),
        "wait": st.just(1),
    },
)


@fuzz(50)
@given(config=odd_configs, body=what_is_asked_of_it)
@example(config={"WorkingDir": "relative"}, body={"start": True})
@example(config={"WorkingDir": "/" + "a" * 300}, body={"start": False})
@example(config={"WorkingDir": "/" + "a/" * 3000}, body={"start": False})
@example(config={"WorkingDir": "/bin/sh/below"}, body={"start": True})
@example(config={"Volumes": {"/etc/hosts": {}}}, body={"start": True})
@example(config={"Volumes": {"/proc/self": {}}}, body={"start": True})
@example(config={"User": "4294967296"}, body={"start": True})
@example(config={"Env": ["=x"]}, body={"start": True})
@example(config={"Env": ["X=\x00"]}, body={"start": True})
@example(config={"Healthcheck": {"Test": ["CMD"]}}, body={"start": True})
def test_no_image_makes_a_create_a_fault_of_the_service_or_leaves_anything(
    fuzzed: Fuzzed, odd_images: OddImages, config: dict[str, Any], body: dict[str, Any]
) -> None:
    if odd_images.make(config):
        for _ in fuzzed.taken(fuzzed.create(image=OddImages.NAME, **body)):
            pass
        fuzzed.assert_nothing_changed()


BODIES = [
    b"[" * 20_000, b'{"env":' * 5000, b'{"name":"a","name":"b"', b"\xef\xbb\xbf[]", b"\x00", b"x=1",
    b'{"cpus":1e999}', b'{"pids":NaN}', b"{}{}", b'{"env":{"A":"\\ud800"}}', b'{"\xff":1}',
]  # fmt: skip
BODIES += [b'{"pids":' + b"9" * 5000 + b"}", b'{"cpus":' + b"9" * 5000 + b"}"]
KINDS = ["application/json", "application/json; charset=latin-1", "text/plain", "a/b", "*", ""]


@fuzz(200)
@given(
    body=st.one_of(
        st.binary(min_size=1, max_size=60),
        values.map(lambda value: json.dumps(value).encode()),
        st.sampled_from(BODIES),
    ),
    content_type=st.sampled_from(KINDS),
)
def test_a_body_that_is_no_create_is_refused(
    fuzzed: Fuzzed, body: bytes, content_type: str
) -> None:
    answer = fuzzed.create_of(body, content_type)
    for _ in fuzzed.taken(answer):
        assert body.strip() in (b"{}", b"null")  # which is a create: all may be left out
