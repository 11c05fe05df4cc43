"""An engine that has no init process to give, which containers get by default."""

from collections.abc import Callable

import pytest

from tests.conftest import Service

from .private_engine import PrivateEngine


@pytest.fixture
def engine(start_engine: Callable[..., PrivateEngine]) -> PrivateEngine:
    return start_engine(init="/nonexistent/docker-init", apart=True)


def test_an_engine_without_an_init_process(
    engine: PrivateEngine, start_service: Callable[..., Service]
) -> None:
    service = start_service()
    refused = service.create()
    assert (refused.status_code, refused.json()["code"]) == (422, "start-refused")
    assert "DEFAULT_INIT=false" in refused.json()["detail"]
    assert engine.containers() == []
    assert service.get("/ports")["in_use"] == 0
    assert service.create(init=False).status_code == 201
    assert start_service(DEFAULT_INIT="false").create().status_code == 201
