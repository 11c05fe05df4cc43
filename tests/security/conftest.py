"""The security tests attack the service of the engine tests, on the engine under test, and with the
browser of the browser tests.
"""

from tests.browser.conftest import browser as browser
from tests.browser.conftest import visit as visit
from tests.engine.conftest import build_image as build_image
from tests.engine.conftest import inspect as inspect
from tests.engine.conftest import named_volume as named_volume
from tests.engine.conftest import odd as odd
from tests.engine.conftest import service as service
from tests.engine.conftest import shared_service as shared_service
from tests.engine.conftest import start_service as start_service
from tests.faults.test_networks import filling as filling
