"""Makes a clone of an image for a request: settles what is to be made, and has it launched."""

import hashlib
import re
from dataclasses import replace

from ..callers import Caller
from ..engine import Engine
from ..errors import ContainerBusy, DiskLimitUnsupported, InvalidRequest, NameInUse
from ..images import Images
from ..models import MOST_PORTS, Container, CreateRequest, Image, Limits, Spec
from ..policy import (
    Admission,
    DiskRules,
    Permissions,
    Quotas,
    check_health_check,
    check_memory,
    confinement_of,
    limits_of,
    not_ours,
)
from ..settings import Settings
from ..state import Mirror, removed_meanwhile
from .changes import Changes
from .launch import Launcher
from .leftovers import Leftovers
from .users import NamedUsers
from .waits import Left, while_there

FALLBACK_CONTAINER_PORT = "5000/tcp"
# A name that begins somebody's id, in so many digits, is taken; in fewer it is chance.
_BEGINNING_OF_ID = re.compile("[0-9a-f]{6,}")


class Creator:
    """Creates containers, each within what policy allows its caller."""

    def __init__(
        self,
        engine: Engine,
        mirror: Mirror,
        changes: Changes,
        leftovers: Leftovers,
        launcher: Launcher,
        settings: Settings,
    ) -> None:
        self._engine = engine
        self._inventory = mirror.inventory
        self._ports = mirror.ports
        self._changes = changes
        self._leftovers = leftovers
        self._launcher = launcher
        self._settings = settings
        self._images = Images(engine, settings.default_image)
        self._permissions = Permissions(settings)
        self._quotas = Quotas(mirror.inventory, settings, mirror.written.total)
        self.disk = DiskRules(engine, mirror.inventory, settings)
        self._users = NamedUsers(engine, leftovers)

    async def create(
        self, request: CreateRequest, caller: Caller, key: str | None = None
    ) -> Container:
        """Clones a container and, unless `start` is false, starts it on ports of its own. Or an
        error, and nothing is left of it.

        An idempotency key goes into its labels; what a crash left of an earlier call with it goes.
        Without a name, the key gives one, so that the engine refuses a second container, whoever
        asks for it.
        """
        return await self._changes.run(self._create, request, caller, key)

    async def until_healthy(
        self, container: Container, seconds: float | None, left: Left
    ) -> Container:
        """Returns a container once its health is known, or as it is after so many seconds, or when
        its caller has gone away.
        """
        if not seconds or container.health != "starting":
            return container
        waiting = self._inventory.wait_until(
            container.full_id, lambda now: now.health != "starting" or not now.runs, seconds
        )
        try:
            now = await while_there(waiting, left)
        except ContainerBusy:
            return container
        if now is None:
            raise removed_meanwhile(container.full_id)
        return now

    async def _create(self, request: CreateRequest, caller: Caller, key: str | None) -> Container:
        if key is not None:
            await self._leftovers.settled()
            await self._leftovers.remove_husk_of(caller.name, key)
        self._check_name(request.name)
        reference = request.image or self._settings.default_image
        self._permissions.check_reference(reference)
        limits = self.disk.held(request, limits_of(request, self._settings))
        check_memory(request, limits)
        with self._quotas.admit(limits, caller) as admission:
            if request.container_ports:  # what an image exposes is known only once it is there
                self._quotas.take_ports(admission, len(request.container_ports), caller)
            await self.disk.require_room()
            await self._check_volumes(request)
            image = await self._images.get(
                reference, request.pull, request.platform, request.registry_auth
            )
            self._permissions.check_found(image)
            check_health_check(request, image)
            if request.profile == "restricted" and request.user is None:
                async with self._changes.turn("create"):
                    image = await self._users.numbered(image)
            spec = self._settle(request, image, limits, caller, key)
            self._quotas.take_ports(admission, len(spec.container_ports), caller)
            async with self._changes.turn("create"):
                return await self._launch(spec, admission)

    async def _launch(self, spec: Spec, admission: Admission) -> Container:
        """Launches a Spec; without the default limit of its disk where the engine turns out to have
        none.
        """
        try:
            return await self._launcher.launch(spec, admission.about_to_make)
        except DiskLimitUnsupported:
            confinement = spec.confinement
            held = self.disk.held(spec.asked, confinement.limits)
            if held == confinement.limits:
                raise
            spec = replace(spec, confinement=replace(confinement, limits=held))
            return await self._launcher.launch(spec, admission.about_to_make)

    def _settle(
        self,
        request: CreateRequest,
        image: Image,
        limits: Limits,
        caller: Caller,
        key: str | None,
    ) -> Spec:
        """What is to be made for a request, with every default in its place. Raises InvalidRequest
        for more ports than there ever are.
        """
        container_ports = request.container_ports or image.exposed_ports
        if len(container_ports) > MOST_PORTS:
            raise InvalidRequest(
                f"container_ports: the image exposes more than {MOST_PORTS} ports, and a container"
                " has that many at most. Name the few that are needed in container_ports.",
                allowed=MOST_PORTS,
            )
        if len(container_ports) > self._ports.capacity:
            raise InvalidRequest(
                f"container_ports: the image exposes, or the request names, {len(container_ports)}"
                f" ports, and this service has {self._ports.capacity} in all. Name the few that are"
                " needed in container_ports.",
                wanted=len(container_ports),
                total=self._ports.capacity,
            )
        return Spec(
            asked=request.model_copy(update={"registry_auth": None}),
            image=image,
            name=request.name or (name_of(caller.name, key) if key is not None else None),
            container_ports=tuple(container_ports) or (FALLBACK_CONTAINER_PORT,),
            confinement=confinement_of(request, limits, image, self._settings),
            publish_addresses=self._settings.publish_address,
            owner=caller.name,
            key=key,
        )

    def _check_name(self, name: str | None) -> None:
        """Raises NameInUse for one that leads to another container already, by its id."""
        if name is None or not _BEGINNING_OF_ID.fullmatch(name):
            return
        other = self._inventory.with_id_like(name)
        if other is not None:
            raise NameInUse(
                f'"{name}" is the beginning of the id of "{other.name}". Choose another name.',
                name=name,
            )

    async def _check_volumes(self, request: CreateRequest) -> None:
        """Raises VolumeNotManaged for one of somebody else's."""
        if self._permissions.any_volume:
            return
        for name in sorted({volume.partition(":")[0] for volume in request.volumes}):
            if await self._engine.volumes.is_ours(name) is False:
                raise not_ours(name)


def name_of(owner: str | None, key: str) -> str:
    """Makes the name of a container that is created with an idempotency key and without a name.
    Each owner of an API key has names of their own.
    """
    whole = key if owner is None else f"{owner} {key}"  # neither has a space in it
    return f"keyed-{hashlib.sha256(whole.encode()).hexdigest()[:16]}"
