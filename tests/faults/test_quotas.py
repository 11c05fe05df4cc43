"""Totals over an engine that nobody else uses, where they can be counted to the last one."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.conftest import Service

from .private_engine import PrivateEngine

MEGABYTE = 2**20


@pytest.mark.parametrize(
    ("field", "each", "total", "used"),
    [
        ("memory", "100m", "350m", 300 * MEGABYTE),
        ("cpus", 0.5, "1.75", 1.5),
        ("pids", 50, "199", 150),
    ],
)
def test_creates_at_once_fill_a_total_and_never_pass_it(
    engine: PrivateEngine,
    start_service: Callable[..., Service],
    field: str,
    each: object,
    total: str,
    used: float,
) -> None:
    default = {"memory": "64m", "cpus": "0.1", "pids": "10"}[field]
    service = start_service(
        **{f"TOTAL_{field.upper()}": total, f"DEFAULT_{field.upper()}": default}
    )

    def create(number: int) -> int:
        answer = service.create(name=f"c{number}", start=False, **{field: each})
        if answer.status_code != 201:
            problem = answer.json()
            assert (answer.status_code, problem["code"]) == (403, "quota-exceeded")
            assert (problem["resource"], problem["used"]) == (field, used)
        return answer.status_code

    with ThreadPoolExecutor(12) as pool:
        codes = list(pool.map(create, range(12)))
    assert sorted(codes) == [201] * 3 + [403] * 9
    assert len(engine.containers()) == 3

    # Those of before count for a service that starts later, and what is removed makes room.
    service.stop()
    service.start()
    assert create(20) == 403
    kept = service.get("/containers")
    assert service.client.delete(f"/containers/{kept[0]['id']}").status_code == 200
    assert create(21) == 201
    assert create(22) == 403
