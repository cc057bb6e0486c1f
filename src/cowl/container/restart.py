"""Restart policies: whether a container that has ended is started again, and after how long. Pure."""

from __future__ import annotations

from cowl.container.words import InvalidOptions
from cowl.value import Value

POLICIES = ("no", "always", "on-failure", "unless-stopped")
FIRST_DELAY, LONGEST_DELAY = 0.1, 60.0  # seconds, doubling from the one to the other
SETTLED_SECONDS = 10.0  # a run of this length begins at the first delay again


class RestartPolicy(Value):
    """When to start again. `retries` are the most restarts of "on-failure", 0 for no bound.

    "always" and "unless-stopped" are the same here: they differ in what Docker's daemon does when it is
    started itself, and there is none.
    """

    name: str = "no"
    retries: int = 0

    def wants(self, exit_code: int, restarts: int) -> bool:
        """Whether one that ended with `exit_code`, after `restarts`, is to run again."""
        if self.name == "on-failure":
            return exit_code != 0 and (self.retries == 0 or restarts < self.retries)
        return self.name != "no"


def parse_policy(text: str) -> RestartPolicy:
    """ "no", "always", "unless-stopped", "on-failure", "on-failure:3"; "" is "no". Raises InvalidOptions."""
    name, colon, count = text.partition(":")
    if not text:
        return RestartPolicy()
    if name not in POLICIES:
        raise InvalidOptions(
            f"invalid restart policy: unknown policy {name!r}; use one of 'no', 'always', 'on-failure', or"
            " 'unless-stopped'"
        )
    if not colon:
        return RestartPolicy(name)
    if not (count.isascii() and count.removeprefix("-").isdigit()):
        raise InvalidOptions(f"invalid restart policy {text!r}: maximum retry count must be an integer")
    if name != "on-failure":
        raise InvalidOptions("invalid restart policy: maximum retry count can only be used with 'on-failure'")
    if int(count) < 0:
        raise InvalidOptions("invalid restart policy: maximum retry count cannot be negative")
    return RestartPolicy(name, int(count))


def next_delay(last: float, ran_seconds: float) -> float:
    """How long to wait before the next start: `last` is the wait before the run that has ended, 0 if none."""
    if last == 0 or ran_seconds >= SETTLED_SECONDS:
        return FIRST_DELAY
    return min(last * 2, LONGEST_DELAY)
