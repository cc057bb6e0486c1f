"""diff: what a container changed, or what is different between any two of what the store has."""

from __future__ import annotations

import sys

from cowl.cli import human
from cowl.cli.text import columns, path_text, visible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from cowl import Comparison
    from cowl.cli.call import Call


def diff(call: Call) -> int:
    """`cowl diff`: of one container as Docker's, else between two things."""
    with call.engine() as engine:
        if len(call.words) == 1:
            _write_changes(call, engine.container(call.words[0]).diff())
            return 0
        found = engine.compare(*call.words)
    if call.on("json"):
        from cowl.cli.json_value import to_json

        print(to_json(found))
    else:
        sys.stdout.writelines(f"{line}\n" for line in comparison_lines(found))
    return 0


def _write_changes(call: Call, changes: Any) -> None:
    """A(dded), C(hanged) and D(eleted) paths."""
    if call.on("json"):
        from cowl.cli.json_value import to_json

        print(to_json(changes))
        return
    for change in changes:
        print(visible(f"{change.kind} {change.path}"))


def comparison_lines(found: Comparison) -> Iterator[str]:
    """A row for each path that differs, and what they come to."""
    if found.changes:
        yield "    BEFORE     AFTER     DELTA  PATH"
    for change in found.changes:
        before = "-" if change.kind == "A" else human.short_size(change.before_bytes)
        after = "-" if change.kind == "D" else human.short_size(change.after_bytes)
        slash = "/" if change.node == "directory" and change.path != "/" else ""
        delta = human.signed(change.after_bytes - change.before_bytes)
        what = ", ".join(change.what) or (change.node if change.node not in ("file", "directory") else "")
        name = path_text(change.path) + slash
        yield f"{change.kind} {before:>8}  {after:>8}  {delta:>8}  {_noted(name, what)}"
    yield _summary(found)


def _noted(name: str, what: str) -> str:
    """What changed stands in a column of its own as long as the name leaves room for it."""
    return f"{name}{' ' * max(2, 24 - columns(name))}{what}" if what else name


def _summary(found: Comparison) -> str:
    before, after = found.before.visible_bytes, found.after.visible_bytes
    counts = f"{found.added} added, {found.changed} changed, {found.deleted} deleted"
    sizes = f"{human.short_size(before)} -> {human.short_size(after)}"
    return f"{counts}: {sizes} ({human.signed(found.delta_bytes)})"
