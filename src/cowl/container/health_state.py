"""How healthy a container is: a file in its directory, rewritten as a whole after each probe."""

from __future__ import annotations

import json
import os

from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cowl.container.health import Health

STARTING, HEALTHY, UNHEALTHY = "starting", "healthy", "unhealthy"
KEPT_RESULTS = 5
OUTPUT_BYTES = 4096  # of one probe
_FILE = "health.json"


class HealthResult(Value):
    """One probe. Times are seconds since the epoch; `exit_code` is -1 where there was none."""

    start: float
    end: float
    exit_code: int
    output: str


class HealthState(Value):
    """What the probes so far say.

    status          "starting", "healthy" or "unhealthy"
    failing_streak  how many of the last ones failed in a row
    results         the last five, oldest first
    """

    status: str = STARTING
    failing_streak: int = 0
    results: tuple[HealthResult, ...] = ()

    def after(self, result: HealthResult, check: Health, started_at: float) -> HealthState:
        """With one more result. While it is starting failures don't count before its start period is over."""
        from cowl.container.health import RETRIES, SECOND

        results = (*self.results, result)[-KEPT_RESULTS:]
        if result.exit_code == 0:
            return HealthState(HEALTHY, 0, results)
        if self.status == STARTING and result.start - started_at < check.start_period / SECOND:
            return self.replace(results=results)
        streak = self.failing_streak + 1
        failed = streak >= (check.retries or RETRIES)
        return HealthState(UNHEALTHY if failed else self.status, streak, results)

    def attrs(self) -> dict[str, Any]:
        """Docker's State.Health."""
        from cowl.container.attrs import rfc3339

        return {
            "Status": self.status,
            "FailingStreak": self.failing_streak,
            "Log": [
                {
                    "Start": rfc3339(each.start),
                    "End": rfc3339(each.end),
                    "ExitCode": each.exit_code,
                    "Output": each.output,
                }
                for each in self.results
            ],
        }


def read_health(directory: str) -> HealthState:
    """The state of the container of that directory; of one that was never started it is starting."""
    try:
        with open(f"{directory}/{_FILE}", "rb") as file:
            status, streak, results = json.load(file)
    except (FileNotFoundError, ValueError):
        return HealthState()
    return HealthState(status, streak, tuple(HealthResult(*each) for each in results))


def write_health(directory: str, state: HealthState) -> None:
    """In the place of what was there, at once. Raises OSError."""
    rows = [list(each.as_dict().values()) for each in state.results]
    new = f"{directory}/{_FILE}.new"
    with open(new, "w") as file:
        json.dump([state.status, state.failing_streak, rows], file)
    os.rename(new, f"{directory}/{_FILE}")


def begin_health(directory: str) -> None:
    """At a start: starting again, with what was seen before. Raises OSError."""
    write_health(directory, HealthState(results=read_health(directory).results))
