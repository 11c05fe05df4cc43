"""Without an engine the service is alive, says what is wrong, and refuses what needs the engine."""

from collections.abc import Iterator

import pytest

from tests.conftest import Service

from .support import assert_problem, assert_sentence

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def lonely_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    settings = {"DOCKER_HOST": "unix:///nonexistent.sock"}
    service = Service(tmp_path_factory.mktemp("lonely"), settings)
    service.start()
    yield service
    service.stop()
    service.client.close()


def test_without_an_engine_the_process_is_alive_and_says_what_is_wrong(
    lonely_service: Service,
) -> None:
    assert lonely_service.get("/health/live") == {"status": "alive"}
    answer = lonely_service.client.get("/health")
    assert answer.status_code == 503
    health = answer.json()
    assert health["status"] == "unhealthy"
    assert health["docker"]["status"] == "disconnected"
    assert health["docker"]["version"] is None
    assert_sentence(health["docker"]["problem"])
    assert health["listing_age_s"] is None


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/health/ready"),
        ("GET", "/containers"),
        ("GET", "/containers/running"),
        ("GET", "/containers/some"),
        ("GET", "/containers/some/stats"),
        ("GET", "/system/stats"),
        ("GET", "/system/stats/history"),
        ("GET", "/ports"),
        ("GET", "/ports/28001"),
        ("POST", "/containers/create"),
        ("POST", "/containers/some/start"),
        ("POST", "/containers/some/stop"),
        ("POST", "/containers/some/restart"),
        ("DELETE", "/containers/some"),
    ],
)
def test_without_an_engine_requests_are_asked_to_come_back(
    lonely_service: Service, method: str, path: str
) -> None:
    answer = lonely_service.client.request(method, path)
    assert_problem(answer, 503, "engine-unavailable")
    assert int(answer.headers["retry-after"]) > 0


def test_without_an_engine_the_pages_are_there(lonely_service: Service) -> None:
    for path in ("/", "/docs", "/redoc", "/openapi.json"):
        assert lonely_service.client.get(path).status_code == 200


def test_without_an_engine_the_service_ends_when_told_to(lonely_service: Service) -> None:
    lonely_service.stop()
    assert "Traceback" not in lonely_service.log()
    lonely_service.start()
