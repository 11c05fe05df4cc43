"""What it costs to sample all containers: CPU time by process, the time of one pass, memory.

Part of `benchmarks.container_stats`, which describes it.
"""

import asyncio
import time
import tracemalloc
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

import psutil

from orchestrator.engine import Engine
from orchestrator.host import CgroupReader, HostPorts, allow_more_files
from orchestrator.models import Container, StatsPoint
from orchestrator.ports import PortAllocator
from orchestrator.settings import Settings
from orchestrator.state import Inventory, Mirror, Watcher
from orchestrator.statistics.history import Fold, Series, spans

from .askers import (
    AT_ONCE,
    DockerStats,
    DockerStatsEnded,
    OneShots,
    OneShotSweep,
    ServiceStream,
    Source,
)
from .cpu_time import Meter, Spent, engine_processes
from .measure import percentile, step, table, timed
from .setting import Bench, Service, service

# Seconds until what has just been started or opened is at its pace.
SETTLE = 3.0
# What a sample is paid with. Who asks is beside it; and shims, which read their container's files
# for the engine, are counted apart, for they spend more on their own account: each collects its
# garbage every two minutes.
PAID = ("service", "dockerd", "containerd")
WITH_SHIMS = (*PAID, "shims")


def compare_cpu_time(made: Bench, api: Service, seconds: float) -> float:
    """Prints what each source costs. Returns the memory of the service, in MB, when a stream of
    all has been open for that long. The service is stopped afterwards.
    """
    ids = made.running()
    engine = engine_processes(made.socket, ids)
    rows: list[tuple[str, Spent, int]] = []

    def measure(what: str, source: Source | None = None, api: Service | None = None) -> None:
        groups = {
            **engine,
            "service": [] if api is None else api.processes(),
            "asker": [psutil.Process(), *(() if source is None else source.processes)],
        }
        with step(f"CPU time: {what}"):
            time.sleep(min(SETTLE, seconds))
            if source is not None:
                source.mark()
            spent = Meter(groups).over(seconds)
        rows.append((what, spent, 0 if source is None else source.samples()))

    api.stop()
    measure("engine alone, nobody asks")
    api.start()
    measure("service runs, nobody asks", api=api)
    with ServiceStream(api) as stream:
        measure(f"service by {stream.kind}, open stream of all", stream, api)
        memory = api.memory()
    api.stop()
    with (
        service(made, CGROUP_ROOT=str(made.empty_directory())) as other,
        ServiceStream(other) as stream,
    ):
        measure(f"service by {stream.kind}, open stream of all", stream, other)
    with OneShots(made, ids) as shots:
        measure(f"engine, one-shot of all, {AT_ONCE} at a time", shots)
    try:
        with DockerStats(made, ids) as shown:
            measure("docker stats of all", shown)
    except DockerStatsEnded:
        print("docker stats of all gave up by itself: its row is left out")
    show_spent(f"CPU time with {len(ids)} containers, over {seconds:g} s each", rows)
    return memory


def show_spent(title: str, rows: Sequence[tuple[str, Spent, int]]) -> None:
    """Percent of one core by group; and per sample, in µs, what is spent more than in the first
    row, in which nobody asks.
    """
    idle = rows[0][1]
    lines = []
    for what, spent, samples in rows:

        def per_sample(*groups: str, spent: Spent = spent, samples: int = samples) -> str:
            if not samples:
                return ""
            more = (spent.percent(*groups) - idle.percent(*groups)) / 100
            return f"{more * spent.seconds / samples * 1e6:.0f}"

        lines.append(
            (
                what,
                f"{samples / spent.seconds:.1f}" if samples else "",
                *(f"{spent.percent(group):.2f}" for group in PAID),
                f"{spent.percent(*PAID):.2f}",
                per_sample(*PAID),
                f"{spent.percent('shims'):.2f}",
                per_sample(*WITH_SHIMS),
                f"{spent.percent('asker'):.2f}",
            )
        )
    groups = (*(f"{group} %" for group in PAID), "together %", "µs a sample", "shims %")
    table(title, ("", "samples/s", *groups, "µs with shims", "asker %"), lines)


def compare_passes(made: Bench) -> None:
    """One pass over all: control groups read in this process, and the engine asked."""
    containers = asyncio.run(_listed(made))
    count = len(containers)
    settings = Settings()
    allow_more_files()
    cold: list[float] = []
    warm: list[float] = []
    with step("comparing passes over all"):
        for _ in range(3):
            reader = CgroupReader(Path(settings.cgroup_root), Path(settings.proc_root))

            def read(reader: CgroupReader = reader) -> None:
                complete(reader.read(containers))

            cold.append(timed(read))
            warm += [timed(read) for _ in range(20)]
            reader.close()
        sweep = OneShotSweep(made, [each.full_id for each in containers])
        try:
            asked = [timed(sweep.run) for _ in range(2)]
        finally:
            sweep.close()
    rows = [
        (
            what,
            str(len(times)),
            f"{median(times) * 1000:.1f}",
            f"{percentile(times, 99) * 1000:.1f}",
            f"{median(times) * 1e6 / count:.0f}",
        )
        for what, times in {
            "control groups, files to be found and opened": cold,
            "control groups, files open": warm,
            f"engine, one-shot, {AT_ONCE} at a time": asked,
        }.items()
    ]
    head = ("", "times", "median ms", "p99 ms", "µs per container")
    table(f"One pass over {count} containers", head, rows)


def complete(samples: Sequence[object | None]) -> None:
    """Ends the program where a sample is missing: a quick pass would be none."""
    if missing := sum(sample is None for sample in samples):
        raise SystemExit(f"Of {len(samples)} containers, {missing} have no control group to read.")


async def _listed(made: Bench) -> list[Container]:
    """The running containers of this benchmark, as the service knows them."""
    settings = Settings()
    engine, inventory = Engine(settings), Inventory()
    await engine.connect()
    try:
        ports = PortAllocator(settings.port_range, settings.port)
        mirror = Mirror(engine, inventory, ports)
        await Watcher(engine, mirror, HostPorts(engine.socket_path)).list_once()
    finally:
        engine.close()
    wanted = set(made.running())
    return [each for each in inventory.all() if each.full_id in wanted]


def history_bytes() -> float:
    """Of a container whose history is full, by Python's own account of its memory."""
    settings = Settings()
    fine, coarse = spans(settings.stats_history, settings.stats_long_history)
    # How figures are folded makes no difference to their size.
    columns: Mapping[str, Fold] = {
        name: "mean" for name in StatsPoint.model_fields if name not in ("at", "interval_s")
    }
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        series = Series(columns, fine, coarse)
        for second in range(int(max(fine.seconds, coarse.seconds)) + 1):
            series.add(1e9 + second, 1.0, [float(second)] * len(columns))
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return after - before
