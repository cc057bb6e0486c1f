"""History rows: which instruction added which layer, and which only history (OCI image spec, config.md)."""

from __future__ import annotations

from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.oci.image_config import ImageConfig
    from cowl.store.layers import Layer


class HistoryRow(Value):
    """One row of `docker history`.

    image_id     the image's ID for the newest row, "<missing>" below it, as Docker shows
    size_bytes   apparent size of the layer that the instruction added; 0 for none
    empty_layer  True: the instruction added history only, no layer
    diff_id      of the layer, or ""
    """

    image_id: str
    created: str
    created_by: str
    size_bytes: int
    comment: str
    empty_layer: bool
    diff_id: str


def history_rows(image_id: str, config: ImageConfig, layers: tuple[Layer, ...]) -> tuple[HistoryRow, ...]:
    """Newest first. Layers that the config's history does not mention come first, without instruction."""
    told = sum(not entry.empty_layer for entry in config.history)
    rest = iter(layers[: len(layers) - told] if told < len(layers) else ())
    rows = [_row("", config.created, "", layer) for layer in rest]
    stack = iter(layers[max(0, len(layers) - told) :])
    for entry in config.history:
        layer = None if entry.empty_layer else next(stack, None)
        rows.append(_row(entry.created_by, entry.created, entry.comment, layer))
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
    )
