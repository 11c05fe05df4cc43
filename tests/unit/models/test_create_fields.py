"""What a create may say of a container's process, file system and network: taken, or refused with
a sentence that begins with the field.
"""

from typing import Any

import pytest

from orchestrator.models import CreateRequest
from orchestrator.policy import check_memory, limits_of
from orchestrator.settings import Settings

from .test_create import accepted, engine_body, refused

MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ({"entrypoint": "sh -c"}, {"Entrypoint": ["sh", "-c"]}),
        ({"entrypoint": ["sh", "-c", ""], "command": "true"}, {"Entrypoint": ["sh", "-c", ""]}),
        ({"entrypoint": "", "command": "true"}, {"Entrypoint": [""], "Cmd": ["true"]}),
        ({"entrypoint": [], "command": ["true"]}, {"Entrypoint": [""], "Cmd": ["true"]}),
        ({"user": "app"}, {"User": "app"}),
        ({"user": 1000}, {"User": "1000"}),
        ({"user": "1000:1000"}, {"User": "1000:1000"}),
        ({"user": "root"}, {"User": "root"}),
        ({"user": "1000:0", "profile": "restricted"}, {"User": "1000:0"}),
        ({"workdir": "/srv//app/"}, {"WorkingDir": "/srv/app"}),
        ({"tty": True}, {"Tty": True}),
        ({"hostname": "web-1"}, {"Hostname": "web-1"}),
        ({"stop_signal": "SIGINT"}, {"StopSignal": "SIGINT"}),
        ({"stop_signal": 2}, {"StopSignal": "2"}),
        ({"stop_signal": "SIGRTMIN+3"}, {"StopSignal": "SIGRTMIN+3"}),
        ({"stop_timeout": 0}, {"StopTimeout": 0}),
        ({"stop_timeout": "5m"}, {"StopTimeout": 300}),
        ({"healthcheck": {"test": "curl x"}}, {"Healthcheck": {"Test": ["CMD-SHELL", "curl x"]}}),
        ({"healthcheck": {"test": ["CMD", "a"]}}, {"Healthcheck": {"Test": ["CMD", "a"]}}),
        ({"healthcheck": {"test": "NONE"}}, {"Healthcheck": {"Test": ["NONE"]}}),
        (
            {
                "healthcheck": {
                    "interval": 1.5,
                    "timeout": "2m",
                    "start_period": 0,
                    "start_interval": 3,
                    "retries": 5,
                    "test": None,
                }
            },
            {
                "Healthcheck": {
                    "Interval": 1_500_000_000,
                    "Timeout": 120_000_000_000,
                    "StartPeriod": 0,
                    "StartInterval": 3_000_000_000,
                    "Retries": 5,
                }
            },
        ),
        ({"workdir": "/.proc"}, {"WorkingDir": "/.proc"}),
    ],
)
def test_what_is_run_is_told_to_the_engine(body: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert engine_body(accepted(**body)).items() >= wanted.items()


TMPFS = "rw,noexec,nosuid,nodev,mode=1777,size="


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ({"shm_size": "128m"}, {"ShmSize": 128 * MIB}),
        ({"tmpfs": {"/run": "16m"}}, {"Tmpfs": {"/run": f"{TMPFS}{16 * MIB}"}}),
        ({"tmpfs": {"/run": None}}, {"Tmpfs": {"/run": f"{TMPFS}{64 * MIB}"}}),
        ({"tmpfs": ["/run/", "//x"]}, {"Tmpfs": dict.fromkeys(["/run", "/x"], f"{TMPFS}67108864")}),
        (
            {"tmpfs": ["/.x", "/./.y/."]},
            {"Tmpfs": dict.fromkeys(["/.x", "/.y"], f"{TMPFS}67108864")},
        ),
        ({"tmpfs": ["/run:size=1m"]}, {"Tmpfs": {"/run": f"{TMPFS}{MIB}"}}),
        ({"tmpfs": ["/run:1m"]}, {"Tmpfs": {"/run": f"{TMPFS}{MIB}"}}),
        (
            {"tmpfs": ["/tmp"], "profile": "restricted"},
            {"Tmpfs": {"/tmp": f"{TMPFS}67108864,uid=65534,gid=65534"}},
        ),
        (
            {"tmpfs": {"/run": MIB}, "profile": "restricted"},
            {"Tmpfs": {"/run": f"{TMPFS}{MIB},uid=65534,gid=65534", "/tmp": f"{TMPFS}64m"}},
        ),
        ({"read_only": True}, {"ReadonlyRootfs": True}),
        ({"profile": "restricted"}, {"ReadonlyRootfs": True}),
        (
            {"ulimits": {"nofile": 1024, "core": {"soft": 0, "hard": "1m"}}},
            {
                "Ulimits": [
                    {"Name": "nofile", "Soft": 1024, "Hard": 1024},
                    {"Name": "core", "Soft": 0, "Hard": MIB},
                ]
            },
        ),
        ({"extra_hosts": {"db": "10.0.0.5"}}, {"ExtraHosts": ["db:10.0.0.5"]}),
        ({"extra_hosts": ["db.x:FD00::1"]}, {"ExtraHosts": ["db.x:fd00::1"]}),
        ({"dns": ["10.0.0.2", "fd00::2"]}, {"Dns": ["10.0.0.2", "fd00::2"]}),
    ],
)
def test_what_holds_it_is_told_to_the_engine(body: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert engine_body(accepted(**body))["HostConfig"].items() >= wanted.items()


def test_what_was_not_asked_for_is_left_to_the_image_and_the_engine() -> None:
    body = engine_body(CreateRequest())
    for name in ("Entrypoint", "User", "WorkingDir", "Tty", "Hostname", "StopSignal",
                 "StopTimeout", "Healthcheck"):  # fmt: skip
        assert name not in body
    for name in ("ShmSize", "Tmpfs", "ReadonlyRootfs", "Ulimits", "ExtraHosts", "Dns"):
        assert name not in body["HostConfig"]


REFUSED: dict[str, list[Any]] = {
    "entrypoint": ["'x", ["", "x"], [5], 5, {"a": 1}, "a\x00b", ["\ud800"]],
    "user": ["", "a b", "a:b:c", ":", "-1", -1, 2**31, "2147483648", "1:2147483648", "+0", "$x",
             True, 1.5, "a/b", "a\n", "٠", ["a"]],
    "workdir": ["", "srv", "/", "/..", "/a/../b", "./a", "/proc", "/proc/self/fd/8", "/sys/x",
                "/dev/fd/8", "/a\x00", "/\ud800", "/" + "a" * 256, 5, "C:\\x", "/a:b"],
    "tty": ["yes", 1, "true"],
    "hostname": ["", "a.b", "-a", "a-", "a_b", "a" * 64, "localhost", "a b", "ä", "a\n", 5],
    "shm_size": [0, -1, 4095, "1k", "17t", "big", True, 1.5, []],
    "tmpfs": [{"run": 4096}, {"/": 4096}, {"/a/..": 4096}, {"/a": 0}, {"/a": "2k"}, {"/a": True},
              {"/a": 4096, "/a/": 4096}, ["/a", "//a"], ["a"], ["/a:exec"], ["/a:mode=777"],
              ["/a:size=1m,exec"], [5], "/a", {"/proc/x": None}, {"/dev": None}, {"/sys": None},
              {"/a:b": None}, {"/a\x00": None}, {"/\ud800": None},
              {f"/{n}": 4096 for n in range(17)}],
    "ulimits": [{"nofile": 0}, {"nofile": -1}, {"nofile": 2**20 + 1}, {"nofile": "many"},
                {"nofile": {"soft": 2, "hard": 1}}, {"nofile": {"soft": 2}}, {"core": -1},
                {"core": 2**41}, {"nproc": 5}, {"memlock": 1}, [], 5, {"nofile": True},
                {"nofile": {"soft": 1, "hard": 2, "x": 3}}, {"nofile": {"soft": None, "hard": 1}}],
    "stop_signal": ["", "SIGFOO", "0", 0, 65, -9, "sigterm", True, 1.5, "TERM\n", "SIGRTMIN+16"],
    "stop_timeout": [-1, 301, 1.5, "1.5s", "soon", "6m", True, [], "-1s"],
    "healthcheck": [{"test": []}, {"test": ""}, {"test": " "}, {"test": ["CMD"]},
                    {"test": ["CMD", ""]}, {"test": ["CMD-SHELL"]},
                    {"test": ["CMD-SHELL", "a", "b"]},
                    {"test": ["NONE", "x"]}, {"test": ["ls"]}, {"test": ["CMD", 5]}, {"test": 5},
                    {"test": "a\x00"}, {"interval": 0}, {"interval": 0.5}, {"interval": 90000},
                    {"timeout": "soon"}, {"interval": True}, {"start_period": 0.5},
                    {"start_period": -1}, {"retries": 0}, {"retries": 1.5}, {"Test": "x"}, "x", 5],
    "extra_hosts": [{"db": "host-gateway"}, ["db:host-gateway"], {"db": "nope"}, {"": "10.0.0.1"},
                    {"a b": "10.0.0.1"}, {"-a": "10.0.0.1"}, ["db"], ["db="], [":10.0.0.1"], [5],
                    {"db": "10.0.0.1/8"}, {"db": "fe80::1%eth0"}, {"db": 5}, {"db": None}, "db:1",
                    {"db": "::ffff:127.0.0.1"}, {"db\n10.0.0.1 x": "10.0.0.1"},
                    {"a" * 300: "10.0.0.1"},
                    {f"h{n}": "10.0.0.1" for n in range(65)}],
    "dns": [["nope"], ["127.0.0.1"], ["127.0.0.53"], ["::1"], ["0.0.0.0"], ["224.0.0.1"],
            ["169.254.169.253"], ["fe80::1"], ["::ffff:127.0.0.1"], [5], "10.0.0.1",
            ["10.0.0.1"] * 4],
    "platform": ["", "arm64", "linux", "linux/", "windows/amd64", "linux/ARM64", "linux/arm/7",
                 "linux/arm64\n", "linux/a/v7/x", 5, "linux/" + "a" * 21],
    "read_only": ["yes", 1, "true"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("field", "value"), [(field, value) for field, values in REFUSED.items() for value in values]
)
def test_what_will_not_do_is_refused_by_the_name_of_its_field(field: str, value: Any) -> None:
    sentence = refused(**{field: value})
    assert sentence.startswith(field), sentence
    assert len(sentence) < 400


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"entrypoint": ""}, "entrypoint: "),
        (
            {"tmpfs": ["/data"], "volumes": ["data:/data/"]},
            'tmpfs: a volume has the same path, "/da',
        ),
        ({"profile": "restricted", "read_only": False}, "read_only: it is always true"),
        ({"profile": "restricted", "user": "root"}, "user: where the profile is restricted"),
        ({"profile": "restricted", "user": "app"}, "user: where the profile is restricted"),
        ({"profile": "restricted", "user": 0}, "user: where the profile is restricted"),
        ({"profile": "restricted", "user": "000:5"}, "user: where the profile is restricted"),
    ],
)
def test_fields_that_do_not_fit_together(body: dict[str, Any], sentence: str) -> None:
    assert refused(**body).startswith(sentence)


def test_host_gateway_is_refused_with_the_reason() -> None:
    assert "is the host itself" in refused(extra_hosts=["db:host-gateway"])


@pytest.mark.parametrize(
    ("body", "fits"),
    [
        ({"tmpfs": {"/a": "256m", "/b": "256m"}}, True),
        ({"tmpfs": {"/a": "256m"}, "shm_size": "257m"}, False),
        ({"shm_size": "513m"}, False),
        ({"shm_size": "513m", "memory": "1g"}, True),
    ],
)
def test_what_is_in_memory_fits_into_the_memory(body: dict[str, Any], fits: bool) -> None:
    request = accepted(**body)
    limits = limits_of(request, Settings())
    if fits:
        check_memory(request, limits)
    else:
        with pytest.raises(Exception, match=r"(tmpfs|shm_size): what is in memory may come to"):
            check_memory(request, limits)
