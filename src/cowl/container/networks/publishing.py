"""Ports of the host for a container: chosen, checked to be free, written down.

What leads there is the store's table, see `rules`; nobody listens. So a port is taken when another container
of this or any other store has it, or when a process of the host listens on it at the time.
"""

from __future__ import annotations

import json
import os

from cowl.container.networks import ground
from cowl.container.networks.host_ports import probe
from cowl.container.words import InvalidOptions
from cowl.linux import nft
from cowl.store.network_record import ANY_ADDRESS, PortTaken, PublishedPort

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cowl.container.options import Settings
    from cowl.container.ports import Publication
    from cowl.store.store import Store

_RANGE = "/proc/sys/net/ipv4/ip_local_port_range"
_TABLE_PREFIX = "cowl_"


class NothingToPublish(InvalidOptions):
    """The container is on internal networks only: nobody may reach it from outside."""

    def __init__(self) -> None:
        super().__init__(
            "ports can't be published: the container is on internal networks only",
            hint="leave out -p, or put it on a network that is not --internal too",
        )


def publish(store: Store, container: str, settings: Settings) -> tuple[PublishedPort, ...]:
    """Takes the ports that a container is to have on the host, before it starts. Those of before go first.

    Raises PortTaken, NoSuchAddress, NothingToPublish, NftMissing, NftFailed.
    """
    asked = settings.networking
    if asked is None or not asked.publishes:
        return ()
    wanted = asked.publications(settings.exposed)
    if wanted and not ground.published_address(store, container):
        raise NothingToPublish
    strangers = _led_elsewhere(ground.table_name(store.root))
    had = {(port.protocol, port.container_port): port for port in store.networks.ports(container)}
    found = []
    for each in wanted:
        kept = had.get((each.protocol, each.port))
        found.append(_take(store, container, each, strangers, kept.host_port if kept else 0))
    return tuple(found)


def _take(
    store: Store, container: str, wish: Publication, strangers: set[tuple[str, int]], had: int
) -> PublishedPort:
    """The first port that is free, of those that were asked for; of any, the one that it had before."""
    address = wish.address or ANY_ADDRESS
    failure: PortTaken | None = None
    for number in _candidates(wish, had):
        port = PublishedPort(wish.protocol, address, number, container, wish.port)
        try:
            if (wish.protocol, number) in strangers:
                raise PortTaken(address, number, "a container of another store")
            probe(port)
            store.networks.publish(container, [port])
        except PortTaken as taken:
            failure = failure or taken
        else:
            return port
    assert failure is not None
    raise failure


def _candidates(wish: Publication, had: int) -> Iterator[int]:
    if wish.host_first:
        yield from range(wish.host_first, wish.host_last + 1)
        return
    if had:
        yield had
    with open(_RANGE) as file:
        low, high = map(int, file.read().split())
    start = low + int.from_bytes(os.urandom(4), "big") % (high - low + 1)
    yield from range(start, high + 1)
    yield from range(low, start)


def _led_elsewhere(own: str) -> set[tuple[str, int]]:
    """(protocol, port) that tables of other stores lead to containers of theirs."""
    found = set()
    for item in json.loads(nft.list_maps()).get("nftables", []):
        table = item.get("map", {})
        name = table.get("table", "")
        if not name.startswith(_TABLE_PREFIX) or name == own:
            continue
        for element in table.get("elem", ()):
            protocol, *_, port = element[0]["concat"]
            found.add((str(protocol), int(port)))
    return found
