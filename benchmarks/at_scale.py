"""999 containers at once: whether they fit, whether all answer, and what each answer costs.

Fills an engine through the API, checks that one more is refused and that one removed makes room for
one, that every published port answers, and measures the listings beside the engine's own, the
memory of the service, its start and a repair pass. Takes 10 minutes and 9 GB of memory.

The kernel remembers 1,024 neighbours for all network namespaces together (gc_thresh3, see arp(7)),
and a container that is talked to is two of them. So with more than about 500 containers in use some
answer late or not at all, until the limit is raised: --neighbours does that for the benchmark.
"""

import asyncio
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any, TextIO

import httpx

from orchestrator.engine import Engine
from orchestrator.host import HostPorts
from orchestrator.ports import PortAllocator
from orchestrator.settings import Settings
from orchestrator.state import Inventory, Mirror, Watcher

from .measure import in_turns, show_times, step, table, timed
from .setting import ROOT, WORKERS, Bench, Service, bench, parser, service

FIRST_PORT = 8001


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--count", type=int, default=999, help="containers (default: 999)")
    arguments.add_argument("--rounds", type=int, default=20, help="calls of each (default: 20)")
    arguments.add_argument(
        "--neighbours",
        type=int,
        metavar="LIMIT",
        help="raise the host's limit of neighbours to this while it runs (as root), e.g. 8192",
    )
    chosen = arguments.parse_args()
    if not 2 <= chosen.count <= 5000:
        arguments.error("--count is from 2 to 5000")
    last = FIRST_PORT + chosen.count - 1
    with (
        neighbours(chosen.neighbours),
        bench(private=chosen.private) as made,
        service(made, PORT_RANGE=f"{FIRST_PORT}-{last}") as api,
    ):
        measure(made, api, chosen.count, chosen.rounds)


def measure(made: Bench, api: Service, count: int, rounds: int) -> None:
    facts: list[tuple[str, str]] = [("memory of the service, empty", f"{api.memory():.0f} MB")]
    version: Any = made.client.version()
    facts.append(("engine", str(version["Version"])))

    seconds = fill(api, count)
    facts.append((f"{count} created and started, {WORKERS} at a time", f"{seconds:.0f} s"))
    facts += check_the_last_port(api, count)
    facts += [
        (f"on network {network}", str(number)) for network, number in sorted(networks(made).items())
    ]
    facts += check_that_all_answer(api)

    compare_listings(made, api, rounds)
    facts.append((f"memory of the service with {count}", f"{api.memory():.0f} MB"))
    compare_passes(made)
    compare_start(made, api)
    facts.append((f"memory of the service with {count}, just started", f"{api.memory():.0f} MB"))
    facts.append((f"{count} removed with force, {WORKERS} at a time", f"{empty(api):.0f} s"))
    left = api.get("/ports")
    facts.append(("ports in use afterwards", str(left["in_use"] + left["reserved"])))
    table(f"With {count} containers", ("", ""), facts)


