"""Who asks again is told that nothing has changed, and who asks for less on the line gets less."""

import gzip

import httpx
import pytest

from tests.conftest import Service

from .support import act, remove

pytestmark = pytest.mark.engine


def known(service: Service, path: str, tag: str, method: str = "GET") -> httpx.Response:
    return service.client.request(method, path, headers={"If-None-Match": tag})


def test_a_list_is_told_once_until_it_changes(service: Service) -> None:
    made = service.created(start=False)
    name = made["name"]
    paths = ["/containers", f"/containers?name={name}", "/containers?state=created&managed=true",
             f"/containers?label={service.label}", f"/containers/{name}"]  # fmt: skip
    mine = [paths[1], paths[3], paths[4]]  # what others do on the engine is not in these
    tags = {path: service.client.get(path).headers["etag"] for path in mine}
    assert len(set(tags.values())) == 2  # two lists are the same
    for path, tag in tags.items():
        for method in ("GET", "HEAD"):
            answer = known(service, path, f'"other", {tag}', method)
            assert (answer.status_code, answer.content) == (304, b"")
            assert answer.headers["etag"] == tag
    for path in paths:
        assert known(service, path, "*").status_code == 304
        assert known(service, path, 'W/"other"').status_code == 200
    act(service, name, "start")
    for path, tag in tags.items():
        answer = known(service, path, tag)
        assert (answer.status_code, name in answer.text) == (200, True)
        assert answer.headers["etag"] != tag
    remove(service, name)
    assert known(service, paths[1], tags[paths[1]]).json() == []
    assert known(service, paths[4], "*").status_code == 404


def test_a_port_is_told_once_until_it_changes(service: Service) -> None:
    first = service.environment["PORT_RANGE"].partition("-")[0]
    paths = ["/ports", f"/ports/{first}", "/containers/running", "/openapi.json"]
    tags = {path: service.client.get(path).headers["etag"] for path in paths}
    assert known(service, paths[1], tags[paths[1]]).status_code == 304
    assert known(service, paths[3], tags[paths[3]]).status_code == 304
    service.created(port=int(first))
    for path in paths[:3]:
        assert known(service, path, tags[path]).status_code == 200
    assert known(service, paths[3], tags[paths[3]]).status_code == 304


def test_a_tag_holds_compressed_or_not(service: Service) -> None:
    plain = service.client.get("/openapi.json", headers={"Accept-Encoding": "identity"})
    with service.client.stream("GET", "/openapi.json") as packed:
        sent = b"".join(packed.iter_raw())
    assert packed.headers["content-encoding"] == "gzip"
    assert len(sent) == int(packed.headers["content-length"]) < len(plain.content) / 5
    assert gzip.decompress(sent) == plain.content
    assert "content-encoding" not in plain.headers
    assert plain.headers["vary"] == packed.headers["vary"] == "Accept-Encoding"
    for coding in ("gzip", "identity", "gzip;q=0"):
        headers = {"If-None-Match": plain.headers["etag"], "Accept-Encoding": coding}
        answer = service.client.get("/openapi.json", headers=headers)
        assert (answer.status_code, answer.headers["vary"]) == (304, "Accept-Encoding")


def test_values_of_variables_are_not_compressed_for_lengths_would_tell_of_them(
    service: Service,
) -> None:
    made = service.created(start=False, env={"A": "x" * 5000})
    answer = service.client.get(f"/containers/{made['id']}/env")
    assert answer.json()["env"]["A"] == "x" * 5000
    assert "content-encoding" not in answer.headers
    assert "etag" not in answer.headers
    service.created(start=False, labels={"a": "x" * 5000})
    answer = service.client.get("/containers", params={"label": service.label})
    assert answer.headers["content-encoding"] == "gzip"


def test_a_stream_is_not_compressed(service: Service) -> None:
    with service.client.stream("GET", "/containers/stats/stream?limit=1") as answer:
        assert "content-encoding" not in answer.headers
        assert "event: end" in answer.read().decode()


def test_a_change_that_cannot_keep_to_its_condition_is_not_made(service: Service) -> None:
    made = service.created(start=False)
    tag = service.client.get(f"/containers/{made['id']}").headers["etag"]
    answer = service.client.delete(f"/containers/{made['id']}", headers={"If-Match": tag})
    assert (answer.status_code, answer.json()["code"]) == (412, "precondition-failed")
    assert service.get(f"/containers/{made['id']}")["id"] == made["id"]
