"""An engine that stops answering, goes silent or is replaced: a proxy in front of it does that."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import docker
import httpx
import pytest

from tests.conftest import Service, wait_until

from .proxy import Proxy
from .support import SLEEP, assert_problem

pytestmark = pytest.mark.engine

AGE = "X-Inventory-Age"


@pytest.fixture
def make_proxy(tmp_path: Path) -> Iterator[Callable[[str], Proxy]]:
    proxies: list[Proxy] = []

    def make(name: str) -> Proxy:
        proxies.append(Proxy(tmp_path / name))
        return proxies[-1]

    yield make
    for proxy in proxies:
        proxy.close()


@pytest.fixture
def proxy(make_proxy: Callable[[str], Proxy]) -> Proxy:
    return make_proxy("engine.sock")


@pytest.fixture
def start_behind(proxy: Proxy, start_service: Callable[..., Service]) -> Callable[..., Service]:
    def start(seconds: int = 2) -> Service:
        service = start_service(DOCKER_HOST=proxy.address, ENGINE_TIMEOUT=str(seconds))
        wait_until(lambda: is_well(service), 30, "the first listing is in")
        return service

    return start


def health(service: Service) -> httpx.Response:
    return httpx.get(f"{service.url}/health", timeout=10, trust_env=False)


def is_well(service: Service) -> bool:
    return health(service).status_code == 200


def age(service: Service) -> float | None:
    """Of what is in memory, as a read says; None when it is up to date."""
    answer = service.client.get("/containers", timeout=10)
    assert answer.status_code == 200
    return float(answer.headers[AGE]) if AGE in answer.headers else None


def is_shown(service: Service, container: Any) -> bool:
    return service.client.get(f"/containers/{container.id}").status_code == 200


def test_a_frozen_engine_freezes_nothing_that_does_not_need_it(
    proxy: Proxy, start_behind: Callable[..., Service]
) -> None:
    service = start_behind()
    container = service.created(start=False)
    proxy.flows.clear()

    # More at once than there are threads for: each has its answer in time, none waits its turn.
    with ThreadPoolExecutor(12) as threads:
        for answer in threads.map(health, [service] * 12):
            assert answer.status_code == 503
            assert "did not answer within 2 seconds" in answer.json()["docker"]["problem"]
    assert service.client.get("/health/live", timeout=2).status_code == 200
    answer = service.client.get(f"/containers/{container['id']}", timeout=2)
    assert answer.json() == container

    proxy.flows.set()
    wait_until(lambda: is_well(service), 40, "the service is well again")
    assert service.created(start=False)["state"] == "created"


def test_reads_say_how_old_they_are_while_the_engine_is_frozen(
    proxy: Proxy, start_behind: Callable[..., Service]
) -> None:
    service = start_behind()
    wait_until(lambda: age(service) is None, 20, "a read is up to date")
    proxy.flows.clear()
    wait_until(lambda: age(service) is not None, 40, "a read says its age")
    earlier = age(service)
    time.sleep(1)
    later = age(service)
    assert earlier is not None
    assert later is not None
    assert later > earlier
    assert not is_well(service)

    proxy.flows.set()
    wait_until(lambda: age(service) is None, 20, "reads are up to date again")
    wait_until(lambda: is_well(service), 20)


def test_of_a_frozen_engine_every_create_hears_in_time(
    proxy: Proxy, start_behind: Callable[..., Service]
) -> None:
    """Three times as many as there are threads: who waits for one is not asked to wait twice."""
    service = start_behind()
    proxy.flows.clear()

    def create(_: int) -> httpx.Response:
        with httpx.Client(base_url=service.url, timeout=60, trust_env=False) as client:
            return client.post("/containers/create", json={"start": False})

    with ThreadPoolExecutor(12) as threads:
        for answer in threads.map(create, range(12)):
            assert_problem(answer, 504, "engine-timeout")
            assert int(answer.headers["Retry-After"]) > 0
            assert answer.elapsed.total_seconds() < 10
    proxy.flows.set()
    wait_until(lambda: is_well(service), 20)
    assert service.get("/ports")["ports"] == []


def test_a_service_before_a_frozen_engine_can_be_stopped(
    proxy: Proxy, start_behind: Callable[..., Service]
) -> None:
    """Long before its deadlines: no thread that hangs holds up the end of the process."""
    service = start_behind(60)
    proxy.flows.clear()
    with pytest.raises(httpx.ReadTimeout):
        service.client.post("/containers/create", json={"start": False}, timeout=1)
    service.stop()  # within half of that time, or the test fails


def test_an_event_stream_that_is_silently_dead_is_replaced(
    proxy: Proxy, start_behind: Callable[..., Service], run_outside: Callable[..., Any]
) -> None:
    service = start_behind()
    first, second = (run_outside(command=SLEEP) for _ in range(2))
    wait_until(lambda: is_shown(service, first) and is_shown(service, second), 20)

    proxy.tells.clear()
    first.remove(force=True)
    wait_until(lambda: not is_shown(service, first), 40, "a listing shows what no event told")
    wait_until(lambda: "events do not come any more" in service.log(), 20, "the silence is noticed")
    proxy.tells.set()

    def is_told() -> bool:
        """Whether a change is seen sooner than the next listing can come."""
        container = run_outside(command=SLEEP)
        deadline = time.monotonic() + 1
        while time.monotonic() < deadline:
            if is_shown(service, container):
                return True
        return False

    wait_until(is_told, 40, "events come again")
    wait_until(lambda: age(service) is None, 20)


def test_changes_that_events_tell_of_are_no_false_alarm(
    start_behind: Callable[..., Service],
    run_outside: Callable[..., Any],
    docker_client: docker.DockerClient,
) -> None:
    """Containers come, change and go all the time, while listings come in between."""
    service = start_behind()
    end = time.monotonic() + 16
    while time.monotonic() < end:
        container = run_outside(command=SLEEP)
        container.pause()
        container.unpause()
        container.rename(f"{container.name}-2")
        docker_client.api.kill(container.id)
        container.remove(force=True)
        created = service.created(start=False)
        assert service.client.delete(f"/containers/{created['id']}").status_code == 200
    assert service.log().count("Connected to engine") == 1, service.log()


def test_a_replaced_socket_is_noticed_while_the_old_one_works(
    proxy: Proxy,
    make_proxy: Callable[[str], Proxy],
    start_behind: Callable[..., Service],
    tmp_path: Path,
) -> None:
    service = start_behind()
    other = make_proxy("other.sock")
    assert (proxy.subscriptions, other.subscriptions) == (1, 0)
    (tmp_path / "other.sock").replace(tmp_path / "engine.sock")
    wait_until(lambda: other.subscriptions == 1, 10, "the service moves over")
    wait_until(lambda: is_well(service), 10)
    proxy.flows.clear()  # nobody needs it any more
    assert service.created(start=False)["state"] == "created"


def test_a_socket_that_is_gone_is_no_reason_to_give_up_a_connection_that_works(
    proxy: Proxy, start_behind: Callable[..., Service], tmp_path: Path
) -> None:
    service = start_behind()
    (tmp_path / "engine.sock").rename(tmp_path / "elsewhere.sock")
    # Other tests may give the service so much to ask that it needs further connections, which it
    # cannot have now. That it is well all the time is seen in tests/faults, where it is alone.
    end = time.monotonic() + 4
    while time.monotonic() < end:
        assert proxy.subscriptions == 1
        time.sleep(0.2)
    wait_until(lambda: is_well(service), 4)
    (tmp_path / "elsewhere.sock").rename(tmp_path / "engine.sock")
    assert service.created(start=False)["state"] == "created"


def test_the_service_ends_though_its_engine_hangs(
    proxy: Proxy, start_behind: Callable[..., Service]
) -> None:
    service = start_behind(20)
    proxy.flows.clear()
    with ThreadPoolExecutor(6) as threads:
        creates = [threads.submit(service.create, start=False) for _ in range(6)]
        time.sleep(0.5)  # they have been sent, and wait for the engine or for a thread
        service.stop()  # in 8 s on a quiet machine
        for create in creates:
            assert_problem(create.result(), 503, "shutting-down")
    assert "Traceback" not in service.log()
    proxy.flows.set()
