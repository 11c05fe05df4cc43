"""A container is cloned and started, on one port after the other until the engine agrees."""

import hashlib
import time
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from .. import callers
from ..engine import Engine
from ..errors import (
    ContainerNotFound,
    EngineUnavailable,
    ImageNotAllowed,
    OrchestratorError,
    PortRefused,
    PortsExhausted,
    VolumeNotManaged,
)
from ..image_references import found_by_id
from ..images import Images
from ..inside import Programs, program_of
from ..labels import LABEL_CREATE, LABEL_KEY
from ..models import Container, CreateRequest
from ..payloads import create_body, exposed_ports, image_labels, is_husk, is_own_volume
from ..policy import Admission, Quotas, confinement_of, has_init, limits_of
from ..ports import PortAllocator, RefusedPorts, Reservation, port_in_use
from ..settings import Settings
from ..state import Inventory
from .changes import Mutations
from .leftovers import Leftovers
from .networks import Networks

FALLBACK_CONTAINER_PORT = "5000/tcp"
# A create tries other ports until either is used up.
MAX_TRIES = 50
TRY_SECONDS = 60.0
# How old a husk with the key of a create must be to be replaced by it.
YOUNG_SECONDS = 5.0


def name_of(key: str) -> str:
    """The name of a container that was created with an idempotency key and without a name."""
    return f"keyed-{hashlib.sha256(key.encode()).hexdigest()[:16]}"


def _not_allowed(reference: str) -> ImageNotAllowed:
    return ImageNotAllowed(
        f'Image "{reference}" is not one that this service may clone. Ask for another one, or have'
        " the operator add it to ALLOWED_IMAGES.",
        image=reference,
    )


