"""port: where a container's ports are on the host."""

from __future__ import annotations

from cowl import NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from cowl import PublishedPort
    from cowl.cli.call import Call


class NotPublished(NotFound):
    """The container has no such port on the host."""


def list_ports(call: Call) -> int:
    """`cowl port`: all of them, or those of one port, a line each."""
    name, *wanted = call.words
    with call.engine() as engine:
        found = engine.container(name).ports(*wanted)
    if not wanted:
        for each in found:
            print(f"{each.name} -> {each.address}:{each.host_port}")
        return 0
    if not found:
        port = wanted[0] if "/" in wanted[0] else f"{wanted[0]}/tcp"
        raise NotPublished(f"No public port '{port}' published for {name}")
    for each in found:
        print(f"{each.address}:{each.host_port}")
    return 0


def ports_text(exposed: Sequence[str], published: Sequence[PublishedPort]) -> str:
    """The column PORTS of ps: ports next to each other as a range, what is exposed alone without an arrow."""
    named = {each.name for each in published}
    bare = [(int(number), protocol) for number, _, protocol in (word.partition("/") for word in exposed)]
    hidden = [(number, protocol) for number, protocol in bare if f"{number}/{protocol}" not in named]
    same = [each for each in published if each.port == each.host_port]
    moved = [each for each in published if each.port != each.host_port]
    words = [f"{_span(first, last)}/{protocol}" for first, last, protocol in _runs(hidden)]
    for first, last, key in _runs([(each.port, f"{each.address} {each.protocol}") for each in same]):
        address, _, protocol = key.partition(" ")
        words.append(f"{address}:{_span(first, last)}->{_span(first, last)}/{protocol}")
    words += [f"{each.address}:{each.host_port}->{each.name}" for each in moved]
    return ", ".join(words)


def _span(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}-{last}"


def _runs(ports: list[tuple[int, str]]) -> list[tuple[int, int, str]]:
    """Numbers that follow one another under the same key, as first and last."""
    runs: list[tuple[int, int, str]] = []
    for number, key in sorted(ports, key=lambda port: (port[1], port[0])):
        if runs and runs[-1][2] == key and runs[-1][1] + 1 == number:
            runs[-1] = (runs[-1][0], number, key)
        else:
            runs.append((number, number, key))
    return sorted(runs)
