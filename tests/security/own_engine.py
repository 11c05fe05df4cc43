"""For tests that ask for whatever comes to hand: an engine of their own, and a service on it.

On an engine in use, what comes to hand would be other people's containers. It has no network
either, so that no name that is made up leaves this machine. One container on it is somebody else's.
"""

import os
from collections.abc import Iterator

import pytest

from tests.conftest import Service, wait_until
from tests.engine.support import remove
from tests.faults.private_engine import PrivateEngine, own_network, told_to_end, why_not

FOREIGN_NAME = "somebody-elses"
VOLUMES = tuple(f"of-ours-{number}" for number in range(5))  # which nothing uses
KEY = "fuzzed-key-" * 4


@pytest.fixture(scope="module")
def engine() -> Iterator[PrivateEngine]:
    if reason := why_not():
        if os.environ.get("REQUIRE_FAULTS") == "1":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    with own_network(), told_to_end():
        engine = PrivateEngine()
        try:
            engine.start()
            engine.load_image()
            engine.run(name=FOREIGN_NAME)
            yield engine
        finally:
            engine.remove()


@pytest.fixture(scope="module")
def service(engine: PrivateEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """With a key, which its client sends. At its end its log has no trace and no key in it, and
    nobody else's container was touched.
    """
    foreign = engine.inspect(FOREIGN_NAME)
    settings = {"DOCKER_HOST": engine.address, "PORT_RANGE": "8001-8999", "API_KEY": KEY}
    service = Service(tmp_path_factory.mktemp("fuzz"), settings)
    service.client.headers["Authorization"] = f"Bearer {KEY}"
    service.start()
    wait_until(lambda: service.client.get("/health").status_code == 200)
    yield service
    service.stop()
    service.client.close()
    assert "Traceback" not in service.log()
    assert KEY not in service.log()
    after = engine.inspect(FOREIGN_NAME)
    assert (after["State"], after["Name"]) == (foreign["State"], foreign["Name"])


def remove_what_is_listed(service: Service) -> None:
    """Removes, over the API, every container that the service says is its own."""
    for container in service.get("/containers", managed=True):
        remove(service, container["id"])


def assert_nothing_is_left(service: Service, engine: PrivateEngine, volumes: set[str]) -> None:
    """By the engine's own listings: no container, no port, no network in use, and no volume but
    those that creates have named, which nobody but an operator removes.
    """
    assert [entry["Names"] for entry in engine.containers()] == [[f"/{FOREIGN_NAME}"]]
    wait_until(lambda: service.get("/ports")["ports"] == [], what="no port is held")
    assert names_of_volumes(engine) <= volumes
    for network in engine.call("GET", "/networks"):
        ours = "orchestration-api.managed" in network["Labels"]
        assert ours or network["Name"] in ("bridge", "host", "none")
        assert network["Containers"] == {} or not ours
    assert service.get("/health")["status"] == "healthy"


def names_of_volumes(engine: PrivateEngine) -> set[str]:
    return {volume["Name"] for volume in engine.call("GET", "/volumes")["Volumes"] or []}
