"""Images as others' tools make them: whatever stands in their configuration, no create is a 500."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import Service

from .support import SLEEP

pytestmark = pytest.mark.engine


def test_each_port_of_a_range_that_an_image_exposes_is_given_a_host_port(
    service: Service, odd: Callable[..., str]
) -> None:
    image = odd(ExposedPorts={"6379-6382/tcp": {}, "5000/tcp": {}, "53/udp": {}})
    made = service.created(image=image, command=SLEEP)
    assert list(made["ports"]) == [
        "53/udp", "5000/tcp", "6379/tcp", "6380/tcp", "6381/tcp", "6382/tcp",
    ]  # fmt: skip
    assert len(set(made["ports"].values())) == 6


@pytest.mark.parametrize(
    "config",
    [
        {"ExposedPorts": {"http/tcp": {}, "0/tcp": {}, "70000/tcp": {}, "9-1/tcp": {}, "": {}}},
        {"ExposedPorts": {"80": {}, "81/TCP": {}, "82/sctp": {}}},
        {"ExposedPorts": None, "Env": None, "Labels": None, "Volumes": None, "Entrypoint": None},
        {"Env": ["NAKED", "=nameless", "PATH", "A=1", "A=2"]},
        {"Labels": {"": "nameless", "empty": "", "orchestration-api.ports": "9" * 5000}},
        {"User": "nobody:nogroup"},
        {"User": "no-such-user"},
        {"User": "-1"},
        {"Cmd": None, "Entrypoint": None},
        {"Cmd": [], "Entrypoint": []},
        {"Entrypoint": [""]},
        {"WorkingDir": "C:\\app"},
        {"WorkingDir": "relative"},
        {"WorkingDir": "/bin/sh/in-a-file"},
        {"Volumes": {"/data": {}, "relative": {}, "": {}}},
        {"Volumes": {"/etc/hosts": {}}},
        {"Healthcheck": {"Test": ["NONE"]}},
        {"Healthcheck": {"Test": []}},
        {"Healthcheck": {"Test": ["CMD"], "Interval": 1}},
        {"StopSignal": "SIGNOSUCH"},
        {"Shell": ["powershell"], "OnBuild": ["RUN exit 1"]},
    ],
    ids=lambda config: str(config)[:60],
)
def test_no_image_makes_a_create_a_fault_of_the_service(
    service: Service, odd: Callable[..., str], config: dict[str, Any]
) -> None:
    image = odd(**config)
    for command in (None, SLEEP):
        answer = service.create(image=image, command=command)
        assert answer.status_code < 500, answer.text
        if answer.is_success:
            assert service.get(f"/containers/{answer.json()['id']}")["image"] == image


def test_the_first_port_asked_for_is_where_the_url_leads(service: Service) -> None:
    for asked in (["80", "443"], [5000, 10000], ["53/udp", 9000, 80]):
        made = service.created(container_ports=asked, command=SLEEP)
        first = next(str(port) for port in asked if not str(port).endswith("udp"))
        assert made["url"].rpartition(":")[2] == made["ports"][f"{first}/tcp"].rpartition(":")[2]
        assert next(iter(made["ports"])).partition("/")[0] == str(asked[0]).partition("/")[0]
