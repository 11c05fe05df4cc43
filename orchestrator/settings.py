"""Reads the settings from the environment: when the app is built, never at import."""

import ipaddress
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from . import addresses, callers
from .addresses import SCHEME as SSH
from .addresses import SshAddress, UrlTemplate
from .image_references import ImagePolicy
from .quantities import PortRange, parse_disk, parse_memory

# What may be done with containers of others: nothing, read their statistics, change them as well.
Unmanaged = Literal["false", "read", "true"]

_HOST_PATTERN = re.compile(r"\*|(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|[0-9a-f:]*:[0-9a-f:.]*")
_ORIGIN = re.compile(r"https?://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")


def _port_range(value: Any) -> Any:
    return PortRange.parse(value) if isinstance(value, str) else value


def _digest(value: Any) -> Any:
    return callers.digest(value) if isinstance(value, str) else value


def _list_of(parse: Callable[[str], str]) -> Callable[[Any], Any]:
    """What turns a list with commas into its parts, each as `parse` gives it."""

    def split(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        return tuple(parse(part.strip()) for part in value.split(",") if part.strip())

    return split


def _host(text: str) -> str:
    host = text.lower().strip("[]")
    if not _HOST_PATTERN.fullmatch(host):
        raise ValueError("names without a port are wanted, like api.example.org,*.example.net")
    return host


def _origin(text: str) -> str:
    if not _ORIGIN.fullmatch(text.lower()):
        raise ValueError("origins are wanted, like https://dashboard.example.org")
    return text.lower()


def _proxy(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text) if "/" in text else ipaddress.ip_address(text))
    except ValueError:
        raise ValueError("addresses are wanted, like 10.0.0.5 or 10.0.0.0/24") from None


def _address(text: str) -> str:
    try:
        if "%" in text:
            raise ValueError
        return str(ipaddress.ip_address(text.strip("[]")))
    except ValueError:
        raise ValueError(
            "addresses of the engine's host are wanted, like 0.0.0.0,:: or 127.0.0.1"
        ) from None


@lru_cache(maxsize=1024)  # asked for each request
def is_loopback(host: str) -> bool:
    """Whether an address can be reached from this machine only. `localhost` is one."""
    if host.lower() == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def _public_url(value: Any) -> Any:
    return UrlTemplate.parse(value) if isinstance(value, str) else value


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


def _memory_or_none(value: Any) -> int:
    """Bytes, 0 for no ceiling."""
    return 0 if value in (0, "0") else parse_memory(value)


def _disk_or_none(value: Any) -> int:
    """Bytes, 0 for no ceiling."""
    return 0 if value in (0, "0") else parse_disk(value)


_SPELLINGS = {
    **dict.fromkeys(("0", "off", "f", "false", "n", "no"), "false"),
    **dict.fromkeys(("1", "on", "t", "true", "y", "yes"), "true"),
    "read": "read",
}


def _unmanaged(value: Any) -> Any:
    """In its one spelling, whichever of a switch's it came in."""
    return _SPELLINGS.get(str(value).lower(), value)


def _image_policy(value: Any) -> Any:
    return ImagePolicy.parse(value) if isinstance(value, str) else value


