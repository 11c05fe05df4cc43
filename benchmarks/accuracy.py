"""Whether the figures are right: containers under known loads, and all sources asked meanwhile.

One core busy, half of one allowed and busy, 200 MiB allocated, 200 MiB of page cache, 100 MiB sent
and received, 64 MiB written to and read from the disk past the cache, 60 threads, and nothing at
all. The service by control groups, another by the engine's statistics, the engine's `stream=false`
and `docker stats --no-stream` are asked at the same time, again and again; CPU figures are the
means of their answers, all else is of the last one. Beside them is what is known otherwise, see
`loads`.

`docker stats` prints three or four digits, so it is up to half a percent off by that alone.
"""

import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from . import docker_stats
from .docker_stats import Figures
from .loads import HALF_A_CORE, MEMORY, NETWORK, ONE_CORE, TOGETHER, Load, Loaded, listening, start
from .loads import wait_for as wait_for_load
from .measure import step, table, wait_until
from .plain_http import Connection
from .setting import WORKERS, Bench, Service, bench, parser, service

# Seconds that sources are asked before their answers count: one that asks the engine takes samples
# of these containers more often from the second question on.
SETTLE = 6.0
PORTS = "21001-21099"
RAW = "engine, stream=false"
CLI = "docker stats"
# Whose answers are printed as they are.
SHOWN = (ONE_CORE, MEMORY, NETWORK)
TITLES = {
    "cpu_percent": "CPU %",
    "memory": "memory",
    "memory_limit": "memory limit",
    "memory_percent": "memory %",
    "memory_cache": "inactive page cache",
    "network_rx": "network received",
    "network_tx": "network sent",
    "block_read": "block read",
    "block_write": "block written",
    "pids": "pids",
}
NOT_COUNTED = (
    "The kernel does not count block I/O here. With cgroup v1 newer ones begin to when a container"
    " is first given a limit (docker run --device-write-bps DEVICE:100gb), and go on until the host"
    " is started again."
)
PLAIN = ("cpu_percent", "memory_percent", "pids")  # the others are bytes

Ask = Callable[[], list[Figures]]


@dataclass(frozen=True)
class Observed:
    """A container's figures by source, and what is known of it otherwise."""

    load: Load
    known: Figures
    said: Mapping[str, Figures]


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument(
        "--seconds", type=float, default=15, help="how long is compared, twice (default: 15)"
    )
    chosen = arguments.parse_args()
    if not 0.1 <= chosen.seconds <= 300:
        arguments.error("--seconds is from 0.1 to 300")
    if not shutil.which("docker"):
        arguments.error("docker is compared with, and not installed")
    with bench(private=chosen.private) as made:
        nothing = str(made.empty_directory())
        with (
            service(made, PORT_RANGE=PORTS) as api,
            service(made, CGROUP_ROOT=nothing, PORT_RANGE=PORTS) as by_engine,
        ):
            measure(made, api, by_engine, chosen.seconds)


def measure(made: Bench, api: Service, by_engine: Service, seconds: float) -> None:
    with loaded(made, api, by_engine, TOGETHER) as containers:
        observed = observe(made, api, by_engine, containers, seconds)
        answers = {
            each.load.name: api.get(f"/containers/{each.full_id}/stats")
            for each in containers
            if each.load in SHOWN
        }
    with loaded(made, api, by_engine, [HALF_A_CORE]) as containers:
        observed[1:1] = observe(made, api, by_engine, containers, seconds)
    show_known(observed)
    show_differences(observed)
    if any(
        each.said[RAW].block_write is None and "block_write" in each.load.does for each in observed
    ):
        print(NOT_COUNTED)
    for name, answer in answers.items():
        print(f"\nGET /containers/{{id}}/stats, {name}:\n{json.dumps(answer, indent=2)}")


@contextmanager
def loaded(
    made: Bench, api: Service, other: Service, loads: Sequence[Load]
) -> Iterator[list[Loaded]]:
    """Containers with these loads, as long as it is open. `api` makes them, and `other` knows of
    them.
    """
    with listening() as port, ThreadPoolExecutor(WORKERS) as pool:
        with step(f"starting loads: {', '.join(load.name for load in loads)}"):
            containers = list(pool.map(lambda load: start(made, api, load, port), loads))
            for each in containers:
                wait_for_load(made, each)
            ids = {each.full_id[:12] for each in containers}
            wait_until(
                lambda: ids <= {each["id"] for each in other.mine()},
                30,
                "both services know of the containers",
            )
        yield containers
        with step("removing them"):
            list(pool.map(lambda each: remove(made, each), containers))


def remove(made: Bench, container: Loaded) -> None:
    made.client.api.remove_container(container.full_id, force=True)


