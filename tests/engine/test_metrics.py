"""GET /metrics as Prometheus sees it: its own checker, and a Prometheus that scrapes it."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import ROOT, Service, free_port, wait_until

from .support import BUSY, SLEEP, fetch, port_of

pytestmark = pytest.mark.engine

QUERIES = re.compile(r"```promql\n(.*?)```", re.DOTALL)


def program(name: str) -> str:
    """Of Debian's package prometheus, which scripts/test unpacks."""
    found = shutil.which(name)
    if found is None:
        reason = f"{name} is not installed"
        if os.environ.get("REQUIRE_PROMETHEUS") == "1":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    return found


def metrics(service: Service, **headers: str) -> str:
    answer = service.client.get("/metrics", headers=headers)
    assert answer.status_code == 200
    return answer.text


def samples(service: Service) -> list[Any]:
    families = text_string_to_metric_families(metrics(service))
    return [sample for family in families for sample in family.samples]


def test_the_figures_are_those_of_the_other_routes(service: Service) -> None:
    container = service.created(command=BUSY, cpus=0.4, memory="64m")
    stats = service.get(f"/containers/{container['id']}/stats")
    found = {
        sample.name: sample.value
        for sample in samples(service)
        if sample.labels.get("name") == container["name"]
    }
    assert found["container_last_seen"] >= stats["timestamp"] - 0.001
    assert found["container_memory_working_set_bytes"] == pytest.approx(
        stats["memory_usage_bytes"], abs=1 << 20
    )
    assert found["container_spec_memory_limit_bytes"] == 64 << 20
    assert found["container_spec_cpu_quota"] / found["container_spec_cpu_period"] == 0.4
    assert found["container_cpu_usage_seconds_total"] > 0
    assert found["container_threads"] == stats["pids"]
    table = service.get("/ports")
    ports = {
        sample.labels["state"]: sample.value
        for sample in samples(service)
        if sample.name == "orchestration_api_ports"
    }
    assert ports["in_use"] == table["in_use"]
    assert sum(ports.values()) == table["total"]


def test_only_containers_that_run_have_series(service: Service) -> None:
    container = service.created(command=SLEEP)
    service.get(f"/containers/{container['id']}/stats")
    assert container["name"] in metrics(service)
    service.client.post(f"/containers/{container['id']}/stop?timeout=0")
    lines = [line for line in metrics(service).splitlines() if container["name"] in line]
    # What it has written stays.
    assert [line for line in lines if not line.startswith("container_fs_usage_bytes{")] == []


def test_what_callers_send_makes_no_series(service: Service) -> None:
    for path in ("/nothing/here", "/containers/of-a-strange-name", "/ports/8001x"):
        service.client.get(path)
    service.client.request("BREW", "/ports")
    text = metrics(service)
    for sent in ("nothing/here", "strange-name", "8001x", "BREW"):
        assert sent not in text
    assert 'method="GET",route="unmatched",status="404"' in text
    assert 'method="GET",route="/containers/{id}",status="404"' in text
    assert 'method="other",route="/ports",status="405"' in text


@pytest.mark.parametrize("accept", ["text/plain; version=x", "application/openmetrics-text; q=z"])
def test_a_strange_wish_is_no_failure(service: Service, accept: str) -> None:
    assert "orchestration_api_ports" in metrics(service, accept=accept)


def test_without_an_engine_the_service_still_tells_of_itself(
    start_service: Callable[..., Service], tmp_path: Path
) -> None:
    service = start_service(DOCKER_HOST=f"unix://{tmp_path}/nothing.sock", ENGINE_TIMEOUT="1")
    text = metrics(service)
    assert "orchestration_api_engine_connected 0.0" in text
    assert 'orchestration_api_engine_call_errors_total{call="connect",code="engine-' in text
    assert "container_last_seen{" not in text


def test_the_checker_of_prometheus_has_nothing_to_say(service: Service) -> None:
    promtool = program("promtool")
    container = service.created()
    fetch(port_of(container))
    service.get(f"/containers/{container['id']}/stats")
    service.client.get(f"/containers/{container['id']}/start")
    checked = subprocess.run(
        [promtool, "check", "metrics"],
        input=metrics(service),
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_the_configuration_that_is_documented_is_valid() -> None:
    promtool = program("promtool")
    command = [promtool, "check", "config", str(ROOT / "docs/prometheus.yml")]
    checked = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert checked.returncode == 0, checked.stderr


@pytest.fixture
def scraped(start_service: Callable[..., Service]) -> Service:
    """One that counts oftener than every five minutes what containers have written."""
    return start_service(DISK_INTERVAL="1")


@pytest.fixture
def prometheus(scraped: Service, tmp_path: Path) -> Iterator[httpx.Client]:
    """A Prometheus with the documented configuration, but for the address, and a quicker pace."""
    command = program("prometheus")
    text = (ROOT / "docs/prometheus.yml").read_text()
    assert "localhost:8000" in text
    text = text.replace("localhost:8000", scraped.url.removeprefix("http://"))
    config = tmp_path / "prometheus.yml"
    config.write_text(text.replace("scrape_interval: 15s", "scrape_interval: 1s"))
    address = f"127.0.0.1:{free_port()}"
    with (tmp_path / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            [
                command,
                f"--config.file={config}",
                f"--storage.tsdb.path={tmp_path}/data",
                f"--web.listen-address={address}",
            ],
            stdout=log,
            stderr=log,
        )
    try:
        with httpx.Client(base_url=f"http://{address}", trust_env=False) as client:
            yield client
    finally:
        process.terminate()
        process.wait(30)


def ask(prometheus: httpx.Client, query: str) -> list[Any]:
    answer = prometheus.get("/api/v1/query", params={"query": query})
    assert answer.status_code == 200, f"{query}: {answer.text}"
    found: list[Any] = answer.json()["data"]["result"]
    return found


def test_prometheus_scrapes_it_and_every_documented_query_answers(
    scraped: Service, prometheus: httpx.Client, docker_client: docker.DockerClient
) -> None:
    busy = scraped.created(command=BUSY, cpus=0.3, memory="64m")

    def is_up() -> bool:
        try:
            found = ask(prometheus, "up")
        except httpx.TransportError:
            return False
        return bool(found) and found[0]["value"][1] == "1"

    wait_until(is_up, 30, "Prometheus has scraped the service")
    rate = f'rate(container_cpu_usage_seconds_total{{name="{busy["name"]}"}}[5s])'

    def is_busy() -> bool:
        scraped.get(f"/containers/{busy['id']}/stats")  # asked for often, it is sampled often
        found = ask(prometheus, rate)
        return bool(found) and 0.1 < float(found[0]["value"][1]) < 0.6

    wait_until(is_busy, 40, "Prometheus sees what the container uses")
    text = (ROOT / "docs/monitoring.md").read_text()
    lines = [line for block in QUERIES.findall(text) for line in block.splitlines()]
    queries = [line for line in lines if line and not line.startswith("#")]
    assert len(queries) > 12

    def empty() -> list[str]:
        """Alerts have nothing to say when all is well."""
        found = [query for query in queries if not ask(prometheus, query)]
        return [query for query in found if not re.search(r"(> [01]|== 0)$", query)]

    # What containers have written is counted from the first scrape on.
    wait_until(lambda: not empty(), 30, "every query has an answer")
