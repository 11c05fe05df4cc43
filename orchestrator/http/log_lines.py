"""The service and the server under it write log lines: as text, or one JSON object each."""

import json
import logging
from datetime import UTC, datetime
from typing import Any

from . import request_ids

_TEXT = "%(asctime)s %(levelname)s %(name)s [%(request_id)s] %(message)s"


class JsonFormatter(logging.Formatter):
    """Makes one JSON object of a log record, with the id of the request under way."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC)
        line = {
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "request_id": request_ids.current.get(),
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exc"] = self.formatException(record.exc_info)
        return json.dumps(line)


def configure(level: str, form: str) -> None:
    """Sends this service's log lines to standard error, with the id of their request."""
    logger = logging.getLogger("orchestrator")
    logger.setLevel(level.upper())
    if not logger.handlers:
        logger.addHandler(logging.StreamHandler())
    for handler in logger.handlers:
        handler.addFilter(_add_request_id)
        handler.setFormatter(JsonFormatter() if form == "json" else logging.Formatter(_TEXT))


def of_the_server(standard: dict[str, Any], form: str) -> dict[str, Any]:
    """Returns uvicorn's own configuration of its logs, with lines as the setting wants them."""
    if form != "json":
        return standard
    formatters = {name: {"()": JsonFormatter} for name in standard["formatters"]}
    return {**standard, "formatters": formatters}


def _add_request_id(record: logging.LogRecord) -> bool:
    record.request_id = request_ids.current.get()
    return True