def observe(
    made: Bench, api: Service, by_engine: Service, containers: Sequence[Loaded], seconds: float
) -> list[Observed]:
    ids = [each.full_id for each in containers]
    with ExitStack() as stack, ThreadPoolExecutor(len(ids)) as raw_pool:
        raw = [stack.enter_context(Connection(made.socket)) for _ in ids]

        def ask_engine() -> list[Figures]:
            def ask(connection: Connection, full_id: str) -> Figures:
                return docker_stats.from_engine(connection.json(made.stats_path(full_id)))

            return list(raw_pool.map(ask, raw, ids))

        asks: dict[str, Ask] = {
            f"service, {kind}": stack.enter_context(asking_service(each, ids, kind))
            for kind, each in (("cgroup", api), ("engine", by_engine))
        }
        asks |= {RAW: ask_engine, CLI: lambda: docker_stats.ask(ids)}
        begun, ended = threading.Event(), threading.Event()
        with ThreadPoolExecutor(len(asks)) as pool:
            try:
                answers = {
                    name: pool.submit(keep_asking, ask, begun, ended) for name, ask in asks.items()
                }
                with step("waiting until all sources are at their pace"):
                    time.sleep(min(SETTLE, 2 * seconds))
                begun.set()
                before, began = [each.cpu_seconds() for each in containers], time.monotonic()
                with step(f"comparing for {seconds:g} s"):
                    time.sleep(seconds)
                after, passed = (
                    [each.cpu_seconds() for each in containers],
                    time.monotonic() - began,
                )
            finally:
                begun.set()
                ended.set()
        said = {name: summary(future.result()) for name, future in answers.items()}
    return [
        Observed(
            each.load,
            known(each, 100 * (after[number] - before[number]) / passed),
            {name: figures[number] for name, figures in said.items()},
        )
        for number, each in enumerate(containers)
    ]


@contextmanager
def asking_service(api: Service, ids: Sequence[str], kind: str) -> Iterator[Ask]:
    """Ends the program where the service takes its samples from elsewhere."""
    with Connection(api.address) as connection:

        def ask() -> list[Figures]:
            answers = [connection.json(f"/containers/{each}/stats") for each in ids]
            sources = {answer["source"] for answer in answers}
            if not all(source.startswith(kind) for source in sources):
                raise SystemExit(f"The service was to use {kind}, and uses {', '.join(sources)}.")
            return [docker_stats.from_service(answer) for answer in answers]

        yield ask


def keep_asking(ask: Ask, begun: threading.Event, ended: threading.Event) -> list[list[Figures]]:
    """Once a second, or again at once where that takes longer. What was asked between the two
    events, and at least once.
    """
    answers: list[list[Figures]] = []
    while not (ended.is_set() and answers):
        counts, at = begun.is_set(), time.monotonic()
        answer = ask()
        if counts:
            answers.append(answer)
        ended.wait(max(0.0, at + 1 - time.monotonic()))
    return answers


def summary(answers: Sequence[Sequence[Figures]]) -> list[Figures]:
    """For each container the last answer, with the mean of its CPU figures."""
    summaries = []
    for figures in zip(*answers, strict=True):
        percents = [each.cpu_percent for each in figures if each.cpu_percent is not None]
        mean = sum(percents) / len(percents) if percents else None
        summaries.append(replace(figures[-1], cpu_percent=mean))
    return summaries


def known(container: Loaded, cpu_percent: float) -> Figures:
    """The figures that the load determines, as they are known without any statistics."""
    does = container.load.does
    return replace(
        Figures(**does),
        cpu_percent=cpu_percent if "cpu_percent" in does else None,
        memory=container.memory() if "memory" in does else None,
        memory_cache=container.cached() if "memory_cache" in does else None,
    )


def show_known(observed: Sequence[Observed]) -> None:
    sources = list(observed[0].said)
    rows = [
        (
            f"{each.load.name}: {TITLES[name]}",
            shown(name, does),
            shown(name, getattr(each.known, name)),
            *(
                compared(name, getattr(each.said[source], name), getattr(each.known, name))
                for source in sources
            ),
        )
        for each in observed
        for name, does in each.load.does.items()
    ]
    head = ("", "load", "known", *sources)
    table("Known loads, and the difference of each source from what is known", head, rows)


def show_differences(observed: Sequence[Observed]) -> None:
    """The largest ones over all containers, figure by figure."""
    sources = [source for source in observed[0].said if source != RAW]
    rows = []
    for name, title in TITLES.items():
        cells = []
        for source in sources:
            pairs = [
                (getattr(each.said[source], name), getattr(each.said[RAW], name))
                for each in observed
            ]
            cells.append(largest(name, pairs))
        rows.append((title, *cells))
    title = f"The largest difference from `{RAW}`, over all {len(observed)} containers"
    table(title, ("", *sources), rows)


def largest(name: str, pairs: Sequence[tuple[float | None, float | None]]) -> str:
    """The largest difference, in the figure's unit and in percent; and how many could not be
    compared, for one of the two knows nothing.
    """
    both = [(a, b) for a, b in pairs if a is not None and b is not None]
    if not both:
        return "-"
    a, b = max(both, key=lambda pair: abs(pair[0] - pair[1]))
    share = f" ({100 * (a - b) / b:+.2f}%)" if b and name != "cpu_percent" else ""
    missing = f", {len(pairs) - len(both)} unknown" if len(both) < len(pairs) else ""
    return f"{shown(name, a - b)}{share}{missing}"


def compared(name: str, value: float | None, known: float | None) -> str:
    if value is None:
        return "-"
    share = f" ({100 * (value - known) / known:+.2f}%)" if known else ""
    return f"{shown(name, value)}{share}"


def shown(name: str, value: float | None) -> str:
    if value is None:
        return "-"
    if name == "pids":
        return f"{value:.0f}"
    if name in PLAIN:
        return f"{value:.2f}"
    for unit, size in (("MiB", 1024**2), ("KiB", 1024)):
        if abs(value) >= size:
            return f"{value / size:.2f} {unit}"
    return f"{value:.0f} B"


if __name__ == "__main__":
    main()
