"""Puts containers on networks of the engine: apart from those of others, and so that all ports of a
range can be in use.

New containers go on networks of this service, never on the engine's default bridge, where those of
others are: the engine lets no packet through from one bridge to another. Nor, unless it is allowed
(`allow_icc`), from one container of such a network to another; what they publish on the host, they
reach there like everybody else. Whether they may is settled when a network is made, so those that
were made the other way are left to the containers that are on them. An engine that cannot keep the
containers of a network apart, as Podman cannot, puts each on a network of its own; so does one
whose host does not let it any more (`bridge-nf-call-iptables`), see `check`.

A Linux bridge takes 1,023 ports (BR_MAX_PORTS, measured on every engine), and containers that are
not ours count too. So a container goes to `orchestration-api-1` while fewer than `AT_MOST` run on
it, then to `-2`, `-3`, …, each made when it is needed. What these counts cannot know the engine
says: when it refuses a start because a network is full, or gone, the container is connected to
another one and started there.

Nothing here outlasts the process but the networks themselves, which are found by their label. They
stay when they are empty; `docker network prune` removes them, and they are made again.
"""

import asyncio
import logging
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager

from ..engine import Engine
from ..errors import EngineFailed, InvalidRequest, NameInUse, NetworkFull, NetworkMissing
from ..host import BRIDGE_PREFIX
from ..labels import LABEL_MANAGED
from ..models import Container
from ..state import Inventory

log = logging.getLogger(__name__)

# Where earlier versions put containers: they start and move there still, no new one joins them.
DEFAULT_BRIDGE = "bridge"

# Half of what a bridge takes. The other half is for those that are not counted: stopped containers,
# which come back to the bridge they were on. Smaller numbers gain nothing: starts get slower with
# the number of interfaces on the host, wherever these are.
AT_MOST = 500
# How long a network that refused a container is left alone, in seconds.
REFUSED_SECONDS = 60.0
# A range may be wider than 999 ports; an engine has 31 subnets unless it is configured otherwise.
MAX_NETWORKS = 200

NOT_FILTERED = (
    "Containers of this service that share a network reach each other: the engine's host does not"
    " filter what they send (net.bridge.bridge-nf-call-iptables is 0). New containers get networks"
    " of their own. Set it to 1 there, and look for who sets it to 0 (/etc/sysctl.d)."
)

_OURS = re.compile(r"orchestration-api-([1-9]\d*)")
_BRIDGE_NAME = "com.docker.network.bridge.name"
_ICC = "com.docker.network.bridge.enable_icc"  # true for the engine when it is not there
# A network that another service makes just now may be refused to us before it is listed.
_APPEARS_SECONDS = 2.0
# A start goes from one network to the next this often.
_MAX_MOVES = 10


