"""What the fault tests share: an engine that may be broken, a proxy in front, services behind it.

All of it lives in a network namespace of its own, from the first test of this directory to the
last, so that every port of the host is free there and no other engine is disturbed.
"""

import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests import forked
from tests.conftest import Service

from .private_engine import PrivateEngine, own_network, told_to_end, why_not
from .proxy import Proxy

pytest.register_assert_rewrite("tests.faults.consistency", "tests.faults.steps")

# A husk may be removed after 2 s: the tests that wait for it are few seconds long, then.
SETTINGS = {"HUSK_GRACE": "2", "PORT_RANGE": "8001-8999"}


@pytest.fixture(scope="package")
def private_network() -> Iterator[None]:
    if reason := why_not():
        if os.environ.get("REQUIRE_FAULTS") == "1":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    with own_network(), told_to_end():
        yield
        forked.end_here()  # the others of this process may still be asked of


@pytest.fixture(scope="package")
def shared_engine(private_network: None) -> Iterator[PrivateEngine]:
    engine = PrivateEngine()
    try:
        engine.start()
        engine.load_image()
        yield engine
    finally:
        engine.remove()


@pytest.fixture
def engine(shared_engine: PrivateEngine) -> Iterator[PrivateEngine]:
    """The engine of these tests, running and empty, whatever the test before did to it."""
    shared_engine.thaw()
    shared_engine.start()
    yield shared_engine
    shared_engine.thaw()
    shared_engine.start()
    shared_engine.clear()


@pytest.fixture
def start_engine(private_network: None) -> Iterator[Callable[..., PrivateEngine]]:
    """Starts another engine, for one test; see PrivateEngine."""
    engines: list[PrivateEngine] = []

    def start(**options: Any) -> PrivateEngine:
        engines.append(PrivateEngine(**options))
        engines[-1].start()
        engines[-1].load_image()
        return engines[-1]

    yield start
    for engine in engines:
        engine.remove()


@pytest.fixture
def sockets() -> Iterator[Path]:
    """A directory with a path short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="faults-") as directory:
        yield Path(directory)


@pytest.fixture
def start_proxy(sockets: Path) -> Iterator[Callable[..., Proxy]]:
    """Opens a proxy before an engine, at a path of its own unless one is given."""
    proxies: list[Proxy] = []

    def start(engine: PrivateEngine, path: Path | None = None) -> Proxy:
        proxies.append(Proxy(path or sockets / f"{len(proxies)}.sock", engine.socket))
        return proxies[-1]

    yield start
    for proxy in proxies:
        proxy.close()


@pytest.fixture
def proxy(engine: PrivateEngine, start_proxy: Callable[..., Proxy]) -> Proxy:
    return start_proxy(engine)


@pytest.fixture
def start_service(proxy: Proxy, tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Starts a service behind the proxy, with more settings if wanted; each ends with the test."""
    services: list[Service] = []

    def start(*, wait: bool = True, **settings: str) -> Service:
        services.append(Service(tmp_path, {"DOCKER_HOST": proxy.address} | SETTINGS | settings))
        services[-1].start(wait=wait)
        return services[-1]

    yield start
    for service in services:
        if service.process is not None:
            with suppress(ProcessLookupError):
                service.process.send_signal(signal.SIGKILL)
            service.process.wait(10)
        service.client.close()


@pytest.fixture
def service(start_service: Callable[..., Service]) -> Service:
    return start_service()


@pytest.fixture
def impatient_service(start_service: Callable[..., Service]) -> Service:
    """One that waits 5 s for the engine instead of 20, for tests in which it waits in vain."""
    return start_service(ENGINE_TIMEOUT="5")


@pytest.fixture
def note(
    record_property: Callable[[str, object], None], request: pytest.FixtureRequest
) -> Callable[[str, Any], None]:
    """Writes a measured figure into the report and into the output of the test."""

    def write(what: str, value: object) -> None:
        shown = f"{value:.2f}" if isinstance(value, float) else str(value)
        record_property(what, shown)
        print(f"figure: {request.node.name}: {what}: {shown}")

    return write
