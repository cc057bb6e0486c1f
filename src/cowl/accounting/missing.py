"""Missing: what has a row and no directory any more. It counts as nothing, and is named."""

from __future__ import annotations

from cowl.accounting.ledger import CACHE, CONTAINER, FAILED, IMAGE, SNAPSHOT, STEP, VOLUME
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.accounting.ledger import Ledger
    from cowl.accounting.reading import Reading

_WORDS = {IMAGE: "image", SNAPSHOT: "snapshot", CONTAINER: "container"}
_MOST = 3  # users that are named


class Missing(Value):
    """An object whose directory is gone: kind is "layer", "container", "cache" or "volume".

    text    what is missing, in words
    remedy  what to do about it
    """

    kind: str
    name: str
    text: str
    remedy: str


def missing(reading: Reading) -> tuple[Missing, ...]:
    """All that is missing."""
    return tuple(
        Missing(kind, name, *_words(reading.ledger, kind, name)) for kind, name in reading.presence.missing
    )


def _words(ledger: Ledger, kind: str, name: str) -> tuple[str, str]:
    if kind == VOLUME:
        return f"the directory of volume {name} is gone", f"Remove it: cowl volume rm {name}"
    if kind == CACHE:
        short = name[:12]
        return f"the directory of cache mount {short} is gone", f"Remove it: cowl builder cache rm {short}"
    if kind == CONTAINER:
        box = next((row.name for row in ledger.rows.containers if row.id == name), name[:12])
        return f"the directory of container {box} is gone", f"Remove it: cowl rm {box}"
    return f"the directory of layer {name[:12]} is gone", _remedy_of_layer(ledger, name)


def _remedy_of_layer(ledger: Ledger, key: str) -> str:
    users = [
        f"{word} {_name(ledger, kind, each)}"
        for kind, word in _WORDS.items()
        for each in ledger.users(key, kind)
    ]
    more = len(users) - _MOST
    parts = [", ".join(users[:_MOST]) + (f" and {more} more" if more > 0 else "")] if users else []
    if ledger.users(key, STEP) or ledger.users(key, FAILED):
        parts.append("prune the build cache")
    if not parts:
        return "It goes when what is running has ended."
    return f"Remove what stands on it, then pull or build that again: {'; '.join(parts)}."


def _name(ledger: Ledger, kind: str, identity: str) -> str:
    """As users know it."""
    rows = ledger.rows
    if kind == IMAGE:
        references = next((row.references for row in rows.images if row.id == identity), ())
        return references[0] if references else identity.removeprefix("sha256:")[:12]
    named = rows.snapshots if kind == SNAPSHOT else rows.containers
    return next((row.name for row in named if row.id == identity), "") or identity[:12]
