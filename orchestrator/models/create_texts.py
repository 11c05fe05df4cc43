"""Says what the texts of a create look like: as patterns for its validators, and in the words of
JSON Schema for the OpenAPI description, where `$` ends the text. For names, images, ports, restart
policies and volumes a unit test holds the two together.
"""

import re

from pydantic.config import JsonDict

# Words that stand where a name or id stands in the paths of the API.
RESERVED_NAMES = frozenset({"create", "running", "stats"})

# The grammar of distribution/reference: [domain[:port]/]path[:tag][@digest].
_COMPONENT = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
REFERENCE = re.compile(
    r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?(?::[0-9]{1,5})?/)?"
    rf"{_COMPONENT}(?:/{_COMPONENT})*"
    r"(?::[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,127})?(?:@[a-z0-9]+:[0-9a-f]{32,128})?"
)
RESTART_POLICY = r"no|always|unless-stopped|on-failure(?::[0-9]{1,4})?"

NAME_SCHEMA: JsonDict = {
    "pattern": "^[a-zA-Z0-9][a-zA-Z0-9_.-]+$",
    "not": {"enum": [*sorted(RESERVED_NAMES)]},
}
IMAGE_SCHEMA: JsonDict = {"pattern": f"^{REFERENCE.pattern}$"}
_PORT_NUMBER = (
    "0{0,4}[1-9]|0{0,3}[1-9][0-9]|0{0,2}[1-9][0-9]{2}|0?[1-9][0-9]{3}"
    "|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]"
)
CONTAINER_PORT_SCHEMA: JsonDict = {
    "anyOf": [
        {"type": "integer", "minimum": 1, "maximum": 65535},
        {"type": "string", "pattern": f"^(?:{_PORT_NUMBER})(?:/(?:tcp|udp|sctp))?$"},
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
