"""Checks what a create asks for of a container's processes: what is run, as whom, how it ends, what
tells that it is well, and how many files it may open.
"""

import re
import shlex
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, field_validator
from pydantic.config import JsonDict

from ..quantities import parse_seconds, parse_size, whole
from .asked import Asked
from .create_texts import (
    COMMAND_SCHEMA,
    SECONDS_SCHEMA,
    SIZE_SCHEMA,
    STOP_SIGNAL,
    STOP_SIGNAL_SCHEMA,
    TEXT_SCHEMA,
    USER,
    USER_SCHEMA,
)

# Linux lets no process have more, unless its host is told to: fs.nr_open.
MOST_FILES = 1 << 20
MOST_CORE = 1 << 40
STOP_SECONDS = 300
# Seconds between two health checks, at least: they are the engine's work, outside of all limits.
LEAST_INTERVAL = 1
_MOST_USER = 2**31 - 1


def plain_user(text: str) -> str | None:
    """The user of a text like "1000:app", with its group, where it can be nobody but a number from
    1 on; None for root, for a name, and for what an engine might read as either: "+0", "0x0", " 5".
    """
    number, colon, group = text.partition(":")
    if not re.fullmatch(r"0*[1-9][0-9]{0,9}", number, re.ASCII) or int(number) > _MOST_USER:
        return None
    return f"{int(number)}{colon and group and f':{group}'}"


def _text(value: str) -> str:
    if "\x00" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise ValueError("a NUL or half a surrogate pair cannot be passed on")
    return value


NameText = Annotated[str, AfterValidator(_text)]
Text = Annotated[str, AfterValidator(_text), Field(json_schema_extra=TEXT_SCHEMA)]


def _split(value: Any, what: str) -> Any:
    if isinstance(value, str):
        try:
            return shlex.split(value)
        except ValueError:
            raise ValueError(f"the {what} has a quote or backslash without its partner") from None
    return value


def _command(value: Any) -> Any:
    value = _split(value, "command")
    if isinstance(value, list) and (not value or value[0] == ""):
        raise ValueError("a command names a program; leave it out to run what the image runs")
    return value


def _entrypoint(value: Any) -> Any:
    """Nothing, an empty text or list, takes the image's entry point away."""
    value = _split(value, "entry point")
    if value in ([], [""]):
        return []
    if isinstance(value, list) and value[0] == "":
        raise ValueError("an entry point names a program, or is empty to have none")
    return value


def _user(value: Any) -> Any:
    value = whole(value)
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not re.fullmatch(USER, text, re.ASCII):
        raise ValueError(
            'a user is a name or number, or with a group like "app:app" or "1000:1000"'
        )
    return text


def _stop_signal(value: Any) -> Any:
    value = whole(value)
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not re.fullmatch(STOP_SIGNAL, text, re.ASCII):
        raise ValueError('a stop signal is one of Linux, like "SIGTERM", "SIGRTMIN+3" or 15')
    return text


def _stop_timeout(value: Any) -> int:
    seconds = parse_seconds(value)
    if not 0 <= seconds <= STOP_SECONDS or seconds != int(seconds):
        raise ValueError(f"it is whole seconds, from 0 to {STOP_SECONDS}")
    return int(seconds)


def _seconds(value: Any) -> float:
    seconds = parse_seconds(value)
    if not LEAST_INTERVAL <= seconds <= 86400:  # also what is no number
        raise ValueError("it is a time from one second to one day")
    return seconds


def _period(value: Any) -> float:
    return 0 if parse_seconds(value) == 0 else _seconds(value)


def _test(value: Any) -> Any:
    if isinstance(value, str):
        value = ["NONE"] if value == "NONE" else ["CMD-SHELL", value]
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise ValueError('a test is one text, which a shell runs, or a list like ["CMD", "true"]')
    kind, *words = value or [""]
    fits = {
        "NONE": not words,
        "CMD": bool(words) and words[0] != "",
        "CMD-SHELL": len(words) == 1 and words[0].strip() != "",
    }
    if not fits.get(kind):
        raise ValueError(
            'a test is ["CMD", "program", …], ["CMD-SHELL", "one text"], ["NONE"], or one text,'
            " which a shell runs"
        )
    return value


_TEST_SCHEMA: JsonDict = {
    "anyOf": [
        {"type": "string", "pattern": "^[^\\x00]*[^\\x00\\s][^\\x00]*$"},
        {
            "type": "array",
            "minItems": 2,
            "prefixItems": [{"enum": ["CMD"]}, {"type": "string", "pattern": "^[^\\x00]+$"}],
            "items": TEXT_SCHEMA,
        },
        {
            "type": "array",
            "minItems": 2,
            "maxItems": 2,
            "prefixItems": [
                {"enum": ["CMD-SHELL"]},
                {"type": "string", "pattern": "^[^\\x00]*[^\\x00\\s][^\\x00]*$"},
            ],
        },
        {"type": "array", "minItems": 1, "maxItems": 1, "items": {"enum": ["NONE"]}},
    ]
}


