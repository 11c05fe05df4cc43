"""A headless Chromium that can reach the service under test and nothing else.

Where Chromium or playwright is missing the tests are skipped, and the summary says why; with
REQUIRE_BROWSER=1, as scripts/test sets it where it could install Chromium, they fail.
"""

from __future__ import annotations  # playwright, which may be missing, is imported for types only

import os
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.conftest import Service

if TYPE_CHECKING:
    from playwright.sync_api import (
        Browser,
        BrowserContext,
        ConsoleMessage,
        Page,
        Request,
        Response,
        Route,
    )

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # The second lock, for what interception does not see: redirects, sockets, Chromium itself.
    "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]


def _unusable(reason: str) -> None:
    if os.environ.get("REQUIRE_BROWSER") == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


# Not for the whole session: while playwright runs, its event loop counts as this thread's running
# one, and no other test could call asyncio.run().
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    names = ("chromium", "chromium-browser", "google-chrome")
    chromium = next((path for name in names if (path := shutil.which(name))), None)
    if chromium is None:
        _unusable("there is no Chromium; Debian's package is called chromium")
    try:
        from playwright.sync_api import expect, sync_playwright
    except ImportError as error:
        _unusable(f"playwright cannot be imported: {error}")
    expect.set_options(timeout=30_000)  # ms; a machine at work needs more than the usual five
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield browser
        browser.close()


class Visit:
    """A page of the service in a fresh browser profile, and all that went over its network.

    Requests to other hosts are stopped and kept in `foreign`. `troubles` has errors of the console
    and of scripts, requests that failed, and answers of 400 and above.
    """

    def __init__(self, context: BrowserContext, service: Service) -> None:
        self.service = service
        self.foreign: list[str] = []
        self.troubles: list[str] = []
        self.created: list[str] = []  # paths of the containers that the page made
        context.route("**/*", self._let_through)
        context.on("request", self._on_request)
        context.on("requestfailed", lambda request: self._trouble(f"failed: {request.url}"))
        context.on("response", self._on_response)
        context.on("weberror", lambda error: self._trouble(f"script: {error.error}"))
        context.on("console", self._on_console)
        self.page: Page = context.new_page()
        self.page.on("websocket", lambda socket: self.foreign.append(socket.url))

    def open(self, path: str) -> Page:
        self.page.goto(self.service.url + path)
        return self.page

    def settle(self) -> None:
        """Waits until half a second passed without a request."""
        self.page.wait_for_load_state("networkidle")

    def _trouble(self, what: str) -> None:
        self.troubles.append(what)

    def _is_own(self, url: str) -> bool:
        return url.startswith((f"{self.service.url}/", "data:", f"blob:{self.service.url}/"))

    def _let_through(self, route: Route) -> None:
        if self._is_own(route.request.url):
            route.continue_()
        else:
            route.abort()

    def _on_request(self, request: Request) -> None:
        if not self._is_own(request.url):
            self.foreign.append(request.url)

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self._trouble(f"console: {message.text}")

    def _on_response(self, response: Response) -> None:
        if response.status >= 400:
            self._trouble(f"{response.status}: {response.url}")
        if response.request.method == "POST" and response.status == 201:
            self.created.append(response.headers["location"])


@pytest.fixture
def visit(browser: Browser, service: Service) -> Iterator[Visit]:
    """A visit of the service; the containers it made are removed at its end, through the API."""
    context = browser.new_context(
        viewport={"width": 1280, "height": 2000}, service_workers="block", locale="en-US"
    )
    visit = Visit(context, service)
    yield visit
    context.close()
    for path in visit.created:
        answer = service.client.delete(path, params={"force": True})
        assert answer.status_code == 200, answer.text
