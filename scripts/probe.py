"""Questions that the shell scripts ask of the outside; the exit code is the answer.

`probe.py engine`          which Docker engine answers (0), or why none does (1)
`probe.py url URL`         whether the address answers with 200
`probe.py port HOST PORT`  whether the port can be listened on, or who holds it (1)
"""

import socket
import sys
import urllib.request

import docker
import psutil
from docker.errors import DockerException

from orchestrator.engine.tunnel import TunnelFailedError, engine_here


def engine() -> str | None:
    try:
        with engine_here(10):
            client = docker.from_env(timeout=5)
            print(f"Docker {client.version()['Version']}")
    except (DockerException, TunnelFailedError, OSError, ValueError) as error:
        return str(error)
    return None


def url(address: str) -> str | None:
    # A proxy of the environment has no business between this machine and itself.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(address, timeout=5):
            return None
    except OSError as error:
        return str(error)


def port(host: str, number: str) -> str | None:
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, int(number), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    with socket.socket(family, kind, protocol) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
            listener.listen()
        except OSError as error:
            return f"port {number} on {host}: {error.strerror}{_holder(int(number))}"
    return None


def _holder(number: int) -> str:
    """Who listens there, as far as this user may know."""
    try:
        for connection in psutil.net_connections("tcp"):
            here = connection.laddr[1:] == (number,)
            if here and connection.status == psutil.CONN_LISTEN and connection.pid:
                command = " ".join(psutil.Process(connection.pid).cmdline())
                return f", held by process {connection.pid} ({command})"
    except psutil.Error:
        pass
    return ""


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["engine"]:
            sys.exit(engine())
        case ["url", address]:
            sys.exit(url(address))
        case ["port", host, number]:
            sys.exit(port(host, number))
        case _:
            sys.exit(__doc__)
