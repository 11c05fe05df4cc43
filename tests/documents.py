"""Takes README.md, SECURITY.md and docs/*.md apart: their examples, answers, tables, links and
headings.

An example is a block of bash that calls curl. The block of JSON or text right after it, if there
is one, shows its answer. A bare `…` in JSON stands for what is left out: the answer may have more
there, and nowhere else. `<!-- example: SETUP -->` right before a block names what its
service needs.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([ROOT / "README.md", ROOT / "SECURITY.md", *(ROOT / "docs").glob("*.md")])
CUT = "…"

_BLOCK = re.compile(
    r"(?:^<!-- example: (?P<setup>[^\n]+) -->\n)?"
    r"^```bash\n(?P<command>.*?)\n```$"
    r"(?:\n\n?```(?P<kind>json|text)\n(?P<answer>.*?)\n```$)?",
    re.DOTALL | re.MULTILINE,
)
_FENCE = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
_TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|[][{}…]')
_LINK = re.compile(r"(?<!!)\[[^]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Example:
    """A command, and what it is said to print. `kind` is "json" or "text", or "" without answer."""

    document: Path
    line: int
    setup: str
    command: str
    kind: str
    answer: str

    @property
    def place(self) -> str:
        return f"{self.document.relative_to(ROOT)}:{self.line}"


def examples(document: Path) -> list[Example]:
    text = document.read_text()
    return [
        Example(
            document,
            text.count("\n", 0, block.start()) + 1,
            block["setup"] or "",
            block["command"],
            block["kind"] or "",
            block["answer"] or "",
        )
        for block in _BLOCK.finditer(text)
        if "curl " in block["command"]
    ]


def outside_of_examples(document: Path) -> str:
    """The document without its blocks of bash, where no command is looked for."""
    return re.sub(r"^```bash\n.*?^```$", "", document.read_text(), flags=re.DOTALL | re.MULTILINE)


def headings(document: Path) -> set[str]:
    """The anchors that GitHub gives the headings of a document."""
    found: dict[str, int] = {}
    anchors = set()
    for title in _HEADING.findall(_FENCE.sub("", document.read_text())):
        plain = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        number = found.get(plain, 0)
        found[plain] = number + 1
        anchors.add(f"{plain}-{number}" if number else plain)
    return anchors


def links(document: Path) -> list[str]:
    return _LINK.findall(_FENCE.sub("", document.read_text()))


def rows(document: Path) -> Iterator[list[str]]:
    """The cells of each row of each table, the rows of dashes left out."""
    for line in document.read_text().splitlines():
        if line.startswith("|") and not re.fullmatch(r"[|\-: ]+", line):
            yield [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def parse(shown: str) -> Any:
    """JSON as the documents show it. What is cut has the member `…`, or the element "…"."""
    stack: list[str] = []

    def translate(token: re.Match[str]) -> str:
        text = token[0]
        if text in "[{":
            stack.append(text)
        elif text in "]}":
            stack.pop()
        elif text == CUT:
            more = "," if re.match(r'\s*["{\[]', shown[token.end() :]) else ""
            return f'"{CUT}": null{more}' if stack[-1] == "{" else f'"{CUT}"{more}'
        return text

    return json.loads(_TOKEN.sub(translate, shown))


def difference(shown: Any, got: Any, where: str = "answer") -> str | None:
    """How the shape of an answer differs from the one shown: fields and types, to any depth.

    How many texts are in a list (environment variables, interfaces) is up to the machine. So is
    whether block I/O is counted, and how far a health check has come.
    """
    last = where.rpartition(".")[2]
    if last.startswith("block_") and got is None:
        return None
    if last == "health" and {type(shown), type(got)} <= {str, type(None)}:
        return None
    if isinstance(shown, dict) and isinstance(got, dict):
        wanted = shown.keys() - {CUT}
        if missing := wanted - got.keys():
            return f"{where} has no {sorted(missing)}"
        if CUT not in shown and (more := got.keys() - wanted):
            return f"{where} also has {sorted(more)}, and is not marked as cut"
        pairs = [(f"{where}.{name}", shown[name], got[name]) for name in shown if name in wanted]
    elif isinstance(shown, list) and isinstance(got, list):
        wanted_items = [item for item in shown if item != CUT]
        if shown and all(isinstance(item, str) for item in [*shown, *got]):
            return None if bool(wanted_items) <= bool(got) else f"{where} is empty"
        if len(got) < len(wanted_items) or (len(got) > len(wanted_items) and CUT not in shown):
            return f"{where} has {len(got)} elements instead of {len(wanted_items)}"
        pairs = [
            (f"{where}[{number}]", item, got[number]) for number, item in enumerate(wanted_items)
        ]
    else:
        kinds = _kind(shown), _kind(got)
        return None if kinds[0] == kinds[1] else f"{where} is {kinds[1]} instead of {kinds[0]}"
    return next((found for each in pairs if (found := difference(each[1], each[2], each[0]))), None)


def _kind(value: Any) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return "a number"
    return type(value).__name__


def events(stream: str) -> list[tuple[str, str]]:
    """Name and data of each server-sent event; comments are left out."""
    found = []
    for part in re.split(r"\n\n+", stream.strip()):
        lines = [line.partition(": ") for line in part.splitlines() if not line.startswith(":")]
        fields = {name: value for name, _, value in lines}
        if fields:
            found.append((fields.get("event", "message"), fields.get("data", "")))
    return found
