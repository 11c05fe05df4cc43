"""Makes images that no builder of ours would: with any configuration, and of any depth."""

import hashlib
import io
import json
import tarfile
from functools import cache
from typing import Any

import docker


def odd_image(
    client: docker.DockerClient,
    source: str,
    name: str,
    config: dict[str, Any],
    layers: int = 0,
    architecture: str | None = None,
) -> str:
    """Loads a copy of `source` under another name, whose configuration has these fields, which says
    that it is for an architecture, and has `layers` layers if those are more; returns the name.
    """
    saved = _without_layers(client, client.images.get(source).id or "")
    archive = odd_archive(saved, name, config, layers, bare=True, architecture=architecture)
    client.images.load(archive)
    return name


@cache
def _without_layers(client: docker.DockerClient, image_id: str) -> bytes:
    """What `docker save` gives, made once: without the layers, which the engine still has."""
    return odd_archive(b"".join(client.api.get_image(image_id)), image_id, {}, bare=True)


def odd_archive(
    saved: bytes,
    name: str,
    config: dict[str, Any],
    layers: int = 0,
    *,
    bare: bool = False,
    architecture: str | None = None,
) -> bytes:
    """What `docker load` makes such an image of, from what `docker save` gave. A `bare` one is
    without the layers that it had: on the engine it comes from, they are still there.
    """
    packed = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(saved)) as old,
        tarfile.open(fileobj=packed, mode="w") as new,
    ):
        manifest = _json(old, "manifest.json")[0]
        described = _json(old, manifest["Config"])
        described["config"] = {**(described.get("config") or {}), **config}
        if architecture is not None:
            described["architecture"] = architecture
        for member in () if bare else old.getmembers():
            if member.name not in ("manifest.json", "repositories", manifest["Config"]):
                new.addfile(member, old.extractfile(member) if member.isreg() else None)
        for number in range(len(manifest["Layers"]), layers):
            layer = _tar(f"opt/layer-{number}", b"x")
            _add(new, f"odd-{number}/layer.tar", layer)
            manifest["Layers"].append(f"odd-{number}/layer.tar")
            described["rootfs"]["diff_ids"].append("sha256:" + hashlib.sha256(layer).hexdigest())
            described["history"].append({"created": "2026-01-01T00:00:00Z", "created_by": "layer"})
        text = json.dumps(described).encode()
        manifest["Config"] = hashlib.sha256(text).hexdigest() + ".json"
        manifest["RepoTags"] = [name]
        _add(new, manifest["Config"], text)
        _add(new, "manifest.json", json.dumps([manifest]).encode())
    return packed.getvalue()


def _json(tar: tarfile.TarFile, path: str) -> Any:
    found = tar.extractfile(path)
    assert found is not None
    return json.load(found)


def _tar(path: str, data: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        _add(tar, path, data)
    return packed.getvalue()


def _add(tar: tarfile.TarFile, path: str, data: bytes) -> None:
    entry = tarfile.TarInfo(path)
    entry.size = len(data)
    tar.addfile(entry, io.BytesIO(data))
