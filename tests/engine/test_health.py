"""GET /health and its two short forms, with an engine that answers."""

import docker
import pytest

from tests.conftest import Service

from .support import COUNTS, SLEEP, port_range

pytestmark = pytest.mark.engine


def test_health_shows_the_engine_the_containers_and_the_ports(
    service: Service, docker_client: docker.DockerClient
) -> None:
    service.created(command=SLEEP)
    health = service.get("/health")
    version = docker_client.version()
    assert health["status"] == "healthy"
    assert health["docker"]["status"] == "connected"
    assert health["docker"]["version"] == version["Version"]
    assert health["docker"]["api_version"] in (version["ApiVersion"], docker_client.api.api_version)
    states = ("running", "paused", "restarting", "created", "exited", "removing", "dead")
    containers = health["containers"]
    assert containers["total"] == sum(containers[state] for state in states)
    assert 1 <= containers["managed"] <= containers["total"]
    assert containers["running"] >= 1
    ports = port_range(service)
    assert health["ports"]["range"] == {"first": ports[0], "last": ports[-1]}
    assert health["ports"]["api_port"] == service.port
    assert {name: health["ports"][name] for name in COUNTS} == {
        "total": len(ports),
        "available": len(ports) - 1,
        "in_use": 1,
        "reserved": 0,
        "remembered": 0,
        "external": 0,
    }
    assert 0 <= health["listing_age_s"] < 60
    assert health["uptime_s"] > 0
    assert health["version"] == service.get("/")["version"]


def test_live_and_ready(service: Service) -> None:
    assert service.get("/health/live") == {"status": "alive"}
    assert service.get("/health/ready") == {"status": "ready"}
