"""Explanations of images and containers as lines for a terminal of 80 columns or more."""

from __future__ import annotations

from cowl.cli import human
from cowl.cli.bytes_text import DONE
from cowl.cli.text import cell, columns, ellipsis, path_text, short_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from cowl import Explanation

_BAR = 12  # columns of the longest bar
_MOST_COPIES = 4  # paths that a set of duplicates names
_CRUMB = 1000  # a path with less than this part of the whole is not worth a row, unless all are wanted
_INDENT = 16  # levels that are shown by two columns more each
_NARROWEST = 12  # columns of a path at least
_FIGURES = 50  # columns of a layer's row before its instruction


def explanation_lines(told: Explanation, width: int, top: int) -> Iterator[str]:
    """All of one explanation, sections apart."""
    yield from _heading(told)
    yield ""
    yield from _layers(told, width)
    yield ""
    yield from _tree(told, width, top)
    if told.waste:
        yield ""
        yield from _waste(told, width, top)
    if told.duplicates:
        yield ""
        yield from _duplicates(told.duplicates, told.duplicate_bytes, "the same content twice", width, top)
    if told.beside is not None:
        yield ""
        yield from _beside(told, width, top)


def _heading(told: Explanation) -> Iterator[str]:
    yield f"{path_text(told.name)}: {told.kind} {short_id(told.id)}, {_count(len(told.layers), 'layer')}"
    size, visible = human.short_size(told.size_bytes), human.short_size(told.visible_bytes)
    yield f"  {size} paid = {visible} visible + {human.short_size(told.shadowed_bytes)} shadowed"
    on_disk = human.short_size(told.allocated_bytes)
    yield f"  efficiency {told.efficiency:.1%} (visible / paid); {on_disk} on disk"
    if told.base:
        yield f"  {human.short_size(told.base_bytes)} of it in the base image {short_id(told.base)}"
    for number in told.altered_layers:
        yield f"  layer {number} does not hold what the store says: see `cowl system check`"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _layers(told: Explanation, width: int, known: frozenset[str] = frozenset()) -> Iterator[str]:
    """A row for each layer that is not `known` (a key)."""
    yield "LAYER  LINE     SIZE   ON DISK   FILES  SHADOWED  INSTRUCTION"
    for layer in told.layers:
        if layer.key in known:
            continue
        line = "base" if layer.base else str(layer.line or "-")
        figures = (layer.size_bytes, layer.allocated_bytes, layer.shadowed_bytes)
        size, on_disk, shadowed = map(human.short_size, figures)
        text = _instruction(layer, max(20, width - _FIGURES)) or "-"
        yield f"{layer.number:>5}  {line:>4} {size:>8}  {on_disk:>8} {layer.files:>7}  {shadowed:>8}  {text}"


def _tree(told: Explanation, width: int, top: int) -> Iterator[str]:
    yield "    SIZE   FILES  PATH"
    crumb = told.visible_bytes // _CRUMB if top else 0
    yield from _rows(told.tree, "/", told.visible_bytes or 1, width, crumb)


def _rows(node: Any, name: str, whole: int, width: int, crumb: int, level: int = 0) -> Iterator[str]:
    indent = "  " * min(level, _INDENT)
    label = indent + _fitted(name, width - 18 - len(indent) - _BAR - 1)
    pad = " " * (width - 18 - _BAR - columns(label))
    bar = "█" * round(node.size_bytes / whole * _BAR)
    yield f"{human.short_size(node.size_bytes):>8} {node.files:>7}  {label}{pad}{bar}".rstrip()
    shown = [child for child in node.children if child.size_bytes >= crumb]
    for child in shown:
        slash = "/" if child.directory else ""
        name = child.path.rpartition("/")[2] + slash
        yield from _rows(child, name, whole, width, crumb, level + 1)
    more = len(node.children) - len(shown) + node.left_out
    if more:
        rest = node.left_out_bytes + sum(child.size_bytes for child in node.children[len(shown) :])
        yield f"{human.short_size(rest):>8} {'':>7}  {indent}  ({more} more)"


def _fitted(path: str, room: int) -> str:
    """The end of a path says more than its beginning."""
    text = path_text(path)
    over = columns(text) - max(room, _NARROWEST)
    if over <= 0:
        return text
    end = over + 1
    while columns(text[end:]) >= max(room, _NARROWEST):  # characters of two columns
        end += 1
    return "…" + text[end:]


