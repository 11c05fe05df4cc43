"""What test_schema_fuzz lets schemathesis send, and what it does not take for a failure.

Loaded by schemathesis, in a process of its own. A value is only changed where it is valid, into one
that is valid, too: what must be refused is sent as it was made up.
"""

import os
from collections.abc import Mapping
from typing import Any

import schemathesis
from schemathesis import Case, HookContext

# Of the creates that ask for a start, or for nothing, one in so many starts.
STARTS = 6
# As many of this run's containers are kept at a time, for other requests to be about.
KEPT = 8

KEY = os.environ.get("SCHEMA_FUZZ_KEY", "")
creates = 0
made: list[str] = []


def _is_int(value: Any, low: int, high: int) -> bool:
    text = str(value)
    return not isinstance(value, bool) and text.isascii() and text.isdigit() and low <= int(text) <= high


@schemathesis.hook
def before_call(context: HookContext, case: Case, kwargs: dict[str, Any]) -> None:
    if case.method.upper() == "POST" and case.path == "/containers/create":
        _bound_create(case)
    query = case.query
    if case.path.endswith("/stream") and isinstance(query, Mapping):
        # Else it would go on for ever, or for an hour to the second event.
        for name, high in (("every", 3600), ("limit", 1_000_000)):
            if name not in query or _is_int(query[name], 1, high):
                query[name] = 1
    if isinstance(query, Mapping) and _is_int(query.get("timeout"), 2, 300):
        query["timeout"] = 1  # seconds that a request waits, by right


def _bound_create(case: Case) -> None:
    global creates
    body = case.body
    if not isinstance(body, dict):
        return
    creates += 1
    if body.get("start", True) is True and creates % STARTS:
        body["start"] = False
    if isinstance(body.get("wait"), (int, float)) and body["wait"] > 1 and body["wait"] <= 600:
        body["wait"] = 1
    # The engine has no network to pull over.
    if body.get("pull", "missing") in ("missing", "always"):
        body["pull"] = "never"


