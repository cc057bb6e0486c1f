"""Resource limits of a payload, set by its parent."""

from __future__ import annotations

from cowl.errors import Denied
from cowl.linux import credentials
from cowl.runtime.plan import RLIMITS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.runtime.operations import Limit


def apply_limit(pid: int, limit: Limit) -> None:
    """Sets one, as far as we may; a firm one as it is. Raises Denied."""
    try:
        credentials.set_limit(pid, limit.resource, limit.soft, limit.hard, firm=limit.firm)
    except OSError as error:
        name = next(name for name, number in RLIMITS.items() if number == limit.resource)
        kind = name.removeprefix("RLIMIT_").lower()
        raise Denied(
            f"the limit {kind}={limit.soft}:{limit.hard} can't be set: {error.strerror}",
            hint="an ordinary user can't go above the hard limit that it has (ulimit -H)",
        ) from error


def set_oom_score(pid: int, score: int) -> None:
    """/proc/PID/oom_score_adj, proc(5)."""
    try:
        with open(f"/proc/{pid}/oom_score_adj", "w") as file:
            file.write(str(score))
    except OSError as error:
        raise Denied(
            f"oom_score_adj {score} can't be set: {error.strerror}",
            hint="an ordinary user can't go below what it has (/proc/self/oom_score_adj)",
        ) from error
