"""Settings from the environment. Read when the app is built, never at import."""

import ipaddress
import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from .image_policy import ImagePolicy
from .quantities import PortRange, parse_memory


def _port_range(value: Any) -> Any:
    return PortRange.parse(value) if isinstance(value, str) else value


def _image_policy(value: Any) -> Any:
    return ImagePolicy.parse(value) if isinstance(value, str) else value


class Settings(BaseSettings):
    """Every setting, its environment variable (the name in capitals) and its default.

    An empty variable counts as unset, so that Compose may pass one through.
    """

    model_config = SettingsConfigDict(env_ignore_empty=True, extra="ignore", frozen=True)

    host: str = "127.0.0.1"
    port: int = Field(8000, ge=1, le=65535)
    log_level: Literal["critical", "error", "warning", "info", "debug"] = "info"

    port_range: Annotated[PortRange, NoDecode, BeforeValidator(_port_range)] = PortRange(8001, 8999)
    publish_address: str = "0.0.0.0"
    default_image: str = Field("base-api-server:latest", min_length=1)
    allowed_images: Annotated[ImagePolicy, NoDecode, BeforeValidator(_image_policy)] = ImagePolicy()
    default_memory: Annotated[int, BeforeValidator(parse_memory)] = 512 * 1024 * 1024
    default_cpus: float = Field(1.0, ge=0, le=4096, allow_inf_nan=False)  # 0: no limit
    default_pids: int = Field(512, ge=0, le=4194304)  # 0: no limit
    log_rotation: str = "10m,3"  # the size of a file and the number of files, or "off"

    engine_timeout: float = Field(20.0, ge=1, le=600)  # seconds for one call of the engine
    pull_timeout: float = Field(600.0, ge=1, le=86400)  # seconds for one pull
    mutation_queue: int = Field(256, ge=1, le=100_000)  # changes under way or waiting
    husk_grace: float = Field(120.0, ge=1, le=86400)  # seconds; see leftovers
    allow_unmanaged: bool = False

    cgroup_root: str = Field("/sys/fs/cgroup", min_length=1)  # where the host's is mounted
    proc_root: str = Field("/proc", min_length=1)
    stats_cpu_percent: float = Field(20.0, ge=0.1, le=100)  # of one core, for taking samples
    stats_history: float = Field(600.0, ge=10, le=86400)  # seconds kept as sampled
    stats_long_history: float = Field(3600.0, ge=10, le=604800)  # seconds kept at 10 s

    docker_host: str | None = None
    docker_tls_verify: str | None = None
    docker_cert_path: str | None = None

    @field_validator("log_level", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator("default_cpus")
    @classmethod
    def _cpus(cls, value: float) -> float:
        if 0 < value < 0.01:
            raise ValueError("0.01 of a CPU is the least, and 0 is no limit")
        return value

    @field_validator("log_rotation")
    @classmethod
    def _rotation(cls, value: str) -> str:
        if not re.fullmatch(r"off|[1-9]\d{0,5}[kmg],[1-9]\d{0,2}", value, re.ASCII):
            raise ValueError(
                'the size of a log file and the number of files are wanted, like "10m,3", or "off"'
            )
        return value

    @field_validator("publish_address")
    @classmethod
    def _address(cls, value: str) -> str:
        try:
            return str(ipaddress.ip_address(value))
        except ValueError:
            raise ValueError(
                "an address of this host is wanted, like 0.0.0.0 or 127.0.0.1"
            ) from None


class BadSettings(Exception):
    """The environment holds a value that cannot be used. The message is one line."""


def load_settings() -> Settings:
    """The settings of this process's environment; raises BadSettings with one clear line."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "_".join(str(part) for part in first["loc"][:1]).upper()
        reason = str(first["msg"]).removeprefix("Value error, ")
        raise BadSettings(f"{name}={first['input']!r} cannot be used: {reason}.") from error
