"""Networks: rows of those that there are, of who is on them, and of the host's ports that lead to whom.

An address is taken while the container that has it has an owner: so it is free again as soon as an end is
recorded, also by who recovers the store after a crash.
"""

from __future__ import annotations

import json
import os

from cowl.linux.ipv4 import Subnet, number, text
from cowl.store.event_log import network_events, write_event
from cowl.store.names import resolve
from cowl.store.network_record import (
    ANY_ADDRESS,
    AddressesExhausted,
    AddressTaken,
    AddressUnfit,
    AlreadyConnected,
    AmbiguousNetworkId,
    Member,
    NetworkInUse,
    NetworkNameInUse,
    NetworkRecord,
    NoSuchNetwork,
    NotConnected,
    PortTaken,
    PublishedPort,
    check_network_name,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cowl.store.database import Database
    from cowl.store.network_record import Membership
    from cowl.store.transaction import Row, Transaction

_COLUMNS = "id, name, subnet, gateway, ip_range, internal, labels, options, created_at"
_MEMBERS = (
    "SELECT container, containers.name, network, position, aliases, wanted, address, link, owner IS NOT NULL"
    " FROM network_members JOIN containers ON container = containers.id"
)
_RUNS = "state IN ('running', 'paused')"
_PORTS = "SELECT protocol, host_address, host_port, container, container_port FROM published_ports"
_TOLD = "told of network "
_GONE = "container NOT IN (SELECT id FROM containers WHERE owner IS NOT NULL)"


class Networks:
    """The networks of a store."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    def create(self, network: NetworkRecord) -> NetworkRecord:
        """A new network with that name and those addresses; it gets an ID and a time.

        Raises NetworkNameInUse, InvalidNetworkName.
        """
        made = network.replace(id=os.urandom(32).hex(), created_at=self._clock())
        with self._database.write(doing="creating a network") as transaction:
            if transaction.row("SELECT 1 FROM networks WHERE name = ?", (check_network_name(network.name),)):
                raise NetworkNameInUse(network.name)
            values = made.as_dict()
            plain = [values[name] for name in ("id", "name", "subnet", "gateway", "ip_range", "internal")]
            objects = [json.dumps(dict(values[name])) for name in ("labels", "options")]
            transaction.run(
                f"INSERT INTO networks ({_COLUMNS}, last_address) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0)",
                (*plain, *objects, made.created_at),
            )
            _tell(transaction, "create", made)
        return made

    def list(self) -> tuple[NetworkRecord, ...]:
        """All of them, by name."""
        rows = self._database.rows(f"SELECT {_COLUMNS} FROM networks ORDER BY name")
        return tuple(map(_network, rows))

    def find(self, wanted: str) -> NetworkRecord:
        """By full ID, name, or the beginning of an ID. Raises NoSuchNetwork, AmbiguousNetworkId."""
        with self._database.snapshot() as database:
            identity = resolve(database, "networks", wanted, NoSuchNetwork, AmbiguousNetworkId)
            row = database.row(f"SELECT {_COLUMNS} FROM networks WHERE id = ?", (identity,))
        if row is None:
            raise NoSuchNetwork(wanted)
        return _network(row)

    def named(self, name: str) -> NetworkRecord | None:
        """The one of that name, if there is one."""
        row = self._database.row(f"SELECT {_COLUMNS} FROM networks WHERE name = ?", (name,))
        return _network(row) if row else None

    def remove(self, network: NetworkRecord) -> None:
        """Deletes its row. Raises NetworkInUse while a container with a process is on it."""
        with self._database.write(doing="removing a network") as transaction:
            rows = transaction.rows(
                f"{_MEMBERS} WHERE network = ? AND owner IS NOT NULL ORDER BY 2", (network.id,)
            )
            if rows:
                raise NetworkInUse(network.name, network.id, tuple(row[1] for row in rows))
            transaction.run("DELETE FROM networks WHERE id = ?", (network.id,))
            transaction.run("DELETE FROM meta WHERE name = ?", (_TOLD + network.id,))
            _tell(transaction, "destroy", network)

    def move(self, network: NetworkRecord, subnet: str, gateway: str) -> NetworkRecord:
        """Gives a network that nobody is on another subnet."""
        with self._database.write() as transaction:
            transaction.run(
                "UPDATE networks SET subnet = ?, gateway = ?, last_address = 0 WHERE id = ?",
                (subnet, gateway, network.id),
            )
            transaction.run("UPDATE network_members SET address = '' WHERE network = ?", (network.id,))
        return network.replace(subnet=subnet, gateway=gateway)

    def members(self, network: str) -> tuple[Member, ...]:
        """Those on the network of that ID, by name; at rest too."""
        return tuple(
            map(_member, self._database.rows(f"{_MEMBERS} WHERE network = ? ORDER BY 2", (network,)))
        )

    def memberships(self, container: str) -> tuple[Member, ...]:
        """The networks that a container is on, in the order of its interfaces."""
        rows = self._database.rows(f"{_MEMBERS} WHERE container = ? ORDER BY position", (container,))
        return tuple(map(_member, rows))

    def present(self) -> tuple[Member, ...]:
        """Everybody who has a process, or is just starting, and is on a network with an address."""
        where = "owner IS NOT NULL AND address != '' AND link != ''"
        return tuple(map(_member, self._database.rows(f"{_MEMBERS} WHERE {where} ORDER BY position, 2")))

    def unlink(self, container: str) -> None:
        """Says that a container that still has an owner is not present any more."""
        with self._database.write() as transaction:
            transaction.run("UPDATE network_members SET link = '' WHERE container = ?", (container,))

    def announce(self, network: str, links: Sequence[str]) -> None:
        """Notes that all on a network have been told of the members with these links, and of no other."""
        with self._database.write() as transaction:
            transaction.run("INSERT OR REPLACE INTO meta VALUES (?, ?)", (_TOLD + network, " ".join(links)))

    def announced(self, network: str) -> frozenset[str]:
        """The links that were noted last."""
        row = self._database.row("SELECT value FROM meta WHERE name = ?", (_TOLD + network,))
        return frozenset(row[0].split()) if row else frozenset()

    def enrol(self, container: str, network: NetworkRecord, wish: Membership) -> None:
        """Puts a container on one more network. Raises AlreadyConnected."""
        with self._database.write() as transaction:
            if transaction.row(f"{_MEMBERS} WHERE container = ? AND network = ?", (container, network.id)):
                raise AlreadyConnected(container, network.name)
            enrol(transaction, container, [wish])

    def strike(self, container: str, network: NetworkRecord) -> None:
        """Takes it off again. Raises NotConnected."""
        with self._database.write() as transaction:
            if transaction.row(f"SELECT 1 FROM containers WHERE id = ? AND {_RUNS}", (container,)):
                network_events(transaction, container, "disconnect", network.id)
            if not transaction.run(
                "DELETE FROM network_members WHERE container = ? AND network = ?", (container, network.id)
            ):
                raise NotConnected(container, network.name)

    def take_addresses(self, container: str, only: str = "") -> tuple[tuple[NetworkRecord, Member], ...]:
        """Gives a container that has an owner an address on each of its networks, and a link's name.

        only  the ID of the one network that it is about, "" for all
        It keeps the one that it had if that is free. Raises NoSuchNetwork, AddressTaken, AddressUnfit,
        AddressesExhausted.
        """
        found = []
        with self._database.write() as transaction:
            for row in transaction.rows(f"{_MEMBERS} WHERE container = ? ORDER BY position", (container,)):
                member = _member(row)
                if only not in ("", member.network):
                    continue
                known = transaction.row(f"SELECT {_COLUMNS} FROM networks WHERE id = ?", (member.network,))
                if known is None:
                    raise NoSuchNetwork(member.network)
                network = _network(known)
                address = _take(transaction, network, member)
                link = f"vc-{os.urandom(6).hex()}"
                transaction.run(
                    "UPDATE network_members SET address = ?, link = ? WHERE container = ? AND network = ?",
                    (address, link, container, network.id),
                )
                found.append((network, member.replace(address=address, link=link)))
                network_events(transaction, container, "connect", network.id)
        return tuple(found)

    def publish(self, container: str, ports: Sequence[PublishedPort]) -> None:
        """Writes down ports of a container, all or none. Raises PortTaken for another container's."""
        with self._database.write() as transaction:
            for port in ports:
                _check_free(transaction, port)
                transaction.run(
                    "INSERT OR REPLACE INTO published_ports VALUES (?, ?, ?, ?, ?)",
                    (port.protocol, port.host_address, port.host_port, container, port.container_port),
                )

    def ports(self, container: str) -> tuple[PublishedPort, ...]:
        """What is published of a container now, by its own ports."""
        rows = self._database.rows(f"{_PORTS} WHERE container = ? ORDER BY 5, 1, 2, 3", (container,))
        return tuple(PublishedPort(*row) for row in rows)

    def all_ports(self) -> tuple[PublishedPort, ...]:
        """Every published port."""
        return tuple(PublishedPort(*row) for row in self._database.rows(f"{_PORTS} ORDER BY 3, 1, 2"))

    def withdraw(self, container: str) -> None:
        """Deletes the rows of a container's ports, once nothing leads there any more."""
        with self._database.write() as transaction:
            transaction.run("DELETE FROM published_ports WHERE container = ?", (container,))

    def left_ports(self) -> tuple[PublishedPort, ...]:
        """Ports of containers that are gone or have ended, and that nobody has withdrawn."""
        return tuple(PublishedPort(*row) for row in self._database.rows(f"{_PORTS} WHERE {_GONE}"))


def enrol(transaction: Transaction, container: str, wishes: Sequence[Membership]) -> None:
    """Puts a container on networks, after those that it is on already."""
    row = transaction.row(
        "SELECT coalesce(max(position), -1) + 1 FROM network_members WHERE container = ?", (container,)
    )
    first = row[0] if row else 0
    for position, wish in enumerate(wishes, first):
        transaction.run(
            "INSERT OR REPLACE INTO network_members VALUES (?, ?, ?, ?, ?, '', '')",
            (container, wish.network, position, json.dumps(wish.aliases), wish.wanted),
        )


def _tell(transaction: Transaction, action: str, network: NetworkRecord) -> None:
    """An event, as Docker's are; the default network comes about without anybody having made it."""
    if action == "create" and network.name == "bridge":
        return
    attributes = {"name": network.name, "type": "bridge"}
    write_event(transaction, "network", action, network.id, attributes, network.labels)


def _network(row: Row) -> NetworkRecord:
    labels, options = (tuple(json.loads(found).items()) for found in row[6:8])
    return NetworkRecord(*(*row[:5], bool(row[5]), labels, options, row[8]))


def _member(row: Row) -> Member:
    return Member(*(*row[:4], tuple(json.loads(row[4])), *row[5:8], bool(row[8])))


def _take(transaction: Transaction, network: NetworkRecord, member: Member) -> str:
    """An address that no other active container has: what is wanted, had before, or comes next."""
    rows = transaction.rows(
        f"{_MEMBERS} WHERE network = ? AND owner IS NOT NULL AND container != ? AND address != ''",
        (network.id, member.container),
    )
    taken = {number(row[6]): str(row[1]) for row in rows}
    subnet = Subnet.parse(network.subnet)
    reserved = {subnet.base, subnet.last, number(network.gateway)}
    if member.wanted:
        wanted = number(member.wanted)
        if not subnet.has(wanted) or wanted in reserved:
            raise AddressUnfit(member.wanted, network.name, network.subnet)
        if wanted in taken:
            raise AddressTaken(member.wanted, network.name, taken[wanted])
        return member.wanted
    if member.address and number(member.address) not in taken:
        return member.address
    return _next(transaction, network, {*taken, *reserved})


def _next(transaction: Transaction, network: NetworkRecord, taken: set[int]) -> str:
    """The first free address after the one that was given last, so that none is used again at once."""
    pool = Subnet.parse(network.ip_range or network.subnet)
    row = transaction.row("SELECT last_address FROM networks WHERE id = ?", (network.id,))
    start = row[0] + 1 if row and pool.has(row[0] + 1) else pool.base
    tries = min(pool.size, len(taken) + 1)  # among so many one is free, if there is one
    for address in (pool.base + (start - pool.base + step) % pool.size for step in range(tries)):
        if address not in taken:
            transaction.run("UPDATE networks SET last_address = ? WHERE id = ?", (address, network.id))
            return text(address)
    raise AddressesExhausted(network.name, str(pool))


def _check_free(transaction: Transaction, port: PublishedPort) -> None:
    """Raises PortTaken. An address collides with itself and with all of them."""
    holders = transaction.rows(
        "SELECT host_address, coalesce(containers.name, container) FROM published_ports"
        " LEFT JOIN containers ON container = containers.id"
        " WHERE protocol = ? AND host_port = ? AND container != ?",
        (port.protocol, port.host_port, port.container),
    )
    for address, holder in holders:
        if ANY_ADDRESS in (address, port.host_address) or address == port.host_address:
            raise PortTaken(port.host_address, port.host_port, holder)
