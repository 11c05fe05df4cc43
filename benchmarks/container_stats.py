"""Statistics of containers: how long an answer takes, what a sample costs, beside everybody else's.

Fills an engine with light containers and compares, in one run: the service's answers with an empty
route of the same app and with the engine's, the SDK's, aiodocker's and those of `docker stats`; the
CPU time that the service and the engine's processes spend for each source while all containers are
sampled once a second; one pass over all control groups with one over the engine; and memory.

Needs an engine of this host, for its processes are looked at, and a kernel whose control groups can
be read. aiodocker is in the extra "benchmarks"; without it, its row is left out, and that is said.
"""

import asyncio
import importlib.util
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from statistics import median
from typing import Any

from . import docker_stats
from .at_scale import fill
from .measure import in_turns, show_times, step, table, timed
from .plain_http import Connection
from .sampling_cost import compare_cpu_time, compare_passes, history_bytes
from .setting import WORKERS, Bench, Service, bench, parser, service

# Away from a service's own range, and from the ephemeral ports.
FIRST_PORT = 21001
# Calls of a quick route in each round, in which a slow one is called once.
QUICK = 20
PARTS = ("answers", "cpu", "passes")
EMPTY = "GET /health/live, an empty route"


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--count", type=int, default=50, help="containers (default: 50)")
    arguments.add_argument(
        "--rounds",
        type=int,
        default=5,
        help=f"calls of each slow source, with {QUICK} of each quick one between (default: 5)",
    )
    arguments.add_argument(
        "--seconds",
        type=float,
        default=20,
        help="how long CPU time is measured, for each of six sources (default: 20)",
    )
    arguments.add_argument(
        "--part",
        choices=PARTS,
        action="append",
        help="only this (default: all, one after the other)",
    )
    chosen = arguments.parse_args()
    for name, least, most in (("count", 1, 5000), ("rounds", 1, 100), ("seconds", 0.1, 300)):
        if not least <= getattr(chosen, name) <= most:
            arguments.error(f"--{name} is from {least} to {most}")
    if not shutil.which("docker"):
        arguments.error("docker is compared with, and not installed")
    ports = f"{FIRST_PORT}-{FIRST_PORT + chosen.count + WORKERS}"
    with (
        bench(private=chosen.private) as made,
        service(made, PORT_RANGE=ports) as api,
    ):
        parts = chosen.part or PARTS
        measure(made, api, chosen.count, chosen.rounds, chosen.seconds, parts)


def measure(
    made: Bench, api: Service, count: int, rounds: int, seconds: float, parts: Sequence[str]
) -> None:
    memory = {"service, empty": api.memory()}
    fill(api, count)
    memory[f"service, {count} containers just created"] = api.memory()
    check_the_source(api)
    if "answers" in parts:
        compare_answers(made, api, count, rounds)
        memory["service, after the questions"] = api.memory()
    if "cpu" in parts:
        memory["service, after the open stream"] = compare_cpu_time(made, api, seconds)
    if "passes" in parts:
        compare_passes(made)
    full = history_bytes()
    table(
        "Memory",
        ("", ""),
        [
            *((what, f"{size:.1f} MB") for what, size in memory.items()),
            ("not measured there but filled here: one full history", f"{full / 1024:.1f} KB"),
            (f"{count} of them", f"{full * count / 1024**2:.1f} MB"),
        ],
    )


def check_the_source(api: Service) -> None:
    """Ends the program where the service does not do what is to be measured."""
    source = api.get(f"/containers/{api.mine()[0]['id']}/stats")["source"]
    if not source.startswith("cgroup"):
        sys.exit(f"The service cannot read control groups here: its source is {source}.")


