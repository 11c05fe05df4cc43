"""The harness itself: without it proved, a passed fault test says nothing."""

from collections.abc import Callable

import pytest

from tests.conftest import Service

from .consistency import consistent
from .private_engine import PrivateEngine
from .proxy import Proxy, cut

pytestmark = pytest.mark.engine


def test_a_service_behind_the_proxy_uses_the_private_engine(
    engine: PrivateEngine, proxy: Proxy, service: Service, note: Callable[..., None]
) -> None:
    with proxy.recorded() as steps:
        container = service.created()
    assert container["ports"] == {"5000/tcp": "0.0.0.0:8001"}
    assert [each["Id"][:12] for each in engine.containers()] == [container["id"]]
    assert "POST /containers/create" in steps
    assert "POST /containers/{id}/start" in steps
    note("steps of a create", steps)
    consistent(service, engine)


def test_a_killed_engine_starts_again(
    engine: PrivateEngine, service: Service, note: Callable[..., None]
) -> None:
    container = service.created()
    engine.kill()
    note("seconds to start again", engine.start())
    found = engine.inspect(container["id"])
    assert found["State"]["Status"] == "exited"
    note("seconds until it agrees", consistent(service, engine))


def test_a_rule_happens_as_often_as_it_says(
    engine: PrivateEngine, proxy: Proxy, service: Service
) -> None:
    rule = proxy.on("POST", "/containers/create", when="request", do=cut)
    assert service.create().status_code == 503
    assert service.create().status_code == 201
    assert rule.hits == 1
    consistent(service, engine)
