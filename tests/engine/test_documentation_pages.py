"""The pages of documentation, /docs and /redoc, need nothing from the internet."""

import re
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import pytest

from tests.conftest import Service

pytestmark = pytest.mark.engine


class Addresses(HTMLParser):
    """Everything a page loads or links to."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if name in ("src", "href") and value]


@pytest.mark.parametrize("page", ["/docs", "/redoc"])
def test_documentation_refers_to_no_foreign_host(service: Service, page: str) -> None:
    answer = service.client.get(page)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    parser = Addresses()
    parser.feed(answer.text)
    assets = [urljoin(service.url + page, found) for found in parser.found]
    assert any(urlsplit(asset).path.endswith(".js") for asset in assets)
    for asset in assets:
        assert urlsplit(asset).netloc == urlsplit(service.url).netloc, asset
        served = service.client.get(asset)
        assert served.status_code == 200, asset
        assert served.content, asset
        if asset.endswith(".css"):
            assert not re.search(r"(@import|url\()\s*['\"]?(https?:)?//", served.text)
    assert not re.search(r"https?://(?!127\.0\.0\.1|localhost)", answer.text)