def compare_answers(made: Bench, api: Service, count: int, rounds: int) -> None:
    """All in one table: the quick ones `QUICK` times in each round, the slow ones once."""
    some = made.running()[0]
    with step("first questions"):
        cold, without_cpu = first_answers(api, rounds)
    with ExitStack() as stack:
        ours = stack.enter_context(Connection(api.address))
        quick: dict[str, Callable[[], Any]] = {
            name: partial(ours.get, path)
            for name, path in {
                EMPTY: "/health/live",
                "GET /containers/{id}/stats, warm": f"/containers/{some}/stats",
                f"GET /containers/stats, all {count}": "/containers/stats",
                "GET /containers/stats?sort=cpu&top=10": "/containers/stats?sort=cpu&top=10",
                "GET /containers/{id}/stats/history": f"/containers/{some}/stats/history",
            }.items()
        }
        slow = stack.enter_context(other_sources(made, some))
        ages: list[float] = []
        seconds: dict[str, list[float]] = {name: [] for name in (*quick, *cold, *slow)} | cold
        for number in range(1, rounds + 1):
            with step(f"comparing answers, round {number} of {rounds}"):
                for name, times in in_turns(quick, QUICK).items():
                    seconds[name] += times
                ages.append(ours.json(f"/containers/{some}/stats")["age_s"])
                for name, call in slow.items():
                    seconds[name].append(timed(call))
    show_times(f"Answers with {count} containers", seconds, EMPTY)
    print(f"first answers without a CPU figure: {without_cpu} of {sum(map(len, cold.values()))}")
    print(f"age of the sample in a warm answer: {median(ages):.2f} s, at most {max(ages):.2f} s")
    if importlib.util.find_spec("aiodocker") is None:
        print("aiodocker is not installed (pip install '.[benchmarks]'): its row is left out")


def first_answers(api: Service, rounds: int) -> tuple[dict[str, list[float]], int]:
    """The seconds of first questions, and how many answers had no CPU figure."""
    after_create = "GET /containers/{id}/stats, first after the container's start"
    after_start = "GET /containers/{id}/stats, first after the service's start"
    seconds: dict[str, list[float]] = {after_create: [], after_start: []}
    answers: list[Mapping[str, Any]] = []

    def ask(name: str, container: str) -> None:
        with Connection(api.address) as connection:
            path = f"/containers/{container}/stats"
            seconds[name].append(timed(lambda: answers.append(connection.json(path))))

    for _ in range(rounds):
        created = api.create()
        created.raise_for_status()
        container = created.json()["id"]
        ask(after_create, container)
        gone = api.client.delete(f"/containers/{container}", params={"force": True})
        gone.raise_for_status()
    container = api.mine()[0]["id"]
    for _ in range(rounds):
        api.stop()
        api.start()
        ask(after_start, container)
    return seconds, sum(answer["cpu_percent"] is None for answer in answers)


@contextmanager
def other_sources(made: Bench, some: str) -> Iterator[dict[str, Callable[[], Any]]]:
    """What else there is to ask about a container."""
    every = made.running()
    container = made.client.containers.get(some)
    with Connection(made.socket) as engine, ExitStack() as stack:
        one_shot = made.stats_path(some, one_shot=True)
        sources: dict[str, Callable[[], Any]] = {
            "engine, one-shot": lambda: engine.get(one_shot),
            "engine, stream=false": lambda: engine.get(made.stats_path(some)),
            "SDK: container.stats(stream=False)": lambda: container.stats(stream=False),
        }
        if importlib.util.find_spec("aiodocker") is not None:
            ask = stack.enter_context(aiodocker_stats(made, some))
            sources["aiodocker: container.stats(stream=False)"] = ask
        sources["docker stats --no-stream, one"] = lambda: docker_stats.ask([some])
        sources[f"docker stats --no-stream, all {len(every)}"] = lambda: docker_stats.ask(every)
        engine.get(one_shot)  # opens the connection
        yield sources


@contextmanager
def aiodocker_stats(made: Bench, some: str) -> Iterator[Callable[[], Any]]:
    import aiodocker

    async def connect() -> Any:
        client = aiodocker.Docker(url=f"unix://{made.socket}")
        await client.version()  # opens the connection
        return client

    with asyncio.Runner() as runner:
        client = runner.run(connect())
        try:
            yield lambda: runner.run(client.containers.container(some).stats(stream=False))
        finally:
            runner.run(client.close())


if __name__ == "__main__":
    main()
