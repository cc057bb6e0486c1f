"""Sight: what a removal depends on of each kind of object, as rows say it, and what differs in words.

A plan makes the same values of the rows that it was made from; see `cowl.accounting.removal_targets`.
"""

from __future__ import annotations

from cowl.linux.process import ProcessId

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeAlias

    from cowl.store.transaction import Row, Transaction

    Seen: TypeAlias = tuple[Any, ...]

IMAGE, CONTAINER, SNAPSHOT, VOLUME = "image", "container", "snapshot", "volume"
STEP, FAILED, CACHE = "step", "failed", "cache"
_WORDS = {STEP: "build step", FAILED: "failed step", CACHE: "cache mount"}


def see(transaction: Transaction, kind: str, identity: str, going: frozenset[str]) -> Seen | None:
    """What a removal of the object depends on; None when it is gone. `going`: IDs of containers that go too.

    container  (name, state, started_at, finished_at, whether its process lives)
    image      (names, the containers that use it and stay, as (ID, whether its process lives))
    failed     (names,)
    snapshot   (name, the containers that stand on it and stay)
    step       (layer key or "",)
    cache      (name, last_used)
    volume     (created_at, last_used, the containers that have it and stay)
    """
    return _KINDS[kind](transaction, identity, going)


def difference(kind: str, name: str, then: Seen | None, now: Seen | None) -> str:
    """What has changed of an object, in words; "" if it is as it should be after what was killed."""
    what = f"{_WORDS.get(kind, kind)} {name}"
    if now is None:
        return f"{what} is gone"
    if then is None and not now[-1]:
        return ""
    if then is None and kind == CONTAINER:
        return f"{what} is running"
    if then is not None and kind == CONTAINER and now[1] != then[1]:
        return f"{what} was {then[1]} and is {now[1]}"
    if then is not None and kind == IMAGE and now[0] != then[0]:
        return f"{what} has other names ({', '.join(now[0]) or 'none'})"
    if kind == IMAGE:
        return f"{what} is used by other containers"
    if kind in (SNAPSHOT, VOLUME) and now[-1]:
        return f"{what} is used by container {now[-1][0][:12]}"
    return f"{what} was used or changed"


def _container(transaction: Transaction, identity: str, _going: frozenset[str]) -> Seen | None:
    row = transaction.row(
        "SELECT name, state, started_at, finished_at, pid, start_time, boot_id FROM containers WHERE id = ?",
        (identity,),
    )
    return (*row[:4], _lives(row[1], row[4:])) if row else None


def _image(transaction: Transaction, identity: str, going: frozenset[str]) -> Seen | None:
    if not transaction.row("SELECT 1 FROM images WHERE id = ?", (identity,)):
        return None
    rows = transaction.rows(
        "SELECT id, state, pid, start_time, boot_id FROM containers WHERE image = ? ORDER BY id", (identity,)
    )
    users = tuple((row[0], _lives(row[1], row[2:])) for row in rows if row[0] not in going)
    return (_names(transaction, identity), users)


def _failed(transaction: Transaction, identity: str, _going: frozenset[str]) -> Seen | None:
    found = transaction.row("SELECT 1 FROM failed_steps WHERE image = ?", (identity,))
    return (_names(transaction, identity),) if found else None


def _names(transaction: Transaction, image: str) -> tuple[str, ...]:
    rows = transaction.rows(
        "SELECT reference FROM tags WHERE image = ?1 UNION ALL"
        " SELECT reference FROM repo_digests WHERE image = ?1 ORDER BY 1",
        (image,),
    )
    return tuple(row[0] for row in rows)


def _snapshot(transaction: Transaction, identity: str, going: frozenset[str]) -> Seen | None:
    row = transaction.row("SELECT name FROM snapshots WHERE id = ?", (identity,))
    users = transaction.rows("SELECT id FROM containers WHERE snapshot = ? ORDER BY id", (identity,))
    return (*row, tuple(user for (user,) in users if user not in going)) if row else None


def _step(transaction: Transaction, key: str, _going: frozenset[str]) -> Seen | None:
    row = transaction.row("SELECT layer FROM steps WHERE key = ?", (key,))
    return (row[0] or "",) if row else None


def _cache(transaction: Transaction, identity: str, _going: frozenset[str]) -> Seen | None:
    return transaction.row("SELECT name, last_used FROM cache_mounts WHERE id = ?", (identity,))


def _volume(transaction: Transaction, name: str, going: frozenset[str]) -> Seen | None:
    row = transaction.row("SELECT created_at, last_used FROM volumes WHERE name = ?", (name,))
    users = transaction.rows(
        "SELECT DISTINCT container FROM container_volumes WHERE volume = ? ORDER BY 1", (name,)
    )
    return (*row, tuple(user for (user,) in users if user not in going)) if row else None


def _lives(state: str, process: Row) -> bool:
    if state == "restarting":
        return True
    return state in ("running", "paused") and ProcessId(*process).alive()


_KINDS: dict[str, Callable[[Transaction, str, frozenset[str]], Seen | None]] = {
    CONTAINER: _container,
    IMAGE: _image,
    FAILED: _failed,
    SNAPSHOT: _snapshot,
    STEP: _step,
    CACHE: _cache,
    VOLUME: _volume,
}
