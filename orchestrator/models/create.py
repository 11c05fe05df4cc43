"""Checks what a caller asks for in `POST /containers/create`, field by field.

Each check has a sentence that says what would do. Nothing in here can express a path of the host,
a privilege or a namespace of the host: volumes are named ones, and there is no field for the rest.
"""

import re
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, model_validator
from pydantic.config import JsonDict

from ..labels import LABEL_PREFIX
from ..quantities import (
    DISK_MAX,
    DISK_MIN,
    MEMORY_MAX,
    MEMORY_MIN,
    MEMORY_PATTERN,
    parse_disk,
    parse_memory,
    whole,
)
from .asked import Asked
from .create_files import Directory, SharedMemory, Tmpfs, Volumes, path_of
from .create_network import MOST_PORTS, ContainerPorts, ExtraHosts, Hostname, NameServer
from .create_process import (
    Command,
    Entrypoint,
    HealthCheck,
    NameText,
    StopSignal,
    StopTimeout,
    Text,
    Ulimits,
    User,
    plain_user,
)
from .create_texts import (
    COMMAND_SCHEMA,
    ID,
    IMAGE_SCHEMA,
    NAME_SCHEMA,
    OWN_NAME,
    PLATFORM,
    REFERENCE,
    RESTART_POLICY,
)
from .model import Model
from .registry_auth import RegistryLogin


def _name(value: str) -> str:
    if not re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+", value, re.ASCII):
        raise ValueError(
            "a name has two or more of the characters a-z A-Z 0-9 _ . - and begins with a letter"
            " or digit"
        )
    if re.fullmatch(ID, value):
        raise ValueError(
            "a name of 12 to 64 of the digits 0-9 a-f could be the id of another container; add"
            " another character"
        )
    if re.fullmatch(OWN_NAME, value):
        raise ValueError(
            'names with ".moving." in them, and "keyed-" with 16 of the digits 0-9 a-f, are those'
            " that this service gives; choose another name"
        )
    return value


def _image(value: str) -> str:
    if not REFERENCE.fullmatch(value):
        raise ValueError(
            'an image is a reference like "nginx:1.27" or "registry/team/app@sha256:…"'
        )
    return value


def _env(value: dict[str, str]) -> dict[str, str]:
    if any(not name or "=" in name for name in value):
        raise ValueError("the name of a variable is not empty and has no '=' in it")
    return value


def _labels(value: dict[str, str]) -> dict[str, str]:
    if "" in value:
        raise ValueError("a label has a name")
    if any(name.startswith(LABEL_PREFIX) for name in value):
        raise ValueError(f'labels that begin with "{LABEL_PREFIX}" belong to this service')
    return value


def _restart_policy(value: str) -> str:
    if not re.fullmatch(RESTART_POLICY, value):
        raise ValueError('one of "no", "always", "unless-stopped", "on-failure", "on-failure:3"')
    return value


def _platform(value: str) -> str:
    if not re.fullmatch(PLATFORM, value, re.ASCII):
        raise ValueError('a platform is like "linux/amd64", "linux/arm64" or "linux/arm/v7"')
    return value


