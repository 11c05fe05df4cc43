"""What test_schema_fuzz lets schemathesis send, and what it does not take for a failure.

Schemathesis loads it, in a process of its own. A value is only changed where it is valid, into one
that is valid, too: what must be refused is sent as it was made up.
"""

import re
from typing import Any

import schemathesis
from schemathesis import Case, HookContext, Response
from schemathesis.core.failures import Failure
from schemathesis.openapi.checks import (
    AllowHeaderMismatch,
    RejectedPositiveData,
    UnsupportedMethodResponse,
)

from tests.conftest import IMAGE
from tests.security.own_engine import FOREIGN_NAME, VOLUMES

# Of the creates, so many with an image ask for one that exists, so many with a key have one that
# was not used before, and one starts: a start takes a second, and the rest a tenth of it. Few ask
# for what the engine's storage cannot do.
KNOWN_IMAGES = 0.75
DISK_LIMITS = 0.2
NEW_KEYS = 0.75
STARTS = 0.15

# What a valid request may be refused for all the same, by the code of the problem. No schema can
# say which keys were used, what PORT_RANGE is, which programs an image has, and what storage.
NOT_OF_THE_SCHEMA = {
    "idempotency-key-reused",
    "port-out-of-range",
    "start-refused",
    "disk-limit-unsupported",
}
# The same of an `invalid-request`, by how the sentence begins: 80 and "80/tcp" are one port, /a and
# /a/. one path; no pattern can tell what "1.5g" comes to, whether quotes have partners, and how
# many CPUs there are.
NO_FAILURES = (
    "container_ports: it names a port twice",
    "volumes: two volumes have the same path",
    "memory: memory must be from",
    "disk: disk must be from",
    "command: the command has a quote or backslash without its partner",
    "command: a command names a program",  # the program of `''`
    "container_ports: a range of container ports goes upward",
    "container_ports: a container has 64 ports at most",
    "entrypoint: the entry point has a quote or backslash without its partner",
    "entrypoint: an entry point names a program",
    "entrypoint: without one, the command names what is run",
    "volumes: volume ",  # /proc, or 300 bytes in fewer characters
    "tmpfs: ",
    "shm_size: ",
    "registry_auth: ",  # a null for all that is in it, or a zero byte
    "workdir: ",
    "user: where the profile is restricted",
    "read_only: it is always true where the profile is restricted",
    "stop_timeout: it is whole seconds",
    "ulimits.nofile.hard: the hard limit is not below the soft one",
    "ulimits.core.hard: the hard limit is not below the soft one",
    "healthcheck.interval: it is a time from one second",
    "healthcheck.timeout: it is a time from one second",
    "healthcheck.start_period: it is a time from one second",
    "healthcheck.start_interval: it is a time from one second",
    "healthcheck: start_interval needs Docker 25",
    "healthcheck: the image has no health check",
    "healthcheck.test: a test is",
    "ulimits.nofile: open files are from",  # and not below the soft one
    "ulimits.core: ",
    "ulimits.nofile.hard: the hard limit is not below the soft one",
    "dns: a name server has an address that a container can reach",
    "dns: a name server is an IP address",  # one of IPv4 within IPv6
    "extra_hosts: each name has an IP address",
    "The Docker engine refused the request: Range of CPUs is from",
)

# Of the requests about a container, so many are about the one that is somebody else's.
FOREIGN = 0.1

creates = 0
requests = 0
removals = 0  # of volumes


def _is_int(value: object, low: int, high: int) -> bool:
    """Whether a parameter is such a number, also in the text of one."""
    text = str(value)
    return bool(re.fullmatch("[0-9]{1,9}", text)) and low <= int(text) <= high


@schemathesis.hook
def before_call(context: HookContext, case: Case[Any], kwargs: dict[str, Any]) -> None:
    global requests, removals
    if case.method.upper() == "POST" and case.path == "/containers/create":
        _bound_create(case)
    if isinstance(case.path_parameters, dict) and "id" in case.path_parameters:
        requests += 1
        if _one_of(FOREIGN, requests):
            case.path_parameters["id"] = FOREIGN_NAME
    if case.path == "/volumes/{name}" and _is_valid(case):
        case.path_parameters["name"] = VOLUMES[removals % len(VOLUMES)]
        removals += 1
    query = case.query
    if not isinstance(query, dict):
        return
    if case.path.endswith("/stream"):
        # Without a limit a stream goes on for ever, and every 3600 s is an hour for two events.
        for name, high in (("every", 3600), ("limit", 1_000_000)):
            if name not in query or _is_int(query[name], 1, high):
                query[name] = 1
    ends = case.method.upper() == "DELETE" or case.path.endswith(("/stop", "/restart"))
    if ends and _is_int(query.get("timeout", 10), 2, 300):
        # Seconds that it waits, by right, for a process that has not got so far as to listen.
        query["timeout"] = 1


def _bound_create(case: Case[Any]) -> None:
    global creates
    creates += 1
    key = case.headers.get("Idempotency-Key")
    if isinstance(key, str) and re.fullmatch("[!-~]{1,240}", key) and _one_of(NEW_KEYS, creates):
        case.headers["Idempotency-Key"] = f"{key}{creates}"
    body = case.body
    if not isinstance(body, dict):
        return
    if body.get("start", True) is True and not _one_of(STARTS, creates):
        body["start"] = False
    if _is_valid(case) and isinstance(body.get("image"), str) and _one_of(KNOWN_IMAGES, creates):
        body["image"] = IMAGE
    if _is_valid(case) and not _one_of(DISK_LIMITS, creates):
        body.pop("disk", None)
    wait = body.get("wait")
    if isinstance(wait, int | float) and not isinstance(wait, bool) and 1 < wait <= 600:
        body["wait"] = 1
    # There is no network to pull over.
    if body.get("pull", "missing") in ("missing", "always"):
        body["pull"] = "never"


def _is_valid(case: Case[Any]) -> bool:
    return case.meta is not None and case.meta.generation.mode.is_positive


def _one_of(share: float, number: int) -> bool:
    """True for that share of the numbers, spread evenly."""
    return number * share % 1 < share


@schemathesis.hook
def filter_failure(
    context: HookContext, failure: Failure, case: Case[Any], response: Response
) -> bool:
    """Whether it is one: not where a valid create is refused for what no schema can say, and not
    where `POST /containers` does what it should without being in the schema.
    """
    if case.path == "/containers" and isinstance(
        failure, AllowHeaderMismatch | UnsupportedMethodResponse
    ):
        return "POST" not in f"{case.method.upper()} {response.headers.get('allow', [])}"
    if not isinstance(failure, RejectedPositiveData) or response.status_code != 422:
        return True
    problem = response.json()
    errors = problem.get("errors", ())
    told = [f"{each['field']}: {each['message']}" for each in errors] or [problem["detail"]]
    reasons = [re.sub(r"\.\d+(?=[.:])", "", each) for each in told]  # volumes.0
    return problem["code"] not in NOT_OF_THE_SCHEMA and not all(
        reason.startswith(NO_FAILURES) for reason in reasons
    )
