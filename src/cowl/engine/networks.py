"""The engine's calls about networks."""

from __future__ import annotations

from cowl.engine.wiring import Wiring

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cowl.container.networks.choice import NetworkDefault
    from cowl.container.networks.network import Network


class NetworkCalls(Wiring):
    """See Engine."""

    def create_network(
        self,
        name: str,
        *,
        driver: str = "bridge",
        subnet: str = "",
        gateway: str = "",
        ip_range: str = "",
        internal: bool = False,
        labels: Mapping[str, str] | Sequence[str] = (),
        options: Mapping[str, str] | Sequence[str] = (),
    ) -> Network:
        """A new network, for root. Containers on it find each other by name, and reach no other network's.

        subnet    "10.1.0.0/16"; by default the first of Docker's pools that the host makes no use of
        gateway   the host's address in it, by default its first; ip_range: "10.1.4.0/24", where the
                  containers' addresses are taken from, by default all of the subnet
        internal  nothing outside can be reached, the host included
        options   {"com.docker.network.driver.mtu": "1400"}, by default as much as the host's way out takes
        `labels` and `options` are mappings, or "KEY=value" words. Raises RootNetworks, NetworkNameInUse,
        SubnetTaken, NftMissing, NoBridge, Invalid kinds.
        """
        from cowl.container.networks.creation import create
        from cowl.container.networks.network import Network

        record = create(
            self.store,
            name,
            driver=driver,
            subnet=subnet,
            gateway=gateway,
            ip_range=ip_range,
            internal=internal,
            labels=labels,
            options=options,
        )
        return Network(self._containers, record)

    def prune_networks(self, keep: Callable[[Network], bool] | None = None) -> list[str]:
        """Removes the networks that no container is on, running or not; the names of those that went.

        keep  says of a network that it is to stay
        The default bridge is taken off the host while no container uses it, until it is wanted again.
        An ordinary user has no networks to prune.
        """
        from cowl.container.networks.network import prune

        return prune(self._containers, keep)

    def default_network(self) -> NetworkDefault:
        """What containers have for a network that publish ports and name none, and those of `cowl run`."""
        from cowl.container.networks.choice import look

        return look()

    def networks(self) -> list[Network]:
        """All networks in the order of their names, "host" and "none" too; "bridge" for root alone."""
        from cowl.container.networks.network import list_networks

        return list_networks(self._containers)

    def network(self, name: str) -> Network:
        """By name, ID or unambiguous ID prefix. Raises NotFound, Invalid."""
        from cowl.container.networks.network import find_network

        return find_network(self._containers, name)
