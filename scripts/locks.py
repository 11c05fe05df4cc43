"""Reads requirements/*.txt, which scripts/lock writes: what an image installs, and for whom."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REQUIREMENTS = Path(__file__).resolve().parent.parent / "requirements"
IMAGES = ("api", "base")
PYTHONS = range(11, 15)  # of 3

_HASH = "--hash=sha256:"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Pinned:
    """A package at one version. Each hash, a SHA-256, is of one of its files: of its source, or of
    what was built for one kind of machine. Other packages want it, or pyproject.toml itself asks
    for it, or both.
    """

    name: str
    version: str
    marker: Marker | None
    hashes: tuple[str, ...]
    wanted_by: frozenset[str]
    asked_for: bool


def read(image: str) -> list[Pinned]:
    return list(parse((REQUIREMENTS / f"{image}.txt").read_text(encoding="utf-8")))


def parse(text: str) -> Iterator[Pinned]:
    """Raises ValueError for what `uv pip compile` does not write."""
    entry: list[str] = []
    for line in [*text.splitlines(), "end"]:
        if line[:1] not in ("", " ", "#"):
            if entry:
                yield _pinned(entry)
            entry = []
        if entry or line[:1] not in ("", "#"):
            entry.append(line.rstrip("\\").strip())


def _pinned(entry: list[str]) -> Pinned:
    requirement = Requirement(entry[0])
    (pin,) = requirement.specifier
    if pin.operator != "==":
        raise ValueError(f"{entry[0]} is not one version")
    hashes = [line.removeprefix(_HASH) for line in entry[1:] if line.startswith(_HASH)]
    comments = [line.removeprefix("#").strip() for line in entry[1:] if line.startswith("#")]
    if len(hashes) + len(comments) != len(entry) - 1:
        raise ValueError(f"{requirement.name} has a line that is no hash and no comment")
    reasons = [line.removeprefix("via").strip() for line in comments]
    return Pinned(
        name=canonicalize_name(requirement.name),
        version=pin.version,
        marker=requirement.marker,
        hashes=tuple(hashes),
        wanted_by=frozenset(canonicalize_name(each) for each in reasons if _NAME.fullmatch(each)),
        asked_for=any("(pyproject.toml" in each for each in reasons),
    )