def _times(least: int) -> JsonDict:
    return {"anyOf": [{"type": "number", "minimum": least, "maximum": 86400}, SECONDS_SCHEMA]}


_Time = Annotated[float, BeforeValidator(_seconds), WithJsonSchema(_times(1))]
_Period = Annotated[
    float,
    BeforeValidator(_period),
    WithJsonSchema({"anyOf": [{"enum": [0]}, *_times(1)["anyOf"]]}),
]


class HealthCheck(Asked):
    """What tells whether a container is well: the engine's fields, in seconds."""

    test: Annotated[list[Text], BeforeValidator(_test), WithJsonSchema(_TEST_SCHEMA)] | None = (
        Field(
            None,
            min_length=1,
            max_length=100,
            description='What is run: ["CMD", "program", …], or one text, which a shell runs;'
            ' "NONE" for no check. Default: the image\'s.',
        )
    )
    interval: _Time | None = Field(None, description="Seconds between two checks.")
    timeout: _Time | None = Field(None, description="Seconds that one may take.")
    start_period: _Period | None = Field(
        None, description="Seconds from the start in which failures do not count."
    )
    start_interval: _Time | None = Field(
        None, description="Seconds between two checks meanwhile. Needs Docker 25."
    )
    retries: Annotated[int, Field(strict=True, ge=1, le=1000), BeforeValidator(whole)] | None = (
        Field(None, description="So many failures in a row make it unhealthy.")
    )


class Ulimit(Asked):
    """A limit of a process: what holds, and up to where a process may raise it."""

    soft: int
    hard: int

    @field_validator("soft", "hard", mode="before")
    @classmethod
    def _is_a_number(cls, value: Any) -> Any:
        return parse_size(value, "a limit")

    @field_validator("hard")
    @classmethod
    def _goes_upward(cls, value: int, info: Any) -> int:
        if value < info.data.get("soft", value):
            raise ValueError("the hard limit is not below the soft one")
        return value


def _both(value: Any) -> Any:
    value = whole(value)
    if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        return {"soft": value, "hard": value}
    return value


def _within(least: int, most: int, what: str) -> AfterValidator:
    def check(value: Ulimit) -> Ulimit:
        if not least <= value.soft <= value.hard <= most:
            raise ValueError(f"{what} are from {least} to {most}")
        return value

    return AfterValidator(check)


def _ulimit_schema(least: int, most: int, *others: JsonDict) -> WithJsonSchema:
    number: JsonDict = {"type": "integer", "minimum": least, "maximum": most}
    both: JsonDict = {
        "type": "object",
        "properties": {"soft": number, "hard": number},
        "required": ["soft", "hard"],
        "additionalProperties": False,
    }
    return WithJsonSchema({"anyOf": [number, *others, both]})


class Ulimits(Asked):
    """Limits of each process of a container: one number, or {"soft": …, "hard": …}."""

    nofile: (
        Annotated[
            Ulimit,
            BeforeValidator(_both),
            _within(1, MOST_FILES, "open files"),
            _ulimit_schema(1, MOST_FILES),
        ]
        | None
    ) = Field(None, description="Open files.")
    core: (
        Annotated[
            Ulimit,
            BeforeValidator(_both),
            _within(0, MOST_CORE, "bytes of a core dump"),
            _ulimit_schema(0, MOST_CORE, SIZE_SCHEMA),
        ]
        | None
    ) = Field(None, description="Bytes of a core dump; 0 for none.")


Command = Annotated[list[Text], BeforeValidator(_command)]
Entrypoint = Annotated[
    list[Text],
    BeforeValidator(_entrypoint),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": "^[^\\x00]*$"},
                {"type": "array", "maxItems": 0},
                COMMAND_SCHEMA["anyOf"][1],
            ]
        }
    ),
]
User = Annotated[str, BeforeValidator(_user), WithJsonSchema(USER_SCHEMA)]
StopSignal = Annotated[str, BeforeValidator(_stop_signal), WithJsonSchema(STOP_SIGNAL_SCHEMA)]
StopTimeout = Annotated[
    int,
    BeforeValidator(_stop_timeout),
    WithJsonSchema(
        {"anyOf": [{"type": "integer", "minimum": 0, "maximum": STOP_SECONDS}, SECONDS_SCHEMA]}
    ),
]
