"""Ports as Docker writes them: "127.0.0.1:8080:80/tcp", "8000-8010:80", "53/udp". Pure."""

from __future__ import annotations

from cowl.container.words import InvalidOptions
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

PROTOCOLS = ("tcp", "udp")
_REFUSED = ("sctp",)
_LAST = 65535
_HINT = "write [[IP:]HOST-PORT:]CONTAINER-PORT[/PROTOCOL], as in 8080:80, 127.0.0.1:5432:5432 or 53:53/udp"


class InvalidPort(InvalidOptions):
    """Text that names no port, or one that can't be published."""


class Publication(Value):
    """One port of a container that the host answers on.

    address     the host's IPv4 address that it is bound to; "" is every one
    host_first  the port of the host, the first of a range to choose from; 0: any that is free
    host_last   the last of that range, or the same
    """

    port: int
    protocol: str
    address: str = ""
    host_first: int = 0
    host_last: int = 0


class PublishedPort(Value):
    """A publication with the port of the host that it has come to. `address` is an IPv4 address."""

    port: int
    protocol: str
    address: str
    host_port: int

    @property
    def name(self) -> str:
        """ "80/tcp"."""
        return f"{self.port}/{self.protocol}"


def parse_publish(word: str) -> tuple[Publication, ...]:
    """A word of -p, one publication for each port that it names. Raises InvalidPort, in Docker's words.

    Its long form is "target=80,published=8080,protocol=udp".
    """
    text = _short_form(word) if "=" in word else word
    *place, last = text.split(":")
    host = place.pop() if place else ""
    ports, protocol = split_protocol(last)
    if not ports:
        raise InvalidPort(f"no port specified: {word}<empty>", hint=_HINT)
    first, end = _range(ports, "containerPort", word)
    address = _address(":".join(place), word)
    if not host or host == "0":
        return tuple(Publication(port, protocol, address) for port in range(first, end + 1))
    host_first, host_end = _range(host, "hostPort", word)
    if first == end:
        return (Publication(first, protocol, address, host_first, host_end),)
    if end - first != host_end - host_first:
        raise InvalidPort(
            f"invalid ranges specified for container and host Ports: {ports} and {host}",
            hint="give both ranges the same length, or a range of the host to one port of the container",
        )
    step = host_first - first
    return tuple(
        Publication(port, protocol, address, port + step, port + step) for port in range(first, end + 1)
    )


def parse_expose(word: str) -> tuple[str, ...]:
    """A word of --expose or EXPOSE, as "80/tcp" for each of its ports. Raises InvalidPort."""
    if ":" in word:
        raise InvalidPort(
            f"invalid port format for --expose: {word}",
            hint="--expose names a port of the container; -p publishes it on the host",
        )
    ports, protocol = split_protocol(word)
    first, end = _range(ports, "range format for --expose", word)
    return tuple(f"{port}/{protocol}" for port in range(first, end + 1))


def parse_port(word: str) -> tuple[int, str]:
    """ "80" or "80/udp", one port of a container. Raises InvalidPort."""
    ports, protocol = split_protocol(word)
    first, end = _range(ports, "port", word)
    if first != end:
        raise InvalidPort(f"{word} is a range, where one port belongs")
    return first, protocol


def split_protocol(text: str) -> tuple[str, str]:
    """ "80/udp" as its two words; tcp where none is said. Raises InvalidPort."""
    ports, _, protocol = text.partition("/")
    protocol = protocol.lower() or "tcp"
    if protocol in _REFUSED:
        raise InvalidPort(f"{text}: cowl publishes no {protocol} ports", hint="it knows tcp and udp")
    if protocol not in PROTOCOLS:
        raise InvalidPort(f"invalid proto: {protocol}", hint="it is tcp or udp")
    return ports, protocol


def published(words: Iterable[str]) -> tuple[Publication, ...]:
    """Every publication of some words, each once. Raises InvalidPort also for one host port asked twice."""
    found = dict.fromkeys(each for word in words for each in parse_publish(word))
    taken: dict[tuple[int, str], list[Publication]] = {}
    for each in found:
        if not each.host_first or each.host_first != each.host_last:
            continue
        rivals = taken.setdefault((each.host_first, each.protocol), [])
        if any(rival.address in ("", "0.0.0.0", each.address) or _is_any(each) for rival in rivals):
            raise InvalidPort(
                f"port {each.host_first}/{each.protocol} of the host is published twice",
                hint="give each port of the container one of its own",
            )
        rivals.append(each)
    return tuple(found)


def _is_any(publication: Publication) -> bool:
    return publication.address in ("", "0.0.0.0")


def exposed(*lists: Iterable[str]) -> tuple[str, ...]:
    """Every port of some words of EXPOSE and --expose, each once, in order of number and protocol."""
    ports = {port for words in lists for word in words for port in parse_expose(word)}
    return tuple(sorted(ports, key=_order))


def _order(port: str) -> tuple[int, str]:
    number, _, protocol = port.partition("/")
    return int(number), protocol


def _short_form(word: str) -> str:
    fields = {"protocol": "tcp", "published": "", "target": ""}
    for field in word.split(","):
        name, equals, value = field.partition("=")
        if not equals or not name:
            raise InvalidPort(f"invalid publish opts format (should be name=value but got '{field}')")
        if name not in fields:
            raise InvalidPort(f"unknown field {name!r} in {word}", hint=f"it knows {', '.join(fields)}")
        fields[name] = value
    return f"{fields['published']}:{fields['target']}/{fields['protocol']}"


def _range(text: str, what: str, word: str) -> tuple[int, int]:
    """ "80" or "80-90". Raises InvalidPort."""
    first, dash, last = text.partition("-")
    numbers = [first, last] if dash else [first, first]
    if not all(number.isascii() and number.isdecimal() and len(number) <= 5 for number in numbers):
        raise InvalidPort(f"invalid {what}: {text or word}", hint=_HINT)
    low, high = int(numbers[0]), int(numbers[1])
    if low > high:
        raise InvalidPort(f"invalid {what}: {text}: the range ends before it begins")
    if low < 1 or high > _LAST:
        raise InvalidPort(f"invalid {what}: {text}", hint=f"ports are 1 to {_LAST}")
    return low, high


def _address(text: str, word: str) -> str:
    """The address of the host that a word names. "" for none. Raises InvalidPort."""
    if not text:
        return ""
    if text.startswith("[") or ":" in text:
        raise InvalidPort(
            f"{word}: ports are published on IPv4 addresses only",
            hint="leave out the address, or give one of those",
        )
    if not is_ipv4(text):
        raise InvalidPort(f"invalid IP address: {text}", hint=_HINT)
    return text


def is_ipv4(text: str) -> bool:
    """Whether it is four numbers of 0 to 255, without leading zeros."""
    numbers = text.split(".")
    return len(numbers) == 4 and all(map(_is_byte, numbers))


def _is_byte(text: str) -> bool:
    return (
        text.isascii() and text.isdecimal() and len(text) <= 3 and text == str(int(text)) and int(text) < 256
    )
