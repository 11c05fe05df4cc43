"""Prints what an image installs as a CycloneDX bill of materials, from its lock.

`bill_of_materials.py [api|base]`

The same lock makes the same document: its serial number is a digest of what it says, and it has a
timestamp only where SOURCE_DATE_EPOCH says which, in seconds. A licence is what the package says of
itself, known where this virtual environment has the very same version.
"""

import importlib.metadata
import json
import os
import sys
import tomllib
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import License, LicenseAcknowledgement
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL
from packaging.markers import Marker

from scripts.locks import IMAGES, PYTHONS, REQUIREMENTS, Pinned, read

VERSION = SchemaVersion.V1_6
NAMES = {"api": "docker-orchestration-api", "base": "base-api-server"}
# Of a namespace that is this project's alone.
_SERIALS = uuid.uuid5(uuid.NAMESPACE_OID, "docker-orchestration-api: bills of materials")


def bill(image: str, environment: Mapping[str, str]) -> str:
    """The document, as JSON."""
    pinned = [each for each in read(image) if _on_linux(each.marker)]
    project = tomllib.loads((REQUIREMENTS.parent / "pyproject.toml").read_text("utf-8"))["project"]
    whole = Component(
        type=ComponentType.APPLICATION,
        name=NAMES[image],
        version=project["version"],
        bom_ref=NAMES[image],
        licenses=[_licence(project["license"])],
    )
    parts = [(each, _component(each)) for each in pinned]
    bom = Bom(components=[part for _, part in parts])
    bom.metadata.component = whole
    bom.register_dependency(whole, [part for each, part in parts if each.asked_for])
    for needy, its in parts:
        bom.register_dependency(its, [part for each, part in parts if needy.name in each.wanted_by])
    return _as_json(bom, environment.get("SOURCE_DATE_EPOCH"))


def _on_linux(marker: Marker | None) -> bool:
    """Whether a Python on Linux installs it; the images are for no other system."""
    linux = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"}
    versions = [(f"3.{minor}", f"3.{minor}.0") for minor in PYTHONS]
    return marker is None or any(
        marker.evaluate({**linux, "python_version": short, "python_full_version": full})
        for short, full in versions
    )


def _component(pinned: Pinned) -> Component:
    url = PackageURL("pypi", name=pinned.name, version=pinned.version)
    # One component, many files: so the hashes are those of where it comes from, not its own.
    files = ExternalReference(
        type=ExternalReferenceType.DISTRIBUTION,
        url=XsUri(str(url)),
        comment="each hash is of one file of this release",
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=each) for each in pinned.hashes],
    )
    said = _said_of_itself(pinned)
    return Component(
        type=ComponentType.LIBRARY,
        name=pinned.name,
        version=pinned.version,
        bom_ref=str(url),
        purl=url,
        licenses=[_licence(said)] if said else None,
        external_references=[files],
    )


def _said_of_itself(pinned: Pinned) -> str | None:
    try:
        found = importlib.metadata.metadata(pinned.name)
    except importlib.metadata.PackageNotFoundError:
        return None
    if found["Version"] != pinned.version:
        return None
    for field in ("License-Expression", "License"):
        # Older packages have the whole text in the second.
        if field in found and "\n" not in found[field]:
            return found[field]
    return None


def _licence(said: str) -> License:
    return LicenseFactory().make_from_string(
        said, license_acknowledgement=LicenseAcknowledgement.DECLARED
    )


def _as_json(bom: Bom, seconds: str | None) -> str:
    document = json.loads(make_outputter(bom, OutputFormat.JSON, VERSION).output_as_string())
    # The library fills them in with chance and the clock.
    del document["serialNumber"], document["metadata"]["timestamp"]
    if seconds is not None:
        made = datetime.fromtimestamp(int(seconds), UTC)
        document["metadata"]["timestamp"] = made.isoformat().replace("+00:00", "Z")
    says = json.dumps(document, sort_keys=True)
    document["serialNumber"] = uuid.uuid5(_SERIALS, says).urn
    return json.dumps(document, indent=2, ensure_ascii=False)


if __name__ == "__main__":
    match sys.argv[1:]:
        case []:
            print(bill("api", os.environ))
        case [image] if image in IMAGES:
            print(bill(image, os.environ))
        case _:
            sys.exit(__doc__)
