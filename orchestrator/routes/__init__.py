"""What can be asked at which path, by noun. Says what may go wrong; decides nothing.

    service       / and /health: what this is and how it is
    containers    create, look at, start, stop, restart, remove; a container's environment
    statistics    what containers and the host use, history and streams, /metrics
    ports         which host port is whose
    volumes       the volumes of this service
    pages         /docs and /redoc
    dependencies  what routes are given: the service, a container's id, the caller, time-outs
    addresses     where a container answers, for the one who asks
    streams       server-sent events, and how they end

To add a route, write its function in its noun's file, with an operation id, a summary, a docstring
and the problems that it can end in. The audit calls it by the function's name, a response class
EventSourceResponse makes it a stream, GET / and the OpenAPI description list it: all read it from
the `router`. What it answers with is `tagged` where it stays the same for a while, and marked with
`holds_secrets` where it shows some. A new noun is a file here and a line in main's ROUTERS.
"""

from . import addresses, containers, pages, ports, service, statistics, volumes

__all__ = ["addresses", "containers", "pages", "ports", "service", "statistics", "volumes"]
