"""Each answer has a request id: the caller's own where it is suitable, else a new one."""

import re

import pytest

from tests.conftest import Service

from .support import assert_problem

pytestmark = pytest.mark.engine


def test_each_request_has_an_id_of_its_own(service: Service) -> None:
    ids = {service.client.get("/health/live").headers["x-request-id"] for _ in range(20)}
    assert len(ids) == 20


def test_a_callers_own_request_id_is_kept(service: Service) -> None:
    headers = {"X-Request-ID": "build-7.step_2"}
    answer = service.client.get("/containers/no-such-container", headers=headers)
    assert answer.headers["x-request-id"] == "build-7.step_2"
    assert_problem(answer, 404, "container-not-found", request_id="build-7.step_2")


@pytest.mark.parametrize("given", ["", "x" * 65, "two words", "<script>", "é"])
def test_an_unsuitable_request_id_is_replaced(service: Service, given: str) -> None:
    headers = [(b"X-Request-ID", given.encode())]
    answer = service.client.get("/health/live", headers=headers)
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,64}", answer.headers["x-request-id"])
    assert answer.headers["x-request-id"] != given
