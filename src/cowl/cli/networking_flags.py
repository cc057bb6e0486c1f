"""The flags of `cowl run` and `cowl create` about networks: a part of the table of commands."""

from __future__ import annotations

from cowl.cli.grammar import BOOL, LIST, TEXT, Flag

NETWORKING = (
    Flag("add-host", "", LIST, "Add a custom host-to-IP mapping (host:ip)"),
    Flag("dns", "", LIST, "Set custom DNS servers"),
    Flag("dns-option", "", LIST, "Set DNS options"),
    Flag("dns-search", "", LIST, "Set custom DNS search domains"),
    Flag("domainname", "", TEXT, "Container NIS domain name"),
    Flag("expose", "", LIST, "Expose a port or a range of ports"),
    Flag("hostname", "h", TEXT, "Container host name"),
    Flag("ip", "", TEXT, "IPv4 address (e.g., 172.30.100.104)"),
    Flag("net", "", LIST, "The same as --network", "network"),
    Flag(
        "network",
        "",
        LIST,
        'Connect a container to a network: "none", "host", "bridge", "container:NAME", or the name of one',
        "network",
    ),
    Flag("network-alias", "", LIST, "Add network-scoped alias for the container"),
    Flag("publish", "p", LIST, "Publish a container's port(s) to the host"),
    Flag("publish-all", "P", BOOL, "Publish all exposed ports to random ports"),
)
