"""What this machine routes already: proc(5), net/fib_trie and net/route."""

from __future__ import annotations

from cowl.linux.ipv4 import Subnet, number

_SHORTEST = 8  # bits: shorter prefixes, such as a default route cut in two, are no network of anybody's


def subnets() -> list[Subnet]:
    """The subnets and single addresses of every routing table. Raises OSError."""
    with open("/proc/net/fib_trie") as file:
        return parse_trie(file.read())


def default_device() -> str:
    """The interface that the default route leads through, "" for none. Raises OSError."""
    with open("/proc/net/route") as file:
        return parse_default(file.read())


def parse_trie(text: str) -> list[Subnet]:
    """The leaves of /proc/net/fib_trie."""
    found: dict[Subnet, None] = {}
    leaf = 0
    for line in text.split("\n"):
        words = line.split()
        if words[:1] == ["|--"]:
            leaf = number(words[1])
        elif words and words[0].startswith("/") and int(words[0][1:]) >= _SHORTEST:
            found[Subnet.around(leaf, int(words[0][1:]))] = None
    return list(found)


def parse_default(text: str) -> str:
    """The device of the default route with the lowest metric in /proc/net/route."""
    rows = [line.split() for line in text.split("\n")[1:] if line]
    chosen = [(int(row[6]), row[0]) for row in rows if row[1] == row[7] == "00000000"]
    return min(chosen, default=(0, ""))[1]
