"""More requests than the engine can take at once, and a service that is told to end among them."""

import signal
import statistics
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import Service, wait_until
from tests.engine.support import assert_problem, at_once, port_of

from .consistency import consistent
from .private_engine import PrivateEngine
from .proxy import Proxy
from .steps import (
    InBackground,
    assert_not_now,
    managed,
    only_these_stay,
    only_these_stay_and_all_agrees,
)

pytestmark = pytest.mark.engine

Note = Callable[[str, object], None]


class Reader(threading.Thread):
    """Reads the table of ports again and again, and measures how long each answer takes."""

    def __init__(self, service: Service) -> None:
        super().__init__(daemon=True)
        self.seconds: list[float] = []
        self.failures: list[str] = []
        self._url = service.url
        self._ended = threading.Event()
        self.start()

    def run(self) -> None:
        with httpx.Client(base_url=self._url, timeout=30, trust_env=False) as client:
            while not self._ended.wait(0.02):
                began = time.monotonic()
                answer = client.get("/ports")
                self.seconds.append(time.monotonic() - began)
                if answer.status_code != 200:
                    self.failures.append(answer.text)

    def end(self) -> None:
        self._ended.set()
        self.join(40)


def create_many(service: Service, number: int) -> list[httpx.Response]:
    """That many creates at the same moment, each on a connection of its own."""
    limits = httpx.Limits(max_connections=number)
    with httpx.Client(base_url=service.url, timeout=300, trust_env=False, limits=limits) as client:
        return at_once([lambda: client.post("/containers/create")] * number)


def test_a_hundred_creates_at_once(
    engine: PrivateEngine, start_service: Callable[..., Service], note: Note
) -> None:
    service = start_service()
    reader = Reader(service)
    began = time.monotonic()
    answers = create_many(service, 100)
    note("seconds for 100 creates", time.monotonic() - began)
    reader.end()
    assert [answer.status_code for answer in answers] == [201] * 100
    ports = {port_of(answer.json()) for answer in answers}
    assert ports == set(range(8001, 8101))
    consistent(service, engine)
    assert len(managed(engine)) == 100

    assert reader.failures == []
    cuts = statistics.quantiles(reader.seconds, n=100)
    note("GET /ports meanwhile, times", len(reader.seconds))
    note("GET /ports meanwhile, p50 in ms", cuts[49] * 1000)
    note("GET /ports meanwhile, p99 in ms", cuts[98] * 1000)
    note("GET /ports meanwhile, slowest in ms", max(reader.seconds) * 1000)
    assert cuts[98] < 2


def test_more_than_the_queue_holds(
    engine: PrivateEngine, start_service: Callable[..., Service], note: Note
) -> None:
    service = start_service(MUTATION_QUEUE="10")
    began = time.monotonic()
    answers = create_many(service, 40)
    note("seconds for all answers", time.monotonic() - began)
    created = {answer.json()["id"] for answer in answers if answer.status_code == 201}
    refused = [answer for answer in answers if answer.status_code != 201]
    note("created of 40", len(created))
    assert len(created) >= 10
    assert refused, "nothing was refused"
    for answer in refused:
        assert_problem(answer, 503, "too-busy")
        assert_not_now(answer)
    only_these_stay_and_all_agrees(service, engine, created)
    assert service.create(start=False).status_code == 201  # there is room again


def test_told_to_end_among_creates(
    engine: PrivateEngine,
    proxy: Proxy,
    start_service: Callable[..., Service],
    note: Note,
) -> None:
    service = start_service()
    creates = [InBackground(service.create) for _ in range(10)]
    started = proxy.on("POST", "/start", when="answer", do=lambda _: None, times=None)
    wait_until(lambda: started.hits >= 2, 30, "some containers have been started")
    assert service.process is not None
    service.process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    time.sleep(0.1)
    try:
        late = service.create()
    except httpx.TransportError:
        late = None
    if late is not None:
        assert_not_now(late)
    code = service.process.wait(20)
    seconds = time.monotonic() - began
    note("seconds until it had ended", seconds)
    assert seconds < 10
    assert code in (0, -signal.SIGTERM)

    answers = [create.result for create in creates]
    done = {a.json()["id"] for a in answers if isinstance(a, httpx.Response) and a.is_success}
    note("201 of 10", len(done))
    for answer in answers:
        if isinstance(answer, httpx.Response) and not answer.is_success:
            assert_not_now(answer)
        elif not isinstance(answer, httpx.Response):
            assert isinstance(answer, httpx.TransportError), answer
    states = managed(engine)
    assert {states[container] for container in done} == {"running"}

    service.start()
    consistent(service, engine)
    ran = {key for key, state in managed(engine).items() if state != "created"}
    note("containers that nobody was told of", len(ran - done))
    assert ran >= done
    only_these_stay(service, engine, ran)
    consistent(service, engine)


def test_all_999_ports_in_use(
    start_engine: Callable[..., PrivateEngine], tmp_path: Path, note: Note
) -> None:
    """On few containers with many ports each; benchmarks.at_scale has as many containers as ports.

    64 ports are the most that a create takes: 15 containers with 64, and one with the other 39.
    """

    engine = start_engine(apart=True, proxies=False)
    settings = {"DOCKER_HOST": engine.address, "PORT_RANGE": "8001-8999"}
    # On a busy machine a thousand rules of iptables take longer than the engine is given otherwise.
    service = Service(tmp_path, settings | {"ENGINE_TIMEOUT": "120"})
    service.client.timeout = httpx.Timeout(240)
    service.start()

    def create(ports: int) -> dict[str, Any]:
        return service.created(container_ports=[f"{5000 + n}/udp" for n in range(ports)])

    began = time.monotonic()
    containers = at_once([lambda ports=ports: create(ports) for ports in [64] * 15 + [39]])  # type: ignore[misc]
    note("seconds for 16 containers with 999 ports", time.monotonic() - began)
    given = [port_of(each, port) for each in containers for port in each["ports"]]
    assert sorted(given) == list(range(8001, 9000))
    assert (service.get("/ports")["available"], service.get("/ports")["in_use"]) == (0, 999)

    assert_problem(service.create(), 503, "ports-exhausted", available=0, in_use=999)
    only_these_stay_and_all_agrees(service, engine, {each["id"] for each in containers})
    removed = service.client.delete(f"/containers/{containers[3]['id']}?force=true")
    assert len(removed.json()["released_ports"]) == 64
    again = create(64)
    assert_problem(service.create(), 503, "ports-exhausted", available=0)

    began = time.monotonic()
    service.stop()
    service.start()
    wait_until(lambda: service.client.get("/health/ready").status_code == 200, 30)
    note("seconds for a restart of the service", time.monotonic() - began)
    assert service.get("/ports")["in_use"] == 999
    assert_problem(service.create(), 503, "ports-exhausted", available=0)
    assert {port_of(again, port) for port in again["ports"]} == set(
        removed.json()["released_ports"]
    )
    service.stop()
    service.client.close()
