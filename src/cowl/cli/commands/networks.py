"""Commands for networks."""

from __future__ import annotations

from cowl.cli.commands.flags import FILTER, FORCE, FORMAT, FORMAT_OBJECT, NO_TRUNC
from cowl.cli.grammar import BOOL, LIST, MANY, TEXT, Command, Flag

NETWORKS = (
    Command(
        "network connect",
        "Connect a container to a network",
        "[OPTIONS] NETWORK CONTAINER",
        "networks:connect",
        (2, 2),
        (
            Flag("alias", "", LIST, "Add network-scoped alias for the container"),
            Flag("ip", "", TEXT, 'IPv4 address (e.g., "172.30.100.104")'),
        ),
    ),
    Command(
        "network create",
        "Create a network",
        "[OPTIONS] NETWORK",
        "networks:create",
        (1, 1),
        (
            Flag("driver", "d", TEXT, "Driver to manage the Network (there is bridge alone)", "", "bridge"),
            Flag("gateway", "", TEXT, "IPv4 Gateway for the subnet"),
            Flag("internal", "", BOOL, "Restrict external access to the network"),
            Flag("ip-range", "", TEXT, "Allocate container ip from a sub-range"),
            Flag("label", "", LIST, "Set metadata on a network"),
            Flag("opt", "o", LIST, "Set driver specific options: com.docker.network.driver.mtu=1400"),
            Flag("subnet", "", TEXT, "Subnet in CIDR format that represents a network segment"),
        ),
    ),
    Command(
        "network disconnect",
        "Disconnect a container from a network",
        "[OPTIONS] NETWORK CONTAINER",
        "networks:disconnect",
        (2, 2),
        (Flag("force", "f", BOOL, "Force the container to disconnect from a network"),),
    ),
    Command(
        "network inspect",
        "Display detailed information on one or more networks",
        "[OPTIONS] NETWORK [NETWORK...]",
        "inspect:inspect_networks",
        (1, MANY),
        (FORMAT_OBJECT,),
    ),
    Command(
        "network ls",
        "List networks",
        "[OPTIONS]",
        "networks:list_networks",
        (0, 0),
        (FILTER, FORMAT, NO_TRUNC, Flag("quiet", "q", BOOL, "Only display network IDs")),
        ("network list",),
    ),
    Command(
        "network prune",
        "Remove all unused networks",
        "[OPTIONS]",
        "networks:prune",
        (0, 0),
        (Flag("filter", "", LIST, 'Provide filter values (e.g. "until=<timestamp>")', "filter"), FORCE),
    ),
    Command(
        "network rm",
        "Remove one or more networks",
        "[OPTIONS] NETWORK [NETWORK...]",
        "networks:remove",
        (1, MANY),
        (Flag("force", "f", BOOL, "Do not error if the network does not exist"),),
        ("network remove",),
    ),
)
