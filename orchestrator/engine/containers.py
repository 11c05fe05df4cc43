"""Makes the engine's calls about containers: create, inspect, start, stop, remove, commit."""

import builtins
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import requests
from docker import APIClient as Client
from docker.errors import create_api_error_from_http_exception
from docker.utils import version_lt

from ..errors import ContainerNotFound, DiskLimitUnsupported, InvalidRequest
from ..models import Blueprint, Container, Listed, Program, Sample, Spec
from ..payloads import (
    create_body,
    environment_of,
    first_file,
    image_behind_claim,
    parse_blueprint,
    parse_container,
    parse_engine_stats,
    parse_listed,
    program_of,
    rebuilt_body,
    without_control_group,
)
from .connection import Connection
from .inherited import InheritedLabels
from .translate import about, starting, understood

Inspection = dict[str, Any]

PIECE_BYTES = 256 * 1024
# How long a stop is waited for that kills nobody.
NEVER_KILLED_SECONDS = 3600


class ContainerCalls:
    """Makes the engine's calls about containers. Each raises what the engine's refusal means."""

    def __init__(
        self,
        connection: Connection,
        inherited: InheritedLabels,
        pull_timeout: float,
        publish_addresses: tuple[str, ...] = (),
    ) -> None:
        self._connection = connection
        self._inherited = inherited
        self._pull_timeout = pull_timeout
        self._publish_addresses = publish_addresses

    async def list(self) -> builtins.list[Listed]:
        """Lists every container: the entries of `GET /containers/json?all=1`, in one call."""
        entries = await self._connection.call(
            "list", "reads", lambda client: client.containers(all=True)
        )
        with understood("its containers"):
            return [parse_listed(entry) for entry in entries]

    async def find(self, label: str, value: str) -> builtins.list[str]:
        """Finds the full ids of the containers of ours that have a label with this value: not of
        those that have it from an image.
        """
        wanted = {"label": f"{label}={value}"}
        entries = await self._connection.call_twice(
            "find", "reads", lambda client: client.containers(all=True, filters=wanted)
        )
        return [str(entry["Id"]) for entry in entries if await self._is_ours(str(entry["Id"]))]

    async def inspect(self, container_id: str) -> Container:
        """Describes a container by its id or name. Of its limits, those that the engine applies."""
        payload, inherited = await self._with_inherited(container_id)
        with understood(f"container {container_id[:12]}"):
            container = parse_container(payload, inherited)
        capabilities = self._connection.capabilities
        if not capabilities.missing:
            return container
        applied = capabilities.applied(container.limits)
        return container.model_copy(update={"limits": applied, "given_limits": container.limits})

    async def blueprint(self, container_id: str) -> Blueprint:
        """Describes all that is needed to make a container once more."""
        payload, inherited = await self._with_inherited(container_id)
        with understood(f"container {container_id[:12]}"):
            return parse_blueprint(payload, inherited)

    async def environment(self, container_id: str) -> dict[str, str]:
        """Reads a container's variables with their values, in the engine's order."""
        return environment_of(await self._inspection(container_id))

    async def program(self, container_id: str) -> Program | None:
        """Names what a container with an init process runs under it; None for one without."""
        inspection = await self._inspection(container_id)
        if not (inspection.get("HostConfig") or {}).get("Init"):
            return None
        return program_of(inspection.get("Config") or {})

    async def create(
        self, spec: Spec, *, ports: Mapping[str, int], network: str, create_id: str
    ) -> str:
        """Creates a container; its full id. `ports` are the host ports by container port;
        `create_id` is written on it, and on the volumes that the engine makes for it: that is how
        they are found when the answer is lost.

        Raises NameInUse, ImageNotFound, InvalidRequest, DiskLimitUnsupported.
        """
        asked = spec.asked
        if asked.healthcheck is not None and asked.healthcheck.start_interval is not None:
            self._require("1.44", "healthcheck: start_interval needs Docker 25 or newer.")
        body = create_body(spec, ports, create_id)
        body["HostConfig"]["NetworkMode"] = network
        try:
            return await self._create(body, spec.name, spec.image.reference, asked.platform)
        except DiskLimitUnsupported:
            self._connection.has_no_disk_limits()
            raise

    async def create_again(
        self,
        blueprint: Blueprint,
        *,
        name: str,
        image: str,
        ports: Mapping[str, int],
        create_id: str,
    ) -> str:
        """Creates a container once more, from an image of its files, under another name and with
        `ports` in place of those it had; its full id. Raises NameInUse.
        """
        body = rebuilt_body(
            blueprint.inspection,
            blueprint.container,
            image=image,
            ports=ports,
            publish_addresses=self._publish_addresses,
            create_id=create_id,
        )
        return await self._create(body, name, image)

    async def stat_path(self, container_id: str, path: str) -> tuple[int, str | None]:
        """Returns the status of `HEAD /containers/{id}/archive?path=` and what it says of the path,
        which is followed to its last part. Any status is an answer: see inside.program.
        """

        def head(client: Client) -> tuple[int, str | None]:
            url = f"{client.base_url}/v{client.api_version}/containers/{container_id}/archive"
            answer = client.head(url, params={"path": path}, timeout=client.timeout)
            return answer.status_code, answer.headers.get("X-Docker-Container-Path-Stat")

        return await self._connection.call_twice("stat_path", "reads", head)

    async def read_file(self, container_id: str, path: str, at_most: int) -> bytes | None:
        """Reads a file of a container from `GET /containers/{id}/archive?path=`, which does not
        follow a link there; None where it has more than so many bytes, is no file, or is not shown.
        """

        def read(client: Client) -> bytes | None:
            url = f"{client.base_url}/v{client.api_version}/containers/{container_id}/archive"
            parameters = {"path": path}
            with client.get(url, params=parameters, stream=True, timeout=client.timeout) as answer:
                if answer.status_code != 200:
                    return None
                archive = bytearray()
                for piece in answer.iter_content(PIECE_BYTES):
                    archive += piece
                    if len(archive) > at_most + PIECE_BYTES:
                        return None
            return first_file(bytes(archive))

        return await self._connection.call_twice("read_file", "reads", read)

    async def start(self, container_id: str) -> None:
        """Starts a container. One that runs is a no-op. Raises PortRefused, StartRefused,
        ContainerPaused, DependencyNotRunning.
        """
        with starting(container_id):
            await self._connection.call_twice(
                "start", "mutations", lambda client: client.start(container_id)
            )

    async def stop(self, container_id: str, grace: int) -> None:
        """Ends a container with its stop signal, and kills it after `grace` seconds, or never where
        that is negative. No-op when stopped.
        """
        await self._connection.call_twice(
            "stop",
            "stops",
            lambda client: client.stop(container_id, timeout=grace),
            self._patience(grace),
        )

    async def restart(self, container_id: str, grace: int) -> None:
        """Stops a container as `stop` does, and starts it."""
        with starting(container_id):
            await self._connection.call(
                "restart",
                "stops",
                lambda client: client.restart(container_id, timeout=grace),
                self._patience(grace),
            )

    def _patience(self, grace: int) -> float:
        """Seconds that a stop may take."""
        return (grace if grace >= 0 else NEVER_KILLED_SECONDS) + self._connection.timeout

    async def remove(self, container_id: str, *, force: bool = False, volumes: bool = True) -> None:
        """Removes a container, and its anonymous volumes unless `volumes` is false; `force` kills
        it if it runs.
        """
        await self._connection.call_twice(
            "remove",
            "mutations",
            lambda client: client.remove_container(container_id, v=volumes, force=force),
        )

    async def commit(self, container_id: str, image: str, comment: str) -> None:
        """Makes an image, `repository:tag`, of a container's file system: its own image, and one
        layer more with what has changed. Takes as long as a pull may.
        """
        repository, _, tag = image.partition(":")
        await self._connection.call(
            "commit",
            "pulls",
            lambda client: client.commit(container_id, repository, tag, message=comment),
            self._pull_timeout,
        )

    async def flatten(self, container_id: str, image: str, comment: str) -> None:
        """Makes an image, `repository:tag`, of a container's files as they are: one layer, without
        what was changed or removed since, and without a configuration. They go through this
        process, a piece at a time. Takes as long as a pull may.
        """
        repository, _, tag = image.partition(":")

        def flatten(client: Client) -> None:
            answer = client.post(  # import_image of the SDK takes no comment
                f"{client.base_url}/v{client.api_version}/images/create",
                params={"fromSrc": "-", "repo": repository, "tag": tag, "message": comment},
                headers={"Content-Type": "application/tar"},
                data=_gathered(client.export(container_id)),
                timeout=None,
            )
            try:
                answer.raise_for_status()
            except requests.HTTPError as error:
                create_api_error_from_http_exception(error)

        await self._connection.call("flatten", "pulls", flatten, self._pull_timeout)

    async def rename(self, container_id: str, name: str) -> None:
        """Gives a container another name. Raises NameInUse."""
        with about(name=name):
            await self._connection.call(
                "rename", "mutations", lambda client: client.rename(container_id, name)
            )

    async def stats(self, container_id: str) -> tuple[Sample | None, float]:
        """Takes one sample, None when the container does not run, and the seconds of CPU time that
        the call has cost this process.
        """

        def stats(client: Client) -> tuple[Inspection, float]:
            began = time.thread_time()
            answer = client.stats(container_id, stream=False, one_shot=True)
            return answer, time.thread_time() - began

        payload, cpu = await self._connection.call("stats", "statistics", stats)
        with understood(f"what container {container_id[:12]} uses"):
            sample = parse_engine_stats(payload)
        if sample is not None and not self._connection.capabilities.counts:
            sample = without_control_group(sample)
        return sample, cpu

    async def _inspection(self, container_id: str) -> Inspection:
        return await self._connection.call_twice(
            "inspect", "reads", lambda client: client.inspect_container(container_id)
        )

    async def _with_inherited(
        self, container_id: str
    ) -> tuple[Inspection, Mapping[str, str] | None]:
        """An inspection, and the labels of the image where those of the container need a proof."""
        payload = await self._inspection(container_id)
        with understood(f"container {container_id[:12]}"):
            image = image_behind_claim(payload)
        return payload, {} if image is None else await self._inherited.of(image)

    async def _is_ours(self, container_id: str) -> bool:
        try:
            return (await self.inspect(container_id)).managed
        except ContainerNotFound:
            return False

    def _require(self, version: str, complaint: str) -> None:
        """Raises InvalidRequest for an engine whose API is older: it would drop a field."""
        if version_lt(self._connection.client.api_version, version):
            raise InvalidRequest(f"{complaint} This engine is older; leave it out.")

    async def _create(
        self, body: Inspection, name: str | None, image: str, platform: str | None = None
    ) -> str:
        with about(image=image, name=name):
            answer = await self._connection.call(
                "create",
                "mutations",
                lambda client: client.create_container_from_config(
                    body, name, _taken(client, platform)
                ),  # type: ignore[no-untyped-call]
            )
        return str(answer["Id"])


def _taken(client: Client, platform: str | None) -> str | None:
    """A platform for a create, where the engine takes one. An older one has the image that was
    looked at before, and takes no other.
    """
    return None if version_lt(client.api_version, "1.41") else platform


def _gathered(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Joins pieces to some of at least PIECE_BYTES each. HAProxy 2.6, with buffers of 16 KB, stops
    reading a body for good when it comes in chunks of just under that size, as it hands out the
    engine's own (seen with a file system of 149 MB).
    """
    gathered = bytearray()
    for piece in pieces:
        gathered += piece
        if len(gathered) >= PIECE_BYTES:
            yield bytes(gathered)
            gathered.clear()
    if gathered:
        yield bytes(gathered)
