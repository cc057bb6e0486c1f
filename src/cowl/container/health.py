"""Health checks: what an image and a caller ask of them, folded together by Docker's rules. Pure."""

from __future__ import annotations

import json

from cowl.container.words import InvalidOptions, as_words, check_text
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from cowl.oci.image_config import ContainerConfig

SECOND = 10**9
_LEAST = 10**6  # nanoseconds: what Docker takes at the least
INTERVAL, TIMEOUT, START_INTERVAL, RETRIES = 30 * SECOND, 30 * SECOND, 5 * SECOND, 3
_SHELL = ("/bin/sh", "-c")


class Health(Value):
    """A health check. Times are nanoseconds, as in an image's config; 0 and () are what nobody said.

    test   ("CMD", program, ...), ("CMD-SHELL", line) or ("NONE",)
    shell  what runs a line, if the image has one of its own
    """

    test: tuple[str, ...] = ()
    interval: int = 0
    timeout: int = 0
    start_period: int = 0
    start_interval: int = 0
    retries: int = 0
    shell: tuple[str, ...] = ()

    @property
    def command(self) -> tuple[str, ...]:
        """What is executed in the container."""
        if self.test[0] == "CMD":
            return self.test[1:]
        return (*(self.shell or _SHELL), *self.test[1:])

    @property
    def timeout_seconds(self) -> float:
        """How long one probe may take."""
        return (self.timeout or TIMEOUT) / SECOND

    def schedule(self) -> str:
        """What `HealthChecks` of a monitor takes: milliseconds."""
        times = (
            self.interval or INTERVAL,
            self.start_interval or START_INTERVAL,
            self.start_period,
            self.timeout or TIMEOUT,
        )
        return " ".join(str(-(-each // 10**6)) for each in times)

    def attrs(self) -> dict[str, Any]:
        """Docker's object, as images and `inspect` have it: what nobody said is left out."""
        members: dict[str, Any] = {
            "Test": list(self.test),
            "Interval": self.interval,
            "Timeout": self.timeout,
            "StartPeriod": self.start_period,
            "StartInterval": self.start_interval,
            "Retries": self.retries,
        }
        return {name: value for name, value in members.items() if value}


def make_health(
    *,
    health_cmd: str | Sequence[str] = "",
    health_interval: float = 0,
    health_timeout: float = 0,
    health_retries: int = 0,
    health_start_period: float = 0,
    health_start_interval: float = 0,
    no_healthcheck: bool = False,
) -> Health:
    """What a caller asks. Times are seconds; a command that is one text is a line for the shell.

    Raises InvalidOptions.
    """
    asked = Health(
        _test(health_cmd),
        interval=_nanoseconds("interval", health_interval),
        timeout=_nanoseconds("timeout", health_timeout),
        start_period=_nanoseconds("start-period", health_start_period),
        start_interval=_nanoseconds("start-interval", health_start_interval),
        retries=health_retries,
    )
    if health_retries < 0:
        raise InvalidOptions("--health-retries cannot be negative")
    if no_healthcheck:
        if asked != Health():
            raise InvalidOptions("--no-healthcheck conflicts with --health-* options")
        return Health(("NONE",))
    return asked


def _test(command: str | Sequence[str]) -> tuple[str, ...]:
    if isinstance(command, str):
        check_text(command)
        return ("CMD-SHELL", command) if command else ()
    words = as_words("the health check", command)
    for word in words:
        check_text(word)
    return ("CMD", *words) if words else ()


def _nanoseconds(name: str, seconds: float) -> int:
    flag = f"--health-{name}"
    if seconds < 0:
        raise InvalidOptions(f"{flag} cannot be negative")
    nanoseconds = round(seconds * SECOND)
    if 0 < nanoseconds < _LEAST:
        raise InvalidOptions(f"{flag} cannot be less than 1ms")
    return nanoseconds


def fold_health(config: ContainerConfig, asked: Health | None) -> Health | None:
    """The check of a container, None for none: what the caller did not say is as the image says."""
    image = image_health(config.healthcheck)
    asked = asked or Health()
    test = asked.test or image.test
    if len(test) < 2 or test[0] not in ("CMD", "CMD-SHELL"):
        return None
    said = {name: value for name, value in asked.as_dict().items() if value}
    return image.replace(**said, shell=tuple(config.shell or ()))


def image_health(text: str) -> Health:
    """The check of an image's config, Docker's object as JSON text. What makes no sense is left out."""
    found = json.loads(text) if text else {}
    if not isinstance(found, dict):
        return Health()
    test = found.get("Test")
    sound = isinstance(test, list) and all(isinstance(word, str) and "\0" not in word for word in test)
    return Health(
        tuple(test) if isinstance(test, list) and sound else (),
        interval=_count(found.get("Interval")),
        timeout=_count(found.get("Timeout")),
        start_period=_count(found.get("StartPeriod")),
        start_interval=_count(found.get("StartInterval")),
        retries=_count(found.get("Retries")),
    )


def _count(value: object) -> int:
    sound = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 62
    return value if isinstance(value, int) and sound else 0


def go_duration(nanoseconds: int) -> str:
    """As Go prints a duration: "500ms", "1.5s", "1m30s", "2h0m0s"."""
    if nanoseconds < SECOND:
        return f"{nanoseconds / 10**6:.12g}ms"
    minutes, rest = divmod(nanoseconds, 60 * SECOND)
    text = f"{rest / SECOND:.12g}s"
    if minutes:
        text = f"{minutes % 60}m{text}"
    return f"{minutes // 60}h{text}" if minutes >= 60 else text
