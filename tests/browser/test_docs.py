"""The documentation pages as a person without internet sees them, in a real browser."""

from __future__ import annotations  # playwright, which may be missing, is imported for types only

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from main import create_app
from orchestrator.settings import Settings

from .conftest import Visit

if TYPE_CHECKING:
    from playwright.sync_api import Locator

pytestmark = pytest.mark.browser


class Operation(NamedTuple):
    path: str
    method: str
    tag: str
    operation_id: str
    description: dict[str, Any]


def operations(document: dict[str, Any]) -> list[Operation]:
    return [
        Operation(path, method.upper(), entry["tags"][0], entry["operationId"], entry)
        for path, methods in document["paths"].items()
        for method, entry in methods.items()
    ]


WITHOUT_ID = [
    operation
    for operation in operations(create_app(Settings()).openapi())
    if "{id}" not in operation.path
]


def block(operation: Operation) -> str:
    """The selector of an operation's part of Swagger UI."""
    return f'[id="operations-{operation.tag}-{operation.operation_id}"]'


def test_swagger_ui_shows_every_operation_without_internet(visit: Visit) -> None:
    from playwright.sync_api import expect

    document = visit.service.get("/openapi.json")
    page = visit.open("/docs")

    expect(page).to_have_title(re.compile("Docker Orchestration API"))
    expect(page.locator(".info .title")).to_contain_text(document["info"]["title"])
    expect(page.locator(".opblock")).to_have_count(len(operations(document)))
    tags = page.locator(".opblock-tag")
    assert [tags.nth(i).get_attribute("data-tag") for i in range(tags.count())] == [
        tag["name"] for tag in document["tags"]
    ]
    for operation in operations(document):
        found = page.locator(block(operation))
        expect(found).to_be_visible()
        expect(found.locator(".opblock-summary-method")).to_have_text(operation.method)
        expect(found.locator(".opblock-summary-path")).to_have_attribute(
            "data-path", operation.path
        )
        expect(found).to_contain_text(operation.description["summary"])
    visit.settle()
    assert visit.foreign == []
    assert visit.troubles == []


def test_try_it_out_succeeds_with_each_example_as_it_stands(visit: Visit) -> None:
    """All on one page, which is the dearest part of it."""
    with_volume = visit.service.created(volumes=["data-1:/data"], start=False)
    visit.service.client.delete(f"/containers/{with_volume['id']}")
    page = visit.open("/docs")
    for operation in WITHOUT_ID:
        found = page.locator(block(operation))
        try:
            shown = tried_out(found, operation)
        except AssertionError as error:
            raise AssertionError(f"{operation.method} {operation.path}: {error}") from error
        if operation.path == "/containers/create":
            assert visit.created == [f"/containers/{shown['id']}"]
            assert shown["status"] == "running"
        visit.settle()
        assert (operation, visit.foreign, visit.troubles) == (operation, [], [])


def tried_out(found: Locator, operation: Operation) -> Any:
    """What an operation's part of the page shows once its example was sent as it stands."""
    from playwright.sync_api import expect

    found.locator(".opblock-summary-control").click()
    found.get_by_role("button", name="Try it out").click()
    sent = found.locator("textarea.body-param__text")
    expect(sent).to_have_count(1 if "requestBody" in operation.description else 0)
    body = json.loads(sent.input_value()) if sent.count() else None
    assert body or operation.path != "/containers/create", "it has an example, which is sent"
    found.get_by_role("button", name="Execute").click()

    answer = found.locator(".live-responses-table tbody tr.response")
    # A create may take as long as the engine does.
    expect(answer).to_be_visible(timeout=30_000)
    status = answer.locator(".response-col_status").inner_text().strip()
    # Swagger UI would write "Undocumented" behind a status that the document does not have.
    assert re.fullmatch(r"2\d\d", status), answer.inner_text()
    assert status in operation.description["responses"]
    text = answer.locator(".response-col_description code").first.inner_text()
    found.locator(".opblock-summary-control").click()  # closed again, so that the page stays small
    if operation.path == "/metrics":
        assert "orchestration_api_ports" in text
    elif operation.path.endswith("/stream"):
        assert text.count("data:") == 4
        assert '{"reason": "limit"}' in text
    else:
        return json.loads(text)
    return text


def test_redoc_shows_every_operation_without_internet(visit: Visit) -> None:
    from playwright.sync_api import expect

    document = visit.service.get("/openapi.json")
    page = visit.open("/redoc")

    expect(page.locator("h1").first).to_contain_text(document["info"]["title"])
    for operation in operations(document):
        section = page.locator(f'[id="tag/{operation.tag}/operation/{operation.operation_id}"]')
        expect(section).to_be_visible()
        expect(section.locator("h2")).to_have_text(operation.description["summary"])
        expect(section).to_contain_text(operation.path)
    visit.settle()
    assert visit.foreign == []
    assert visit.troubles == []
