"""The sample server that the orchestration API clones: one process, one file, no state.

It stands alone: copy it with `Dockerfile.base` and change it into the service you want to run many
times. It answers on port 5000, documents itself at `/docs` without internet, and stops at once when
it is told to.
"""

import os
import signal
import socket
import sys
import time

if __name__ == "__main__":
    # The kernel ignores signals that process 1 of a container has no handler for. Without this one,
    # a stop while the imports below still run would wait for Docker's time-out and then kill.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))

import logging
from typing import Literal

import uvicorn
from fastapi import Request
from fastapi_offline import FastAPIOffline
from pydantic import BaseModel

VERSION = "1.0.0"
HOSTNAME = socket.gethostname()
STARTED = time.monotonic()


class Links(BaseModel):
    health: str
    docs: str
    openapi: str


class Index(BaseModel):
    name: str
    version: str
    hostname: str
    links: Links


class Health(BaseModel):
    status: Literal["healthy"]
    uptime_seconds: float
    hostname: str
    version: str


app = FastAPIOffline(
    title="Base API server",
    version=VERSION,
    summary="A small FastAPI server, made to be cloned by the Docker Orchestration API.",
)

# Health checks come every few seconds for as long as the container lives, and Docker keeps the log.
logging.getLogger("uvicorn.access").addFilter(lambda record: " /health " not in record.getMessage())


@app.get("/", summary="Who answers here")
async def index(request: Request) -> Index:
    """Name, version, the container's hostname, and where to go from here."""
    base = str(request.base_url).rstrip("/")
    return Index(
        name=app.title,
        version=VERSION,
        hostname=HOSTNAME,
        links=Links(health=f"{base}/health", docs=f"{base}/docs", openapi=f"{base}/openapi.json"),
    )


@app.get("/health", summary="Whether the server is well")
async def health() -> Health:
    """It answers, so it is: status, seconds since the start, hostname and version."""
    return Health(
        status="healthy",
        uptime_seconds=round(time.monotonic() - STARTED, 3),
        hostname=HOSTNAME,
        version=VERSION,
    )


if __name__ == "__main__":
    uvicorn.run(
        app,
        host=os.environ.get("HOST", "0.0.0.0"),
        port=int(os.environ.get("PORT", "5000")),
        # Answers take microseconds: what is left is a client that does not read. Typed as whole
        # seconds, but handed to asyncio.wait_for as it is; with 1 the stop takes 1.2 s at worst.
        timeout_graceful_shutdown=0.5,  # type: ignore[arg-type]
    )
