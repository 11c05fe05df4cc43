"""Checks what a caller asks for in `POST /containers/create`, field by field.

Each check has a sentence that says what would do. Nothing in here can express a path of the host,
a privilege or a namespace of the host: volumes are named ones, and there is no field for the rest.
"""

import posixpath
import re
import shlex
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    field_validator,
)
from pydantic.config import JsonDict

from ..labels import LABEL_PREFIX
from ..quantities import MEMORY_MAX, MEMORY_MIN, MEMORY_PATTERN, parse_memory, whole
from .create_texts import (
    COMMAND_SCHEMA,
    CONTAINER_PORT_SCHEMA,
    IMAGE_SCHEMA,
    NAME_SCHEMA,
    REFERENCE,
    RESERVED_NAMES,
    RESTART_POLICY,
    TEXT_SCHEMA,
    VOLUME_SCHEMA,
)
from .model import Model
from .registry_auth import RegistryLogin

_VOLUME = re.compile(
    r"(?P<name>[a-zA-Z0-9][a-zA-Z0-9_.-]+):(?P<path>/[^:\x00]*)(?::(?P<mode>ro|rw))?"
)


def _name(value: str) -> str:
    if not re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+", value, re.ASCII):
        raise ValueError(
            "a name has two or more of the characters a-z A-Z 0-9 _ . - and begins with a letter"
            " or digit"
        )
    if value in RESERVED_NAMES:
        raise ValueError(f'"{value}" is part of the API\'s own paths; choose another name')
    return value


def _image(value: str) -> str:
    if not REFERENCE.fullmatch(value):
        raise ValueError(
            'an image is a reference like "nginx:1.27" or "registry/team/app@sha256:…"'
        )
    return value


def _container_port(value: Any) -> Any:
    value = whole(value)
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    match = (
        re.fullmatch(r"(\d{1,5})(?:/(tcp|udp|sctp))?", text, re.ASCII)
        if isinstance(text, str)
        else None
    )
    if match is None or not 1 <= int(match[1]) <= 65535:
        raise ValueError('a container port is a number from 1 to 65535, or like "53/udp"')
    return f"{int(match[1])}/{match[2] or 'tcp'}"


def _text(value: str) -> str:
    if "\x00" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise ValueError("a NUL or half a surrogate pair cannot be passed on")
    return value


def _env(value: dict[str, str]) -> dict[str, str]:
    if any(not name or "=" in name for name in value):
        raise ValueError("the name of a variable is not empty and has no '=' in it")
    return value


def _command(value: Any) -> Any:
    if isinstance(value, str):
        try:
            value = shlex.split(value)
        except ValueError:
            raise ValueError("the command has a quote or backslash without its partner") from None
    if isinstance(value, list) and (not value or value[0] == ""):
        raise ValueError("a command names a program; leave it out to run what the image runs")
    return value


def _labels(value: dict[str, str]) -> dict[str, str]:
    if "" in value:
        raise ValueError("a label has a name")
    if any(name.startswith(LABEL_PREFIX) for name in value):
        raise ValueError(f'labels that begin with "{LABEL_PREFIX}" belong to this service')
    return value


def _volume(value: str) -> str:
    match = _VOLUME.fullmatch(value)
    parts = match["path"].split("/") if match else []
    if not set(parts) - {"", "."} or ".." in parts:
        raise ValueError(
            'a volume is a named one and an absolute path, like "data:/var/lib/data" or'
            ' "data:/var/lib/data:ro"; paths of the host cannot be mounted'
        )
    return value


def _restart_policy(value: str) -> str:
    if not re.fullmatch(RESTART_POLICY, value):
        raise ValueError('one of "no", "always", "unless-stopped", "on-failure", "on-failure:3"')
    return value


NameText = Annotated[str, AfterValidator(_text)]
Text = Annotated[str, AfterValidator(_text), Field(json_schema_extra=TEXT_SCHEMA)]
ContainerPort = Annotated[
    str, BeforeValidator(_container_port), WithJsonSchema(CONTAINER_PORT_SCHEMA)
]


