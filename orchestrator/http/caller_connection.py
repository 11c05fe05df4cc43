"""Reads and answers one connection of the server: bounds how long it takes to say what it wants,
and how long it leaves the answer unread.

Of requests that are sent at once, few are answered ahead of their reader, and none behind one that
was refused at the door. What cannot be read is answered with a problem document, as all other
errors are, and never by hanging.
"""

import asyncio
import json
import logging
import math
import socket
import sys
import uuid
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from ..errors import MalformedRequest, OrchestratorError, TooManyConnections
from ..settings import Settings
from . import problems
from .asgi import WITH_KEY
from .connections import Connections
from .limits import headers_too_large, too_slow
from .unread import unread_bytes

log = logging.getLogger(__name__)

# Seconds for the request line and the headers, or REQUEST_TIMEOUT where that is less.
HEAD_SECONDS = 10.0
# Seconds that an answered connection is still read, and what comes is thrown away: closed at once,
# the kernel would tell the caller of a reset, and drop the answer with it.
LINGER_SECONDS = 1.0
# What may still come of a body whose request is answered already, for the connection to be kept:
# most clients send a body after its head, and may be refused in between.
REST_SECONDS = 1.0
REST_BYTES = 64 * 1024
# Bytes that may wait for a reader when the next of several requests sent at once is begun.
AHEAD_BYTES = 4096
# Seconds until it is looked at again whether they were read: the first time, and at most.
LOOK_SECONDS, LONGEST_LOOK_SECONDS = 0.02, 0.5
# Seconds after which whoever takes nothing of an answer counts as one that does not read.
STALLED_SECONDS = 1.0


def protocol(settings: Settings) -> type[H11Protocol]:
    """Returns the class that uvicorn is to make of each connection."""
    most = settings.max_connections
    open_ones = Connections(most, settings.max_connections_per_peer)
    seconds = min(HEAD_SECONDS, settings.request_timeout)
    return type(
        "LimitedConnection",
        (CallerConnection,),
        {
            "open_ones": open_ones,
            "head_seconds": seconds,
            "unread_seconds": settings.request_timeout,
        },
    )


