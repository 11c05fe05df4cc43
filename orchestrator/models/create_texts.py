"""Says what the texts of a create look like: as patterns for its validators, and in the words of
JSON Schema for the OpenAPI description, where `$` ends the text. For names, images, ports, restart
policies and volumes a unit test holds the two together.
"""

import re

from pydantic.config import JsonDict

from ..quantities import DURATION_PATTERN, MEMORY_PATTERN

# What ids look like, in full and as the API shows them.
ID = "[0-9a-f]{12,64}"
# Names that the service gives: to what it moves, meanwhile, and to what is created with a key.
OWN_NAME = r"(?:.*\.moving\..*|keyed-[0-9a-f]{16})"

# The grammar of distribution/reference: [domain[:port]/]path[:tag][@digest].
_COMPONENT = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
REFERENCE = re.compile(
    r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?(?::[0-9]{1,5})?/)?"
    rf"{_COMPONENT}(?:/{_COMPONENT})*"
    r"(?::[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,127})?(?:@[a-z0-9]+:[0-9a-f]{32,128})?"
)
RESTART_POLICY = r"no|always|unless-stopped|on-failure(?::[0-9]{1,4})?"

# Words of paths are no names, too; which, the routes tell.
NAME_SCHEMA: JsonDict = {"pattern": f"^(?!(?:{ID}|{OWN_NAME})$)[a-zA-Z0-9][a-zA-Z0-9_.-]+$"}
IMAGE_SCHEMA: JsonDict = {"pattern": f"^{REFERENCE.pattern}$"}
_PORT_NUMBER = (
    "0{0,4}[1-9]|0{0,3}[1-9][0-9]|0{0,2}[1-9][0-9]{2}|0?[1-9][0-9]{3}"
    "|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]"
)
CONTAINER_PORT_SCHEMA: JsonDict = {
    "anyOf": [
        {"type": "integer", "minimum": 1, "maximum": 65535},
        {
            "type": "string",
            "pattern": f"^(?:{_PORT_NUMBER})(?:-(?:{_PORT_NUMBER}))?"
            r"(?:/(?:tcp|udp|sctp|tcp\+udp|udp\+tcp))?$",
        },
    ]
}
TEXT_SCHEMA: JsonDict = {"type": "string", "pattern": "^[^\\x00]*$"}
COMMAND_SCHEMA: JsonDict = {
    "anyOf": [
        {"type": "string", "pattern": "^[^\\x00]*[^\\x00 \\t\\r\\n][^\\x00]*$"},
        {
            "type": "array",
            "minItems": 1,
            "prefixItems": [{"type": "string", "pattern": "^[^\\x00]+$"}],
            "items": TEXT_SCHEMA,
        },
        {"type": "null"},
    ]
}
# A part of a path that leads somewhere, and one that may as well be missing; ".." is neither.
_PART = r"(?:[^./:\x00][^/:\x00]*|\.[^./:\x00][^/:\x00]*|\.\.[^/:\x00]+)"
VOLUME_SCHEMA: JsonDict = {
    "pattern": rf"^[a-zA-Z0-9][a-zA-Z0-9_.-]+:(?:/\.?)*/{_PART}(?:/(?:{_PART}|\.?))*"
    r"(?::(?:ro|rw))?$"
}
# A path as a volume has it, of a tmpfs or of a working directory.
PATH_SCHEMA: JsonDict = {
    "type": "string",
    "pattern": rf"^(?:/\.?)*/{_PART}(?:/(?:{_PART}|\.?))*$",
    "maxLength": 1024,
}
# A number for the kernel is below 2³¹.
_ID = (
    "[0-9]{1,9}|1[0-9]{9}|20[0-9]{8}|21[0-3][0-9]{7}|214[0-6][0-9]{6}|2147[0-3][0-9]{5}"
    "|21474[0-7][0-9]{4}|214748[0-2][0-9]{3}|2147483[0-5][0-9]{2}|21474836[0-3][0-9]|214748364[0-7]"
)
_NAME_OR_ID = rf"(?:{_ID}|[a-zA-Z_][a-zA-Z0-9_.-]{{0,62}})"
USER = rf"{_NAME_OR_ID}(?::{_NAME_OR_ID})?"
USER_SCHEMA: JsonDict = {
    "anyOf": [
        {"type": "string", "pattern": f"^(?:{USER})$"},
        {"type": "integer", "minimum": 0, "maximum": 2**31 - 1},
    ]
}
# Those that the engine knows by name, and the numbers that Linux has.
STOP_SIGNAL = (
    "(?:SIG)?(?:ABRT|ALRM|BUS|CHLD|CLD|CONT|FPE|HUP|ILL|INT|IO|IOT|KILL|PIPE|POLL|PROF|PWR|QUIT"
    "|SEGV|STKFLT|STOP|SYS|TERM|TRAP|TSTP|TTIN|TTOU|URG|USR1|USR2|VTALRM|WINCH|XCPU|XFSZ"
    r"|RTMIN(?:\+(?:[1-9]|1[0-5]))?|RTMAX(?:-(?:[1-9]|1[0-4]))?)|[1-9]|[1-5][0-9]|6[0-4]"
)
STOP_SIGNAL_SCHEMA: JsonDict = {
    "anyOf": [
        {"type": "string", "pattern": f"^(?:{STOP_SIGNAL})$"},
        {"type": "integer", "minimum": 1, "maximum": 64},
    ]
}
# One part of a name of a machine, as in RFC 1123, and several.
HOSTNAME = r"(?!localhost$)[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9_-]{0,61}[a-zA-Z0-9])?"
HOST = rf"{_LABEL}(?:\.{_LABEL}){{0,7}}"
# "arm64" alone would mean another system on another engine.
PLATFORM = r"linux/[a-z0-9_]{1,20}(?:/v[0-9]{1,2})?"
SECONDS_SCHEMA: JsonDict = {"type": "string", "pattern": DURATION_PATTERN}
SIZE_SCHEMA: JsonDict = {"type": "string", "pattern": MEMORY_PATTERN}