def _waste(told: Explanation, width: int, top: int) -> Iterator[str]:
    found = [each for each in told.waste if each.wasted_bytes or each.saves_bytes]
    shown = found[:top] if top else found
    if not shown:
        return
    yield "PAID FOR IN VAIN (what each fix saves holds for it alone)"
    for waste in shown:
        yield from _wrapped("-", _sentence(told, waste), width, 2)
        for path, size in waste.paths[:3]:
            yield f"    {human.short_size(size):>8}  {_fitted(path, width - 14)}"
        if waste.fix:
            saves = f"{human.short_size(waste.saves_bytes)} saved"
            yield from _wrapped("  fix:", f"{path_text(waste.fix)} ({saves})", width, 7)
    if len(shown) < len(found):
        yield f"  ({len(found) - len(shown)} smaller ones; --top 0 shows all)"


def _wrapped(start: str, text: str, width: int, indent: int) -> Iterator[str]:
    """Lines of whole words after `start`, all but the first indented. No word of ours fills a line."""
    line = start
    for word in text.split():
        if columns(line) + 1 + columns(word) > width:
            yield line
            line = " " * indent + word
        else:
            line = f"{line} {word}"
    yield line


def _sentence(told: Explanation, waste: Any) -> str:
    layers = {layer.number: layer for layer in told.layers}
    wrote = _who(layers[waste.layer])
    files = _count(waste.files, "file")
    amount = f"{human.short_size(waste.wasted_bytes or waste.saves_bytes)} in {files}"
    if waste.kind == "cache":
        return f"{amount} of {wrote} stay in the package cache {waste.cause}"
    if waste.kind == "squash":
        return f"{amount} are hidden among the layers from {wrote} on"
    by = _who(layers[waste.by])
    if waste.kind == "metadata":
        return f"{amount} of {wrote} are stored again by {by}, which only {DONE[waste.cause]}"
    return f"{amount} of {wrote} are {waste.kind} by {by}"


def _who(layer: Any) -> str:
    name = f"line {layer.line}" if layer.line else f"layer {layer.number}"
    text = _instruction(layer, 40)
    return f"{name} ({text})" if text else name


def _instruction(layer: Any, room: int) -> str:
    """As much of it as fits; it may have any length."""
    return ellipsis(path_text(layer.instruction[: room + 1]), room)


def _duplicates(sets: Any, wasted: int, title: str, width: int, top: int) -> Iterator[str]:
    yield f"DUPLICATES: {human.short_size(wasted)} are {title}"
    yield "  fix: one file and links to it; between layers, on disk: cowl dedupe"
    for each in sets[:top] if top else sets:
        size = human.short_size(each.size_bytes)
        yield f"  {human.short_size(each.wasted_bytes):>8}  {len(each.copies)} times {size}"
        for copy in each.copies[:_MOST_COPIES]:
            where = f"({'beside, ' if copy.beside else ''}layer {copy.layer})"
            yield f"            {_fitted(copy.path, width - 13 - len(where))} {where}"
        if len(each.copies) > _MOST_COPIES:
            yield f"            and {len(each.copies) - _MOST_COPIES} more"


def _beside(told: Explanation, width: int, top: int) -> Iterator[str]:
    beside = told.beside
    assert beside is not None
    other = beside.other
    one, two = cell(path_text(told.name)), cell(path_text(other.name))
    yield f"{one} BESIDE {two}"
    ours = frozenset(layer.key for layer in told.layers)
    theirs = frozenset(layer.key for layer in other.layers)
    for size, keys, which in (
        (beside.shared_bytes, ours & theirs, "that both stand on"),
        (beside.only_bytes, ours - theirs, f"of {one} alone"),
        (beside.other_only_bytes, theirs - ours, f"of {two} alone"),
    ):
        yield f"  {human.short_size(size)} in {_count(len(keys), 'layer')} {which}"
    yield f"  visible: {human.short_size(told.visible_bytes)} and {human.short_size(other.visible_bytes)}"
    if theirs - ours:
        yield ""
        yield f"LAYERS OF {two} ALONE"
        yield from _layers(other, width, ours)
    yield ""
    yield "   FIRST   SECOND  DIFFERENCE  PATH"
    yield from _differences(beside.tree, "/", width, 0)
    if beside.duplicates:
        yield ""
        title = "the same content in both, or twice in one"
        yield from _duplicates(beside.duplicates, beside.duplicate_bytes, title, width, top)


def _differences(node: Any, name: str, width: int, level: int) -> Iterator[str]:
    figures = (node.size_bytes, node.other_bytes)
    one, two = map(human.short_size, figures)
    indent = "  " * min(level, _INDENT)
    label = _fitted(name, width - 31 - len(indent))
    yield f"{one:>8} {two:>8}  {human.signed(node.other_bytes - node.size_bytes):>10}  {indent}{label}"
    for child in node.children:
        slash = "/" if child.directory else ""
        yield from _differences(child, child.path.rpartition("/")[2] + slash, width, level + 1)
    if node.left_out:
        yield f"{'':>29}  {indent}  ({node.left_out} more)"
