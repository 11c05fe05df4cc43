"""What may be asked of a create: the host, another's name, an odd image, more than there is.

What is asked for is never started, unless an attack is about that; what is made though it should
have
been refused goes at the end.
"""

import json
import secrets
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from .answers import Tally
from .registry import attack
from .target import Target

# By the engine's names, and as its clients call them.
FIELDS = [
    "Privileged",
    "Binds",
    "Devices",
    "DeviceRequests",
    "DeviceCgroupRules",
    "CapAdd",
    "CapDrop",
    "SecurityOpt",
    "PidMode",
    "IpcMode",
    "UTSMode",
    "UsernsMode",
    "NetworkMode",
    "CgroupParent",
    "CgroupnsMode",
    "Runtime",
    "VolumesFrom",
    "Mounts",
    "Links",
    "GroupAdd",
    "Sysctls",
    "OomScoreAdj",
    "OomKillDisable",
    "PortBindings",
    "PublishAllPorts",
    "MaskedPaths",
    "ReadonlyPaths",
    "LogConfig",
    "RestartPolicy",
    "AutoRemove",
    "StorageOpt",
    "HostConfig",
    "NetworkingConfig",
    "ContainerIDFile",
    "VolumeDriver",
    "Annotations",
    "privileged",
    "binds",
    "devices",
    "cap_add",
    "cap_drop",
    "security_opt",
    "pid_mode",
    "ipc_mode",
    "uts_mode",
    "userns_mode",
    "network_mode",
    "network",
    "networks",
    "cgroup_parent",
    "runtime",
    "volumes_from",
    "mounts",
    "links",
    "group_add",
    "sysctls",
    "oom_score_adj",
    "host_config",
    "publish",
    "ports",
    "log_config",
    "device_cgroup_rules",
    "gpus",
    "storage_opt",
    "auto_remove",
    "kernel_memory",
    "__class__",
    "__proto__",
    "constructor",
]


def _refused(target: Target, bodies: list[dict[str, Any]], *allowed: int | str) -> str:
    tally = Tally()
    for body in bodies:
        shown = json.dumps(body)
        tally.add(shown, target.create(body=body), *allowed)
    return tally.seen()


@attack("writer")
def fields_of_the_engine(target: Target) -> str:
    """Fields with which the engine gives a container the host."""
    values: list[Any] = [True, "host", ["/:/host"], {"Privileged": True}]
    bodies = [{name: value} for name in FIELDS for value in values]
    return _refused(target, bodies, 422)


@attack("writer")
def ways_to_the_host(target: Target) -> str:
    """Values that lead to the host's files, its network, or the engine's own descriptors."""
    bodies: list[dict[str, Any]] = [
        *({"volumes": [each]} for each in (
            "/:/host", "/var/run/docker.sock:/s", "../x:/x", "./x:/x", "~:/x", "x:/proc",
            "x:/sys/fs",
            "x:/dev", "x:/a:rshared", "x:/a:z", "//:/a", "x:../a", "x:/", "C:\\:/x", "x:/a:rw:ro",
            "x:/dev/../proc", "\x00:/x", "/etc")),
        *({"workdir": each} for each in (
            "/proc/self/fd/7", "/proc/1/root", "/dev/fd/8", "/sys", "../..", "/a/../proc")),
        *({"tmpfs": each} for each in (
            {"/proc": "1m"}, {"/sys/x": "1m"}, ["/x:exec,suid"], {"/x": "1m,dev"}, {"/": "1m"},
            {"x": "1m"}, {"/x": "999999999g"})),
        {"extra_hosts": {"h": "host-gateway"}}, {"extra_hosts": ["a:host-gateway"]},
        {"extra_hosts": {"a b": "10.0.0.1"}}, {"dns": ["127.0.0.53"]}, {"dns": ["::1"]},
        {"dns": ["not-an-address"]}, {"hostname": "a;b"}, {"hostname": "../x"},
        {"ulimits": {"nofile": 1 << 40}}, {"ulimits": {"memlock": -1}}, {"ulimits": {"rtprio": 99}},
        {"labels": {"orchestration-api.managed": "true"}}, {"labels": {"orchestration-api.x": ""}},
        {"restart_policy": "always:1"}, {"restart_policy": "on-failure:-1"}, {"stop_timeout": 1e9},
        {"healthcheck": {"test": "true", "interval": 0.001}},
        {"healthcheck": {"test": "true", "interval": "1ns"}},
    ]  # fmt: skip
    return _refused(target, bodies, 422)


