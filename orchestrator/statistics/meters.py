"""Counts requests and calls of the engine as they happen, for Prometheus.

What can be read from memory when it is asked for (containers, ports, the sampler) is not counted
here, but told by `prometheus`.
"""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)

PREFIX = "orchestration_api"

# Reads take a millisecond, creates a few hundred, graceful stops ten seconds: seconds.
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
# What a caller may send as a method is no name for a series.
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))


class Meters:
    """Holds the counters, in a registry of its own, with what the kernel tells of this process."""

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
        # By method, route and status: to find the two by their labels takes as long as to count.
        self._of_requests: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
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

        self._audit = Gauge(
            f"{PREFIX}_audit_writable",
            "1 while lines of the audit can be written, else 0.",
            registry=self.registry,
        )
        self._audit_lost = Counter(
            f"{PREFIX}_audit_lines_lost",
            "Lines of the audit that could not be written.",
            registry=self.registry,
        )

    def audited(self, writable: bool, lost: int) -> None:
        """Notes whether the audit can be written, and counts lines that could not be."""
        self._audit.set(int(writable))
        self._audit_lost.inc(lost)

    def engine_called(self, call: str, seconds: float, code: str | None) -> None:
        """Counts a call of the engine; `code` is that of the error, if it ended in one."""
        self._calls.labels(call).observe(seconds)
        if code is not None:
            self._call_errors.labels(call, code).inc()

    def requested(self, method: str, route: str, status: int, seconds: float) -> None:
        """Counts a request, by the template of its path and the status that was answered."""
        if (known := self._of_requests.get((method, route, status))) is None:
            named = method if method in _METHODS else "other"
            known = (
                self._requests.labels(named, route, str(status)),
                self._request_seconds.labels(named, route),
            )
            if method in _METHODS:  # others are without number
                self._of_requests[method, route, status] = known
        requests, times = known
        requests.inc()
        times.observe(seconds)
