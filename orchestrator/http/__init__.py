"""What happens to every request, whatever its path: named, counted, noted, let in or refused.

    connections  those that are open, and which gives way to a new one
    caller_connection  how slow one may be; what cannot be read is answered
    unread       how much a reader has not taken yet
    request_forms  brings a request into the usual one of HTTP's forms
    request_ids  gives each request an id
    forwarded    takes what a trusted proxy says of a request
    headers      tells browsers what they may do with an answer
    audit        writes a line for each change that was asked for
    trail        where those lines go, and whether they can be written
    door         lets a request in by its key, Host and origin      keys   the keys there are
    counted      tells of each answer: which route, which status, how long it took
    methods      HEAD wherever GET is, and OPTIONS
    compression  gzip for who asks for it    conditional  304 where nothing has changed
    limits       refuses what is too large, too slow, or too much at once
    route_table  knows which route a request is meant for, before it is routed
    problems     makes an answer of an error
    openapi      describes what the routes alone do not say
    log_lines    writes logs as text or JSON
    asgi         types, and what a request's scope and headers say

Knows routes by their table only: what is asked at which path is the business of `routes`.
"""

from . import audit, log_lines, openapi
from .asgi import (
    App,
    Message,
    Receive,
    Send,
    called_host,
    root_of,
    route_of,
)
from .audit import (
    Audit,
    AuditRequired,
)
from .caller_connection import protocol
from .compression import Compression
from .conditional import Conditional
from .counted import MeteredRequests
from .door import (
    Door,
)
from .forwarded import (
    Forwarded,
)
from .headers import (
    SecurityHeaders,
)
from .keys import (
    Keyring,
)
from .limits import (
    MAX_HEADERS_SIZE,
    CallerLimits,
    RequestLimits,
)
from .methods import Methods
from .problems import (
    AnswerRefusals,
    answer_problem,
)
from .request_forms import RequestForms
from .request_ids import (
    RequestIds,
)
from .route_table import (
    RouteTable,
    always_answered,
    holds_secrets,
    tagged,
    without_key,
)
from .trail import Trail

__all__ = [
    "MAX_HEADERS_SIZE",
    "AnswerRefusals",
    "App",
    "Audit",
    "AuditRequired",
    "CallerLimits",
    "Compression",
    "Conditional",
    "Door",
    "Forwarded",
    "Keyring",
    "Message",
    "MeteredRequests",
    "Methods",
    "Receive",
    "RequestForms",
    "RequestIds",
    "RequestLimits",
    "RouteTable",
    "SecurityHeaders",
    "Send",
    "Trail",
    "always_answered",
    "answer_problem",
    "audit",
    "called_host",
    "holds_secrets",
    "log_lines",
    "openapi",
    "protocol",
    "root_of",
    "route_of",
    "tagged",
    "without_key",
]