class CallerConnection(H11Protocol):
    """Reads and answers one connection. Made by uvicorn, from what `protocol` returns."""

    open_ones: Connections
    head_seconds: float
    unread_seconds: float  # that an answer may wait for its reader

    peer = "-"
    idle_since = 0.0
    keyed = False  # whether the last request was let in by a key
    _stalled_since: float | None = None
    _ahead_timer: asyncio.TimerHandle | None = None
    _refused = False  # answered for good; what still comes is thrown away
    _head_timer: asyncio.TimerHandle | None = None
    _rest_of: RequestResponseCycle | None = None  # answered, and its body has not come to its end
    _rest_bytes = 0
    _rest_timer: asyncio.TimerHandle | None = None
    _linger_timer: asyncio.TimerHandle | None = None

    @property
    def idle(self) -> bool:
        """Whether no complete request is under way."""
        if self._refused or self.cycle is None or self.cycle.response_complete:
            return True
        return self.cycle.more_body and not self.cycle.response_started

    @property
    def let_in(self) -> bool:
        """Whether the door has let in the request that came last."""
        return self.cycle is not None and WITH_KEY in self.cycle.scope

    @property
    def unread(self) -> bool:
        """Whether more waits for its reader than is answered ahead."""
        return self._ahead_timer is not None or self.stalled

    @property
    def stalled(self) -> bool:
        """Whether an answer under way has been waiting for its reader for some time."""
        since = self._stalled_since
        return since is not None and self.loop.time() - since > STALLED_SECONDS

    def give_way(self) -> None:
        """Closes it, with what nobody reads."""
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            self.transport.close()

    def pause_writing(self) -> None:
        self._stalled_since = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        self._stalled_since = None
        super().resume_writing()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.peer = self.client[0] if self.client else "-"
        self.idle_since = self.loop.time()
        self._expect_a_reader()
        if self.open_ones.add(self):
            self._watch_head()
        else:
            self._refuse(
                TooManyConnections(
                    "All connections that the service takes are at work. Try again in a few"
                    " seconds, or raise MAX_CONNECTIONS."
                )
            )

    def connection_lost(self, exc: Exception | None) -> None:
        self.open_ones.discard(self)
        self._stop_timers()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused or self.transport.is_closing():
            return
        if self.conn.their_state is h11.IDLE and not self.conn.trailing_data[0]:
            data = data.removeprefix(b"\r\n")  # some send one behind a body (RFC 9112, 2.2)
            if not data:  # which h11 would take for the end
                return
        super().data_received(data)
        if self._rest_of is not None:
            self._after_more_of_the_rest(len(data))
        else:
            self._after_reading()

    def eof_received(self) -> None:
        if self._refused:
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """Refuses what h11 cannot read. (The name and the argument are uvicorn's.)"""
        if self._rest_of is not None:  # the request has its answer
            self._linger()
            return
        too_large = len(self.conn.trailing_data[0]) >= self._most_at_once()
        self._refuse(
            headers_too_large()
            if too_large
            else MalformedRequest(
                "This is not HTTP/1.1 as it should be, so the connection is closed. Look at what"
                " the client or a proxy in between has sent."
            )
        )

    def on_response_complete(self) -> None:
        self.idle_since = self.loop.time()
        self.keyed = bool(self.scope.get(WITH_KEY))
        if not self.let_in and self.conn.their_state is h11.DONE and self.conn.trailing_data[0]:
            self._linger()  # what was sent behind it would have the same answer
        else:
            self._go_on(LOOK_SECONDS)

    def _go_on(self, look: float) -> None:
        """Begins what the peer has sent behind a request, once it has read most of the answers."""
        self._ahead_timer = None
        if self.transport.is_closing():
            return
        if self.conn.trailing_data[0] and unread_bytes(self.transport) > AHEAD_BYTES:
            self.flow.pause_reading()
            again = min(2 * look, LONGEST_LOOK_SECONDS)
            self._ahead_timer = self.loop.call_later(look, self._go_on, again)
            return
        super().on_response_complete()
        if self._refused or self.transport.is_closing():
            return
        if self.conn.their_state is h11.SEND_BODY:
            self._unset_keepalive_if_required()
            self._stop_timers()
            self._rest_of, self._rest_bytes = self.cycle, 0
            self._rest_timer = self.loop.call_later(REST_SECONDS, self._linger)
        else:
            self._after_reading()

    def shutdown(self) -> None:
        if self._refused:
            self.transport.close()
        else:
            super().shutdown()

    def _expect_a_reader(self) -> None:
        """Has the kernel end the connection, closed by us or not, when the peer has taken nothing
        of what there is for it in this time: Linux' TCP_USER_TIMEOUT, see tcp(7). A request whose
        answer nobody reads would be under way for ever otherwise.
        """
        if sys.platform == "linux":
            milliseconds = math.ceil(self.unread_seconds * 1000)
            end = self.transport.get_extra_info("socket")
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)

    def _most_at_once(self) -> int:
        return self.config.h11_max_incomplete_event_size or 0

    def _after_reading(self) -> None:
        """A head that has begun has its time; one that is complete needs none any more."""
        if self.conn.their_state is not h11.IDLE:
            self._stop_timers()
        elif self._head_timer is None and self.conn.trailing_data[0]:
            self._unset_keepalive_if_required()
            self._watch_head()

    def _after_more_of_the_rest(self, count: int) -> None:
        """uvicorn throws away what comes of the body, and reads the next request behind it."""
        if self._refused or self.transport.is_closing():
            return
        if self.cycle is self._rest_of and self.conn.their_state is h11.SEND_BODY:
            self._rest_bytes += count
            if self._rest_bytes > REST_BYTES:
                self._linger()
            return
        self._rest_of = None
        self._stop_timers()
        self._after_reading()
        if self._head_timer is None and self.conn.their_state is h11.IDLE:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def _watch_head(self) -> None:
        refuse: Callable[[], None] = lambda: self._refuse(too_slow(self.head_seconds))  # noqa: E731
        self._head_timer = self.loop.call_later(self.head_seconds, refuse)

    def _stop_timers(self) -> None:
        for timer in (self._head_timer, self._rest_timer, self._linger_timer, self._ahead_timer):
            if timer is not None:
                timer.cancel()
        self._head_timer = self._rest_timer = self._linger_timer = self._ahead_timer = None

    def _refuse(self, error: OrchestratorError) -> None:
        """Answers past the app, which knows nothing of this request or is told it is gone."""
        if self._refused or self.transport.is_closing():
            return
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            if self.cycle.response_started:
                self.transport.close()
                return
        self.transport.write(answer(error))
        log.info("Refused a connection of %s: %s", self.peer, error.code)
        self._linger()

    def _linger(self) -> None:
        self._refused = True
        self._stop_timers()
        self._unset_keepalive_if_required()
        if self.transport.can_write_eof():
            with suppress(OSError):  # the peer may be gone already
                self.transport.write_eof()
        self.flow.resume_reading()
        self._linger_timer = self.loop.call_later(LINGER_SECONDS, self.transport.close)


def answer(error: OrchestratorError) -> bytes:
    """Returns a problem document as a whole answer, after which the connection is closed."""
    status, request_id = HTTPStatus(problems.status_of(type(error))), uuid.uuid4().hex
    document: dict[str, Any] = problems.document(
        status=status.value,
        code=error.code,
        title=error.title,
        detail=error.message,
        request_id=request_id,
        fields=error.fields,
    )
    body = json.dumps(document, ensure_ascii=False).encode()
    headers = {
        "Content-Type": problems.MEDIA_TYPE,
        "Content-Length": str(len(body)),
        "Connection": "close",
        "X-Request-ID": request_id,
    }
    if (seconds := problems.retry_after(error)) is not None:
        headers["Retry-After"] = str(seconds)
    lines = [f"HTTP/1.1 {status.value} {status.phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body
