"""network: connect, create, disconnect, ls, prune, rm."""

from __future__ import annotations

import sys

from cowl.cli import rows
from cowl.cli.pairs import pairs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from cowl import Engine, Network
    from cowl.cli.call import Call
    from cowl.cli.rows import Row

HEADERS = {
    "ID": "NETWORK ID",
    "Name": "NAME",
    "Driver": "DRIVER",
    "Scope": "SCOPE",
    "IPv4": "IPV4",
    "IPv6": "IPV6",
    "Internal": "INTERNAL",
    "Labels": "LABELS",
    "Label": "LABEL",
    "CreatedAt": "CREATED AT",
}
COLUMNS = ("ID", "Name", "Driver", "Scope")
FILTERS = ("dangling", "driver", "id", "label", "name", "scope", "type")
PRUNE_FILTERS = ("label", "label!", "until")
SHORT = 12
WARNING = "WARNING! This will remove all custom networks not used by at least one container.\n"


def create(call: Call) -> int:
    """`cowl network create`: prints its ID."""
    with call.engine() as engine:
        made = engine.create_network(
            call.words[0],
            driver=call.text("driver"),
            subnet=call.text("subnet"),
            gateway=call.text("gateway"),
            ip_range=call.text("ip-range"),
            internal=call.on("internal"),
            labels=pairs(call.many("label")),
            options=pairs(call.many("opt")),
        )
        print(made.id)
    return 0


def connect(call: Call) -> int:
    """`cowl network connect`."""
    network, container = call.words
    with call.engine() as engine:
        engine.network(network).connect(container, aliases=call.many("alias"), ip=call.text("ip"))
    return 0


def disconnect(call: Call) -> int:
    """`cowl network disconnect`."""
    network, container = call.words
    with call.engine() as engine:
        engine.network(network).disconnect(container, force=call.on("force"))
    return 0


def remove(call: Call) -> int:
    """`cowl network rm`: prints the names that it was given; goes on after one that can't be removed."""
    from cowl.cli.removal import each

    with call.engine() as engine:

        def one(name: str) -> None:
            engine.network(name).remove()
            print(name)

        return each(call, one)


def list_networks(call: Call) -> int:
    """`cowl network ls`."""
    wanted = {}
    if call.many("filter"):
        from cowl.cli import filters

        wanted = filters.parse(call.many("filter"), FILTERS)
    with call.engine() as engine:
        found = [network for network in engine.networks() if _passes(network, wanted)]
        shown = [_row(network, whole=call.on("no-trunc")) for network in found]
    rows.write(shown, HEADERS, COLUMNS, call.text("format"), quiet=call.on("quiet"))
    return 0


def _row(network: Network, *, whole: bool) -> Row:
    labels = network.labels
    return {
        "ID": network.id if whole else network.id[:SHORT],
        "Name": network.name,
        "Driver": network.driver,
        "Scope": "local",
        "IPv4": "true",
        "IPv6": "false",
        "Internal": str(network.internal).lower(),
        "Labels": ",".join(sorted(f"{key}={value}" for key, value in labels.items())),
        "Label": lambda key: labels.get(key, ""),
        "CreatedAt": network.attrs()["Created"],
    }


def _passes(network: Network, wanted: dict[str, list[str]]) -> bool:
    if not wanted:
        return True
    from cowl.cli.filters import boolean, expression, labels_match

    unused = not network.predefined and not network.containers
    if "dangling" in wanted and boolean(wanted["dangling"]) != unused:
        return False
    kind = "builtin" if network.predefined else "custom"
    for key, value in (("driver", network.driver), ("scope", "local"), ("type", kind)):
        if key in wanted and value not in wanted[key]:
            return False
    for key, value in (("name", network.name), ("id", network.id)):
        if key in wanted and not any(expression(text).search(value) for text in wanted[key]):
            return False
    return labels_match(wanted.get("label", ()), network.labels)


def prune(call: Call) -> int:
    """`cowl network prune`."""
    from cowl.cli import filters
    from cowl.cli.prune import QUESTION

    wanted = filters.parse(call.many("filter"), PRUNE_FILTERS)
    with call.engine() as engine:
        if not call.on("force"):
            print(f"{WARNING}{QUESTION}", end="", file=sys.stderr, flush=True)
            if sys.stdin.readline().strip().lower() not in ("y", "yes"):
                return 0
        tell(engine.prune_networks(lambda network: not prunes(network, wanted)))
    return 0


def unused(engine: Engine, words: Sequence[str]) -> list[Network]:
    """The networks that no container is on, and that these filters let go."""
    from cowl.cli import filters

    wanted = filters.parse(words, PRUNE_FILTERS)
    custom = (network for network in engine.networks() if not network.predefined)
    return [network for network in custom if not network.containers and prunes(network, wanted)]


def prunes(network: Network, wanted: dict[str, list[str]]) -> bool:
    """Whether filters let a network go."""
    from cowl.cli.filters import labels_match

    if "until" in wanted:
        import time

        from cowl.cli import moments

        limits = (moments.parse("until", text, time.time_ns()) for text in wanted["until"])
        if any(limit is not None and network.created_at * 1e9 > limit for limit in limits):
            return False
    unwanted = wanted.get("label!", ())
    return labels_match(wanted.get("label", ()), network.labels) and not any(
        labels_match([word], network.labels) for word in unwanted
    )


def tell(names: list[str]) -> None:
    """What Docker prints of pruned networks."""
    if names:
        print("\n".join(("Deleted Networks:", *names, "")))