@contextmanager
def neighbours(limit: int | None) -> Iterator[None]:
    """The host with this limit, and with its own again afterwards; None leaves it as it is."""
    if limit is None:
        yield
        return
    # Opened before the benchmark goes to a network namespace of its own, which has none of these.
    names = [f"/proc/sys/net/ipv4/neigh/default/gc_thresh{number}" for number in (1, 2, 3)]
    with ExitStack() as stack:
        try:
            files = [stack.enter_context(Path(name).open("r+")) for name in names]
        except OSError as error:
            sys.exit(f"--neighbours cannot be set: {error}")
        before = [int(file.read()) for file in files]
        _write(files, [limit // 4, limit // 2, limit])
        try:
            yield
        finally:
            _write(files, before)


def _write(files: Sequence[TextIO], values: Sequence[int]) -> None:
    for file, value in zip(files, values, strict=True):
        file.seek(0)
        file.write(str(value))
        file.flush()


def fill(api: Service, count: int) -> float:
    """Seconds until all run."""
    began = time.monotonic()
    with ThreadPoolExecutor(WORKERS) as pool:
        for number, answer in enumerate(pool.map(lambda _: api.create(), range(count)), 1):
            if answer.status_code != 201:
                sys.exit(f"container {number} of {count} was refused: {answer.text}")
            if number % 100 == 0 or number == count:
                print(f"{number} after {time.monotonic() - began:.0f} s", file=sys.stderr)
    return time.monotonic() - began


def check_the_last_port(api: Service, count: int) -> list[tuple[str, str]]:
    running = api.mine()
    ports = {address for each in running for address in each["ports"].values()}
    refused = api.create()
    gone = api.client.delete(f"/containers/{running[0]['id']}", params={"force": True})
    again = api.create()
    if (refused.status_code, gone.status_code, again.status_code) != (503, 200, 201):
        sys.exit(f"the last port: {refused.text} {gone.text} {again.text}")
    return [
        ("running, with as many different ports", f"{len(running)}, {len(ports)}"),
        ("one more", f"{refused.status_code} {refused.json()['code']}"),
        ("one removed, one more", f"{again.status_code}, port {again.json()['url'][-4:]}"),
        ("ports in use", str(api.get("/ports")["in_use"])),
    ]


def networks(made: Bench) -> Counter[str]:
    return Counter(
        network for entry in made.list_raw() for network in entry["NetworkSettings"]["Networks"]
    )


def check_that_all_answer(api: Service) -> list[tuple[str, str]]:
    """Asks every container over its published port, several at a time, twice."""
    urls = [each["url"] for each in api.mine()]
    random.shuffle(urls)
    before, answered = neighbour_overflows(), Counter[str]()
    times: list[float] = []

    def answers(url: str) -> None:
        began = time.perf_counter()
        try:
            good = client.get(url).status_code == 200
        except httpx.TransportError:
            good = False
        answered[url] += good
        times.append(time.perf_counter() - began)

    with (
        step("asking all over HTTP"),
        httpx.Client(timeout=5, trust_env=False) as client,
        ThreadPoolExecutor(64) as pool,
    ):
        for _ in range(2):
            list(pool.map(answers, urls))
    by = Counter(answered[url] for url in urls)
    overflows = neighbour_overflows() - before
    return [
        ("published ports that answered twice, once, never", f"{by[2]}, {by[1]}, {by[0]}"),
        ("slowest answer", f"{max(times) * 1000:.0f} ms"),
        ("overflows of the neighbour table meanwhile", str(overflows)),
    ]


def neighbour_overflows() -> int:
    """How often the kernel could not remember another neighbour, since the host started."""
    # One table for all network namespaces, and told of in the first one only.
    lines = Path("/proc/1/net/stat/arp_cache").read_text().split("\n")
    column = lines[0].split().index("table_fulls")
    return sum(int(line.split()[column], 16) for line in lines[1:] if line)


def compare_listings(made: Bench, api: Service, rounds: int) -> None:
    some = api.mine()[-1]
    port = some["url"].rpartition(":")[2]
    raw = "engine: GET /containers/json?all=1"
    calls: dict[str, Any] = {
        f"GET {path}": lambda path=path: api.client.get(path).raise_for_status()
        for path in (
            "/containers",
            "/containers/running",
            "/ports",
            f"/ports/{port}",
            f"/containers/{some['id'][:8]}",
            f"/containers/{some['name']}",
            "/health",
        )
    }
    calls[raw] = made.list_raw
    if shutil.which("docker"):
        calls["docker ps -a"] = docker_ps
    with step("comparing the listings"):
        seconds = in_turns(calls, rounds)
        sdk = [timed(lambda: made.client.containers.list(all=True)) for _ in range(3)]
    show_times("Listings", seconds | {"SDK: containers.list(all=True)": sdk}, raw)


def docker_ps() -> None:
    subprocess.run(["docker", "ps", "-a"], stdout=subprocess.DEVNULL, check=True)


def compare_passes(made: Bench) -> None:
    """A first listing, which inspects every container, and passes that find all as it was."""
    raw = "engine: GET /containers/json?all=1"
    with step("comparing listing passes"):
        first, repairs = asyncio.run(_passes())
        seconds = {
            "first listing: all inspected": first,
            "repair pass: nothing has changed": repairs,
            raw: [timed(made.list_raw) for _ in range(5)],
        }
    show_times("The watcher's passes, in this process", seconds, raw)


async def _passes() -> tuple[list[float], list[float]]:
    settings = Settings()
    first: list[float] = []
    repairs: list[float] = []
    for _ in range(3):
        engine = Engine(settings)
        await engine.connect()
        ports = PortAllocator(settings.port_range, settings.port)
        mirror = Mirror(engine, Inventory(), ports)
        watcher = Watcher(engine, mirror, HostPorts(engine.socket_path))
        for into, times in ((first, 1), (repairs, 5)):
            for _ in range(times):
                began = time.perf_counter()
                await watcher.list_once()
                into.append(time.perf_counter() - began)
        engine.close()
    return first, repairs


def compare_start(made: Bench, api: Service) -> None:
    start = "start of the service until /health/ready is 200"
    seconds: dict[str, list[float]] = {start: [], "docker ps -a": []}
    with step("comparing starts"):
        for _ in range(5):
            api.stop()
            seconds[start].append(api.start())
            if shutil.which("docker"):
                seconds["docker ps -a"].append(timed(docker_ps))
        known = len(api.mine())
    if not seconds["docker ps -a"]:
        del seconds["docker ps -a"]
    show_times(f"Start, after which {known} are known", seconds, "docker ps -a")
    print(f"imports alone: {median([timed(import_only) for _ in range(3)]):.2f} s")


def import_only() -> None:
    subprocess.run([sys.executable, "-c", "import main; main.create_app()"], cwd=ROOT, check=True)


def empty(api: Service) -> float:
    """Seconds until all are removed."""
    ids = [each["id"] for each in api.mine()]
    began = time.monotonic()

    def remove(container: str) -> None:
        api.client.delete(f"/containers/{container}", params={"force": True}).raise_for_status()

    with step("removing all"), ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(remove, ids))
    return time.monotonic() - began


if __name__ == "__main__":
    main()
