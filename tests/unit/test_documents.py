"""Holds README.md and docs/ to what they speak of: settings, routes, fields, errors, each other."""

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from main import create_app
from orchestrator import errors
from orchestrator.settings import Settings
from tests import documents
from tests.documents import DOCUMENTS, ROOT

API = ROOT / "docs" / "api.md"
SETTINGS = ROOT / "docs" / "settings.md"
README = ROOT / "README.md"
# The framework's own refusals, and what no caller sees: see errors.PortRefused.
OTHER_CODES = {"no-such-endpoint": 404, "method-not-allowed": 405, "internal-error": 500}
NEVER_SEEN = {"port-refused", "image-in-use"}

each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.name))


@cache
def description() -> dict[str, Any]:
    return create_app(Settings()).openapi()


def test_the_readme_is_short() -> None:
    assert len(README.read_text().splitlines()) <= 250


@each_document
def test_links_lead_somewhere(document: Path) -> None:
    for link in documents.links(document):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), link
        assert not anchor or anchor in documents.headings(target), link


def test_every_document_is_linked_from_the_readme() -> None:
    linked = {(ROOT / link.partition("#")[0]).resolve() for link in documents.links(README)}
    assert set(DOCUMENTS) - {README} <= linked


@each_document
def test_curl_is_only_in_examples_that_are_run(document: Path) -> None:
    assert not re.search(r"\bcurl +(-|'?http)", documents.outside_of_examples(document))
    examples, text = documents.examples(document), document.read_text()
    marks = re.findall(r"^<!-- example", text, re.MULTILINE)
    assert len(marks) == sum(bool(example.setup) for example in examples)
    answers = re.findall(r"^ *```json$", text, re.MULTILINE)
    assert len(answers) == sum(example.kind == "json" for example in examples)


@pytest.mark.parametrize(
    ("document", "least"), [(README, 10), (SETTINGS, len(Settings.model_fields))]
)
def test_settings_have_their_defaults(document: Path, least: int) -> None:
    documented = dict(settings_in(document))
    assert len(documented) >= least
    for name, default in documented.items():
        field = Settings.model_fields[name]
        if literal := re.fullmatch(r"`(.+)`", default):
            given = getattr(Settings.model_validate({name: literal[1]}), name)
            assert given == field.default, name
        else:
            assert not field.default or default == "all", name


def test_every_setting_is_documented_once() -> None:
    names = [name for name, _ in settings_in(SETTINGS)]
    assert sorted(names) == sorted(Settings.model_fields)


def settings_in(document: Path) -> Iterator[tuple[str, str]]:
    for row in documents.rows(document):
        if len(row) == 3 and (name := re.fullmatch(r"`([A-Z_]+)`", row[0])):
            yield name[1].lower(), row[1]


@pytest.mark.parametrize("document", [README, API], ids=["README.md", "api.md"])
def test_endpoints_are_those_there_are(document: Path) -> None:
    there = {
        f"{method.upper()} {path}"
        for path, methods in description()["paths"].items()
        for method in methods
    }
    cells = [row[0] for row in documents.rows(document) if len(row) == 2]
    named = [
        endpoint.partition("?")[0]
        for cell in cells
        for endpoint in re.findall(r"`((?:GET|POST|PUT|PATCH|DELETE) /[^`]*)`", cell)
    ]
    assert sorted(named) == sorted(there)


def test_every_field_of_a_create_is_documented() -> None:
    wanted = description()["components"]["schemas"]["CreateRequest"]["properties"].keys()
    rows = [row for row in documents.rows(API) if len(row) == 3]
    documented = [name[1] for row in rows if (name := re.fullmatch(r"`([a-z_]+)`", row[0]))]
    assert sorted(documented) == sorted(wanted)


def test_every_error_is_documented_with_its_status() -> None:
    rows = [row for row in documents.rows(API) if re.fullmatch(r"\d{3}", row[0])]
    documented = {row[1].strip("`"): int(row[0]) for row in rows}
    assert len(documented) == len(rows)
    assert documented.keys() == (codes() | OTHER_CODES.keys()) - NEVER_SEEN
    for code, status in [*statuses(), *OTHER_CODES.items()]:
        assert documented[code] == status, code


def codes() -> set[str]:
    found, kinds = set(), [errors.OrchestratorError]
    while kinds:
        kind = kinds.pop()
        kinds += kind.__subclasses__()
        if "code" in vars(kind):
            found.add(kind.code)
    return found


def statuses() -> Iterator[tuple[str, int]]:
    """Code and status of each problem that the description of the API has."""
    for operations in description()["paths"].values():
        for operation in operations.values():
            for status, answer in operation["responses"].items():
                media = answer.get("content", {}).get("application/problem+json", {})
                for code in media.get("examples", {}):
                    yield code, int(status)


SHOWN = '{"id": "a…", "ports": {"5000/tcp": "x"}, …, "list": [{"n": 1, …}, …]}'


@pytest.mark.parametrize(
    ("answer", "wrong"),
    [
        ('{"id": "b", "ports": {"5000/tcp": "y"}, "list": [{"n": 2}]}', None),
        ('{"id": "b", "ports": {"5000/tcp": "y"}, "list": [{"n": 2, "m": 3}, 4], "k": 5}', None),
        ('{"id": "b", "ports": {}, "list": [{"n": 2}]}', "answer.ports has no"),
        ('{"id": "b", "ports": {"5000/tcp": "y", "k": 1}, "list": []}', "answer.ports also has"),
        ('{"id": null, "ports": {"5000/tcp": "y"}, "list": [{"n": 2}]}', "answer.id is NoneType"),
        ('{"id": "b", "ports": {"5000/tcp": "y"}, "list": []}', "answer.list has 0 elements"),
        ('{"id": "b", "ports": {"5000/tcp": "y"}, "list": [{"n": "2"}]}', "answer.list[0].n is"),
        ('{"ports": {"5000/tcp": "y"}, "list": [{"n": 2}]}', "answer has no ['id']"),
        ("[]", "answer is list"),
    ],
)
def test_an_answer_of_another_shape_is_noticed(answer: str, wrong: str | None) -> None:
    found = documents.difference(documents.parse(SHOWN), json.loads(answer))
    assert found == wrong if wrong is None else (found or "").startswith(wrong)


def test_only_what_is_cut_may_have_more() -> None:
    whole = documents.parse('[{"n": 1}]')
    assert documents.difference(whole, [{"n": 2}]) is None
    assert documents.difference(whole, [{"n": 2}, {"n": 3}]) is not None
    assert documents.difference(whole, [{"n": 2, "m": 3}]) is not None


def test_compose_passes_every_setting_on() -> None:
    """But where the service listens in its container, and which engine it talks to."""
    text = (ROOT / "docker-compose.yml").read_text()
    fixed = {"HOST", "PORT", "DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"}
    wanted = {name.upper() for name in Settings.model_fields} - fixed
    assert set(re.findall(r"^      ([A-Z_]+):", text, re.MULTILINE)) == wanted
