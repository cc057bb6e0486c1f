"""The plan of a removal as people read it, and as JSON."""

from __future__ import annotations

import json
import os

from cowl.cli import human
from cowl.cli.table import GAP, LEAST, align
from cowl.cli.text import columns, ellipsis, short_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from cowl import Receipt, RemovalPlan

_ROOM = 60  # columns of a name
_LEAST_WHY = 30  # columns of a reason, however narrow the terminal
_STAYS = 20  # lines of what stays; JSON has all
_HOLDERS = 5  # of what stays that are named; JSON has all
_LAYERS = 100  # that are listed one by one; JSON has all
_NOUNS = {"step": "build step", "failed": "failed step", "cache": "cache mount"}


def to_text(plan: RemovalPlan, fd: int) -> str:
    """What goes, with bytes on disk; what stays and why; the exact total.

    Where `fd`, which it is for, is a terminal, reasons are wrapped within their column.
    """
    if plan.is_empty and not plan.stays:
        return "Nothing would be removed.\n"
    parts = []
    if not plan.is_empty:
        parts.append("This would be removed:\n" + align([("KIND", "NAME", "ID", "ON DISK"), *_going(plan)]))
    if plan.stays:
        parts.append("This stays:\n" + _staying_text(plan, fd))
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


def _staying_text(plan: RemovalPlan, fd: int) -> str:
    lines = [("KIND", "NAME", "WHY"), *_staying(plan)]
    if os.isatty(fd):
        from cowl.cli.help import width

        taken = sum(max(LEAST, max(columns(line[at]) for line in lines) + GAP) for at in (0, 1))
        lines = [each for line in lines for each in _wrapped(line, max(_LEAST_WHY, width(fd) - taken))]
    return align(lines)


def _wrapped(line: tuple[str, str, str], room: int) -> Iterable[tuple[str, str, str]]:
    import textwrap

    kind, name, why = line
    first, *others = textwrap.wrap(why, room, break_on_hyphens=False)
    return ((kind, name, first), *(("", "", other) for other in others))


def _staying(plan: RemovalPlan) -> Iterable[tuple[str, str, str]]:
    refused = {refusal.message for refusal in plan.refusals}  # told in full after the plan
    for stay in plan.stays[:_STAYS]:
        kind = _NOUNS.get(stay.kind, stay.kind)
        name = ", ".join(stay.names)
        if stay.kind == "layers":
            kind = "layer" if len(stay.names) == 1 else f"{len(stay.names)} layers"
            name = human.size(stay.allocated_bytes)
        why = "may not go" if stay.why in refused else stay.why
        needed = f"{why}: {_holders(stay.needed_by)}" if stay.needed_by else why
        yield kind, ellipsis(name or "-", _ROOM), needed
    more = len(plan.stays) - _STAYS
    if more > 0:
        yield "...", f"and {more} more", "--dry-run --json tells them all"


def _holders(names: tuple[str, ...]) -> str:
    more = len(names) - _HOLDERS
    return ", ".join(names) if more <= 1 else f"{', '.join(names[:_HOLDERS])} and {more} more"
