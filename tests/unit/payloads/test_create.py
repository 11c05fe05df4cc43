"""What we ask of an engine for what a caller asked for."""

from typing import Any

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
        "team": "blue",
    }
