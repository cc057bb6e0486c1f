"""History rows: which instruction added which layer, and which only history (OCI image spec, config.md)."""

from __future__ import annotations

from cowl.oci.created_by import CONFIGURATION, parse_created_by
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cowl.oci.image_config import History, ImageConfig
    from cowl.store.built_images import BuiltImage
    from cowl.store.layers import Layer
    from cowl.store.sharers import Sharers

# How the comment of an entry begins that stands for others: Docker's words for --squash, and cowl's.
SQUASHED = ("merge ", "create new from ")


class HistoryRow(Value):
    """One row of `docker history`.

    image_id     the image's ID for the newest row, "<missing>" below it, as Docker shows
    size_bytes   apparent size of the layer that the instruction added; 0 for none
    empty_layer  True: the instruction added history only, no layer
    diff_id      of the layer, or ""
    layer_key    its name in the store, or ""
    instruction  created_by as a Dockerfile would say it
    why_not      why the instruction added no layer; "" if it did
    line         of the Dockerfile that the image was last built from, 0 when unknown
    shared_by    names (or short IDs) of the other images that stand on the layer, sorted; () unless asked
                 for by `Engine.history`, like containers and snapshots: how many stand on it
    """

    image_id: str
    created: str
    created_by: str
    size_bytes: int
    comment: str
    empty_layer: bool
    diff_id: str
    layer_key: str = ""
    instruction: str = ""
    why_not: str = ""
    line: int = 0
    shared_by: tuple[str, ...] = ()
    containers: int = 0
    snapshots: int = 0


def history_rows(image_id: str, config: ImageConfig, layers: tuple[Layer, ...]) -> tuple[HistoryRow, ...]:
    """Newest first. Layers that the config's history does not mention come first, without instruction."""
    told = sum(not entry.empty_layer for entry in config.history)
    rest = iter(layers[: len(layers) - told] if told < len(layers) else ())
    rows = [_row("", config.created, "", layer) for layer in rest]
    stack = iter(layers[max(0, len(layers) - told) :])
    for at, entry in enumerate(config.history):
        layer = None if entry.empty_layer else next(stack, None)
        row = _row(entry.created_by, entry.created, entry.comment, layer)
        rows.append(row if layer else row.replace(why_not=_why_not(config.history, at)))
    rows.reverse()
    return tuple(
        row.replace(image_id=image_id if index == 0 else "<missing>") for index, row in enumerate(rows)
    )


def _row(created_by: str, created: str, comment: str, layer: Layer | None) -> HistoryRow:
    return HistoryRow(
        image_id="",
        created=created,
        created_by=created_by,
        size_bytes=layer.size_bytes if layer else 0,
        comment=comment,
        empty_layer=layer is None,
        diff_id=str(layer.diff_id) if layer else "",
        layer_key=layer.key if layer else "",
        instruction=parse_created_by(created_by).text,
    )


def _why_not(history: Sequence[History], at: int) -> str:
    """Why an entry has no layer. Squashing leaves the entries of what it merges and adds one of its own."""
    keyword = parse_created_by(history[at].created_by).keyword
    if keyword in CONFIGURATION:
        return "configuration only"
    later = (entry for entry in history[at + 1 :] if not entry.empty_layer)
    if keyword and any(entry.comment.startswith(SQUASHED) for entry in later):
        return "squashed into a later layer"
    if keyword == "WORKDIR":
        return "the directory was there"
    return "changed no file" if keyword else "history only"


def with_sharers(
    rows: Sequence[HistoryRow], sharers: Mapping[str, Sharers], built: BuiltImage | None
) -> tuple[HistoryRow, ...]:
    """The rows (newest first) with who else stands on their layers, and the lines that made these."""
    position = sum(not row.empty_layer for row in rows)
    found = []
    for row in rows:
        if not row.empty_layer:
            position -= 1
            who = sharers.get(row.layer_key)
            if who is not None:  # else the image went meanwhile
                row = row.replace(shared_by=who.images, containers=who.containers, snapshots=who.snapshots)
            row = row.replace(line=built.line(position) if built is not None else 0)
        found.append(row)
    return tuple(found)
