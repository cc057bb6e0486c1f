"""explain: where the space of an image or a container goes, and whether it keeps to a budget."""

from __future__ import annotations

import sys

from cowl.cli import human
from cowl.cli.grammar import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl import Budget, Excess, Explanation
    from cowl.cli.call import Call

OVER_BUDGET = 1
KINDS = ("", "container", "image", "snapshot")


def explain(call: Call) -> int:
    """`cowl explain`: 1 when what was asked about (the first) goes beyond the budget."""
    budget = _budget(call)
    kind, depth, top = call.text("type"), call.number("depth"), call.number("top")
    if kind not in KINDS:
        raise _misuse(call, f"unknown type: {kind!r}")
    if depth < 0 or top < 0:
        raise _misuse(call, "--depth and --top are 0 (no bound) or more")
    with call.engine() as engine:
        told = engine.explain(*call.words, depth=depth, top=top, kind=kind)
    excesses = budget.exceeded(told) if budget is not None else ()
    if call.on("json"):
        from cowl.cli.json_value import to_json

        sys.stdout.write(to_json(told, exceeded=excesses) + "\n")
    else:
        _write(told, top)
    sys.stdout.flush()
    for excess in excesses:
        print(f"cowl: over budget: {_excess(excess)}", file=sys.stderr)
    return OVER_BUDGET if excesses else 0


def _budget(call: Call) -> Budget | None:
    words = call.many("budget")
    if not words:
        return None
    from cowl import Budget

    return Budget.parse(",".join(words))


def _misuse(call: Call, message: str) -> UsageError:
    return UsageError(message, call.command.name, call.command.usage)


def _write(told: Explanation, top: int) -> None:
    from cowl.cli.explain_text import explanation_lines
    from cowl.cli.help import width

    for line in explanation_lines(told, width(), top):
        print(line)


def _excess(excess: Excess) -> str:
    """ "wasted is 25MB, 5MB more than 20MB"."""
    if excess.limit == "efficiency":
        return f"efficiency is {excess.found:.2%}, {excess.by:.2%} less than {excess.allowed:.2%}"
    show = str if excess.limit in ("layers", "files") else human.size
    return f"{excess.limit} is {show(excess.found)}, {show(excess.by)} more than {show(excess.allowed)}"