@attack("writer")
def root_where_it_is_forbidden(target: Target) -> str:
    """The restricted profile with root as its user, by each name that root may have."""
    users: list[Any] = ["root", "0", "00", "+0", "-0", "0:0", "0:1000", "0x0", " 0", "0 ", "toor",
                        "app", "4294967296", "", "root:root", "٠", "\t0", 0, 0.0, [0]]  # fmt: skip
    bodies: list[dict[str, Any]] = [{"user": each} for each in users if each != ""]
    bodies += [{"read_only": False}, {"profile": "Restricted"}, {"profile": "none"},
               {"profile": ["restricted"]}]  # fmt: skip
    return _refused(target, [{"profile": "restricted"} | body for body in bodies], 422)


@attack("writer", "engine")
def names_that_could_be_ids(target: Target) -> str:
    """A container that would be called as another one's id."""
    victim = target.created()
    short = victim["id"]
    tally = Tally()
    for name in (short, short + "0", short.ljust(64, "0"), "f" * 12, "0" * 64):
        tally.add(name, target.create(name=name), 422)
    for name in (short[:6], short[:11]):
        tally.add(name, target.create(name=name), 409)
    seen = target.ask("GET", f"/containers/{short}")
    tally.add("the one that has the id", seen, 200)
    if seen.json["name"] != victim["name"]:
        tally.fault(short, f"leads to {seen.json['name']} and not to {victim['name']}")
    return tally.seen()


@attack("writer")
def names_of_the_services_own(target: Target) -> str:
    """Names that are paths of the service, or that it gives itself, or that are none."""
    names: list[Any] = [
        "create", "running", "stats", "CREATE", "a.moving.b",
        f"{target.name()}.moving.0123456789ab",
        "keyed-0123456789abcdef", "", ".", "..", "-a", "a", "a/b", "a b", "a\n", "a\x00b", "é",
        "a" * 129,
        "../a", "a?b", "a#b", "a%2fb", "/a", 7, None, ["a"], True, {"a": 1},
    ]  # fmt: skip
    tally = Tally()
    for name in names:
        if name is None or name == "CREATE":
            continue  # no name, and one that is nobody's
        tally.add(repr(name), target.create(body={"name": name}), 422)
    return tally.seen()


@attack("writer", "engine")
def one_name_at_once(target: Target) -> str:
    """Eight creates of one name at the same moment."""
    name = target.name()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: target.create(name=name), range(8)))
    tally = Tally()
    for each in answers:
        tally.add(name, each, 201, 409)
    made = sum(each.status == 201 for each in answers)
    if made != 1:
        tally.fault(name, f"{made} were made")
    return tally.seen()


@attack("writer", "engine")
def odd_images(target: Target) -> str:
    """References of images that are paths, options, addresses, or nothing."""
    odd: list[Any] = [
        "", " ", "-v", "--privileged", "../../etc/passwd", "/etc/passwd", "file:///etc/passwd",
        "http://evil.invalid/x", "a b", "a\x00b", "a\n", "é", "A/B:C", "a:", ":a", "a@",
        "a@sha256:00",
        "a@md5:" + "0" * 32, "sha256:" + "0" * 64, "0" * 64, "a" * 513, "a//b", "a:b:c", "scratch",
        "a/" * 200 + "a", "localhost:99999/a", "[::1]:5000/a", "user:pass@host.invalid/a",
        "a:" + "t" * 129,
        "${x}", "$(id)", "`id`", "*", "%00", {"a": 1}, ["a"], 7, True,
    ]  # fmt: skip
    tally = Tally()
    for image in odd:
        answer = target.create(body={"image": image, "pull": "never"})
        # One that is none, one that is not there, or not allowed.
        tally.add(repr(image), answer, 403, 404, 422)
    return tally.seen()


