"""Containers and recorded payloads for the tests beside this file."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from orchestrator.models import Container, CreateRequest, Image, Spec, State
from orchestrator.policy import confinement_of, limits_of
from orchestrator.settings import Settings

PAYLOADS = Path(__file__).parent / "recorded"
ENGINES = ("20.10", "28.5")
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


def payload(name: str) -> Any:
    return json.loads((PAYLOADS / f"{name}.json").read_text())


def at(seconds: float) -> datetime:
    return EPOCH + timedelta(seconds=seconds)


def container(
    full_id: str,
    *,
    name: str | None = None,
    state: State = "running",
    managed: bool = True,
    ports: Mapping[int, str] | None = None,
    held: Mapping[int, str] | None = None,
    created: datetime = EPOCH,
    finished: datetime | None = None,
    **fields: Any,
) -> Container:
    """A container whose fixed ports are `ports`, published if it runs; `held` says otherwise."""
    runs = state in ("running", "paused", "restarting")
    own = dict(ports or {})
    return Container(
        id=full_id[:12],
        full_id=full_id,
        name=name or full_id,
        status=state,
        state=state,
        image="image",
        ports={},
        created=created,
        started_at=None if state == "created" else fields.pop("started", created),
        finished_at=finished,
        managed=managed,
        held_ports=dict(held) if held is not None else (own if runs else {}),
        own_ports=own,
        **fields,
    )


def spec(
    request: CreateRequest,
    image: Image | None = None,
    *,
    publish_addresses: tuple[str, ...] = (),
    owner: str | None = None,
    key: str | None = None,
) -> Spec:
    """What is to be made for a request, with the settings' defaults."""
    image, settings = image or Image("image"), Settings()
    return Spec(
        asked=request,
        image=image,
        name=request.name,
        container_ports=("5000/tcp",),
        confinement=confinement_of(request, limits_of(request, settings), image, settings),
        publish_addresses=publish_addresses,
        owner=owner,
        key=key,
    )
