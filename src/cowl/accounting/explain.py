"""Explaining: the layers of an image or a container read once, and where their bytes go."""

from __future__ import annotations

from cowl.accounting.explanation import Beside, Copy, DuplicateSet, Explanation, LayerBytes
from cowl.accounting.path_tree import by_difference, path_tree
from cowl.accounting.subjects import IMAGE
from cowl.accounting.waste import find_waste, squash_saves
from cowl.oci.created_by import parse_created_by

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cowl.accounting.explanation import PathBytes
    from cowl.accounting.subjects import Subject
    from cowl.store.contents import Contents
    from cowl.store.store import Store

DEPTH, TOP = 2, 10


def explain(
    store: Store, subject: Subject, other: Subject | None = None, *, depth: int = DEPTH, top: int = TOP
) -> Explanation:
    """Where the space of a subject goes, perhaps beside another; each layer is read once.

    `depth` and `top` bound the tree of paths (levels, rows in each directory) and how many sets of
    duplicates are named; 0 is no bound. Raises RemovedMeanwhile, LayerMissing, OSError.
    """
    subjects = [subject] if other is None else [subject, other]
    contents = store.contents([(each.keys, each.upper) for each in subjects])
    explained = [_explained(store, *each, depth, top) for each in zip(subjects, contents, strict=True)]
    told = explained[0]
    if other is not None:
        told = told.replace(beside=_beside(explained, subjects, contents, depth, top))
    store.check_there(key for each in subjects for key in each.keys)
    return told


def _explained(store: Store, subject: Subject, contents: Contents, depth: int, top: int) -> Explanation:
    stacked = contents.stacked
    layers = _layers(subject, contents, _upper_allocated(store, subject))
    size, shadowed = stacked.added_bytes, stacked.shadowed_bytes
    visible = [(path, inode.size) for path, inode in stacked.visible]
    duplicates = tuple(_duplicates([contents]))
    return Explanation(
        kind=subject.kind,
        id=subject.id,
        name=subject.name,
        size_bytes=size,
        visible_bytes=size - shadowed,
        shadowed_bytes=shadowed,
        allocated_bytes=sum(layer.allocated_bytes for layer in layers),
        shadowed_allocated_bytes=sum(each.allocated_bytes for each in stacked.shadows),
        efficiency=(size - shadowed) / size if size else 1.0,
        files=len(visible),
        layers=layers,
        tree=path_tree([visible], depth=depth, top=top),
        waste=find_waste(contents, layers, image=subject.kind == IMAGE),
        duplicates=duplicates[:top] if top else duplicates,
        duplicate_bytes=sum(each.wasted_bytes for each in duplicates),
        base=subject.built.base if subject.built is not None else "",
        base_bytes=sum(layer.size_bytes for layer in layers if layer.base),
        altered_layers=_altered(subject, contents),
    )


def _upper_allocated(store: Store, subject: Subject) -> int:
    return store.measure_tree(subject.upper).allocated_bytes if subject.upper else 0


def _layers(subject: Subject, contents: Contents, upper_allocated: int) -> tuple[LayerBytes, ...]:
    stacked, saves = contents.stacked, squash_saves(contents)
    shadowed, hides = [0] * len(saves), [0] * len(saves)
    for shadow in stacked.shadows:
        shadowed[shadow.lower] += shadow.size_bytes
        hides[shadow.upper] += shadow.size_bytes
    found = []
    for at, amount in enumerate(stacked.added):
        told = parse_created_by(subject.told[at]) if at < len(subject.told) else None
        layer = subject.layers[at] if at < len(subject.layers) else None
        line, step = subject.maker(at)
        found.append(
            LayerBytes(
                number=at + 1,
                key=layer.key if layer else "",
                diff_id=layer.diff_id if layer else "",
                keyword=told.keyword if told else "",
                instruction=told.text if told else f"what container {subject.name} wrote",
                line=line,
                step=step,
                base=at < subject.base_layers,
                size_bytes=amount.size_bytes,
                allocated_bytes=layer.allocated_bytes if layer else upper_allocated,
                files=amount.files,
                whiteouts=amount.whiteouts,
                opaque=amount.opaque,
                shadowed_bytes=shadowed[at],
                hides_bytes=hides[at],
                squash_saves_bytes=saves[at],
            )
        )
    return tuple(found)


def _altered(subject: Subject, contents: Contents) -> tuple[int, ...]:
    pairs = zip(subject.layers, contents.stacked.added, strict=False)
    return tuple(at for at, (row, found) in enumerate(pairs, 1) if row.size_bytes != found.size_bytes)


def _duplicates(contents: Sequence[Contents]) -> Iterator[DuplicateSet]:
    from cowl.store.contents import find_duplicates

    for found, places in find_duplicates(contents):
        yield DuplicateSet(
            found.size_bytes,
            found.size_bytes * (len(places) - 1),
            found.allocated_bytes * (found.on_disk - 1),
            tuple(Copy(f"/{path}", inode.layer + 1, bool(which)) for which, path, inode in places),
        )


def _beside(
    explained: Sequence[Explanation],
    subjects: Sequence[Subject],
    contents: Sequence[Contents],
    depth: int,
    top: int,
) -> Beside:
    one, two = explained
    ours, theirs = set(subjects[0].keys), set(subjects[1].keys)
    shared = [layer for layer in one.layers if layer.key in theirs]
    duplicates = tuple(_duplicates(contents))
    return Beside(
        other=two,
        shared_layers=tuple(layer.number for layer in shared),
        shared_bytes=sum(layer.size_bytes for layer in shared),
        only_bytes=sum(layer.size_bytes for layer in one.layers if layer.key not in theirs),
        other_only_bytes=sum(layer.size_bytes for layer in two.layers if layer.key not in ours),
        tree=_difference(contents, depth, top),
        duplicates=duplicates[:top] if top else duplicates,
        duplicate_bytes=sum(each.wasted_bytes for each in duplicates),
    )


def _difference(contents: Sequence[Contents], depth: int, top: int) -> PathBytes:
    sides = [((path, inode.size) for path, inode in each.stacked.visible) for each in contents]
    return path_tree(sides, depth=depth, top=top, weigh=by_difference)
