"""The bytes of each line of a Dockerfile: a ledger told by lines, with what to write instead. Pure."""

from __future__ import annotations

from cowl.dockerfile.diagnostics import printable
from cowl.dockerfile.remedies import Maker, cache_of, cache_remedy, copy_up_remedy, shadow_remedy
from cowl.events import BytesExplained, LineBytes, Waste

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cowl.dockerfile.nodes import Instruction
    from cowl.layer.rewrites import CopyUp
    from cowl.layer.stacked import Stacked

TEXT_COLUMNS = 200


def maker_of(node: Instruction) -> Maker:
    """The maker that an instruction is."""
    text = printable(" ".join(node.raw.split()))[:TEXT_COLUMNS]
    return Maker(node.source.first_line, node.keyword, text)


def tell(
    stacked: Stacked, makers: Sequence[Maker], copy_ups: Sequence[CopyUp], *, whole: bool
) -> BytesExplained:
    """The figures by line. `makers` of the layers, bottom first; lines come in the order of their layers."""
    wasted = [*_shadowed(stacked, makers, copy_ups), *_copied_up(copy_ups, makers), *_caches(stacked, makers)]
    lines: dict[Maker, LineBytes] = {}
    for maker, added in zip(makers, stacked.added, strict=True):
        line = lines.get(maker) or LineBytes(maker.line, maker.text, 0, 0, 0)
        lines[maker] = line.replace(
            added_bytes=line.added_bytes + added.size_bytes, added_files=line.added_files + added.files
        )
    for maker, line in lines.items():
        own = sum(each.size_bytes for each in stacked.shadows if makers[each.lower] == maker)
        lines[maker] = line.replace(shadowed_bytes=own, waste=_summed(wasted, maker))
    return BytesExplained(
        lines=tuple(lines.values()),
        added_bytes=sum(each.size_bytes for each in stacked.added),
        shadowed_bytes=sum(each.size_bytes for each in stacked.shadows),
        visible_bytes=stacked.visible_bytes,
        whole=whole,
    )


def _summed(wasted: Iterable[tuple[Maker, Waste]], maker: Maker) -> tuple[Waste, ...]:
    """The waste of one line, what is alike taken together, most bytes first."""
    sums: dict[tuple[str, int, str, str], Waste] = {}
    for whose, each in wasted:
        if whose == maker:
            kind = (each.kind, each.line, each.cause, each.fix)
            so_far = sums.get(kind)
            if so_far is None:
                sums[kind] = each
            else:
                total = so_far.size_bytes + each.size_bytes
                sums[kind] = so_far.replace(size_bytes=total, files=so_far.files + 1)
    return tuple(sorted(sums.values(), key=lambda each: (-each.size_bytes, each.line, each.cause)))


def _shadowed(
    stacked: Stacked, makers: Sequence[Maker], copy_ups: Sequence[CopyUp]
) -> Iterable[tuple[Maker, Waste]]:
    causes = {(each.rewrite.path, each.rewrite.upper): each.cause for each in copy_ups}
    for shadow in stacked.shadows:
        lower, upper = makers[shadow.lower], makers[shadow.upper]
        if lower == upper or not shadow.size_bytes:
            continue
        cause = causes.get((shadow.path, shadow.upper))
        next_to = shadow.upper == shadow.lower + 1
        fix = shadow_remedy(shadow.path, lower, upper, removed=shadow.removed, next_to=next_to)
        fix = "" if cause else fix
        cause = cause or ("removed" if shadow.removed else "overwritten")
        yield lower, _waste("shadowed", upper, cause, shadow.size_bytes, shadow.path, fix)


def _waste(kind: str, other: Maker, cause: str, size_bytes: int, path: str, fix: str) -> Waste:
    return Waste(kind, other.line, cause, size_bytes, 1, "/" + printable(path), fix)


def _copied_up(copy_ups: Sequence[CopyUp], makers: Sequence[Maker]) -> Iterable[tuple[Maker, Waste]]:
    for each in copy_ups:
        lower, upper = makers[each.rewrite.lower], makers[each.rewrite.upper]
        if lower != upper:
            owner = (each.uid, each.gid)
            fix = copy_up_remedy(each.cause, lower, upper, owner, each.mode, also=each.also)
            size, path = each.rewrite.size_bytes, each.rewrite.path
            yield upper, _waste("copied-up", lower, each.cause, size, path, fix)


def _caches(stacked: Stacked, makers: Sequence[Maker]) -> Iterable[tuple[Maker, Waste]]:
    for path, inode in stacked.visible:
        maker = makers[inode.layer]
        cache = cache_of(path) if maker.keyword == "RUN" and inode.size else ""
        if cache:
            yield maker, _waste("cache", maker, cache, inode.size, path, cache_remedy(cache, maker))