@attack("writer", "engine")
def a_registry_that_is_a_port(target: Target) -> str:
    """Images of addresses of the engine's host: open ports are told from closed ones by nobody."""
    tag = secrets.token_hex(4)
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # and does not listen
        closed = free.getsockname()[1]
        threading.Thread(target=_hang_up, args=(listener,), daemon=True).start()
        ports = {"open": listener.getsockname()[1], "closed": closed}
        answers = {
            what: target.create(body={"image": f"127.0.0.1:{port}/{tag}/{tag}:1"})
            for what, port in ports.items()
        }
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
    tally, told = Tally(), {}
    for what, answer in answers.items():
        tally.add(what, answer, 403, 503)
        detail = str((answer.problem or {}).get("detail"))
        told[what] = (answer.code, detail.replace(str(ports[what]), "PORT"))
    if told["open"] != told["closed"]:
        tally.fault("127.0.0.1", f"open is {told['open']}, closed is {told['closed']}")
    where = "" if target.is_here else "both closed, where the engine is on another machine"
    return tally.seen(where)


def _hang_up(listener: socket.socket) -> None:
    with suppress(OSError):
        while True:
            listener.accept()[0].close()


@attack("writer")
def odd_ports(target: Target) -> str:
    """Ports that are the service's own, the system's, none, or all there are."""
    ports: list[Any] = [-1, 0, 65536, 1, 22, 80, target.port, "8001; id", "8001/tcp", 8001.5, True,
                        [8001], "٨٠٠١", 10**30, "1e3", "", None]  # fmt: skip
    tally = Tally()
    for port in ports:
        if port is not None:
            tally.add(f"port {port!r}", target.create(body={"port": port}), 409, 422)
    wanted: list[Any] = [
        list(range(1, 66)), ["1-65535"], ["1-65535/udp"], ["0"], [0], [-1], [65536], ["http"], [""],
        ["80/icmp"], ["80/tcp/udp"], ["9-1"], [True], [[80]], "80", {"80/tcp": {}}, [80, "80"],
        ["٨٠"], ["80-"], [80.5], [None], ["80/tcp", "80/TCP", 80], ["1-2-3"], ["80 "] * 70,
    ]  # fmt: skip
    for each in wanted:
        tally.add(f"container_ports {each!r}", target.create(body={"container_ports": each}), 422)
    return tally.seen()


@attack("writer", "engine")
def one_port_at_once(target: Target) -> str:
    """Eight creates that want one host port at the same moment."""
    rows = target.ask("GET", "/ports").json
    taken = {row["port"] for row in rows["ports"]} | {rows["api_port"]}
    first, last = rows["range"]["first"], rows["range"]["last"]
    port = next((each for each in range(last, first, -1) if each not in taken), None)
    tally = Tally()
    if port is None:
        return "not seen: no port is free"
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda _: target.create(name=target.name(), port=port, start=True), range(8))
        )
    for each in answers:
        tally.add(f"port {port}", each, 201, 409)
    made = sum(each.status == 201 for each in answers)
    if made > 1:
        tally.fault(f"port {port}", f"{made} containers have it")
    return tally.seen()


@attack("writer", "engine")
def secrets_in_answers(target: Target) -> str:
    """Values of environment variables, looked for in every answer that shows containers."""
    secret = secrets.token_hex(16)
    made = target.created(env={"TOKEN": secret})
    tally = Tally()
    path = f"/containers/{made['id']}"
    for each in (path, "/containers", "/containers?state=created", "/metrics", "/ports", "/volumes",
                 f"/containers?label={secret}", f"{path}/stats"):  # fmt: skip
        answer = target.ask("GET", each)
        tally.add(each, answer)
        if secret.encode() in answer.body and secret not in each:
            tally.fault(each, "the value is shown")
    again = target.create(name=made["name"], env={"TOKEN": [secret]})
    tally.add("a value of a wrong kind", again, 409, 422)
    login = target.create(registry_auth={"username": "a", "password": [secret]})
    tally.add("a login of a wrong kind", login, 422)
    for answer in (again, login):
        if secret.encode() in answer.body:
            tally.fault("an error", "it repeats the value")
    return tally.seen()


