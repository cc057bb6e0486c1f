"""The flags about health checks as keywords of Engine.start."""

from __future__ import annotations

from cowl import Invalid
from cowl.cli.moments import duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cowl.cli.call import Call

_TIMES = ("health-interval", "health-start-interval", "health-start-period", "health-timeout")


class InvalidDuration(Invalid):
    """A text that is no duration, for a flag that wants one."""


def health(call: Call) -> dict[str, Any]:
    """Those that were given."""
    found: dict[str, Any] = {
        flag.replace("-", "_"): _seconds(flag, call.text(flag)) for flag in _TIMES if call.given(flag)
    }
    if call.given("health-cmd"):
        found["health_cmd"] = call.text("health-cmd")
    if call.given("health-retries"):
        found["health_retries"] = call.number("health-retries")
    if call.on("no-healthcheck"):
        found["no_healthcheck"] = True
    return found


def _seconds(flag: str, text: str) -> float:
    nanoseconds = 0 if text == "0" else duration(text) if text else None
    if nanoseconds is None:
        raise InvalidDuration(
            f'invalid argument "{text}" for "--{flag}" flag: time: invalid duration "{text}"',
            hint='Write a number with its unit: "500ms", "30s", "1m30s".',
        )
    return nanoseconds / 10**9
