"""What rm and rmi have in common: names one after the other, --dry-run for all of them together."""

from __future__ import annotations

import sys

from cowl import CowlError, NotFound
from cowl.cli.failure import describe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cowl import Receipt, RemovalPlan
    from cowl.cli.call import Call


def each(call: Call, remove: Callable[[str], object]) -> int:
    """Calls `remove` with every name and goes on after a failure; the exit status.

    With --force a name that nothing has is told, and as in Docker no failure.
    """
    failed = 0
    for name in call.words:
        try:
            remove(name)
        except CowlError as error:
            complain(error)
            if not (call.on("force") and isinstance(error, NotFound)):
                failed = 1
    return failed


def complain(error: CowlError) -> None:
    """Says what failed, after all that was printed before."""
    sys.stdout.flush()
    print(describe(error), file=sys.stderr)


def tell(call: Call, receipt: Receipt, lines: Iterable[str]) -> None:
    """The lines, or with --json the receipt."""
    if call.on("json"):
        from cowl.cli.removal_plan import to_json

        print(to_json(receipt))
    else:
        for line in lines:
            print(line)


def dry_run(call: Call, plan: RemovalPlan) -> int:
    """Shows the plan and what it refuses; the exit status that the removal would have."""
    from cowl.cli.removal_plan import to_json, to_text

    if call.on("json"):
        print(to_json(plan))
    else:
        sys.stdout.write(to_text(plan, 1))
    for refusal in plan.refusals:
        complain(refusal)
    return 1 if plan.refusals else 0
