"""Waste: which layer wrote what for nothing, which one hid or repeated it, and what a fix would save.

docs/decisions/0021-wasted-bytes.md says how each figure comes about.
"""

from __future__ import annotations

from cowl.accounting.explanation import CACHE, METADATA, OVERWRITTEN, REMOVED, SQUASH, Waste
from cowl.dockerfile.remedies import Maker, cache_of, cache_remedy, copy_up_remedy, shadow_remedy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cowl.accounting.explanation import LayerBytes
    from cowl.store.contents import Contents, CopyUp, Shadow

_PATHS = 5  # the largest that are named


class _Group:
    """What is alike, taken together."""

    def __init__(self) -> None:
        self.wasted = 0
        self.saves = 0
        self.paths: list[tuple[str, int]] = []
        self.fixes: dict[str, None] = {}

    def waste(self, kind: str, lower: int, upper: int, cause: str, fix: str) -> Waste:
        largest = sorted(self.paths, key=lambda each: (-each[1], each[0]))[:_PATHS]
        paths = tuple((f"/{path}", size) for path, size in largest)
        saves = self.saves if fix else 0
        return Waste(kind, lower, upper, cause, self.wasted, len(self.paths), paths, fix, saves)


def find_waste(contents: Contents, layers: Sequence[LayerBytes], *, image: bool) -> tuple[Waste, ...]:
    """What is wasted in a stack, most bytes first, squashing last; an `image` is squashed by a command."""
    copy_ups = contents.copy_ups()
    makers = [_maker(layer) for layer in layers]
    found = [
        *_metadata(contents, copy_ups, makers),
        *_hidden(contents, copy_ups, makers),
        *_caches(contents, makers),
    ]
    found.sort(key=lambda each: (-max(each.wasted_bytes, each.saves_bytes), each.layer, each.by))
    return (*found, *_squash(contents, layers, makers, image=image))


def _maker(layer: LayerBytes) -> Maker:
    """Of a layer of the base image: nothing in this Dockerfile can mend it."""
    keyword = "" if layer.base else layer.keyword
    return Maker(layer.line, keyword, layer.instruction, f"layer {layer.number}")


def _metadata(contents: Contents, copy_ups: list[CopyUp], makers: Sequence[Maker]) -> Iterator[Waste]:
    """What is stored again with the same bytes: the fix saves the second copy, though the first is hidden."""
    wasted = {(each.path, each.upper): each.size_bytes for each in contents.stacked.shadows}
    groups: dict[tuple[int, int, str], _Group] = {}
    for each in copy_ups:
        rewrite = each.rewrite
        lower, upper = makers[rewrite.lower], makers[rewrite.upper]
        group = groups.setdefault((rewrite.lower, rewrite.upper, each.cause), _Group())
        fix = copy_up_remedy(each.cause, lower, upper, (each.uid, each.gid), each.mode, also=each.also)
        group.fixes[fix] = None
        group.saves += rewrite.size_bytes
        group.wasted += wasted.get((rewrite.path, rewrite.upper), 0)
        group.paths.append((rewrite.path, rewrite.size_bytes))
    for (below, above, cause), group in groups.items():
        yield group.waste(METADATA, below + 1, above + 1, cause, _one_fix(group, makers[below]))


def _one_fix(group: _Group, lower: Maker) -> str:
    """Files of one COPY that came to have several modes or owners: no single flag gives them all."""
    if len(group.fixes) == 1:
        return next(iter(group.fixes))
    return f"give them their owners and modes in {lower.name}: one {lower.keyword} for each"


def _hidden(contents: Contents, copy_ups: list[CopyUp], makers: Sequence[Maker]) -> Iterator[Waste]:
    """What is removed or overwritten; a fix saves the copy that is hidden, if one layer alone hides it."""
    told = {(each.rewrite.path, each.rewrite.upper) for each in copy_ups}
    groups: dict[tuple[int, int, str, str], _Group] = {}
    for shadow in contents.stacked.shadows:
        if (shadow.path, shadow.upper) in told:
            continue
        fix = _shadow_fix(shadow, makers)
        kind = REMOVED if shadow.removed else OVERWRITTEN
        group = groups.setdefault((shadow.lower, shadow.upper, kind, fix), _Group())
        group.wasted += shadow.size_bytes
        group.saves += shadow.size_bytes
        group.paths.append((shadow.path, shadow.size_bytes))
    for (below, above, kind, fix), group in groups.items():
        yield group.waste(kind, below + 1, above + 1, "", fix)


def _shadow_fix(shadow: Shadow, makers: Sequence[Maker]) -> str:
    if not shadow.at_once:
        return ""
    lower, upper = makers[shadow.lower], makers[shadow.upper]
    next_to = shadow.upper == shadow.lower + 1
    return shadow_remedy(shadow.path, lower, upper, removed=shadow.removed, next_to=next_to)


def _caches(contents: Contents, makers: Sequence[Maker]) -> Iterator[Waste]:
    groups: dict[tuple[int, str], _Group] = {}
    for path, inode in contents.stacked.visible:
        if makers[inode.layer].keyword != "RUN" or not inode.size:
            continue
        cache = cache_of(path)
        if cache:
            group = groups.setdefault((inode.layer, cache), _Group())
            group.saves += inode.size
            group.paths.append((path, inode.size))
    for (layer, cache), group in groups.items():
        yield group.waste(CACHE, layer + 1, 0, cache, cache_remedy(cache, makers[layer]))


def squash_saves(contents: Contents) -> list[int]:
    """By position of a layer: what making one layer of it and of all above it would save.

    That keeps what is hidden by the layers above and written below, and drops what is hidden among them.
    """
    saves = [0] * len(contents.stacked.added)
    for shadow in contents.stacked.shadows:
        saves[shadow.lower] += shadow.size_bytes
    for position in range(len(saves) - 2, -1, -1):
        saves[position] += saves[position + 1]
    return saves


def _squash(
    contents: Contents, layers: Sequence[LayerBytes], makers: Sequence[Maker], *, image: bool
) -> Iterator[Waste]:
    """The fewest layers that, made one, save all that can be saved above the base."""
    base = sum(layer.base for layer in layers)
    saves = squash_saves(contents)[base:]
    if not saves or not saves[0]:
        return
    first = base + max(at for at, size in enumerate(saves) if size == saves[0])
    group = _Group()
    group.saves = saves[0]
    group.paths = [(each.path, each.size_bytes) for each in contents.stacked.shadows if each.lower >= first]
    fix = f"squash {makers[first].name} and all that follow into one layer"
    yield group.waste(
        SQUASH, first + 1, len(layers), "", fix + (_squash_command(layers[first]) if image else "")
    )


def _squash_command(layer: LayerBytes) -> str:
    again = f", or cowl build --squash-from={layer.step}" if layer.step else ""
    return f": cowl squash --from={layer.number}{again}"
