"""The browser of the browser tests, for pages that attack."""

from tests.browser.conftest import browser, visit

__all__ = ["browser", "visit"]
