"""Reads what the engine says of images and volumes, and of the program that an image runs. Pure."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ..labels import LABEL_MANAGED
from ..models import LEAST_INTERVAL, MOST_PORTS, Image, Program
from ..quantities import NANO, expanded


def parse_image(reference: str, payload: Mapping[str, Any]) -> Image:
    """An Image from `GET /images/{name}/json`, asked for by `reference`. What others' tools have
    written into its configuration need not be tidy: what means nothing is left out.
    """
    config = payload.get("Config") or {}
    return Image(
        reference=reference,
        id=payload.get("Id"),
        names=(*(payload.get("RepoTags") or ()), *(payload.get("RepoDigests") or ())),
        comment=str(payload.get("Comment") or ""),
        labels=image_labels(payload),
        exposed_ports=tuple(exposed_ports(payload)),
        user=str(config.get("User") or ""),
        program=_words(config.get("Entrypoint")),
        command=_words(config.get("Cmd")),
        env=variables(config.get("Env")),
        directory=str(config.get("WorkingDir") or ""),
        health_check_works=_can_be_run(config.get("Healthcheck")),
        has_health_check=_has_test(config.get("Healthcheck")),
        too_often=_too_often(config.get("Healthcheck")),
        platform="/".join(
            str(part) for part in map(payload.get, ("Os", "Architecture", "Variant")) if part
        ),
        layers=len((payload.get("RootFS") or {}).get("Layers") or ()),
    )


def image_labels(image: Mapping[str, Any]) -> dict[str, str]:
    """The labels that a container of an image (`GET /images/{name}/json`) inherits."""
    labels = (image.get("Config") or {}).get("Labels")
    if not isinstance(labels, Mapping):
        return {}
    return {str(name): str(value) for name, value in labels.items()}


def exposed_ports(image: Mapping[str, Any]) -> list[str]:
    """The container ports that an image (`GET /images/{name}/json`) exposes, lowest first; of a
    range like "6379-6382/tcp" each. Where they are more than a container may have, not all: an
    image may name every port there is, a thousand times over.
    """
    exposed = (image.get("Config") or {}).get("ExposedPorts") or ()
    found: set[str] = set()
    for text in exposed:
        found.update(expanded(str(text)))
        if len(found) > MOST_PORTS:
            break
    return sorted(found, key=lambda port: (int(port.partition("/")[0]), port))


def _can_be_run(health_check: Any) -> bool:
    """Whether a health check names what is to be run, or that there is none. One of ["CMD"] alone
    ends the whole engine, where it is 20.10.
    """
    test = (health_check or {}).get("Test") or []
    kind, *words = (*_words(test), "", "")[: max(len(test), 1)]
    return kind in ("", "NONE") or (kind in ("CMD", "CMD-SHELL") and bool(words and words[0]))


def _has_test(health_check: Any) -> bool:
    """Whether there is a check that can be run."""
    words = _words((health_check or {}).get("Test"))
    return bool(words) and words[0] != "NONE" and _can_be_run(health_check)


def _too_often(health_check: Any) -> tuple[str, ...]:
    """The intervals of a health check that are too short. An engine checks those of an image by
    nothing: it takes a nanosecond, or less than nothing, and works for it all the time.
    """
    times = health_check if isinstance(health_check, Mapping) else {}
    return tuple(
        name
        for name in ("Interval", "StartInterval")
        if isinstance(times.get(name), int) and times[name] and times[name] < LEAST_INTERVAL * NANO
    )


def _words(value: Any) -> tuple[str, ...]:
    """A command, which is a list of words, or one text where somebody has written one."""
    if isinstance(value, str):
        return (value,) if value else ()
    return tuple(str(word) for word in value or ())


def program_of(
    config: Mapping[str, Any],
    *,
    command: Sequence[str] | None = None,
    env: Mapping[str, str] | None = None,
) -> Program | None:
    """The program of a container or image, by the `Config` of its inspection, with another command
    and further variables; None if it names none, which the engine has its own words for.
    """
    words = [*_words(config.get("Entrypoint")), *(command or _words(config.get("Cmd")))]
    inherited = variables(config.get("Env"))
    return Program.of(words, {**inherited, **(env or {})}, str(config.get("WorkingDir") or ""))


def variables(texts: Sequence[Any] | None) -> dict[str, str]:
    """Environment variables from texts like "NAME=value", in their order. Of a name that is there
    twice the last value counts, as it does for most programs; one without a name is none.
    """
    pairs = (str(each).partition("=") for each in texts or ())
    return {name: value for name, _, value in pairs if name}


def created_of_volume(volume: Mapping[str, Any]) -> datetime | None:
    """When a volume (`GET /volumes/{name}`) was made, where its engine tells."""
    try:
        return datetime.fromisoformat(str(volume.get("CreatedAt"))).astimezone(UTC)
    except ValueError:
        return None


def is_own_volume(volume: Mapping[str, Any]) -> bool:
    """Whether a volume (`GET /volumes/{name}`) was made by this service, and is nothing but a
    directory of the engine's: the options of a local one can name any path or share.
    """
    labels = volume.get("Labels") or {}
    return (
        labels.get(LABEL_MANAGED) == "true"
        and volume.get("Driver") == "local"
        and not volume.get("Options")
    )
