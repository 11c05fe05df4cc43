"""How many ports are allocated and released per second, without an engine.

The allocator alone: reserving a port for a container, saying that the container runs, forgetting
the container. Beside it, what is often written instead: the first port that is not in a set.
"""

import argparse
import time
from statistics import median

from orchestrator.ports import PortAllocator
from orchestrator.quantities import PortRange

from .measure import table


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    arguments.add_argument("--times", type=int, default=20_000, help="allocations (default: 20000)")
    times = arguments.parse_args().times
    if not 1 <= times <= 1_000_000:
        arguments.error("--times is from 1 to 1000000")
    rows = []
    for taken in (0, 500, 998):
        ours = median(allocations(taken, times) for _ in range(5))
        naive = median(naive_allocations(taken, times) for _ in range(5))
        rows.append((f"{taken} of 999", f"{ours:,.0f}", f"{naive:,.0f}", f"{ours / naive:.2f}"))
    head = ("taken meanwhile", "PortAllocator", "first not in a set", "ratio")
    table("Allocations with release per second, median of 5", head, rows)


def allocations(taken: int, times: int) -> float:
    """Per second, with so many ports in use."""
    ports = PortAllocator(PortRange(8001, 8999), 8000)
    for number in range(taken):
        ports.reserve(["5000/tcp"]).commit(f"other-{number}", "other")
    began = time.perf_counter()
    for number in range(times):
        container = f"container-{number}"
        with ports.reserve(["5000/tcp"]) as reservation:
            reservation.commit(container, container)
        ports.forget(container)
    return times / (time.perf_counter() - began)


def naive_allocations(taken: int, times: int) -> float:
    used = set(range(8001, 8001 + taken))
    began = time.perf_counter()
    for _ in range(times):
        port = next(port for port in range(8001, 9000) if port not in used)
        used.add(port)
        used.remove(port)
    return times / (time.perf_counter() - began)


if __name__ == "__main__":
    main()