@attack("writer")
def odd_environments(target: Target) -> str:
    """Environments, commands and labels with bytes, names and sizes that are none."""
    bodies: list[dict[str, Any]] = [
        {"env": {"A=B": "c"}}, {"env": {"": "x"}}, {"env": {"A": "a\x00b"}},
        {"env": {"A\x00": "b"}},
        {"env": {f"A{n}": "" for n in range(1001)}}, {"env": ["A=B"]}, {"env": "A=B"},
        {"env": {"A": []}},
        {"command": ["a\x00b"]}, {"command": [7]}, {"command": "'"}, {"command": {}},
        {"entrypoint": ["a\x00"]}, {"labels": {"": "x"}}, {"labels": ["a"]}, {"labels": {"a": 1}},
        {"labels": {"a\x00": "b"}}, {"user": "a b"}, {"user": "a:b:c"}, {"user": "a\x00"},
        {"stop_signal": "SIGNOSUCH"}, {"stop_signal": -9}, {"tty": "maybe"}, {"init": 2},
        {"wait": -1}, {"wait": 1e9}, {"wait": "long"}, {"start": "perhaps"}, {"pull": "sometimes"},
        {"platform": "../x"}, {"platform": "a b"},
    ]  # fmt: skip
    return _refused(target, bodies, 422)


@attack("writer")
def numbers(target: Target) -> str:
    """Sizes and numbers below zero, without an end, or of the wrong kind."""
    odd: list[Any] = [-1, "-1m", "1e999", 10**30, "9" * 300 + "g", "nan", "infinity", True, [],
                      "0x10m", "1 m m", "٥m", "1m;", 1e308]  # fmt: skip
    bodies = [
        {name: value}
        for name in ("memory", "cpus", "pids", "shm_size", "stop_timeout")
        for value in odd
    ]
    bodies += [{"memory": "1"}, {"cpus": 0.0001}, {"cpus": 5000}, {"pids": 1 << 40}]
    return _refused(target, bodies, 403, 422)


@attack()
def bodies_that_are_no_create(target: Target) -> str:
    """JSON that is deep, broken, doubled, no object, or no JSON."""
    tally = Tally()
    for body in (
        b"[" * 20_000, b'{"env":' * 5000, b'{"name":"a","name":"b"', b"\xef\xbb\xbf{}x", b"\x00",
        b"x=1",
        b'{"cpus":1e999}', b'{"pids":NaN}', b"{}{}", b'{"env":{"A":"\\ud800"}}', b'{"\xff":1}',
        b"[]",
        b'"create"', b"7", b'{"pids":' + b"9" * 5000 + b"}", b'{"cpus":' + b"9" * 5000 + b"}", b"{",
        '{"name": "-"}'.encode("utf-16"), b'{"a":' + b"[" * 30_000, b"{'name': 'a'}", b"<x/>",
        b'{"name":"-",}',
    ):  # fmt: skip
        answer = target.ask(
            "POST", "/containers/create", "Content-Type: application/json", body=body
        )
        target.remember(answer)
        tally.add(body[:24], answer, 400, 401, 403, 422)
    return tally.seen()


@attack("caller", "engine")
def ids_that_are_none(target: Target) -> str:
    """Ids that are too short, patterns, or somebody else's words, for reading and for changes."""
    tally = Tally()
    odd = ("*", "%25", "null", "undefined", "-1", "0" * 11, "f" * 64, "F" * 12, "a" * 65,
           ".", "create", "running", "%5B0-9%5D", "self", "latest", "%20")  # fmt: skip
    for each in odd:
        answers = target.send(target.request("GET", f"/containers/{each}/env"))
        if "writer" in target.may and each != "a":
            # Removed, stopped and started is only what nobody has.
            name = f"{target.prefix}-{each}"
            answers += target.send(target.request("POST", f"/containers/{name}/stop"))
            answers += target.send(target.request("DELETE", f"/containers/{name}?force=true"))
        for answer in answers:
            tally.add(each, answer, 400, 403, 404, 405, 409, 414, 422)
    return tally.seen()
