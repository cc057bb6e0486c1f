"""system check."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.cli.call import Call


def check(call: Call) -> int:
    """`cowl system check`: exit code 1 when something is not as its row says."""
    with call.engine() as engine:
        problems = engine.check()
    for problem in problems:
        print(f"{problem.kind} {problem.name}: {problem.what}")
    print(f"{len(problems)} problem{'' if len(problems) == 1 else 's'}")
    return 1 if problems else 0
