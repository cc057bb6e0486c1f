"""Writing events: what changes something says so in its own transaction, so neither is without the other.

Types, actions and attributes are Docker's (`docker events`). Of a container's settings its image, labels
and mounts (kind, source, target, read-only, ...) are read here, as the container room writes them.
"""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cowl.store.transaction import Transaction

KILLED = 137  # the exit code where nobody was left to see it: 128 + SIGKILL
KEPT = 4096  # events, some 800 lives of containers
_ROUND = 128  # how many more there may be before the oldest go

_INSERT = "INSERT INTO events (time_ns, type, action, actor, attributes, labels)"
_OF_CONTAINER = (
    f"{_INSERT} SELECT ?1, 'container', ?2, id,"
    " json_patch(json_object('image', json_extract(settings, '$.image'), 'name', name), ?3),"
    " coalesce(json_extract(settings, '$.labels'), '') FROM containers WHERE id = ?4"
)
_DEATH = (
    f"{_INSERT} SELECT ?1, 'container', 'die', id,"
    " json_object('execDuration', CAST(CAST(max(?1 / 1e9 - started_at, 0) AS INTEGER) AS TEXT),"
    " 'exitCode', ?2, 'image', json_extract(settings, '$.image'), 'name', name),"
    " coalesce(json_extract(settings, '$.labels'), '') FROM containers"
    " WHERE id = ?3 AND state IN ('running', 'paused')"
)
_MOUNTS = (
    f"{_INSERT} SELECT ?1, 'volume', 'mount', volume, json_object('container', container,"
    " 'destination', target, 'driver', 'local', 'propagation', '', 'read/write',"
    " (SELECT CASE WHEN json_extract(value, '$[3]') THEN 'false' ELSE 'true' END"
    " FROM json_each(settings, '$.mounts') WHERE json_extract(value, '$[2]') = target)), ''"
    " FROM container_volumes JOIN containers ON containers.id = container WHERE container = ?2"
)
_UNMOUNTS = (
    f"{_INSERT} SELECT ?1, 'volume', 'unmount', volume,"
    " json_object('container', container, 'driver', 'local'), ''"
    " FROM container_volumes WHERE container = ?2"
)


_NETWORKS = (
    f"{_INSERT} SELECT ?1, 'network', ?2, networks.id,"
    " json_object('container', container, 'name', networks.name, 'type', 'bridge'), ''"
    " FROM network_members JOIN networks ON networks.id = network"
    " WHERE container = ?3 AND (?4 = '' OR network = ?4)"
)


def write_event(
    transaction: Transaction,
    kind: str,
    action: str,
    actor: str,
    attributes: Mapping[str, str],
    labels: Iterable[tuple[str, str]] = (),
) -> None:
    """Notes what the transaction does to an object: `kind` "network", `action` "connect", `actor` its ID.

    attributes  by Docker's names, "name" among them; labels: the object's own, which they go over
    For a container there is `container_event`.
    """
    pairs = [*labels]
    kept = json.dumps(pairs) if pairs else ""
    values = (_nanoseconds(transaction), kind, action, actor, json.dumps(dict(attributes)), kept)
    _bound(transaction, transaction.insert(f"{_INSERT} VALUES (?, ?, ?, ?, ?, ?)", values))


def container_event(
    transaction: Transaction, identity: str, action: str, attributes: Mapping[str, str] | None = None
) -> None:
    """The same of a container, with image, name and labels from its row. One without a row is no error."""
    more = json.dumps(dict(attributes)) if attributes else "{}"
    values = (_nanoseconds(transaction), action, more, identity)
    _bound(transaction, transaction.insert(_OF_CONTAINER, values))


def start_events(transaction: Transaction, identity: str, *, attached: bool) -> None:
    """The beginning of a container's run; `attached`: its streams are somebody's."""
    transaction.run(_MOUNTS, (_nanoseconds(transaction), identity))
    if attached:
        container_event(transaction, identity, "attach")
    container_event(transaction, identity, "start")


def end_events(
    transaction: Transaction,
    identity: str,
    exit_code: int,
    *,
    volumes: bool = False,
    oom_killed: bool = False,
) -> None:
    """The end of a container's run, if it runs: before its row says otherwise.

    volumes     it has some
    oom_killed  the kernel killed something of it for want of memory
    """
    now = _nanoseconds(transaction)
    if oom_killed:
        container_event(transaction, identity, "oom")
    if not transaction.run(_DEATH, (now, str(exit_code), identity)):
        return
    network_events(transaction, identity, "disconnect")
    if volumes:
        transaction.run(_UNMOUNTS, (now, identity))


def network_events(transaction: Transaction, container: str, action: str, only: str = "") -> None:
    """ "connect" or "disconnect" of a container's networks; `only` of the one of that ID."""
    transaction.run(_NETWORKS, (_nanoseconds(transaction), action, container, only))


def _nanoseconds(transaction: Transaction) -> int:
    """Now, as far as SQLite can count: a clock may be far off, and nothing else fails for that."""
    return min(int(transaction.now() * 1e9), (1 << 63) - 1)


def _bound(transaction: Transaction, number: int) -> None:
    """Drops the oldest, a round at a time."""
    if number % _ROUND == 0:
        transaction.run("DELETE FROM events WHERE id <= (SELECT max(id) FROM events) - ?", (KEPT,))
