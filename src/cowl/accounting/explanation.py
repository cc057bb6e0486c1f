"""Explanations: where the space of an image or a container goes, as values.

Bytes are apparent, each inode once, unless they are named allocated or on disk.
"""

from __future__ import annotations

from cowl.value import Value

# Kinds of waste. Those of SHADOWED are disjoint: together they are all that is shadowed.
REMOVED, OVERWRITTEN, METADATA = "removed", "overwritten", "metadata"
CACHE, SQUASH = "cache", "squash"
SHADOWED = (REMOVED, OVERWRITTEN, METADATA)


class LayerBytes(Value):
    """A layer of what is explained.

    number            from 1, bottom first; waste names layers by it
    key, diff_id      "" of a container's upper; diff_id "" also of what nobody has hashed yet
    keyword           "RUN", "COPY", ...; "" when unknown
    instruction       as a Dockerfile would say it, "" when unknown
    line, step        of the Dockerfile that it was last built from, 0 when unknown
    base              it belongs to the image that the Dockerfile stands on
    allocated_bytes   blocks on disk of its whole directory
    files             inodes; whiteouts: names taken away; opaque: directories emptied
    shadowed_bytes    of its own files, those that later layers hide
    hides_bytes       of earlier layers' files, those that it hides
    squash_saves_bytes  what making one layer of this one and all above it would save
    """

    number: int
    key: str
    diff_id: str
    keyword: str
    instruction: str
    line: int
    step: int
    base: bool
    size_bytes: int
    allocated_bytes: int
    files: int
    whiteouts: int
    opaque: int
    shadowed_bytes: int
    hides_bytes: int
    squash_saves_bytes: int


class PathBytes(Value):
    """A path of the merged tree with all below it, each inode once, under the first of its names.

    size_bytes   of it in what was asked about; other_bytes: in what that stands beside
    directory    it is one; `children` are then the largest in it, as deep as was asked for
    left_out     how many more there are in it, with left_out_bytes
    """

    path: str
    directory: bool
    size_bytes: int
    files: int
    other_bytes: int = 0
    other_files: int = 0
    children: tuple[PathBytes, ...] = ()
    left_out: int = 0
    left_out_bytes: int = 0


class Waste(Value):
    """Bytes paid for in vain, and what to do about them.

    kind          "removed", "overwritten": a later layer hides files; "metadata": it has them again with the
                  same bytes; "cache": a package manager's, seen but of no use; "squash": all of the above
    layer         number of the layer that wrote them
    by            number of the layer that wasted them, 0 for none
    cause         of metadata: "chown", "chmod", "xattr", "touch" (the time), "same" (nothing); of a cache its
                  directory
    wasted_bytes  shadowed bytes: 0 of what is seen
    files         inodes that it is about
    paths         the largest of them, with their sizes
    fix           what to do instead, "" when nothing is known
    saves_bytes   what that alone would save: the size of the image now less the size then. Not to be added
                  up: fixes may exclude each other
    """

    kind: str
    layer: int
    by: int
    cause: str
    wasted_bytes: int
    files: int
    paths: tuple[tuple[str, int], ...]
    fix: str
    saves_bytes: int


class Copy(Value):
    """One of several files with the same content; `beside`: not in what was asked about, but beside it."""

    path: str
    layer: int
    beside: bool = False


class DuplicateSet(Value):
    """Files of the same content under different inodes of the layers.

    size_bytes    of each
    wasted_bytes  of all but one
    wasted_on_disk_bytes  the same in blocks; 0 where they were made one inode (`cowl dedupe`)
    """

    size_bytes: int
    wasted_bytes: int
    wasted_on_disk_bytes: int
    copies: tuple[Copy, ...]


class Beside(Value):
    """A second image or container beside the first.

    shared_layers   numbers, in the first, of the layers that both stand on; shared_bytes in them
    only_bytes      of the first's other layers; other_only_bytes: of the second's
    tree            the paths that make the difference, the largest first
    duplicates      content that both pay for, or one pays for twice; duplicate_bytes in vain
    """

    other: Explanation
    shared_layers: tuple[int, ...]
    shared_bytes: int
    only_bytes: int
    other_only_bytes: int
    tree: PathBytes
    duplicates: tuple[DuplicateSet, ...]
    duplicate_bytes: int


class Explanation(Value):
    """Where the space of an image or a container goes.

    kind              "image", "container" or "snapshot"
    size_bytes        what all layers hold: paid. It is visible_bytes + shadowed_bytes
    visible_bytes     what the merged tree shows
    shadowed_bytes    what later layers overwrite or remove: wasted
    allocated_bytes   blocks on disk of all layers; shadowed_allocated_bytes: of the shadowed files
    efficiency        visible_bytes / size_bytes; 1.0 of nothing at all
    files             visible ones
    duplicate_bytes   of visible files with the same content, all but one; `duplicates` has the largest sets
    base              ID of the image that its Dockerfile stands on, "" when unknown; it has base_bytes
    altered_layers    numbers of layers that do not hold what the store's row says: see `cowl system check`
    """

    kind: str
    id: str
    name: str
    size_bytes: int
    visible_bytes: int
    shadowed_bytes: int
    allocated_bytes: int
    shadowed_allocated_bytes: int
    efficiency: float
    files: int
    layers: tuple[LayerBytes, ...]
    tree: PathBytes
    waste: tuple[Waste, ...]
    duplicates: tuple[DuplicateSet, ...]
    duplicate_bytes: int
    base: str = ""
    base_bytes: int = 0
    altered_layers: tuple[int, ...] = ()
    beside: Beside | None = None
