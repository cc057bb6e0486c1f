"""--filter of ps: which containers are wanted."""

from __future__ import annotations

from cowl.cli.filters import InvalidFilter, expression, labels_match, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cowl import Container, Engine

    Test = Callable[[Container], bool]

FILTERS = (
    *("ancestor", "before", "exited", "expose", "health", "id", "label", "name", "network", "publish"),
    *("since", "status", "volume"),
)
STATES = ("created", "dead", "exited", "paused", "removing", "restarting", "running")
HEALTHS = ("healthy", "none", "starting", "unhealthy")
EVERY = ("before", "exited", "since", "status")  # that also find what does not run
_ENDED = ("dead", "exited")


class Wanted:
    """What the flags of one call ask for. Raises InvalidFilter."""

    def __init__(self, words: Sequence[str]) -> None:
        self._values = parse(words, (*FILTERS, "is-task"))
        if "is-task" in self._values:
            raise InvalidFilter("the filter 'is-task' is about swarms, which cowl does not have")
        _check("status", self._values.get("status", ()), STATES)
        _check("health", self._values.get("health", ()), HEALTHS)
        for value in self._values.get("exited", ()):
            if not value.removeprefix("-").isdecimal():
                raise InvalidFilter(f"invalid filter 'exited={value}'", hint="It is an exit code, as 137.")

    @property
    def every(self) -> bool:
        """Whether containers that don't run are asked for."""
        return any(key in self._values for key in EVERY)

    def among(self, engine: Engine, boxes: list[Container]) -> list[Container]:
        """Those that are wanted, in their order. Raises NotFound for a container of before or since."""
        tests: list[Test] = [self._passes]
        if "ancestor" in self._values:
            tests.append(_descends(engine, self._values["ancestor"]))
        for value in self._values.get("before", ()):
            tests.append(_older(engine.container(value)))
        for value in self._values.get("since", ()):
            tests.append(_newer(engine.container(value)))
        return [box for box in boxes if all(test(box) for test in tests)]

    def _passes(self, box: Container) -> bool:
        for key, passes in _TESTS.items():
            values = self._values.get(key)
            if values and not any(passes(box, value) for value in values):
                return False
        return labels_match(self._values.get("label", ()), box.labels)


def _check(key: str, values: Sequence[str], known: Sequence[str]) -> None:
    unknown = [value for value in values if value not in known]
    if unknown:
        raise InvalidFilter(
            f"invalid value for {key} filter: {unknown[0]!r}", hint=f"It is one of {', '.join(known)}."
        )


def _descends(engine: Engine, names: Sequence[str]) -> Test:
    """Of one of these images, or of one that was built on it."""
    ancestors = [engine.image(each) for each in {*engine.image_ids(names).values()}]
    images = engine.images() if ancestors else []
    ids = {image.id for image in images if any(image.stands_on(each) for each in ancestors)}
    return lambda box: box.image_id in ids


def _older(other: Container) -> Test:
    return lambda box: (box.created_at, box.id) < (other.created_at, other.id) and box.id != other.id


def _newer(other: Container) -> Test:
    return lambda box: (box.created_at, box.id) > (other.created_at, other.id) and box.id != other.id


def _has_name(box: Container, text: str) -> bool:
    """A regular expression over the name, with the slash that Docker's names begin with or without it."""
    wanted = expression(text)
    return bool(wanted.search(f"/{box.name}") or wanted.search(box.name))


def _has_volume(box: Container, text: str) -> bool:
    return any(text in (each.source, each.target) for each in box.settings.mounts)


def _has_health(box: Container, text: str) -> bool:
    health = box.health
    return text == ("none" if health is None else health.status)


def _publishes(box: Container, text: str) -> bool:
    return bool({*box.to_publish} & _ports("publish", text))


def _exposes(box: Container, text: str) -> bool:
    return bool({*box.exposed} & _ports("expose", text))


def _ports(key: str, text: str) -> set[str]:
    """ "80", "80/udp", "8000-8080/tcp": ports of containers."""
    numbers, slash, protocol = text.partition("/")
    first, _, last = numbers.partition("-")
    if not first.isdecimal() or not (last or first).isdecimal() or (slash and not protocol):
        raise InvalidFilter(
            f"invalid filter '{key}={text}'",
            hint='Write a port of the container: "80", "80/udp", "80-90/tcp".',
        )
    least, most = int(first), min(int(last or first), 65535)
    return {f"{port}/{protocol or 'tcp'}" for port in range(least, most + 1)}


def _has_network(box: Container, text: str) -> bool:
    return text in box.network_names


_TESTS: dict[str, Callable[[Container, str], bool]] = {
    "name": _has_name,
    "id": lambda box, text: box.id.startswith(text),
    "status": lambda box, text: box.state == text,
    "exited": lambda box, text: box.state in _ENDED and str(box.exit_code) == text,
    "volume": _has_volume,
    "network": _has_network,
    "health": _has_health,
    "publish": _publishes,
    "expose": _exposes,
}
