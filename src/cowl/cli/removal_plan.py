"""The plan of a removal as people read it, and as JSON."""

from __future__ import annotations

import json

from cowl.cli import human
from cowl.cli.table import align
from cowl.cli.text import ellipsis, short_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from cowl import Receipt, RemovalPlan

_ROOM = 60  # columns of a name
_STAYS = 20  # lines of what stays; JSON has all
_LAYERS = 100  # that are listed one by one; JSON has all
_NOUNS = {"step": "build step", "failed": "failed step", "cache": "cache mount"}


def to_text(plan: RemovalPlan) -> str:
    """What goes, with bytes on disk; what stays and why; the exact total."""
    if plan.is_empty and not plan.stays:
        return "Nothing would be removed.\n"
    parts = []
    if not plan.is_empty:
        parts.append("This would be removed:\n" + align([("KIND", "NAME", "ID", "ON DISK"), *_going(plan)]))
    if plan.stays:
        parts.append("This stays:\n" + align([("KIND", "NAME", "WHY"), *_staying(plan)]))
    total = f"{human.size(plan.frees)} ({plan.frees} bytes)"
    parts.append(
        f"Frees {total} on disk.\n"
        if plan.exact
        else f"Frees {total} on disk, and what running containers write until they are killed.\n"
    )
    return "\n".join(parts)


def to_json(value: RemovalPlan | Receipt) -> str:
    """A plan or a receipt as one line."""
    return json.dumps(value.as_dict(), ensure_ascii=False, separators=(",", ":"))


def _going(plan: RemovalPlan) -> Iterable[tuple[str, str, str, str]]:
    for each in plan.objects:
        name = ellipsis(", ".join(each.names) or "<none>", _ROOM)
        own = human.size(each.own_bytes) if each.own_bytes else "-"
        identity = "-" if each.kind == "volume" else short_id(each.id)
        yield _NOUNS.get(each.kind, each.kind), name, identity, own
    if len(plan.layers) > _LAYERS:
        total = sum(layer.frees_bytes for layer in plan.layers)
        yield f"{len(plan.layers)} layers", "of these", "-", human.size(total)
    for layer in plan.layers if len(plan.layers) <= _LAYERS else ():
        name = ellipsis(f"of {', '.join(layer.users)}", _ROOM)
        yield "layer", name, layer.key[:12], human.size(layer.frees_bytes)
    going = {name for each in plan.objects for name in each.names}
    for name in plan.untags:
        if name not in going:
            yield "name", name, "-", "-"


def _staying(plan: RemovalPlan) -> Iterable[tuple[str, str, str]]:
    for stay in plan.stays[:_STAYS]:
        kind = _NOUNS.get(stay.kind, stay.kind)
        name = ", ".join(stay.names)
        if stay.kind == "layers":
            kind = "layer" if len(stay.names) == 1 else f"{len(stay.names)} layers"
            name = human.size(stay.allocated_bytes)
        needed = f"{stay.why}: {', '.join(stay.needed_by)}" if stay.needed_by else stay.why
        yield kind, ellipsis(name or "-", _ROOM), needed
    more = len(plan.stays) - _STAYS
    if more > 0:
        yield "...", f"and {more} more", "--dry-run --json tells them all"
