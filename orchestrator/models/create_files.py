"""Checks what a create asks for of a container's file system: volumes, directories in memory, where
its program runs. Paths are those inside the container; none of the host can be written down.
"""

import posixpath
import re
from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema
from pydantic.config import JsonDict

from ..quantities import MEMORY_MAX, MEMORY_PATTERN, MIB, parse_size
from .create_texts import PATH_SCHEMA, VOLUME_SCHEMA

# The engine makes these in every container, from its kernel.
_MADE = ("/proc", "/sys", "/dev")
_SHARED_MEMORY = "/dev/shm"  # noqa: S108
# What a file system takes for one name, and what is left of Linux's 4096 below the engine's own.
_NAME_BYTES, _PATH_BYTES = 255, 1024
# Of a tmpfs or of /dev/shm: one page, and as much as any container has.
SIZE_MIN, SIZE_MAX = 4096, MEMORY_MAX
TMPFS_DEFAULT = 64 * MIB

_VOLUME = re.compile(
    r"(?P<name>[a-zA-Z0-9][a-zA-Z0-9_.-]+):(?P<path>/[^:\x00]*)(?::(?P<mode>ro|rw))?"
)
_TMPFS = re.compile(r"(?P<path>/[^:\x00]*)(?::(?:size=)?(?P<size>[^:,=]+))?")


def clean(path: str) -> str:
    """A path in its one form: "/a" for "/a/", "//a" and "/./a"; "/.a" is another one."""
    return posixpath.normpath("/" + path.lstrip("/"))


def path_of(volume: str) -> str:
    """The path of a volume like "data:/var/lib/data:ro", in its one form."""
    return clean(volume.split(":")[1])


def _leads_somewhere(path: str) -> bool:
    parts = path.split("/")
    return path.startswith("/") and bool(set(parts) - {"", "."}) and ".." not in parts


def why_not(path: str) -> str | None:
    """Why nothing can be at an absolute path of a container, or none if something can."""
    path = clean(path)
    if any(_size(part) > _NAME_BYTES for part in path.split("/")):
        return f"a name in its path has more than {_NAME_BYTES} bytes"
    if _size(path) > _PATH_BYTES:
        return f"its path has more than {_PATH_BYTES} bytes"
    if path == _SHARED_MEMORY or path.startswith(f"{_SHARED_MEMORY}/"):
        return None
    made = next((each for each in _MADE if path == each or path.startswith(f"{each}/")), None)
    return f"what is at {made} the engine makes itself" if made else None


def _size(text: str) -> int:
    return len(text.encode(errors="surrogatepass"))


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."


def _volume(value: str) -> str:
    match = _VOLUME.fullmatch(value)
    if match is None or not _leads_somewhere(match["path"]) or _has_surrogates(value):
        raise ValueError(
            'a volume is a named one and an absolute path, like "data:/var/lib/data" or'
            ' "data:/var/lib/data:ro"; paths of the host cannot be mounted'
        )
    name, path = match["name"], match["path"]
    if len(name) > _NAME_BYTES:
        raise ValueError(
            f'volume "{_short(name)}" has a name of {len(name)} characters; {_NAME_BYTES} is the'
            " most"
        )
    if reason := why_not(path):
        raise ValueError(f'volume "{_short(name)}" cannot be at "{_short(path)}": {reason}')
    return value


def _volumes(value: list[str]) -> list[str]:
    if _repeat(map(path_of, value)):
        raise ValueError("two volumes have the same path")
    return value


def _repeat(texts: Iterable[str]) -> bool:
    found = list(texts)
    return len(set(found)) < len(found)


def _tmpfs(value: Any) -> Any:
    """Path -> bytes, of an object like that, or of a list like "/run" and "/run:64m"."""
    if isinstance(value, dict):
        pairs = list(value.items())
    elif isinstance(value, list):
        pairs = [
            (match["path"], match["size"])
            for match in (_TMPFS.fullmatch(each) for each in value if isinstance(each, str))
            if match
        ]
        if len(pairs) < len(value):
            raise ValueError(
                'a directory in memory is a path, like "/run", or with its size "/run:64m"'
            )
    else:
        return value
    if any(not isinstance(path, str) for path, _ in pairs):
        raise ValueError("each directory in memory is a path")
    if _repeat(clean(path) for path, _ in pairs):
        raise ValueError("two directories in memory have the same path")
    return {_path(path): _tmpfs_size(size) for path, size in pairs}


def _path(value: str) -> str:
    if not _leads_somewhere(value) or ":" in value or "\x00" in value or _has_surrogates(value):
        raise ValueError(
            'it is an absolute path in the container, like "/run", without ":" or ".."'
        )
    if reason := why_not(value):
        raise ValueError(f'"{_short(value)}" cannot be used: {reason}')
    return clean(value)


def _has_surrogates(value: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in value)


def _tmpfs_size(value: Any) -> int:
    return TMPFS_DEFAULT if value is None else _bounded(value)


def _bounded(value: Any) -> int:
    size = parse_size(value, "a size")
    if not SIZE_MIN <= size <= SIZE_MAX:
        raise ValueError('a size in memory is from "4k" to "16t"')
    return size


_SIZES: list[JsonDict] = [
    {"type": "string", "pattern": MEMORY_PATTERN},
    {"type": "integer", "minimum": SIZE_MIN, "maximum": SIZE_MAX},
]
_PATH_PATTERN = str(PATH_SCHEMA["pattern"])

Volumes = Annotated[
    list[
        Annotated[
            str,
            AfterValidator(_volume),
            Field(json_schema_extra={**VOLUME_SCHEMA, "maxLength": 1283}),
        ]
    ],
    AfterValidator(_volumes),
]
Tmpfs = Annotated[
    dict[str, int],
    BeforeValidator(_tmpfs),
    WithJsonSchema(
        {
            "anyOf": [
                {
                    "type": "object",
                    "propertyNames": {"pattern": _PATH_PATTERN, "maxLength": 1024},
                    "additionalProperties": {"anyOf": [*_SIZES, {"type": "null"}]},
                    "maxProperties": 16,
                },
                {"type": "array", "items": PATH_SCHEMA, "uniqueItems": True, "maxItems": 16},
            ]
        }
    ),
    Field(max_length=16),
]
SharedMemory = Annotated[int, BeforeValidator(_bounded), WithJsonSchema({"anyOf": [*_SIZES]})]
Directory = Annotated[str, AfterValidator(_path), WithJsonSchema(PATH_SCHEMA)]