class Networks:
    """Chooses a network for each container, and makes another one when there is need of it.

    `at_most` is how many containers a network is given; more only when there is no other.

    `allow_icc`: whether containers of one network may talk to each other directly.
    `clock` counts seconds and never goes back.
    """

    def __init__(
        self,
        engine: Engine,
        inventory: Inventory,
        *,
        allow_icc: bool = False,
        at_most: int = AT_MOST,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._inventory = inventory
        self._allow_icc = allow_icc
        self._at_most = at_most
        self._clock = clock
        self._coming: Counter[str] = Counter()  # by network: containers on their way to it
        self._refused: dict[str, float] = {}  # network -> until when it is left alone
        self._adding = asyncio.Lock()
        self.problem: str | None = None  # a promise that is not kept, and what to do

    async def check(self) -> None:
        """Looks whether what keeps the containers of our networks apart still does. Says in
        `problem`, and in the log, if it does not. Raises what the engine raises.
        """
        await self._engine.look_again()
        before, self.problem = self.problem, None
        if not (self._allow_icc or self._engine.capabilities.filters) and any(
            not icc for icc in (await self._ours()).values()
        ):
            self.problem = NOT_FILTERED
        if self.problem and not before:
            log.warning("%s", self.problem)
        elif before and not self.problem:
            log.info("The containers of one network are kept apart again")

    @asynccontextmanager
    async def place(self) -> AsyncIterator[str]:
        """Yields the network for a container that is about to start, which is counted there
        meanwhile.

        Raises NetworkFull when there is none, EngineFailed when the engine cannot make the first,
        and what the engine raises.
        """
        network = await self._pick()
        while self._alone and self._load()[network]:  # another one came in between
            network = await self._pick()
        self._coming[network] += 1
        try:
            yield network
        finally:
            self._coming[network] -= 1

    async def start(
        self,
        container_id: str,
        network: str | None,
        start: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Starts a container. If the engine cannot put it on `network`, the only one it is on, it
        is taken from there to another; None leaves it where it is, and the refusal is raised.

        `start` is the call to begin with, if it is another one than the engine's start.
        """
        if start is None and network is not None and self._has_company(container_id, network):
            async with self.place() as own:
                log.info("Container %s moves from %s to %s", container_id[:12], network, own)
                await self._engine.networks.reconnect(container_id, leave=network, join=own)
                await self.start(container_id, own)
                return
        try:
            await (start() if start is not None else self._engine.containers.start(container_id))
        except (NetworkFull, NetworkMissing) as error:
            if network is None:
                raise
            refusal: NetworkFull | NetworkMissing = error
        else:
            return
        for _ in range(_MAX_MOVES):
            self._leave_alone(network, refusal)
            async with self.place() as other:
                log.info("Container %s moves from %s to %s", container_id[:12], network, other)
                await self._engine.networks.reconnect(container_id, leave=network, join=other)
                network = other
                try:
                    await self._engine.containers.start(container_id)
                except (NetworkFull, NetworkMissing) as error:
                    refusal = error
                else:
                    return
        raise refusal

    async def _pick(self) -> str:
        # Not one after the other: where the engine hangs, each waits for its answer, not for those
        # of all before it.
        if (network := self._with_room(self._usable(await self._ours()))) is not None:
            return network
        async with self._adding:
            ours = await self._ours()  # somebody may have added one meanwhile
            usable = self._usable(ours)
            if (network := self._with_room(usable)) is not None:
                return network
            try:
                return await self._add(ours)
            except (NetworkFull, EngineFailed, InvalidRequest) as error:
                log.warning("No further network can be made: %s", error.__cause__ or error)
                # More than we wanted on a network, but the engine may still take it.
                if usable and not self._alone:
                    load = self._load()
                    return min(usable, key=lambda network: load[network])
                if isinstance(error, EngineFailed):
                    raise
        raise NetworkFull(
            "No network of the engine can take another container, and it has no subnet left for a"
            " new network. Stop or remove containers, or unused networks (`docker network prune`),"
            " or give dockerd more subnets (default-address-pools)."
        )

    @property
    def _alone(self) -> bool:
        """Whether each container needs a network of its own: those of one talk to each other."""
        capabilities = self._engine.capabilities
        return not self._allow_icc and not (capabilities.apart and capabilities.filters)

    def _has_company(self, container_id: str, network: str) -> bool:
        """Whether a container would run on a network where others do that reach it."""
        return self._alone and any(
            container.runs and container.full_id != container_id and network in container.networks
            for container in self._inventory.each()
        )

    def _load(self) -> Counter[str]:
        """How many containers each network has, ours or not, and those on their way. Stopped ones
        count where nobody may come to the network meanwhile.
        """
        return self._coming + Counter(
            network
            for container in self._inventory.each()
            if container.runs or self._alone
            for network in container.networks
        )

    def _usable(self, ours: Mapping[str, bool]) -> list[str]:
        """Of networks like those of `_ours`, the ones that may be given another container."""
        return [
            network
            for network, icc in ours.items()
            if (icc == self._allow_icc or self._alone)
            and self._refused.get(network, 0.0) <= self._clock()
        ]

    def _with_room(self, usable: Sequence[str]) -> str | None:
        load, at_most = self._load(), 1 if self._alone else self._at_most
        return next((network for network in usable if load[network] < at_most), None)

    def _leave_alone(self, network: str, refusal: NetworkFull | NetworkMissing) -> None:
        if isinstance(refusal, NetworkFull):  # one that is missing is simply made again
            log.warning("Network %s takes no container for now: %s", network, refusal.__cause__)
            self._refused[network] = self._clock() + REFUSED_SECONDS

    async def _ours(self) -> dict[str, bool]:
        """The networks of this service and of others like it, the lowest number first, and whether
        the containers on each may talk to each other.
        """
        found: list[tuple[int, str, bool]] = []
        for network in await self._engine.networks.labelled(LABEL_MANAGED, "true"):
            if match := _OURS.fullmatch(network.name):
                icc = network.options.get(_ICC, "true") != "false"
                found.append((int(match[1]), network.name, icc))
        return {name: icc for _, name, icc in sorted(found)}

    async def _add(self, ours: Collection[str]) -> str:
        """Makes the next network, or finds that another service has just made it.

        Raises NetworkFull, EngineFailed or InvalidRequest if the engine cannot.
        """
        for number in range(1, MAX_NETWORKS + 1):
            name = f"orchestration-api-{number}"
            if name in ours:
                continue
            try:
                # Engine 20.10 makes two networks of one name for two who ask at the same time; no
                # engine gives two networks one bridge.
                await self._engine.networks.create(
                    name,
                    labels={LABEL_MANAGED: "true"},
                    options={
                        _BRIDGE_NAME: _bridge(number),
                        _ICC: "true" if self._allow_icc else "false",
                    },
                )
            except NameInUse:
                if await self._appears(name):
                    return name
                continue  # it is not one of ours, or made the other way
            log.info("Network %s is new", name)
            if not self._engine.capabilities.filters:
                # To keep the containers of a new network apart, the engine has its host filter.
                await self._engine.look_again()
            return name
        raise NetworkFull(f"There are {MAX_NETWORKS} networks already.")

    async def _appears(self, name: str) -> bool:
        """Whether a network that somebody else has just made turns out to be one that we use."""
        give_up = time.monotonic() + _APPEARS_SECONDS
        while (icc := (await self._ours()).get(name)) is None:
            if time.monotonic() > give_up:
                return False
            await asyncio.sleep(0.05)
        return icc == self._allow_icc or self._alone


def home_of(container: Container) -> str | None:
    """Names the network that a container may be taken from: its only one, if we put it there."""
    if not container.managed or len(container.networks) != 1:
        return None
    (network,) = container.networks
    return network if network == DEFAULT_BRIDGE or _OURS.fullmatch(network) else None


def _bridge(number: int) -> str:
    """The name of a network's interface on the host, of 15 characters at most."""
    return f"{BRIDGE_PREFIX}{number}"
