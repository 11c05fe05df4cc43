"""The Docker engine. The only module that imports docker.

An asynchronous face over the blocking SDK. Each call runs on a bounded pool of threads, so that
slow ones of one kind starve no other, and under a deadline that counts the wait for a thread;
after it the caller gets an EngineTimeout, and the thread is free again. Exceptions of the SDK stop
here: what leaves is an OrchestratorError, with the engine's words as its cause.

Answers are the engine's JSON as it is; `payloads` and `stats` know what it means.
"""

import asyncio
import builtins
import logging
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import docker
import docker.errors
import docker.transport
import docker.utils
import requests
import urllib3

from .. import errors
from ..addresses import SCHEME as SSH
from ..addresses import SshAddress
from ..payloads import Capabilities, pull_failure, refusal, tunnel_failure
from ..settings import Settings
from .threads import Pool, deadline_of_this_thread
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
    "pings": 2,
    "connections": 2,
}

_EVENTS = (
    "create", "start", "restart", "die", "stop", "kill", "oom", "pause", "unpause",
    "rename", "update", "destroy", "health_status",
    "died", "remove",  # Podman's words for die and destroy, where it filters
)  # fmt: skip


@dataclass(frozen=True)
class EngineInfo:
    version: str
    api_version: str


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


def _use_one_pool(adapter: Any) -> None:
    """Makes the adapter of a Unix socket keep one connection pool for every URL.

    The SDK's keeps a pool for each, so that nearly every call opens a connection of its own.
    """
    get_connection = adapter.get_connection
    adapter.get_connection = lambda url, proxies=None: get_connection("http+docker://", proxies)


class _Client(docker.APIClient):
    """The SDK's client, bound to the deadline of the call that the thread works on, if any.

    So a thread is never held for longer than its caller waits; the SDK's own time-out would begin
    anew with each request, and a pull has none. (Of a stream it bounds the pauses.)
    """

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        deadline = deadline_of_this_thread()
        if deadline is not None:
            options["timeout"] = deadline - time.monotonic()
            if options["timeout"] <= 0:
                raise requests.exceptions.Timeout("too late to begin", request=request)
        return super().send(request, **options)

    def merge_environment_settings(
        self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any
    ) -> Any:
        """The engine's own authority before one that REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE names for
        all the rest: `requests` would take theirs, and no certificate of the engine would hold.
        """
        if verify is None and isinstance(self.verify, str):
            verify = self.verify
        return super().merge_environment_settings(url, proxies, stream, verify, cert)


