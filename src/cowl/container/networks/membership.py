"""Containers come to networks and leave them, running or not."""

from __future__ import annotations

import os

from cowl.container.networks import bridge, ground, names
from cowl.container.networks.modes import NONE, is_bridged
from cowl.container.networks.turn import Turn
from cowl.container.options import Settings
from cowl.container.words import InvalidOptions
from cowl.errors import CowlError, NotFound
from cowl.linux.ipv4 import number
from cowl.linux.links import Links, open_network
from cowl.store.container_hold import ContainerHold
from cowl.store.network_record import AddressUnfit, Membership

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from cowl.container.lifecycle import Containers
    from cowl.store.container_record import ContainerRecord
    from cowl.store.network_record import Member, NetworkRecord
    from cowl.store.store import Store

_WITH_PROCESS = ("running", "paused")


def connect(
    service: Containers, network: NetworkRecord, container: str, aliases: Sequence[str], address: str
) -> None:
    """See Network.connect."""
    ground.check_root()
    _check_wish(network, aliases, address)
    record = service.find(container).record
    _check_mode(Settings.from_json(record.settings).network)
    store = service.store
    with ContainerHold(record):
        record = store.containers.get(record.id)
        store.networks.enrol(record.id, network, Membership(network.id, tuple(aliases), address))
        if record.state not in _WITH_PROCESS:
            return
        try:
            _lay(store, record, network)
        except BaseException:
            store.networks.strike(record.id, network)
            raise
    if network.name != ground.DEFAULT:
        names.refresh(store, [network.id])


def disconnect(service: Containers, network: NetworkRecord, container: str, *, force: bool) -> None:
    """See Network.disconnect."""
    ground.check_root()
    try:
        record = service.find(container).record
        _take_off(service.store, record, network)
    except NotFound:
        if not force:
            raise


def _take_off(store: Store, record: ContainerRecord, network: NetworkRecord) -> None:
    with ContainerHold(record):
        record = store.containers.get(record.id)
        on_it = [each for each in store.networks.memberships(record.id) if each.network == network.id]
        store.networks.strike(record.id, network)
        if record.state in _WITH_PROCESS and on_it:
            _cut(store, record, network, on_it[0])
    if record.state in _WITH_PROCESS and network.name != ground.DEFAULT:
        names.refresh(store, [network.id], record.id)


def _lay(store: Store, record: ContainerRecord, network: NetworkRecord) -> None:
    """A cable into a running container."""
    namespace = _namespace(record)
    try:
        for known, member in store.networks.take_addresses(record.id, network.id):
            bridge.connect(store, known, member, namespace)
    finally:
        os.close(namespace)
    _follow(store, record)


def _cut(store: Store, record: ContainerRecord, network: NetworkRecord, member: Member) -> None:
    """Takes a cable out of a running container; the next network with an outside is its way out then."""
    try:
        with Links() as links:
            links.delete(member.link)
    except OSError as error:
        raise ground.NoBridge(network.name, error) from error
    namespace = _namespace(record)
    try:
        for each in store.networks.memberships(record.id):
            known = store.networks.find(each.network)
            if not known.internal:
                bridge.route_by(each, known, namespace)
                break
    finally:
        os.close(namespace)
    _follow(store, record)


def _follow(store: Store, record: ContainerRecord) -> None:
    """Its published ports lead to an address that it has."""
    if store.networks.ports(record.id):
        with Turn():
            ground.apply_rules(store)


def _namespace(record: ContainerRecord) -> int:
    """The network namespace of its first process, which is that process still when this has it."""
    assert record.process is not None
    namespace = open_network(record.process.pid)
    if record.process.alive():
        return namespace
    os.close(namespace)
    raise ContainerGone(record.id)


class ContainerGone(CowlError):
    """The container ended meanwhile. Field: id."""

    def __init__(self, container: str) -> None:
        self.id = container
        super().__init__(f"container {container[:12]} has just ended")


def _check_wish(network: NetworkRecord, aliases: Sequence[str], address: str) -> None:
    if network.name == ground.DEFAULT and aliases:
        raise InvalidOptions("network-scoped aliases are only supported for user-defined networks")
    if network.name == ground.DEFAULT and address:
        raise InvalidOptions("user specified IP address is supported on user defined networks only")
    for alias in aliases:
        if not alias or not alias.isprintable() or any(letter.isspace() or letter == "#" for letter in alias):
            raise InvalidOptions(f"invalid alias {alias!r}", hint="use letters, digits, '-' and '.'")
    if address:
        try:
            number(address)
        except ValueError:
            raise AddressUnfit(address, network.name, network.subnet) from None


def _check_mode(mode: str) -> None:
    """Raises InvalidOptions for a container that shares a namespace, or wants no network at all."""
    if mode == NONE:
        raise InvalidOptions(
            "container cannot be connected to multiple networks with one of the networks in private (none)"
            " mode"
        )
    if not is_bridged(mode):
        raise InvalidOptions(
            "container sharing network namespace with another container or host cannot be connected to any"
            " other network"
        )
