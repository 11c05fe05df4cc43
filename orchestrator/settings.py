"""Settings from the environment. Read when the app is built, never at import."""

import ipaddress
import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from .quantities import PortRange, parse_memory


def _port_range(value: Any) -> Any:
    return PortRange.parse(value) if isinstance(value, str) else value


_UNITS = {"": 1, "b": 1, "k": 1024, "m": 1024**2}


def _size(value: Any) -> Any:
    """Bytes, or a number with a unit; Docker's least memory is no bound here."""
    if not isinstance(value, str):
        return value
    found = re.fullmatch(r"([0-9]{1,9})\s*([bkm]?)", value.strip().lower())
    size = int(found[1]) * _UNITS[found[2]] if found else 0
    if size < 1024:
        raise ValueError('a size is wanted, like "64k" or "1m", or bytes, 1k at least')
    return size


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
    default_memory: Annotated[int, BeforeValidator(parse_memory)] = 512 * 1024 * 1024

    engine_timeout: float = Field(20.0, ge=1, le=600)  # seconds for one call of the engine
    pull_timeout: float = Field(600.0, ge=1, le=86400)  # seconds for one pull
    mutation_queue: int = Field(256, ge=1, le=100_000)  # changes under way or waiting
    husk_grace: float = Field(120.0, ge=1, le=86400)  # seconds; see leftovers
    allow_unmanaged: bool = False

    max_body: Annotated[int, BeforeValidator(_size)] = Field(64 * 1024, ge=1024)  # bytes
    max_requests: int = Field(500, ge=1, le=100_000)  # under way at once
    max_streams: int = Field(50, ge=1, le=100_000)  # open at once, for each caller
    max_connections: int = Field(1000, ge=2, le=1_000_000)
    max_connections_per_peer: int = Field(500, ge=1, le=1_000_000)
    request_timeout: float = Field(30.0, ge=0.1, le=3600)  # seconds for a request to arrive

    log_format: Literal["text", "json"] = "text"
    audit_log: str | None = None  # a file; None is standard error

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
