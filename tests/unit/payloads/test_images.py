"""What an image says of the containers that are made of it."""

from typing import Any

import pytest

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
