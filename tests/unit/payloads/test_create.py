"""What we ask of an engine for what a caller asked for."""

from typing import Any

import pytest

from orchestrator.models import CreateRequest, Image
from orchestrator.payloads import create_body

from ..examples import spec

MIB = 1024 * 1024


def body(request: CreateRequest, **options: Any) -> dict[str, Any]:
    image = Image("app:1", labels=options.pop("image_labels", {}))
    return create_body(spec(request, image, **options), {"5000/tcp": 8001, "53/udp": 8002}, "0")


def test_a_request_without_wishes() -> None:
    made = body(CreateRequest())
    assert made["Image"] == "app:1"
    assert "Cmd" not in made
    assert made["Labels"] == {
        "orchestration-api.managed": "true",
        "orchestration-api.ports": "8001,8002",
        "orchestration-api.create": "0",
        "orchestration-api.image": "app:1",
    }
    assert made["ExposedPorts"] == {"5000/tcp": {}, "53/udp": {}}
    host = made["HostConfig"]
    assert host["PortBindings"] == {
        "5000/tcp": [{"HostIp": "", "HostPort": "8001"}],  # of IPv4, and IPv6 where there is that
        "53/udp": [{"HostIp": "", "HostPort": "8002"}],
    }
    assert host["Memory"] == 512 * MIB
    assert host["RestartPolicy"]["Name"] == "no"
    assert host["Mounts"] == []
    assert set(host) <= {
        "PortBindings", "Memory", "MemorySwap", "NanoCpus", "PidsLimit", "RestartPolicy", "Mounts",
        "SecurityOpt", "CapDrop", "Init", "LogConfig",
    }  # fmt: skip


def test_the_image_that_was_looked_at_is_the_one_that_is_used() -> None:
    made = create_body(spec(CreateRequest(), Image("app:1", id="sha256:1f")), {}, "0")
    assert made["Image"] == "sha256:1f"
    assert made["Labels"]["orchestration-api.image"] == "app:1"


def test_whose_key_created_a_container_is_written_on_it() -> None:
    label = "orchestration-api.created-by"
    assert body(CreateRequest(), owner="ci")["Labels"][label] == "ci"
    # One from a commit of a container of ours is no one's.
    made = body(CreateRequest(), image_labels={label: "ci"})
    assert made["Labels"][label] == ""


def test_a_request_with_every_wish() -> None:
    request = CreateRequest.model_validate(
        {
            "env": {"A": "1", "B": "x=y"},
            "command": ["sleep", "600"],
            "labels": {"team": "blue"},
            "cpus": 0.29,
            "pids": 100,
            "restart_policy": "on-failure:3",
            "volumes": ["data:/data", "conf:/conf:ro"],
            "start": False,
        }
    )
    made = body(request, publish_addresses=("127.0.0.1", "::1"))
    assert made["Env"] == ["A=1", "B=x=y"]
    assert made["Cmd"] == ["sleep", "600"]
    assert made["Labels"]["team"] == "blue"
    assert made["Labels"]["orchestration-api.start"] == "false"
    host = made["HostConfig"]
    assert host["PortBindings"]["53/udp"] == [
        {"HostIp": "127.0.0.1", "HostPort": "8002"},
        {"HostIp": "::1", "HostPort": "8002"},
    ]
    assert host["NanoCpus"] == 290_000_000
    assert host["PidsLimit"] == 100
    assert host["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 3}
    options = {
        "Labels": {"orchestration-api.managed": "true", "orchestration-api.create": "0"}
    }  # by which a create that fails knows its own volumes
    mount = {"Type": "volume", "VolumeOptions": options}
    assert host["Mounts"] == [
        {**mount, "Source": "data", "Target": "/data", "ReadOnly": False},
        {**mount, "Source": "conf", "Target": "/conf", "ReadOnly": True},
    ]


def test_labels_of_the_image_cannot_make_a_clone_somebody_elses() -> None:
    inherited = {
        "com.docker.compose.project": "shop",
        "orchestration-api.start": "false",
        "orchestration-api.managed": "no",
        "maintainer": "me",
    }
    labels = body(CreateRequest(labels={"team": "blue"}), image_labels=inherited)["Labels"]
    assert labels == {
        "com.docker.compose.project": "",
        "orchestration-api.start": "",
        "orchestration-api.managed": "true",
        "orchestration-api.ports": "8001,8002",
        "orchestration-api.create": "0",
        "orchestration-api.image": "app:1",
        "team": "blue",
    }


def test_tcp_and_udp_of_a_port_have_one_host_port() -> None:
    made = create_body(spec(CreateRequest()), {"53/tcp+udp": 8001, "80/tcp": 8002}, "0")
    assert made["ExposedPorts"] == {"53/tcp": {}, "53/udp": {}, "80/tcp": {}}
    assert {
        port: each[0]["HostPort"] for port, each in made["HostConfig"]["PortBindings"].items()
    } == {
        "53/tcp": "8001",
        "53/udp": "8001",
        "80/tcp": "8002",
    }
    assert made["Labels"]["orchestration-api.ports"] == "8001,8002"


def test_a_health_check_that_cannot_be_run_is_off_unless_there_is_another() -> None:
    image = Image("app:1", health_check_works=False)
    made = create_body(spec(CreateRequest(), image), {}, "0")
    assert made["Healthcheck"] == {"Test": ["NONE"]}
    request = CreateRequest.model_validate({"healthcheck": {"test": "true"}})
    made = create_body(spec(request, image), {}, "0")
    assert made["Healthcheck"] == {"Test": ["CMD-SHELL", "true"]}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, ["/entry", "serve"]),
        ({"command": "list"}, ["/entry", "list"]),
        ({"entrypoint": "/other -x"}, ["/other"]),
        ({"entrypoint": "", "command": "list"}, ["list"]),
    ],
)
def test_the_program_is_that_of_the_entry_point_that_was_asked_for(
    body: dict[str, Any], words: list[str]
) -> None:
    image = Image("app:1", program=("/entry",), command=("serve",), directory="/srv")
    program = spec(CreateRequest.model_validate(body), image).program
    assert program is not None
    assert (program.name, program.directory) == (words[0], "/srv")


def test_the_program_is_looked_for_from_the_directory_that_was_asked_for() -> None:
    request = CreateRequest.model_validate({"command": "./run", "workdir": "/app"})
    program = spec(request, Image("app:1", directory="/srv")).program
    assert program is not None
    assert list(program.places()) == ["/app/./run"]


def test_what_it_may_write_is_an_option_of_the_storage_where_there_is_a_limit() -> None:
    body = create_body(spec(CreateRequest(disk=2**30)), {}, "c")
    assert body["HostConfig"]["StorageOpt"] == {"size": "1073741824"}
    assert "StorageOpt" not in create_body(spec(CreateRequest()), {}, "c")["HostConfig"]
