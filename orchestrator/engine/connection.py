"""Connects to the Docker engine, and makes calls within deadlines; errors come in our words.

The SDK blocks; each call runs on a bounded pool of threads, so that slow ones of one kind starve no
other, and under a deadline that counts the wait for a thread. After it the caller gets an
EngineTimeout, and the thread is free again. Exceptions of the SDK stop here: what leaves is an
OrchestratorError, with the engine's words as its cause.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import docker
import docker.errors
import docker.transport
import docker.utils
import requests

from .. import errors
from ..addresses import SCHEME as SSH
from ..addresses import SshAddress
from ..models import EngineInfo
from ..payloads import Capabilities, tunnel_failure
from ..settings import Settings
from .client import Client, use_one_pool
from .threads import Pool
from .translate import translated
from .tunnel import Tunnel, TunnelFailedError

log = logging.getLogger(__name__)
T = TypeVar("T")

DEFAULT_SOCKET = "/var/run/docker.sock"

# More than about four starts at once gain nothing on any engine; waiting for a graceful stop or a
# registry costs the engine nothing, so those wait elsewhere.
_POOLS = {
    "mutations": 4,
    "stops": 32,
    "pulls": 4,
    "reads": 4,
    "statistics": 16,
    "sizes": 2,
    "all_sizes": 1,
    "pings": 2,
    "connections": 2,
}


class Connection:
    """Connects to the engine at `DOCKER_HOST`, and makes the calls that the nouns beside it name.

    `on_call` is told of each call: its name, how many seconds it took with the wait for a thread,
    and the code of the error that its caller got, if any. It hears nothing of a call whose caller
    was cancelled, for how that one ended is not known.
    """

    def __init__(
        self, settings: Settings, on_call: Callable[[str, float, str | None], None]
    ) -> None:
        self.capabilities = Capabilities()
        self.timeout = settings.engine_timeout  # seconds for one call
        self._settings = settings
        self._on_call = on_call
        self._client: docker.APIClient | None = None
        self._pools = {name: Pool(name, size) for name, size in _POOLS.items()}
        host = settings.docker_host or ""
        self._tunnel = Tunnel(SshAddress.parse(host)) if host.startswith(SSH) else None

    @property
    def socket_path(self) -> str | None:
        """The file system path of the engine's Unix socket; None when it is reached otherwise."""
        host = self._settings.docker_host
        if host is None:
            return DEFAULT_SOCKET
        return host.removeprefix("unix://") if host.startswith("unix://") else None

    def socket_file(self) -> tuple[int, int, int] | None:
        """What tells the file of the engine's socket from another one under the same path.

        None where there is no such file, now or ever. The time is that of the file's last change,
        which connections are not: a number alone may be used again for the next file.
        """
        if self.socket_path is None:
            return None
        try:
            found = Path(self.socket_path).stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino, found.st_ctime_ns

    @property
    def address(self) -> str:
        """Where the engine is, as the SDK understands it, for people: without credentials."""
        return shown_address(self._settings.docker_host, tls=bool(self._settings.docker_tls_verify))

    @cached_property
    def host(self) -> str | None:
        """The host in DOCKER_HOST, as a name or an address; None for a socket of this machine."""
        docker_host = self._settings.docker_host or ""
        if docker_host.startswith(SSH):
            return SshAddress.parse(docker_host).host
        return host_in(self.address)

    async def connect(self) -> EngineInfo:
        """Opens a client anew, agrees on an API version, and says what answers."""

        def open_client() -> tuple[docker.APIClient, EngineInfo, Capabilities]:
            with self._through_tunnel():
                client = self._open()
                version = client.version(api_version=False)
            capabilities = Capabilities()
            with suppress(docker.errors.APIError):  # a proxy may know an older list of routes
                capabilities = Capabilities.from_info(client.info(), version)
            return client, EngineInfo(version["Version"], client.api_version), capabilities

        with self.timed("connect"):
            client, info, self.capabilities = await self._run("connections", open_client)
        previous, self._client = self._client, client
        if previous is not None:
            previous.close()
        return info

    async def look_again(self) -> None:
        """Asks the engine once more what it can do, for its host may have changed meanwhile. No-op
        where it does not tell.
        """

        def look(client: docker.APIClient) -> Capabilities:
            with suppress(docker.errors.APIError):  # a proxy may know an older list of routes
                return Capabilities.from_info(client.info(), client.version(api_version=False))
            return self.capabilities

        now = await self.call("info", "reads", look)
        # What it has refused, it does not tell.
        self.capabilities = replace(now, disk=now.disk and self.capabilities.disk)

    def has_no_disk_limits(self) -> None:
        """Notes that the engine has refused to limit what a container writes."""
        self.capabilities = replace(self.capabilities, disk=False)

    def close(self) -> None:
        """Ends the connection. There is no way back."""
        for pool in self._pools.values():
            pool.close()
        if self._client is not None:
            self._client.close()
        if self._tunnel is not None:
            self._tunnel.close()

    async def ping(self, seconds: float) -> None:
        """Raises EngineUnavailable or EngineTimeout unless the engine answers in time.

        The wait for a thread counts, whatever is answered meanwhile.
        """
        with self.timed("ping"):
            try:
                async with asyncio.timeout(seconds):
                    await self.run("pings", lambda client: client.ping(), seconds)
            except (errors.EngineTimeout, TimeoutError) as error:
                raise errors.EngineTimeout(
                    f"The Docker engine did not answer within {seconds:g} seconds: it hangs, or has"
                    " too much to do. Look at its log."
                ) from error

    @property
    def client(self) -> docker.APIClient:
        """The SDK's client; raises EngineUnavailable before the first connection."""
        if self._client is None:
            raise errors.EngineUnavailable(
                "The service has not reached the Docker engine yet. See that it runs, and that"
                " DOCKER_HOST is right; the service connects by itself."
            )
        return self._client

    async def call(
        self,
        name: str,
        pool: str,
        work: Callable[[docker.APIClient], T],
        seconds: float | None = None,
    ) -> T:
        """Runs `work`, which makes something of the engine's answer, in a thread of `pool`, within
        `seconds`. Raises what an error of the engine means.
        """
        client = self.client
        with self.timed(name):
            return await self._run(pool, lambda: work(client), seconds)

    async def call_twice(
        self,
        name: str,
        pool: str,
        work: Callable[[docker.APIClient], T],
        seconds: float | None = None,
    ) -> T:
        """The same, and once more if the connection was lost: for calls that change nothing when
        they are repeated.
        """
        try:
            return await self.call(name, pool, work, seconds)
        except errors.EngineUnavailable:
            return await self.call(name, pool, work, seconds)

    async def run(
        self, pool: str, work: Callable[[docker.APIClient], T], seconds: float | None = None
    ) -> T:
        """Runs a part of a call that is timed as a whole, see `timed`."""
        client = self.client
        return await self._run(pool, lambda: work(client), seconds)

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Tells `on_call` of the call within."""
        began = time.perf_counter()
        try:
            yield
        except errors.OrchestratorError as error:
            self._on_call(name, time.perf_counter() - began, error.code)
            raise
        except Exception:  # of which a cancellation is none
            self._on_call(name, time.perf_counter() - began, errors.OrchestratorError.code)
            raise
        self._on_call(name, time.perf_counter() - began, None)

    async def _run(self, pool: str, call: Callable[[], T], seconds: float | None = None) -> T:
        def within() -> T:
            with translated():
                return call()

        try:
            return await self._pools[pool].run(within, seconds or self.timeout)
        except errors.EngineFailed as error:
            # Here and not in the thread, which does not know whose request it works for.
            log.error("The engine failed: %s", error.__cause__)
            raise

    @contextmanager
    def _through_tunnel(self) -> Iterator[None]:
        """Says what ssh said, where that is why the engine cannot be reached."""
        try:
            yield
        except TunnelFailedError as failure:
            raise tunnel_failure(str(failure)) from failure
        except (docker.errors.DockerException, requests.exceptions.RequestException) as error:
            if self._tunnel is not None and (words := self._tunnel.last_words()):
                raise tunnel_failure(words) from error
            raise
        if self._tunnel is not None:
            self._tunnel.works()

    def _open(self) -> docker.APIClient:
        if self._tunnel is not None:
            environment = {"DOCKER_HOST": f"unix://{self._tunnel.open(self.timeout)}"}
        else:
            environment = {
                name: value
                for name, value in (
                    ("DOCKER_HOST", self._settings.docker_host),
                    ("DOCKER_TLS_VERIFY", self._settings.docker_tls_verify),
                    ("DOCKER_CERT_PATH", self._settings.docker_cert_path),
                )
                if value is not None
            }
        client = Client(
            version="auto",
            timeout=int(self.timeout),
            max_pool_size=sum(_POOLS.values()),
            **docker.utils.kwargs_from_env(environment=environment),
        )
        adapter = client.get_adapter(client.base_url)
        if isinstance(adapter, docker.transport.UnixHTTPAdapter):
            use_one_pool(adapter)
        return client


def host_in(address: str) -> str | None:
    """The host in an address that `shown_address` returns; None where there is none."""
    try:
        url = urlsplit(address)
        return url.hostname if url.scheme in ("tcp", "http", "https") else None
    except ValueError:
        return None


def shown_address(docker_host: str | None, *, tls: bool = False) -> str:
    """The address that a DOCKER_HOST leads to, with no user, password or query in it."""
    try:
        address = str(docker.utils.parse_host(docker_host or f"unix://{DEFAULT_SOCKET}", tls=tls))
    except (docker.errors.DockerException, ValueError):  # the connection says what is wrong
        address = str(docker_host)
    address = address.replace("http+unix://", "unix://", 1).partition("?")[0]
    scheme, separator, rest = address.rpartition("://")
    if scheme == "unix":
        return address
    host, slash, path = rest.partition("/")
    if "@" in path:  # a slash in a password
        host, slash, path = path.rpartition("@")[2], "", ""
    return f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}"
