"""A container's address is one that the asker can use, whoever asks and however it is published."""

import gc
import json
from types import SimpleNamespace
from typing import Any, get_args

import pytest
from fastapi import Response
from fastapi.routing import APIRoute
from pydantic import TypeAdapter

from main import create_app
from orchestrator.engine import Engine
from orchestrator.models import Container, Published
from orchestrator.routes.addresses import Addresses, engine_elsewhere, get_addresses
from orchestrator.settings import Settings
from orchestrator.state import Inventory

from ..examples import container

ALL = ("0.0.0.0", "::")


def shown(
    *addresses: str, host: str = "localhost", name: str = "web-1", **settings: Any
) -> tuple[str | None, str | None, int | None]:
    made = container("f" * 64, name=name, published=Published(port=8001, addresses=addresses))
    found = Addresses(Settings(**settings), host).show(made)
    assert made.url is None  # what is in memory is the same for everybody
    return found.url, found.host, found.port


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("localhost", "http://localhost:8001"),
        ("127.0.0.1", "http://127.0.0.1:8001"),
        ("::1", "http://[::1]:8001"),
        ("10.0.0.5", "http://10.0.0.5:8001"),
        ("fd00::5", "http://[fd00::5]:8001"),
        ("docker.example.org", "http://docker.example.org:8001"),
    ],
)
def test_where_the_service_was_called(host: str, url: str) -> None:
    for addresses in (ALL, ("",)):
        assert shown(*addresses, host=host) == (url, host, 8001)


def test_a_loopback_address_is_one_that_answers() -> None:
    assert shown("0.0.0.0", host="::1")[0] == "http://127.0.0.1:8001"
    assert shown("::", host="127.0.0.1")[0] == "http://[::1]:8001"
    assert shown("::", host="localhost")[0] == "http://localhost:8001"


def test_what_is_published_on_one_address_answers_there() -> None:
    assert shown("127.0.0.1", host="docker.example.org") == (
        "http://127.0.0.1:8001", "127.0.0.1", 8001
    )  # fmt: skip
    assert shown("10.0.0.5")[0] == "http://10.0.0.5:8001"
    assert shown("fd00::5")[0] == "http://[fd00::5]:8001"
    assert shown("127.0.0.1", "::1")[0] == "http://127.0.0.1:8001"
    assert shown("127.0.0.1", "::1", host="::1")[0] == "http://[::1]:8001"


def test_the_public_host_is_what_the_operator_says() -> None:
    public = {"public_host": "docker.example.org"}
    expected = ("http://docker.example.org:8001", "docker.example.org", 8001)
    assert shown(*ALL, **public) == expected
    assert shown("127.0.0.1", publish_address="127.0.0.1", **public) == expected
    # Of somebody else's: it would not answer there.
    assert shown("127.0.0.1", **public)[1] == "127.0.0.1"
    assert shown(*ALL, public_host="[FD00::1]")[0] == "http://[fd00::1]:8001"


def test_the_public_url_has_its_fields() -> None:
    named = "https://{name}.lab.example.org"
    assert shown(*ALL, public_url=named) == ("https://web-1.lab.example.org", "localhost", 8001)
    # Where it leads to the port itself, its host is where the port answers.
    direct = shown(*ALL, public_url="http://example.org:{port}/{id}/")
    assert direct == ("http://example.org:8001/ffffffffffff/", "example.org", 8001)
    both = shown(*ALL, public_url=named, public_host="10.0.0.5")
    assert both == ("https://web-1.lab.example.org", "10.0.0.5", 8001)
    assert shown("127.0.0.1", public_url=named)[0] == "http://127.0.0.1:8001"
    assert shown("127.0.0.1", public_url=named, publish_address="127.0.0.1")[0] == (
        "https://web-1.lab.example.org"
    )


def test_a_change_is_shown_at_once() -> None:
    addresses = Addresses(Settings(), "localhost")
    before = container("f" * 64, published=Published(port=8001, addresses=ALL))
    moved = container("f" * 64, published=Published(port=8002, addresses=ALL))
    shown = [addresses.show(each) for each in (before, before, moved, before)]
    assert [each.port for each in shown] == [8001, 8001, 8002, 8001]
    assert shown[0] is shown[1]
    stopped = container("f" * 64, state="exited")
    assert addresses.show(stopped).url is None


def test_nothing_is_kept_of_containers_that_are_gone() -> None:
    addresses = Addresses(Settings(), "localhost")
    for number in range(100):
        published = Published(port=8001, addresses=ALL) if number % 2 else None
        made = container(f"{number:064x}", published=published)
        told = json.loads(bytes(addresses.answer(Response(), made).body))
        assert told["name"] == made.name
    assert len(addresses._shown) == 1
    del made
    gc.collect()
    assert not addresses._shown


def test_without_a_tcp_port_there_is_no_address() -> None:
    found = Addresses(Settings(public_url="https://{name}"), "localhost").show(container("f" * 64))
    assert (found.url, found.host, found.port) == (None, None, None)


@pytest.mark.parametrize(
    ("docker_host", "host"),
    [
        (None, None),
        ("unix:///run/docker.sock", None),
        ("tcp://10.0.0.5:2376", "10.0.0.5"),
        ("tcp://[fd00::5]:2376", "fd00::5"),
        ("tcp://docker.example.org:2376", "docker.example.org"),
        ("ssh://me@Engine-A:22/run/docker.sock", "Engine-A"),
        ("tcp://127.0.0.1:2375", None),
        ("tcp://localhost:2375", None),
        ("ssh://[::1]", None),
        ("nonsense://", None),
    ],
)
def test_where_an_engine_is_that_is_elsewhere(docker_host: str | None, host: str | None) -> None:
    engine = Engine(Settings(docker_host=docker_host))
    inventory, own = Inventory(), "f" * 64
    service: Any = SimpleNamespace(engine=engine, inventory=inventory, own_container=own)
    assert engine_elsewhere(service) == host
    # It runs the service's own container: its ports are published where the service's are.
    inventory.put(container(own))
    assert engine_elsewhere(service) is None
    engine.close()


def test_every_route_that_answers_a_container_puts_its_address_in() -> None:
    routes = [
        route
        for route in create_app(Settings()).routes
        if isinstance(route, APIRoute)
        and Container in (route.response_model, *get_args(route.response_model))
    ]
    assert {route.name for route in routes} >= {"create", "containers", "running", "container"}
    assert {route.name for route in routes} >= {"start", "stop", "restart"}
    for route in routes:
        given = {each.call for each in route.dependant.dependencies}
        assert get_addresses in given, route.path


def test_an_answer_is_what_the_framework_would_make_of_it() -> None:
    addresses = Addresses(Settings(), "localhost")
    found = [
        container("f" * 64, name="wéb", published=Published(port=8001, addresses=ALL)),
        container("e" * 64, state="exited", labels={"text": '"\\\u2028'}),
    ]
    shown = [addresses.show(each) for each in found]
    response = Response(headers={"X-Inventory-Age": "3.0"})
    for of, expected in ((found[0], shown[0]), (iter(found), shown), ((), [])):
        answer = addresses.answer(response, of)
        assert answer.body == TypeAdapter(type_of(expected)).dump_json(expected)
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-inventory-age"] == "3.0"
    assert response.body == b""


def type_of(answer: Any) -> Any:
    return list[Container] if isinstance(answer, list) else Container
