import pytest

from .setting import Setting


@pytest.fixture
def it() -> Setting:
    return Setting()