class CreateRequest(Asked, Model):
    """A container to be cloned from an image. Every field may be left out."""

    model_config = ConfigDict(hide_input_in_errors=True)

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
    platform: (
        Annotated[
            str, Field(json_schema_extra={"pattern": f"^{PLATFORM}$"}), AfterValidator(_platform)
        ]
        | None
    ) = Field(
        None,
        description='What the image is to be for, like "linux/arm64". Default: what is there, else'
        " the engine's own.",
    )
    container_ports: ContainerPorts | None = Field(
        None,
        min_length=1,
        max_length=MOST_PORTS,
        description='Ports inside the container that get a host port each: 5000, "5000/tcp",'
        ' "53/udp", a range like "6379-6382", or TCP and UDP on one host port: "53/tcp+udp".'
        " Default: what the image exposes, else 5000.",
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
    entrypoint: Entrypoint | None = Field(
        None,
        description="Replaces the image's entry point, and with it the image's command; written as"
        " a command is. An empty one takes it away.",
    )
    command: Command | None = Field(
        None,
        description="Replaces the image's command. A list of words, or one string, which is split"
        " as a shell would; no shell runs.",
        json_schema_extra=COMMAND_SCHEMA,
    )
    user: User | None = Field(
        None,
        description='Who runs it: a name or number, also with a group, like "1000:1000". Default:'
        " the image's.",
    )
    workdir: Directory | None = Field(
        None, description="The directory that it runs in; made if need be. Default: the image's."
    )
    tty: bool = Field(False, strict=True, description="Whether its output is a terminal.")
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
    disk: Annotated[int, BeforeValidator(parse_disk)] | None = Field(
        None,
        description='What it may write to its own file system: "10g", or bytes, from "1m" to'
        ' "16t". Refused where the engine\'s storage cannot do it. Default: the setting'
        " DEFAULT_DISK.",
        json_schema_extra={
            "anyOf": [
                {"type": "string", "pattern": MEMORY_PATTERN},
                {"type": "integer", "minimum": DISK_MIN, "maximum": DISK_MAX},
                {"type": "null"},
            ]
        },
    )
    restart_policy: Annotated[str, AfterValidator(_restart_policy)] = Field(
        "no",
        description='"no", "always", "unless-stopped", "on-failure" or "on-failure:3".',
        json_schema_extra={"pattern": f"^(?:{RESTART_POLICY})$"},
    )
    stop_signal: StopSignal | None = Field(
        None, description='What asks it to end: "SIGINT", or a number. Default: the image\'s.'
    )
    stop_timeout: StopTimeout | None = Field(
        None,
        description="Seconds that it has to end by itself, unless a stop says otherwise. Default:"
        " ten.",
    )
    healthcheck: HealthCheck | None = Field(
        None, description="In place of the image's health check, or of parts of it."
    )
    volumes: Volumes = Field(
        [],
        max_length=64,
        description='Named volumes: "data:/var/lib/data", with ":ro" read-only.',
        json_schema_extra={"uniqueItems": True},
    )
    tmpfs: Tmpfs = Field(
        {},
        description='Directories in memory, each with its size: {"/run": "16m"}, or ["/run"] for 64'
        " MB. They count as the container's memory.",
    )
    shm_size: SharedMemory | None = Field(
        None, description="The size of /dev/shm, which is memory too. Default: the engine's, 64 MB."
    )
    read_only: bool | None = Field(
        None,
        strict=True,
        description="Whether its root file system is read-only. Default: as the profile has it.",
    )
    ulimits: Ulimits | None = Field(
        None, description="What each of its processes may have. Default: the engine's."
    )
    hostname: Hostname | None = Field(
        None, description="What it calls itself. Default: the beginning of its id."
    )
    extra_hosts: ExtraHosts = Field(
        [], description='Names for its /etc/hosts: {"db": "10.0.0.5"}, or ["db:10.0.0.5"].'
    )
    dns: list[NameServer] = Field(
        [],
        max_length=3,
        description="The name servers that are asked for it. Default: the host's.",
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

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        """What no field can see by itself; each sentence names its field."""
        if self.entrypoint == [] and self.command is None:
            raise ValueError(
                "entrypoint: without one, the command names what is run; give a command"
            )
        both = self.tmpfs.keys() & set(map(path_of, self.volumes))
        if both:
            raise ValueError(f'tmpfs: a volume has the same path, "{min(both)}"')
        if self.profile == "restricted":
            if self.read_only is False:
                raise ValueError("read_only: it is always true where the profile is restricted")
            if self.user is not None and plain_user(self.user) is None:
                raise ValueError(
                    "user: where the profile is restricted it is a number other than 0, like"
                    ' "1000:1000", for a name may mean root in the image'
                )
        return self
