"""The bytes of each line of a Dockerfile: a ledger told by lines, with what to write instead. Pure."""

from __future__ import annotations

from cowl.dockerfile.diagnostics import printable
from cowl.events import BytesExplained, LineBytes, Waste
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cowl.build.ledger import Ledger, Shadow
    from cowl.build.rewrites import CopyUp
    from cowl.dockerfile.nodes import Instruction

TEXT_COLUMNS = 200
# Below a home directory, then from the root: what package managers keep for the next time.
_HOME_CACHES = (
    ".npm", ".cache/pip", ".cache/uv", ".cache/yarn", ".cache/go-build", ".cargo/registry", ".m2/repository",
    ".gradle/caches", ".composer/cache", ".nuget/packages",
)  # fmt: skip
_CACHES = (
    "var/cache/apt", "var/lib/apt/lists", "var/cache/apk", "var/cache/dnf", "var/cache/yum",
    "var/cache/pacman/pkg", "usr/local/share/.cache",
)  # fmt: skip


class Maker(Value):
    """Who made a layer: a line of the Dockerfile, or (line 0) the base image."""

    line: int
    keyword: str
    text: str


BASE = Maker(0, "FROM", "the base image")


def maker_of(node: Instruction) -> Maker:
    """The maker that an instruction is."""
    text = printable(" ".join(node.raw.split()))[:TEXT_COLUMNS]
    return Maker(node.source.first_line, node.keyword, text)


def tell(
    ledger: Ledger, makers: Sequence[Maker], copy_ups: Sequence[CopyUp], *, whole: bool
) -> BytesExplained:
    """The figures by line. `makers` of the layers, bottom first; lines come in the order of their layers."""
    wasted = [*_shadowed(ledger, makers, copy_ups), *_copied_up(copy_ups, makers), *_caches(ledger, makers)]
    lines: dict[Maker, LineBytes] = {}
    for maker, added in zip(makers, ledger.added, strict=True):
        line = lines.get(maker) or LineBytes(maker.line, maker.text, 0, 0, 0)
        lines[maker] = line.replace(
            added_bytes=line.added_bytes + added.size_bytes, added_files=line.added_files + added.files
        )
    for maker, line in lines.items():
        own = sum(each.size_bytes for each in ledger.shadows if makers[each.lower] == maker)
        lines[maker] = line.replace(shadowed_bytes=own, waste=_summed(wasted, maker))
    return BytesExplained(
        lines=tuple(lines.values()),
        added_bytes=sum(each.size_bytes for each in ledger.added),
        shadowed_bytes=sum(each.size_bytes for each in ledger.shadows),
        visible_bytes=ledger.visible_bytes,
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
    ledger: Ledger, makers: Sequence[Maker], copy_ups: Sequence[CopyUp]
) -> Iterable[tuple[Maker, Waste]]:
    causes = {(each.rewrite.path, each.rewrite.upper): each.cause for each in copy_ups}
    for shadow in ledger.shadows:
        lower, upper = makers[shadow.lower], makers[shadow.upper]
        if lower == upper or not shadow.size_bytes:
            continue
        cause = causes.get((shadow.path, shadow.upper))
        fix = "" if cause else _shadow_fix(shadow, lower, upper)
        cause = cause or ("removed" if shadow.removed else "overwritten")
        yield lower, _waste("shadowed", upper, cause, shadow.size_bytes, shadow.path, fix)


def _waste(kind: str, other: Maker, cause: str, size_bytes: int, path: str, fix: str) -> Waste:
    return Waste(kind, other.line, cause, size_bytes, 1, "/" + printable(path), fix)


def _shadow_fix(shadow: Shadow, lower: Maker, upper: Maker) -> str:
    if lower.keyword == "RUN":
        cache = cache_of(shadow.path)
        if cache and shadow.removed:
            return f"RUN --mount=type=cache,target={cache} in line {lower.line}"
        return f"merge line {upper.line} into line {lower.line}"
    if lower.keyword in ("COPY", "ADD") and shadow.removed:
        return f"do not copy it in line {lower.line}: .dockerignore or {lower.keyword} --exclude"
    return ""


def _copied_up(copy_ups: Sequence[CopyUp], makers: Sequence[Maker]) -> Iterable[tuple[Maker, Waste]]:
    for each in copy_ups:
        lower, upper = makers[each.rewrite.lower], makers[each.rewrite.upper]
        if lower != upper:
            fix = _copy_up_fix(each, lower, upper)
            size, path = each.rewrite.size_bytes, each.rewrite.path
            yield upper, _waste("copied-up", lower, each.cause, size, path, fix)


def _copy_up_fix(copy_up: CopyUp, lower: Maker, upper: Maker) -> str:
    if lower.keyword in ("COPY", "ADD") and copy_up.cause != "touch":
        flag = f"{copy_up.mode:o}" if copy_up.cause == "chmod" else f"{copy_up.uid}:{copy_up.gid}"
        return f"{lower.keyword} --{copy_up.cause}={flag} in line {lower.line}"
    if lower.keyword == "RUN":
        return f"merge line {upper.line} into line {lower.line}"
    return ""


def _caches(ledger: Ledger, makers: Sequence[Maker]) -> Iterable[tuple[Maker, Waste]]:
    for path, position, size in ledger.visible:
        maker = makers[position]
        cache = cache_of(path) if maker.keyword == "RUN" and size else ""
        if cache:
            fix = f"RUN --mount=type=cache,target={cache} in line {maker.line}"
            yield maker, _waste("cache", maker, cache, size, path, fix)


def cache_of(path: str) -> str:
    """The package manager's cache that a path of the image is in, as an absolute path; "" for none."""
    parts = path.split("/")
    homes = 1 if parts[0] == "root" else 2 if parts[0] == "home" and len(parts) > 2 else 0
    places = [*_CACHES, *("/".join((*parts[:homes], each)) for each in _HOME_CACHES if homes)]
    return next((f"/{place}" for place in places if path.startswith(f"{place}/")), "")
