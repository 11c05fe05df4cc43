"""Checks what a create asks for of a container's network: its ports, its name, whom it knows.

Nothing in here leads to the host that a container does not reach anyway: no `host-gateway`, and no
name server at an address of this machine's own.
"""

import ipaddress
import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from ..quantities import each_protocol, expanded, whole
from .create_texts import CONTAINER_PORT_SCHEMA, HOST, HOSTNAME

MOST_PORTS = 64
_CONTAINER_PORT = re.compile(
    r"(\d{1,5})(?:-(\d{1,5}))?(?:/(tcp|udp|sctp|tcp\+udp|udp\+tcp))?", re.ASCII
)


def _container_port(value: Any) -> Any:
    value = whole(value)
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    match = _CONTAINER_PORT.fullmatch(text) if isinstance(text, str) else None
    numbers = [int(each) for each in match.groups()[:2] if each] if match else []
    if match is None or not all(1 <= number <= 65535 for number in numbers):
        raise ValueError(
            'a container port is a number from 1 to 65535, or like "53/udp", "53/tcp+udp" or'
            ' "6379-6382"'
        )
    if numbers[-1] < numbers[0]:
        raise ValueError('a range of container ports goes upward, like "6379-6382"')
    protocol = "tcp+udp" if match[3] and "+" in match[3] else match[3] or "tcp"
    return f"{'-'.join(map(str, dict.fromkeys(numbers)))}/{protocol}"


def _container_ports(value: list[str]) -> list[str]:
    """Each port by itself, in the order asked for."""
    ports: list[str] = []
    for text in value:
        numbers, _, protocol = text.partition("/")
        ports += [each.replace("tcp", protocol) for each in expanded(numbers)]
        if len(ports) > MOST_PORTS:
            raise ValueError(f"a container has {MOST_PORTS} ports at most, those of a range too")
    single = [each for port in ports for each in each_protocol(port)]
    if len(set(single)) < len(single):
        raise ValueError("it names a port twice")
    return ports


def _hostname(value: str) -> str:
    if not re.fullmatch(HOSTNAME, value, re.ASCII):
        raise ValueError(
            "a host name has up to 63 of the characters a-z A-Z 0-9 -, begins and ends with a"
            " letter or digit, has no dots, and is not localhost"
        )
    return value


def _extra_hosts(value: Any) -> Any:
    """Texts like "db:10.0.0.5", of a list of them or of an object of names and addresses."""
    if isinstance(value, dict):
        pairs = list(value.items())
    elif isinstance(value, list) and all(isinstance(each, str) for each in value):
        pairs = [tuple(each.split(":", 1)) if ":" in each else (each, "") for each in value]
    elif isinstance(value, list):
        raise ValueError('each is a text like "db:10.0.0.5"')
    else:
        return value
    return [f"{_host(name)}:{_address_of_host(address)}" for name, address in pairs]


def _host(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(HOST, value, re.ASCII) or len(value) > 253:
        raise ValueError('each is a name with its address, like "db:10.0.0.5"')
    return value


def _address_of_host(value: Any) -> str:
    if value == "host-gateway":
        raise ValueError(
            '"host-gateway" is the host itself, which containers are kept from; name the address'
            " of another machine"
        )
    address = _address(value)
    if address is None:
        raise ValueError('each name has an IP address, like "db:10.0.0.5"')
    return str(address)


def _address(value: Any) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(value) if isinstance(value, str) else None
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and (address.scope_id or address.ipv4_mapped):
        return None
    return address


def _name_server(value: Any) -> str:
    address = _address(value)
    if address is None:
        raise ValueError('a name server is an IP address, like "10.0.0.2"')
    if (
        address.is_loopback
        or address.is_unspecified
        or address.is_multicast
        or address.is_link_local
        or address.is_reserved
    ):
        raise ValueError(
            "a name server has an address that a container can reach: none of loopback, multicast"
            " or link"
        )
    return str(address)


_IP = {"anyOf": [{"type": "string", "format": "ipv4"}, {"type": "string", "format": "ipv6"}]}
_DOTTED = r"(?:(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])(?:\.(?!$)|$)){4}"

ContainerPort = Annotated[
    str, BeforeValidator(_container_port), WithJsonSchema(CONTAINER_PORT_SCHEMA)
]
ContainerPorts = Annotated[list[ContainerPort], AfterValidator(_container_ports)]
Hostname = Annotated[
    str, AfterValidator(_hostname), Field(json_schema_extra={"pattern": f"^{HOSTNAME}$"})
]
ExtraHosts = Annotated[
    list[str],
    BeforeValidator(_extra_hosts),
    Field(max_length=64),
    WithJsonSchema(
        {
            "anyOf": [
                {
                    "type": "object",
                    "propertyNames": {"pattern": f"^{HOST}$", "maxLength": 253},
                    "additionalProperties": _IP,
                    "maxProperties": 64,
                },
                {
                    "type": "array",
                    "items": {"type": "string", "pattern": f"^{HOST}:{_DOTTED}"},
                    "maxItems": 64,
                },
            ]
        }
    ),
]
NameServer = Annotated[str, BeforeValidator(_name_server), WithJsonSchema(_IP)]