class Settings(BaseSettings):
    """Every setting, its environment variable (the name in capitals) and its default.

    An empty variable counts as unset, so that Compose may pass one through.
    """

    model_config = SettingsConfigDict(
        env_ignore_empty=True, extra="ignore", frozen=True, hide_input_in_errors=True
    )

    host: str = "127.0.0.1"
    port: int = Field(8000, ge=1, le=65535)
    root_path: str = ""  # what a proxy puts before all paths
    log_level: Literal["critical", "error", "warning", "info", "debug"] = "info"

    # The digest: no text of a key is kept.
    api_key: Annotated[bytes | None, BeforeValidator(_digest)] = None
    api_key_file: str | None = None
    allow_anonymous: bool = False
    allowed_hosts: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_list_of(_host))] = ()
    cors_origins: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_list_of(_origin))] = ()
    trusted_proxies: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_list_of(_proxy))] = ()

    port_range: Annotated[PortRange, NoDecode, BeforeValidator(_port_range)] = PortRange(8001, 8999)
    # The host's addresses that containers publish on; none: all, as the engine understands it.
    publish_address: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_list_of(_address))] = ()
    # What `host` and `url` say, in place of the host that a request was made to.
    public_host: str | None = None
    public_url: Annotated[UrlTemplate | None, NoDecode, BeforeValidator(_public_url)] = None
    default_image: str = Field("base-api-server:latest", min_length=1)
    allowed_images: Annotated[ImagePolicy, NoDecode, BeforeValidator(_image_policy)] = ImagePolicy()
    default_memory: Annotated[int, BeforeValidator(parse_memory)] = 512 * 1024 * 1024
    default_cpus: float = Field(1.0, ge=0, le=4096, allow_inf_nan=False)  # 0: no limit
    default_pids: int = Field(512, ge=0, le=4194304)  # 0: no limit
    # Bytes that it may write, where the engine's storage can hold it to that. 0: no limit.
    default_disk: Annotated[int, BeforeValidator(_disk_or_none)] = 0
    default_init: bool = True  # whether process 1 of a container is an init process
    # The most that one container, all together, and those of one key may have. 0: no ceiling.
    max_memory: Annotated[int, BeforeValidator(_memory_or_none)] = 0
    max_cpus: float = Field(0, ge=0, le=4096, allow_inf_nan=False)
    max_pids: int = Field(0, ge=0, le=4194304)
    max_disk: Annotated[int, BeforeValidator(_disk_or_none)] = 0
    total_memory: Annotated[int, BeforeValidator(_memory_or_none)] = 0
    total_cpus: float = Field(0, ge=0, le=1_000_000, allow_inf_nan=False)
    total_pids: int = Field(0, ge=0, le=1_000_000_000)
    total_disk: Annotated[int, BeforeValidator(_disk_or_none)] = 0  # what they have written
    min_free_disk: Annotated[int, BeforeValidator(_disk_or_none)] = 0  # of the engine's disk
    disk_interval: float = Field(300.0, ge=1, le=86400)  # seconds between two looks at it
    containers_per_key: int = Field(0, ge=0, le=1_000_000)
    ports_per_key: int = Field(0, ge=0, le=65535)
    log_rotation: str = "10m,3"  # the size of a file and the number of files, or "off"

    engine_timeout: float = Field(20.0, ge=1, le=600)  # seconds for one call of the engine
    pull_timeout: float = Field(600.0, ge=1, le=86400)  # seconds for one pull
    mutation_queue: int = Field(256, ge=1, le=100_000)  # changes under way or waiting
    husk_grace: float = Field(120.0, ge=1, le=86400)  # seconds; see leftovers
    allow_unmanaged: Annotated[Unmanaged, BeforeValidator(_unmanaged)] = "false"
    allow_from_containers: bool = False  # whether containers may call this service
    allow_icc: bool = False  # whether containers reach each other directly; see networks

    max_body: Annotated[int, BeforeValidator(_size)] = Field(64 * 1024, ge=1024)  # bytes
    max_requests: int = Field(500, ge=1, le=100_000)  # under way at once
    max_streams: int = Field(50, ge=1, le=100_000)  # open at once, for each caller
    max_changes: int = Field(128, ge=1, le=100_000)  # under way or waiting, for each caller
    max_connections: int = Field(1000, ge=2, le=1_000_000)
    max_connections_per_peer: int = Field(500, ge=1, le=1_000_000)
    request_timeout: float = Field(
        30.0, ge=0.1, le=3600
    )  # seconds, of a body and of an unread answer

    keep_alive: int = Field(75, ge=1, le=3600)  # seconds that an idle connection is kept

    log_format: Literal["text", "json"] = "text"
    audit_log: str | None = None  # a file; None is standard error
    audit_required: bool = False  # whether changes are refused while it cannot be written

    cgroup_root: str = Field("/sys/fs/cgroup", min_length=1)  # where the host's is mounted
    proc_root: str = Field("/proc", min_length=1)
    stats_cpu_percent: float = Field(20.0, ge=0.1, le=100)  # of one core, for taking samples
    stats_history: float = Field(600.0, ge=10, le=86400)  # seconds kept as sampled
    stats_long_history: float = Field(3600.0, ge=10, le=604800)  # seconds kept at 10 s

    docker_host: str | None = None
    docker_tls_verify: str | None = None
    docker_cert_path: str | None = None

    @property
    def has_keys(self) -> bool:
        return self.api_key is not None or self.api_key_file is not None

    @model_validator(mode="after")
    def _not_open_to_all_by_accident(self) -> "Settings":
        if not (is_loopback(self.host) or self.has_keys or self.allow_anonymous):
            raise ValueError(
                f"HOST={self.host!r} can be reached from elsewhere, and there is no key: set"
                " API_KEY or API_KEY_FILE, or ALLOW_ANONYMOUS=true where whoever reaches it may run"
                " containers"
            )
        return self

    @model_validator(mode="after")
    def _defaults_under_the_ceilings(self) -> "Settings":
        """A create that asks for nothing must not be refused for what it is given."""
        for resource in ("memory", "cpus", "pids", "disk"):
            default = getattr(self, f"default_{resource}")
            for kind in ("max", "total"):
                if (kind, resource) == ("total", "disk"):  # of what is written, not what may be
                    continue
                ceiling = getattr(self, f"{kind}_{resource}")
                if ceiling and (default > ceiling or not default):
                    shown = f"{default}{'' if default else ' (no limit)'}"
                    raise ValueError(
                        f"DEFAULT_{resource.upper()}={shown} is more than"
                        f" {kind.upper()}_{resource.upper()}={ceiling} allows: lower the one or"
                        " raise the other"
                    )
        return self

    @field_validator("root_path")
    @classmethod
    def _root_path(cls, value: str) -> str:
        return addresses.root_path(value) if value else value

    @field_validator("public_host")
    @classmethod
    def _public_host(cls, value: str | None) -> str | None:
        return None if value is None else addresses.host_alone(value)

    @field_validator("log_level", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator("default_cpus", "max_cpus", "total_cpus")
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

    @field_validator("docker_host")
    @classmethod
    def _docker_host(cls, value: str | None) -> str | None:
        """Only of SSH is everything known here; of other schemes the SDK knows what is right."""
        if value is not None and value.strip().startswith(SSH):
            SshAddress.parse(value)
            return value.strip()
        return value

    @field_validator("publish_address")
    @classmethod
    def _apart(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        """A port cannot be published twice on one address, which all addresses have in them."""
        once = tuple(dict.fromkeys(value))
        for everything, colon in (("0.0.0.0", False), ("::", True)):
            same = [address for address in once if (":" in address) == colon]
            if everything in same and len(same) > 1:
                other = next(each for each in same if each != everything)
                raise ValueError(f"{everything} has {other} in it already: name one of them")
        return once


class BadSettings(Exception):
    """A setting has a value that cannot be used. The message is one line."""


def load_settings(**given: str) -> Settings:
    """Reads the settings of this process's environment, over which those of the command line win.

    Raises BadSettings with one clear line, which names a bad one as it was given: PORT or --port.
    """
    try:
        return Settings(**given)  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors()[0]
        name = "_".join(str(part) for part in first["loc"][:1]).upper()
        reason = str(first["msg"]).removeprefix("Value error, ")
        if name.lower() in given:
            name = f"--{name.lower()}"
        if not name:  # settings that do not go together
            raise BadSettings(f"{reason}.") from error
        if name in ("API_KEY", "DOCKER_HOST"):  # what was given has a secret, the cause too
            raise BadSettings(f"{name} cannot be used: {reason}.") from None
        raise BadSettings(f"{name}={first['input']!r} cannot be used: {reason}.") from error
