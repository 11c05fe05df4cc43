import pytest

# Its assertions explain themselves as those of a test module do.
pytest.register_assert_rewrite("tests.engine.support")