class Creates:
    """`refresh` inspects a container, brings it into memory and returns it (None: it is gone)."""

    def __init__(
        self,
        engine: Engine,
        inventory: Inventory,
        ports: PortAllocator,
        refused_ports: RefusedPorts,
        networks: Networks,
        refresh: Callable[[str], Awaitable[Container | None]],
        mutations: Mutations,
        leftovers: Leftovers,
        programs: Programs,
        settings: Settings,
    ) -> None:
        self._engine = engine
        self._inventory = inventory
        self._ports = ports
        self._refused_ports = refused_ports
        self._networks = networks
        self._refresh = refresh
        self._mutations = mutations
        self._leftovers = leftovers
        self._settings = settings
        self._images = Images(engine, settings.default_image)
        self._quotas = Quotas(inventory, settings)
        self._programs = programs

    async def create(self, request: CreateRequest, key: str | None) -> Container:
        """The container, running unless `start` is false; or an error, and nothing is left of it.

        An idempotency key goes into its labels; what a crash left of an earlier call with it goes.
        Without a name, the key gives one, so that the engine refuses a second container, whoever
        asks for it.
        """
        if key is not None:
            await self._leftovers.settled(self._settings.engine_timeout)
            await self._discard_husk_of(key)
        reference = request.image or self._settings.default_image
        self._check_reference(reference)
        wanted = limits_of(request, self._settings)
        with self._quotas.admit(wanted, callers.current.get()) as admission:
            await self._check_volumes(request)
            image = await self._images.get(reference, request.pull)
            self._check_found(reference, image)
            async with self._mutations.turn("create"):
                return await self._on_free_ports(request, key, reference, image, admission)

    def _check_reference(self, reference: str) -> None:
        """Raises ImageNotAllowed before anything is pulled."""
        if reference != self._settings.default_image and not self._settings.allowed_images.allows(
            reference
        ):
            raise _not_allowed(reference)

    def _check_found(self, reference: str, image: dict[str, Any]) -> None:
        """Raises ImageNotAllowed for an image that was found by its id: where only some images
        are allowed, an id would lead to any, under a name that a pattern may match.
        """
        if (
            self._settings.allowed_images.patterns
            and reference != self._settings.default_image
            and found_by_id(reference, image)
        ):
            raise _not_allowed(reference)

    async def _check_volumes(self, request: CreateRequest) -> None:
        """Raises VolumeNotManaged for one of somebody else's, whose content is not ours to give."""
        if self._settings.allow_unmanaged == "true":
            return
        for name in sorted({volume.partition(":")[0] for volume in request.volumes}):
            volume = await self._engine.inspect_volume(name)
            if volume is not None and not is_own_volume(volume):
                raise VolumeNotManaged(
                    f'Volume "{name}" was not made by this service, or is more than a plain local'
                    " volume. Use another name, or set ALLOW_UNMANAGED=true.",
                    name=name,
                )

    async def _discard_husk_of(self, key: str) -> None:
        husk = self._inventory.labelled(LABEL_KEY, key)
        if husk is None or not is_husk(husk):
            return
        # A young one may be another service's, which is about to start it.
        age = (datetime.now(UTC) - husk.created).total_seconds()
        now = await self._inventory.wait_until(
            husk.full_id, lambda now: not is_husk(now), max(0.0, YOUNG_SECONDS - age)
        )
        if now is not None and is_husk(now):
            async with self._mutations.lock(husk.full_id):
                await self._leftovers.discard(now)

    async def _on_free_ports(
        self,
        request: CreateRequest,
        key: str | None,
        reference: str,
        image: dict[str, Any],
        admission: Admission,
    ) -> Container:
        container_ports = (
            request.container_ports or exposed_ports(image) or [FALLBACK_CONTAINER_PORT]
        )
        name = request.name or (name_of(key) if key is not None else None)
        give_up = time.monotonic() + TRY_SECONDS
        for _ in range(MAX_TRIES):
            with self._ports.reserve(
                container_ports, name=name, pinned=request.port
            ) as reservation:
                create_id = admission.create_id = uuid.uuid4().hex
                body = create_body(
                    request,
                    image=reference,
                    image_labels=image_labels(image),
                    ports=reservation.ports,
                    publish_address=self._settings.publish_address,
                    confinement=confinement_of(request, image, self._settings),
                    create_id=create_id,
                    key=key,
                    created_by=admission.owner,
                )
                try:
                    return await self._try(request, image, name, body, create_id, reservation)
                except PortRefused as refused:
                    await self._refused_ports.hold(refused, reservation)
            if request.port is not None:
                raise port_in_use(self._ports.row(request.port))
            if time.monotonic() > give_up:
                break
        raise PortsExhausted(
            "The engine refused one port after the other: other programs of the host hold them."
            " Try again, or set PORT_RANGE to ports that are free.",
            **self._ports.summary().model_dump(),
        )

    async def _try(
        self,
        request: CreateRequest,
        image: dict[str, Any],
        name: str | None,
        body: dict[str, Any],
        create_id: str,
        reservation: Reservation,
    ) -> Container:
        """One try. Whatever fails, what it made is gone afterwards, or will be: see Leftovers."""
        volumes = [volume.partition(":")[0] for volume in request.volumes]
        full_id = None

        async def undo() -> None:
            await self._leftovers.discard_create(create_id, volumes)

        try:
            async with self._networks.place() as network:
                body["HostConfig"]["NetworkMode"] = network
                full_id = await self._created(body, name, create_id)
                return await self._started(request, image, full_id, network, reservation)
        except OrchestratorError as error:
            await self._leftovers.undo(error, reservation, now=undo, later=undo)
            raise
        finally:
            self._leftovers.in_hand.discard(full_id or "")

    async def _check_program(
        self, request: CreateRequest, image: dict[str, Any], full_id: str
    ) -> None:
        """Raises StartRefused where an init process would hide from us that there is no program."""
        if has_init(request, self._settings):
            program = program_of(
                image.get("Config") or {}, command=request.command, env=request.env
            )
            known = None if request.volumes else image.get("Id")
            await self._programs.require(full_id, program, known)

    async def _created(self, body: dict[str, Any], name: str | None, create_id: str) -> str:
        """The full id of the new container, also if the engine's answer was lost."""
        try:
            return await self._engine.create(body, name)
        except EngineUnavailable:
            found = await self._engine.find(LABEL_CREATE, create_id)
            if not found:
                raise
            return str(found[0]["Id"])

    async def _started(
        self,
        request: CreateRequest,
        image: dict[str, Any],
        full_id: str,
        network: str,
        reservation: Reservation,
    ) -> Container:
        self._leftovers.in_hand.add(full_id)
        async with self._mutations.lock(full_id):
            if request.start:
                await self._check_program(request, image, full_id)
                await self._networks.start(full_id, network)
                reservation.commit(full_id, reservation.name or full_id[:12])
            container = await self._refresh(full_id)
        if container is None:
            raise ContainerNotFound(
                f"Container {full_id[:12]} was removed by somebody else meanwhile.", id=full_id[:12]
            )
        return container
