"""Comparing: what is different between any two containers, images, snapshots or layers, path by path."""

from __future__ import annotations

from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.accounting.subjects import Subject
    from cowl.store.contents import PathChange
    from cowl.store.store import Store

ADDED, CHANGED, DELETED = "A", "C", "D"


class Compared(Value):
    """One side, and what its merged tree shows, in apparent bytes; the kinds are those of Subject."""

    kind: str
    id: str
    name: str
    visible_bytes: int


class Comparison(Value):
    """What became of `before` in `after`.

    changes  in the order of the paths; their delta_bytes add up to delta_bytes
    """

    before: Compared
    after: Compared
    added: int
    changed: int
    deleted: int
    delta_bytes: int
    changes: tuple[PathChange, ...]


def compare(store: Store, before: Subject, after: Subject) -> Comparison:
    """Compares two subjects: file by file where they differ, what they share by layer not at all.

    A layer shows what it has itself, whiteouts as such. Raises RemovedMeanwhile, LayerMissing, OSError.
    """
    sides = (before, after)
    contents = store.contents([(each.keys, each.upper) for each in sides])
    changes = tuple(contents[0].compare(contents[1]))
    store.check_there((*before.keys, *after.keys))
    kinds = [change.kind for change in changes]
    one, two = (
        Compared(each.kind, each.id, each.name, found.stacked.visible_bytes)
        for each, found in zip(sides, contents, strict=True)
    )
    return Comparison(
        one,
        two,
        kinds.count(ADDED),
        kinds.count(CHANGED),
        kinds.count(DELETED),
        two.visible_bytes - one.visible_bytes,
        changes,
    )
