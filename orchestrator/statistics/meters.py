"""What happens in this service, counted as it happens, for Prometheus.

Requests and calls of the engine are counted and timed here; what can be read from memory when it is
asked for (containers, ports, the sampler) is the business of `metrics`.
"""

import time

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)

from ..http import App, Message, Receive, Send, route_of

PREFIX = "orchestration_api"

# Reads take a millisecond, creates a few hundred, graceful stops ten seconds: seconds.
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
# What a caller may send as a method is no name for a series.
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))


class Meters:
    """Counters in a registry of their own, with what the kernel tells of this process."""

    def __init__(self) -> None:
        # Else each has a second series, with the time of its beginning.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._requests = Counter(
            f"{PREFIX}_http_requests",
            "Requests answered, by the path's template and the status that was sent.",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self._request_seconds = Histogram(
            f"{PREFIX}_http_request_seconds",
            "Seconds until an answer began. A stream counts when it begins.",
            ["method", "route"],
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._calls = Histogram(
            f"{PREFIX}_engine_call_seconds",
            "Seconds that calls of the Docker engine took, the wait for a thread included.",
            ["call"],
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._call_errors = Counter(
            f"{PREFIX}_engine_call_errors",
            "Calls of the Docker engine that failed, by the code of the problem.",
            ["call", "code"],
            registry=self.registry,
        )

    def engine_called(self, call: str, seconds: float, code: str | None) -> None:
        """The engine was called; `code` is that of the error, if it ended in one."""
        self._calls.labels(call).observe(seconds)
        if code is not None:
            self._call_errors.labels(call, code).inc()

    def requested(self, method: str, route: str, status: int, seconds: float) -> None:
        method = method if method in _METHODS else "other"
        self._requests.labels(method, route, str(status)).inc()
        self._request_seconds.labels(method, route).observe(seconds)


class MeteredRequests:
    """ASGI middleware, the outermost: counts what is sent, errors too, and times it."""

    def __init__(self, app: App, meters: Meters) -> None:
        self._app = app
        self._meters = meters

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, counted = time.perf_counter(), False

        def count(status: int) -> None:
            nonlocal counted
            counted = True
            seconds = time.perf_counter() - began
            self._meters.requested(scope["method"], route_of(scope), status, seconds)

        async def send_counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                count(message["status"])
            await send(message)

        try:
            await self._app(scope, receive, send_counted)
        except Exception:
            if not counted:
                count(500)  # which is answered outside of all middleware
            raise
