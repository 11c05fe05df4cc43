"""`docker stats`: its figures as numbers, and the engine's own JSON in the same terms.

The command prints sizes as people read them: memory in powers of 1024 with four digits
("101.3MiB"), traffic in powers of 1000 with three ("104MB"; "1e+03kB" just below a megabyte). So
what it says is right to half a percent at best. For comparisons in bytes there is the engine's
JSON, from which it computes (cli/command/container/stats_helpers.go).
"""

import json
import re
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

_SIZE = re.compile(r"(\d+(?:\.\d+)?(?:e[+-]?\d+)?)\s*([kKMGTPE]?)(i?)B")
_POWERS = {letter: power for power, letter in enumerate(("", "K", "M", "G", "T", "P", "E"))}


@dataclass(frozen=True)
class Figures:
    """What one source says about a container: bytes, and percent of one CPU. None: it says nothing,
    or does not know.
    """

    cpu_percent: float | None = None
    memory: float | None = None  # without the inactive page cache
    memory_limit: float | None = None
    memory_percent: float | None = None
    memory_cache: float | None = None  # the inactive page cache
    network_rx: float | None = None
    network_tx: float | None = None
    block_read: float | None = None
    block_write: float | None = None
    pids: float | None = None


def parse_size(text: str) -> float | None:
    """Bytes from "101.3MiB", "104MB" or "0B"; None from "--", as for what has just ended.

    Raises ValueError for anything else.
    """
    text = text.strip()
    if text in ("--", "N/A"):
        return None
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no size that docker stats prints")
    number, letter, binary = match.groups()
    return float(number) * float(1024 if binary else 1000) ** _POWERS[letter.upper()]


def parse_percent(text: str) -> float | None:
    text = text.strip().removesuffix("%")
    return None if text == "--" else float(text)


def parse_row(row: Mapping[str, str]) -> Figures:
    """The figures in one object of `docker stats --format '{{json .}}'`."""
    memory, limit = _pair(row["MemUsage"])
    received, sent = _pair(row["NetIO"])
    read, written = _pair(row["BlockIO"])
    return Figures(
        cpu_percent=parse_percent(row["CPUPerc"]),
        memory=memory,
        memory_limit=limit,
        memory_percent=parse_percent(row["MemPerc"]),
        network_rx=received,
        network_tx=sent,
        block_read=read,
        block_write=written,
        pids=None if row["PIDs"] == "--" else float(row["PIDs"]),
    )


def ask(containers: Iterable[str], seconds: float = 120) -> list[Figures]:
    """`docker stats --no-stream` of these containers, in this order."""
    ids = list(containers)
    command = ["docker", "stats", "--no-stream", "--no-trunc", "--format", "{{json .}}", *ids]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=seconds)
    if answer.returncode:
        raise SystemExit(f"docker stats: {answer.stderr}")
    rows = {row["ID"]: row for row in map(json.loads, answer.stdout.splitlines())}
    return [parse_row(rows[each]) for each in ids]


def from_engine(payload: Mapping[str, Any]) -> Figures:
    """The figures in an answer of `GET /containers/{id}/stats?stream=false`, which has two samples
    in it, by the formulas of the command.
    """
    cpu, before = payload["cpu_stats"], payload["precpu_stats"]
    spent = cpu["cpu_usage"]["total_usage"] - before["cpu_usage"]["total_usage"]
    passed = cpu["system_cpu_usage"] - before.get("system_cpu_usage", 0)
    share = spent / passed if spent > 0 and passed > 0 else 0.0
    memory = payload["memory_stats"]
    cache = memory["stats"].get("total_inactive_file", memory["stats"].get("inactive_file", 0))
    usage = memory["usage"] - cache if cache < memory["usage"] else memory["usage"]
    interfaces = (payload.get("networks") or {}).values()
    blocks = payload["blkio_stats"].get("io_service_bytes_recursive") or []

    def moved(operation: str) -> float | None:
        if not blocks:
            return None  # the command prints 0B, also where the kernel does not count
        return float(sum(each["value"] for each in blocks if each["op"].lower() == operation))

    return Figures(
        cpu_percent=100 * share * cpu["online_cpus"],
        memory=usage,
        memory_limit=memory["limit"],
        memory_percent=100 * usage / memory["limit"],
        memory_cache=cache,
        network_rx=sum(each["rx_bytes"] for each in interfaces),
        network_tx=sum(each["tx_bytes"] for each in interfaces),
        block_read=moved("read"),
        block_write=moved("write"),
        pids=payload["pids_stats"].get("current"),
    )


def from_service(answer: Mapping[str, Any]) -> Figures:
    """The figures in an answer of the service."""
    return Figures(
        cpu_percent=answer["cpu_percent"],
        memory=answer["memory_usage_bytes"],
        memory_limit=answer["memory_limit_bytes"],
        memory_percent=answer["memory_percent"],
        memory_cache=answer["memory_cache_bytes"],
        network_rx=answer["network_rx_bytes"],
        network_tx=answer["network_tx_bytes"],
        block_read=answer["block_read_bytes"],
        block_write=answer["block_write_bytes"],
        pids=answer["pids"],
    )


def _pair(text: str) -> tuple[float | None, float | None]:
    first, _, second = text.partition("/")
    return parse_size(first), parse_size(second)
