"""What an image says of the containers that are made of it."""

from typing import Any

import pytest

from orchestrator.models import MOST_PORTS, Image
from orchestrator.payloads import parse_image
from orchestrator.payloads.images import exposed_ports, image_labels

from ..examples import ENGINES, payload

on_every_engine = pytest.mark.parametrize("engine", ENGINES)


@on_every_engine
def test_exposed_ports_lowest_first_ranges_too(engine: str) -> None:
    image = payload(f"engine-{engine}-image-exposed")
    assert exposed_ports(image) == [
        "53/tcp", "53/udp", "5000/tcp", "7000/tcp", "7001/tcp", "7002/tcp",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "image", [{}, {"Config": None}, {"Config": {}}, {"Config": {"ExposedPorts": None}}]
)
def test_an_image_may_expose_nothing_and_have_no_labels(image: dict[str, Any]) -> None:
    assert exposed_ports(image) == []
    assert image_labels(image) == {}


def test_image_labels() -> None:
    assert image_labels({"Config": {"Labels": {"a": "b"}}}) == {"a": "b"}


@pytest.mark.parametrize(
    ("payload", "platform"),
    [
        ({"Os": "linux", "Architecture": "amd64"}, "linux/amd64"),
        ({"Os": "linux", "Architecture": "arm64", "Variant": "v8"}, "linux/arm64/v8"),
        ({}, ""),
    ],
)
def test_what_an_image_is_for(payload: dict[str, Any], platform: str) -> None:
    assert parse_image("app:1", payload).platform == platform


@pytest.mark.parametrize(
    ("found", "asked", "fits"),
    [
        ("linux/amd64", None, True),
        ("linux/amd64", "linux/amd64", True),
        ("linux/amd64", "linux/arm64", False),
        ("linux/arm64/v8", "linux/arm64", True),
        ("linux/arm64", "linux/arm64/v8", True),
        ("linux/arm/v6", "linux/arm/v7", False),
        ("", "linux/arm64", True),
    ],
)
def test_an_image_is_for_a_platform(found: str, asked: str | None, fits: bool) -> None:
    assert Image("app:1", platform=found).is_for(asked) is fits


@pytest.mark.parametrize(
    ("check", "has"),
    [(None, False), ({}, False), ({"Test": None}, False), ({"Test": ["NONE"]}, False),
     ({"Test": ["CMD"]}, False), ({"Test": ["CMD", "true"]}, True),
     ({"Test": ["CMD-SHELL", "x"]}, True)],
)  # fmt: skip
def test_whether_an_image_has_a_health_check(check: Any, has: bool) -> None:
    assert parse_image("app:1", {"Config": {"Healthcheck": check}}).has_health_check is has


def test_no_image_has_every_port_counted_out() -> None:
    exposed: dict[str, Any] = {
        f"{'0' * zeros}1-65535/{how}": {} for zeros in range(4) for how in ("tcp", "udp")
    }
    exposed |= {f"{number}-65535/tcp": {} for number in range(1, 20_000)}
    image = parse_image("x", {"Config": {"ExposedPorts": exposed}})
    assert MOST_PORTS < len(image.exposed_ports) <= 65535, "the first range was enough"


@pytest.mark.parametrize(
    ("health_check", "too_often"),
    [
        (None, ()),
        ({"Test": ["CMD", "x"]}, ()),
        ({"Test": ["CMD", "x"], "Interval": 0, "StartInterval": 10**9}, ()),
        ({"Test": ["CMD", "x"], "Interval": 10**9 - 1}, ("Interval",)),
        ({"Test": ["CMD", "x"], "Interval": 1_000_000}, ("Interval",)),
        ({"Test": ["CMD", "x"], "Interval": -5, "StartInterval": 1}, ("Interval", "StartInterval")),
        ({"Test": ["CMD", "x"], "Interval": "1ms"}, ()),
    ],
)
def test_intervals_that_are_too_short(health_check: Any, too_often: tuple[str, ...]) -> None:
    image = parse_image("x", {"Config": {"Healthcheck": health_check}})
    assert image.too_often == too_often
