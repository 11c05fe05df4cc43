"""The bills of materials: CycloneDX by its own schema, and with everything that is locked."""

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from cyclonedx import schema

from scripts.bill_of_materials import NAMES, bill
from scripts.locks import IMAGES, Pinned, read

SCHEMAS = Path(schema.__file__).parent / "_res"

each_image = pytest.mark.parametrize("image", IMAGES)


def made(image: str, **environment: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(bill(image, environment))
    return document


def valid(document: dict[str, Any]) -> bool:
    def schema_called(name: str) -> Any:
        place = SCHEMAS / f"{name}.SNAPSHOT.schema.json"
        return json.loads(place.read_text(encoding="utf-8"))

    main = schema_called(f"bom-{document['specVersion']}")
    beside = main["$id"].rpartition("/")[0]
    registry = jsonschema_rs.Registry(
        [
            (f"{beside}/{name}.SNAPSHOT.schema.json", schema_called(name))
            for name in ("spdx", "jsf-0.82")
        ]
    )
    validator = jsonschema_rs.Draft7Validator(main, registry=registry, validate_formats=True)
    return validator.is_valid(document)


def installed(image: str) -> list[Pinned]:
    """What is locked, but for the one that only Windows needs."""
    return [each for each in read(image) if "win32" not in str(each.marker)]


@each_image
def test_it_is_cyclonedx(image: str) -> None:
    document = made(image)
    assert valid(document)
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
    assert not valid({**document, "serialNumber": "1"})
    document["components"][0]["licenses"] = [{"license": {"id": "none that SPDX knows"}}]
    assert not valid(document)


@each_image
def test_each_package_is_in_it_with_its_hashes(image: str) -> None:
    found = {
        (each["name"], each["version"]): {
            (digest["alg"], digest["content"])
            for reference in each["externalReferences"]
            for digest in reference["hashes"]
        }
        for each in made(image)["components"]
    }
    assert found == {
        (each.name, each.version): {("SHA-256", digest) for digest in each.hashes}
        for each in installed(image)
    }


@each_image
def test_who_needs_what_leads_from_the_whole_to_each_part(image: str) -> None:
    document = made(image)
    needs = {each["ref"]: each.get("dependsOn", []) for each in document["dependencies"]}
    reached, ahead = set(), [NAMES[image]]
    assert document["metadata"]["component"]["bom-ref"] == NAMES[image]
    while ahead:
        reached.add(one := ahead.pop())
        ahead += [each for each in needs[one] if each not in reached]
    assert reached == {each["bom-ref"] for each in document["components"]} | {NAMES[image]}


def test_a_licence_is_told_of_the_very_version_that_is_here(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def licences() -> list[Any]:
        return [each.get("licenses") for each in made("base")["components"]]

    fields = {"Version": "", "License-Expression": "MIT OR Apache-2.0"}
    monkeypatch.setattr("importlib.metadata.metadata", lambda _: fields)
    assert not any(licences())
    here = {each.name: {**fields, "Version": each.version} for each in read("base")}
    monkeypatch.setattr("importlib.metadata.metadata", here.__getitem__)
    said = {"acknowledgement": "declared", "expression": "MIT OR Apache-2.0"}
    assert all(found == [said] for found in licences())
    here["h11"] = {"Version": here["h11"]["Version"], "License": "MIT\n\nCopyright: the whole text"}
    assert licences().count(None) == 1


def test_the_same_lock_makes_the_same_document() -> None:
    assert bill("api", {}) == bill("api", {})
    assert "timestamp" not in made("api")["metadata"]
    assert made("api")["serialNumber"] != made("base")["serialNumber"]


def test_it_has_a_timestamp_where_it_is_asked_for() -> None:
    document = made("api", SOURCE_DATE_EPOCH="1767225600")
    assert document["metadata"]["timestamp"] == "2026-01-01T00:00:00Z"
    assert valid(document)