class CreateRequest(Model):
    """A container to be cloned from an image. Every field may be left out."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    name: (
        Annotated[str, Field(max_length=128, json_schema_extra=NAME_SCHEMA), AfterValidator(_name)]
        | None
    ) = Field(None, description="Unique on the engine. Without one, Docker invents it.")
    image: (
        Annotated[
            str, Field(max_length=512, json_schema_extra=IMAGE_SCHEMA), AfterValidator(_image)
        ]
        | None
    ) = Field(
        None,
        description="The image to clone. Default: the setting DEFAULT_IMAGE.",
    )
    container_ports: list[ContainerPort] | None = Field(
        None,
        min_length=1,
        max_length=64,
        description='Ports inside the container that get a host port each: 5000, "5000/tcp",'
        ' "53/udp". Default: what the image exposes, else 5000.',
        examples=[["5000/tcp"]],
        json_schema_extra={"uniqueItems": True},
    )
    port: Annotated[int, Field(strict=True, ge=1, le=65535), BeforeValidator(whole)] | None = Field(
        None,
        description="Pins the host port of the first container port. Refused with 409 if taken."
        " Leave it out and the service picks one.",
    )
    env: Annotated[dict[NameText, Text], AfterValidator(_env)] = Field(
        {},
        max_length=1000,
        description="Environment variables.",
        json_schema_extra={"propertyNames": {"pattern": "^[^=\\x00]+$"}},
    )
    command: Annotated[list[Text], BeforeValidator(_command)] | None = Field(
        None,
        description="Replaces the image's command. A list of words, or one string, which is split"
        " as a shell would; no shell runs.",
        json_schema_extra=COMMAND_SCHEMA,
    )
    labels: Annotated[dict[NameText, Text], AfterValidator(_labels)] = Field(
        {},
        max_length=1000,
        json_schema_extra={
            "propertyNames": {
                "pattern": "^[^\\x00]+$",
                "not": {"pattern": "^" + LABEL_PREFIX.replace(".", "\\.")},
            }
        },
    )
    memory: Annotated[int, BeforeValidator(parse_memory)] | None = Field(
        None,
        description='The memory limit: "512m", "1g", or bytes, from "6m" to "16t". Default: the'
        " setting DEFAULT_MEMORY.",
        json_schema_extra={
            "anyOf": [
                {"type": "string", "pattern": MEMORY_PATTERN},
                {"type": "integer", "minimum": MEMORY_MIN, "maximum": MEMORY_MAX},
                {"type": "null"},
            ]
        },
    )
    cpus: float | None = Field(
        None,
        strict=True,
        ge=0.01,
        le=4096,
        allow_inf_nan=False,
        description="CPUs, 0.5 is half of one. Default: the setting DEFAULT_CPUS.",
    )
    pids: Annotated[int, Field(strict=True, ge=1, le=4194304), BeforeValidator(whole)] | None = (
        Field(None, description="Most processes and threads. Default: the setting DEFAULT_PIDS.")
    )
    restart_policy: Annotated[str, AfterValidator(_restart_policy)] = Field(
        "no",
        description='"no", "always", "unless-stopped", "on-failure" or "on-failure:3".',
        json_schema_extra={"pattern": f"^(?:{RESTART_POLICY})$"},
    )
    volumes: list[
        Annotated[Text, AfterValidator(_volume), Field(json_schema_extra=VOLUME_SCHEMA)]
    ] = Field(
        [],
        max_length=64,
        description='Named volumes: "data:/var/lib/data", with ":ro" read-only.',
        json_schema_extra={"uniqueItems": True},
    )
    profile: Literal["default", "restricted"] = Field(
        "default",
        description="`restricted` takes all capabilities away, makes the root file system read-only"
        " with a small /tmp in memory, and runs as nobody an image that would run as root.",
    )
    init: bool | None = Field(
        None,
        strict=True,
        description="Whether a small init process is process 1, which hands signals on and reaps"
        " children. Default: the setting DEFAULT_INIT.",
    )
    pull: Literal["missing", "always", "never"] = Field(
        "missing", description="When to pull the image from its registry."
    )
    registry_auth: RegistryLogin | None = Field(
        None,
        description="A login for the image's registry, for this pull alone. It is kept nowhere.",
    )
    start: bool = Field(True, strict=True, description="False creates the container only.")
    wait: float = Field(
        0,
        strict=True,
        ge=0,
        le=600,
        allow_inf_nan=False,
        description="Seconds to wait until the image's health check says healthy. The answer then"
        " shows `health` and `status` as they are, whatever they are.",
    )

    example: ClassVar[JsonDict] = {"env": {"GREETING": "hello"}, "memory": "256m"}

    @field_validator("volumes")
    @classmethod
    def _paths_are_different(cls, value: list[str]) -> list[str]:
        paths = [posixpath.normpath(volume.split(":")[1].lstrip("/")) for volume in value]
        if len(set(paths)) < len(paths):
            raise ValueError("two volumes have the same path")
        return value

    @field_validator("container_ports")
    @classmethod
    def _ports_are_different(cls, value: list[str] | None) -> list[str] | None:
        if value and len(set(value)) < len(value):
            raise ValueError("it names a port twice")
        return value
