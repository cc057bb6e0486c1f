"""A container's handle: its networks, and where it is reached."""

from __future__ import annotations

from cowl.container.handle.facts import ContainerFacts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.container.ports import PublishedPort


class ContainerNetworks(ContainerFacts):
    """See Container."""

    def ports(self, port: str | int = "") -> tuple[PublishedPort, ...]:
        """Its ports that the host answers on, as of the last look; in order of its own ports.

        port  only those of that one of its ports, as 80 or "53/udp"

        The port of the host that a test asks for, with `publish=["5432"]`, is `box.ports()[0].host_port`.
        Empty while it does not run. Raises InvalidPort.
        """
        from cowl.container.networks.interfaces import ports

        found = ports(self._service.store, self._record, self.settings)
        if port == "":
            return found
        from cowl.container.ports import parse_port

        wanted = parse_port(str(port))
        return tuple(each for each in found if (each.port, each.protocol) == wanted)

    def addresses(self) -> dict[str, str]:
        """Its IPv4 addresses by the names of its networks; "" where it has none of its own."""
        from cowl.container.networks.interfaces import interfaces

        found = interfaces(self._service.store, self._record, self.settings)
        return {each.network: each.address for each in found}