class Engine:
    """The engine at `DOCKER_HOST`. `connect` before anything else; it may be called again.

    `on_call` is told of each call: its name, how many seconds it took with the wait for a thread,
    and the code of the error that its caller got, if any. It hears nothing of a call whose caller
    was cancelled, for how that one ended is not known. `enforcement` says which limits it applies.
    """

    def __init__(
        self,
        settings: Settings,
        on_call: Callable[[str, float, str | None], None] = lambda *_: None,
    ) -> None:
        self._settings = settings
        self._on_call = on_call
        self._client: docker.APIClient | None = None
        self.enforcement = Capabilities()
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

    async def connect(self) -> EngineInfo:
        """Opens a client anew, agrees on an API version, and says what answers."""

        def open_client() -> tuple[docker.APIClient, EngineInfo, Capabilities]:
            with self._through_tunnel():
                client = self._open()
                version = client.version(api_version=False)
            enforcement = Capabilities()
            with suppress(docker.errors.APIError):  # a proxy may know an older list of routes
                enforcement = Capabilities.from_info(client.info(), version)
            return client, EngineInfo(version["Version"], client.api_version), enforcement

        client, info, self.enforcement = await self._call("connect", "connections", open_client)
        previous, self._client = self._client, client
        if previous is not None:
            previous.close()
        return info

    def close(self) -> None:
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
        client = self._connected()
        with self._timed("ping"):
            try:
                async with asyncio.timeout(seconds):
                    await self._run("pings", client.ping, seconds)
            except (errors.EngineTimeout, TimeoutError) as error:
                raise errors.EngineTimeout(
                    f"The Docker engine did not answer within {seconds:g} seconds: it hangs, or has"
                    " too much to do. Look at its log."
                ) from error

    async def list(self) -> list[dict[str, Any]]:
        """Every container: the entries of `GET /containers/json?all=1`, in one call."""
        client = self._connected()
        return await self._call("list", "reads", lambda: client.containers(all=True))

    async def find(self, label: str, value: str) -> builtins.list[dict[str, Any]]:
        """The entries of the listing that have a label with this value."""
        client = self._connected()
        wanted = {"label": f"{label}={value}"}
        return await self._call_twice(
            "find", "reads", lambda: client.containers(all=True, filters=wanted)
        )

    async def inspect(self, container_id: str) -> dict[str, Any]:
        client = self._connected()
        return await self._call_twice(
            "inspect", "reads", lambda: client.inspect_container(container_id)
        )

    async def inspect_image(self, image: str) -> dict[str, Any]:
        """The image as the engine has it; ImageNotFound if it has none, without pulling."""
        client = self._connected()
        with _about(image=image):
            return await self._call_twice(
                "inspect_image",
                "reads",
                lambda: client.inspect_image(image),  # type: ignore[no-untyped-call]
            )

    async def pull(self, image: str) -> None:
        """Pulls an image. Raises ImageNotFound or ImagePullFailed with the reason in a sentence."""
        client = self._connected()

        def pull() -> None:
            for line in client.pull(image, stream=True, decode=True):
                if "error" in line:
                    raise _PullError(line["error"])

        with self._timed("pull"):
            try:
                await self._run("pulls", pull, self._settings.pull_timeout)
            except _PullError as error:
                log.warning("Image %r could not be pulled: %s", image, error)
                raise pull_failure(image, str(error)) from error
            except (errors.EngineFailed, errors.ImageNotFound, errors.InvalidRequest) as error:
                raise pull_failure(image, str(error.__cause__ or error)) from error

    async def create(self, body: Mapping[str, Any], name: str | None) -> str:
        """Creates a container; its full id. Raises NameInUse, ImageNotFound, InvalidRequest."""
        client = self._connected()
        with _about(image=str(body["Image"]), name=name):
            answer = await self._call(
                "create",
                "mutations",
                lambda: client.create_container_from_config(dict(body), name),  # type: ignore[no-untyped-call]
            )
        return str(answer["Id"])

    async def stat_path(self, container_id: str, path: str) -> tuple[int, str | None]:
        """The status of `HEAD /containers/{id}/archive?path=` and what it says of the path, which
        is followed to its last part. Any status is an answer: see programs.
        """
        client = self._connected()

        def head() -> tuple[int, str | None]:
            url = f"{client.base_url}/v{client.api_version}/containers/{container_id}/archive"
            answer = client.head(url, params={"path": path}, timeout=client.timeout)
            return answer.status_code, answer.headers.get("X-Docker-Container-Path-Stat")

        return await self._call_twice("stat_path", "reads", head)

    async def start(self, container_id: str) -> None:
        """Starting one that runs is a no-op. Raises PortRefused, StartRefused, ContainerPaused."""
        client = self._connected()
        await self._call_twice("start", "mutations", lambda: client.start(container_id))

    async def stop(self, container_id: str, grace: int) -> None:
        """Ends it with its stop signal, and kills it after `grace` seconds. No-op when stopped."""
        client = self._connected()
        seconds = grace + self._settings.engine_timeout
        await self._call_twice(
            "stop", "stops", lambda: client.stop(container_id, timeout=grace), seconds
        )

    async def restart(self, container_id: str, grace: int) -> None:
        client = self._connected()
        seconds = grace + self._settings.engine_timeout
        await self._call(
            "restart", "stops", lambda: client.restart(container_id, timeout=grace), seconds
        )

    async def remove(self, container_id: str, *, force: bool = False, volumes: bool = True) -> None:
        """Removes a container, and its anonymous volumes unless `volumes` is false; `force` kills
        it if it runs.
        """
        client = self._connected()
        await self._call_twice(
            "remove",
            "mutations",
            lambda: client.remove_container(container_id, v=volumes, force=force),
        )

    async def inspect_volume(self, name: str) -> dict[str, Any] | None:
        """The volume as the engine has it; None when there is none of this name."""
        client = self._connected()

        def inspect() -> dict[str, Any] | None:
            with suppress(docker.errors.NotFound):
                found: dict[str, Any] = client.inspect_volume(name)
                return found
            return None

        return await self._call_twice("inspect_volume", "reads", inspect)

    async def remove_volume(
        self, name: str, *, label: str | None = None, value: str | None = None
    ) -> None:
        """Removes a volume, if it has this label. No-op if it is in use, or not there."""
        client = self._connected()

        def remove() -> None:
            with suppress(docker.errors.NotFound):
                labels = client.inspect_volume(name).get("Labels") or {}
                if label is None or labels.get(label) == value:
                    client.remove_volume(name)

        with suppress(errors.ContainerBusy):  # 409: somebody uses it by now
            await self._call("remove_volume", "mutations", remove)

    # Moves

    async def commit(self, container_id: str, image: str) -> None:
        """Makes an image, `repository:tag`, of a container's file system. Takes as long as a pull
        may: its files are written once more.
        """
        client = self._connected()
        repository, _, tag = image.partition(":")
        await self._call(
            "commit",
            "pulls",
            lambda: client.commit(container_id, repository, tag),
            self._settings.pull_timeout,
        )

    async def rename(self, container_id: str, name: str) -> None:
        """Raises NameInUse."""
        client = self._connected()
        with _about(name=name):
            await self._call("rename", "mutations", lambda: client.rename(container_id, name))

    async def connect_network(
        self, network: str, container_id: str, endpoint: Mapping[str, Any]
    ) -> None:
        """Connects a container to one more network; `endpoint` is the engine's EndpointSettings."""
        client = self._connected()
        addresses = endpoint.get("IPAMConfig") or {}
        await self._call(
            "connect_network",
            "mutations",
            lambda: client.connect_container_to_network(
                container_id,
                network,
                ipv4_address=addresses.get("IPv4Address"),
                ipv6_address=addresses.get("IPv6Address"),
                link_local_ips=addresses.get("LinkLocalIPs"),
                aliases=endpoint.get("Aliases"),
                links=[tuple(link.split(":", 1)) for link in endpoint.get("Links") or ()],
                driver_opt=endpoint.get("DriverOpts"),
            ),
        )

    async def images_of(self, repository: str) -> builtins.list[tuple[str, datetime]]:
        """The images of a repository with any tag: `repository:tag`, and when each was made."""
        client = self._connected()
        images = await self._call("images_of", "reads", lambda: client.images(repository))
        return [
            (name, datetime.fromtimestamp(image["Created"], UTC))
            for image in images
            for name in image.get("RepoTags") or ()
            if name.startswith(f"{repository}:")
        ]

    async def remove_image(self, name: str) -> None:
        """Removes an image. No-op if a container needs it, or it is not there."""
        client = self._connected()
        with suppress(errors.ContainerBusy, errors.ImageNotFound):
            await self._call("remove_image", "mutations", lambda: client.remove_image(name))

    # Networks

    async def networks(self, label: str, value: str) -> builtins.list[dict[str, Any]]:
        """The networks with this label, as `GET /networks` describes them."""
        client = self._connected()
        filters = {"label": f"{label}={value}"}
        return await self._call("networks", "reads", lambda: client.networks(filters=filters))

    async def create_network(
        self, name: str, *, labels: Mapping[str, str], options: Mapping[str, str]
    ) -> None:
        """Creates a bridge network. Raises NameInUse when there is one with this name or bridge,
        NetworkFull when the engine has no subnet left.
        """
        client = self._connected()
        await self._call(
            "create_network",
            "mutations",
            lambda: client.create_network(
                name, "bridge", dict(options), check_duplicate=True, labels=dict(labels)
            ),
        )

    async def reconnect(self, container_id: str, *, leave: str, join: str) -> None:
        """Takes a stopped container from one network, which may be gone, to another."""
        client = self._connected()

        def reconnect() -> None:
            client.disconnect_container_from_network(container_id, leave, force=True)
            client.connect_container_to_network(container_id, join)

        await self._call("reconnect", "mutations", reconnect)

    async def stats(self, container_id: str) -> tuple[dict[str, Any], float]:
        """One sample, and the seconds of CPU time that the call has cost this process; an empty
        `cpu_stats` or nothing at all when the container does not run.
        """
        client = self._connected()

        def stats() -> tuple[dict[str, Any], float]:
            began = time.thread_time()
            answer = client.stats(container_id, stream=False, one_shot=True)
            return answer, time.thread_time() - began

        return await self._call("stats", "statistics", stats)

    async def events(self) -> AsyncGenerator[str, None]:
        """The id of a container whenever something happens to it, from the call of `anext` on.

        The first item is an empty string and says that the subscription stands. The iterator ends
        when the connection does: the SDK makes no difference between an end and an error.
        """
        client = self._connected()
        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[str | BaseException | None] = asyncio.Queue()
        streams: list[Any] = []
        ended = threading.Event()

        def say(item: str | BaseException | None) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(queue.put_nowait, item)

        def follow() -> None:
            try:
                with _translated():
                    stream = client.events(
                        decode=True, filters={"type": "container", "event": list(_EVENTS)}
                    )
                streams.append(stream)
                if ended.is_set():  # nobody has waited for so late an answer
                    _close_stream(stream)
                    return
                say("")
                for event in stream:
                    say(str(event["Actor"]["ID"]))
                say(None)
            except BaseException as error:
                say(error)

        threading.Thread(target=follow, name="events", daemon=True).start()
        try:
            deadline: float | None = self._settings.engine_timeout
            while True:
                async with asyncio.timeout(deadline):
                    item = await queue.get()
                deadline = None
                if item is None:
                    return
                if isinstance(item, errors.OrchestratorError):
                    raise item
                if isinstance(item, BaseException):
                    raise errors.EngineUnavailable(
                        "The Docker engine's events cannot be followed."
                    ) from item
                yield item
        except TimeoutError:
            raise errors.EngineTimeout("The Docker engine does not answer.") from None
        finally:
            ended.set()
            for stream in streams:
                _close_stream(stream)

    # Within

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
            environment = {
                "DOCKER_HOST": f"unix://{self._tunnel.open(self._settings.engine_timeout)}"
            }
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
        client = _Client(
            version="auto",
            timeout=int(self._settings.engine_timeout),
            max_pool_size=sum(_POOLS.values()),
            **docker.utils.kwargs_from_env(environment=environment),
        )
        adapter = client.get_adapter(client.base_url)
        if isinstance(adapter, docker.transport.UnixHTTPAdapter):
            _use_one_pool(adapter)
        return client

    def _connected(self) -> docker.APIClient:
        if self._client is None:
            raise errors.EngineUnavailable(
                "The service has not reached the Docker engine yet. See that it runs, and that"
                " DOCKER_HOST is right; the service connects by itself."
            )
        return self._client

    async def _call(
        self, name: str, pool: str, call: Callable[[], T], seconds: float | None = None
    ) -> T:
        with self._timed(name):
            return await self._run(pool, call, seconds)

    async def _call_twice(
        self, name: str, pool: str, call: Callable[[], T], seconds: float | None = None
    ) -> T:
        """The same, and once more if the connection was lost: for calls that change nothing when
        they are repeated.
        """
        try:
            return await self._call(name, pool, call, seconds)
        except errors.EngineUnavailable:
            return await self._call(name, pool, call, seconds)

    async def _run(self, pool: str, call: Callable[[], T], seconds: float | None = None) -> T:
        def translated() -> T:
            with _translated():
                return call()

        try:
            return await self._pools[pool].run(translated, seconds or self._settings.engine_timeout)
        except errors.EngineFailed as error:
            # Here and not in the thread, which does not know whose request it works for.
            log.error("The engine failed: %s", error.__cause__)
            raise

    @contextmanager
    def _timed(self, name: str) -> Iterator[None]:
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


