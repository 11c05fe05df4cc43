"""Makes the engine's calls about networks: list, create, connect."""

from collections.abc import Mapping

from docker import APIClient as Client

from ..models import Blueprint, Network
from ..payloads import endpoint_of
from .connection import Connection


class NetworkCalls:
    """Makes the engine's calls about networks."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def labelled(self, label: str, value: str) -> list[Network]:
        """Lists the networks that have a label with this value."""
        filters = {"label": f"{label}={value}"}
        entries = await self._connection.call(
            "networks", "reads", lambda client: client.networks(filters=filters)
        )
        return [Network(entry["Name"], entry.get("Options") or {}) for entry in entries]

    async def create(
        self, name: str, *, labels: Mapping[str, str], options: Mapping[str, str]
    ) -> None:
        """Creates a bridge network. Raises NameInUse when there is one with this name or bridge,
        NetworkFull when the engine has no subnet left.
        """
        await self._connection.call(
            "create_network",
            "mutations",
            lambda client: client.create_network(
                name, "bridge", dict(options), check_duplicate=True, labels=dict(labels)
            ),
        )

    async def reconnect(self, container_id: str, *, leave: str, join: str) -> None:
        """Takes a stopped container from one network, which may be gone, to another."""

        def reconnect(client: Client) -> None:
            client.disconnect_container_from_network(container_id, leave, force=True)
            client.connect_container_to_network(container_id, join)

        await self._connection.call("reconnect", "mutations", reconnect)

    async def connect(self, network: str, container_id: str, blueprint: Blueprint) -> None:
        """Connects a container to one more network, with the addresses and names that the
        blueprint's container has there.
        """
        endpoint = endpoint_of(blueprint, network)
        addresses = endpoint.get("IPAMConfig") or {}
        await self._connection.call(
            "connect_network",
            "mutations",
            lambda client: client.connect_container_to_network(
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