class _PullError(Exception):
    """The engine's words in the middle of a pull."""


def _close_stream(stream: Any) -> None:
    """Ends the thread that reads it. Closing one that is closed is a no-op."""
    try:
        stream.close()
    except (OSError, AttributeError, docker.errors.DockerException):
        log.debug("The event stream was closed already", exc_info=True)


@contextmanager
def _translated() -> Iterator[None]:
    """Turns the SDK's exceptions into ours. Runs in the thread of the call."""
    try:
        yield
    except docker.errors.APIError as error:
        raise refusal(
            status=error.status_code or 500,
            text=str(error.explanation or error),
            image_missing=isinstance(error, docker.errors.ImageNotFound),
        ) from error
    except (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError) as error:
        raise errors.EngineTimeout(
            "The Docker engine did not answer in time. Look at GET /health, and at GET /containers"
            " for what has happened meanwhile."
        ) from error
    except (
        requests.exceptions.RequestException,
        urllib3.exceptions.HTTPError,  # as it is, in the middle of a stream
        docker.errors.DockerException,
        docker.errors.StreamParseError,
        OSError,
        ValueError,  # of urllib.parse, for a DOCKER_HOST that is no URL
    ) as error:
        raise errors.EngineUnavailable(
            "The Docker engine cannot be reached. See that it runs, that this service may use its"
            " socket, and that DOCKER_HOST is right; the service reconnects by itself."
        ) from error


@contextmanager
def _about(*, image: str | None = None, name: str | None = None) -> Iterator[None]:
    """Puts the image or name of a call into the errors that are about it."""
    try:
        yield
    except errors.ImageNotFound as error:
        raise errors.ImageNotFound(
            f'Image "{image}" is not on the engine. Pull or build it first, or allow a pull with'
            ' "pull": "missing".',
            image=image,
        ) from error
    except errors.NameInUse as error:
        raise errors.NameInUse(
            f'A container named "{name}" exists already. Remove it or choose another name.',
            name=name,
        ) from error
