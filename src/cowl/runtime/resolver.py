"""/etc/resolv.conf of a container, made of the host's and of what was asked: resolv.conf(5). Pure."""

from __future__ import annotations

from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# Docker's, for where the host's own name servers are out of reach.
PUBLIC = ("8.8.8.8", "8.8.4.4")
_TOLD = (
    "# the host's name servers listen on its loopback, which no container reaches: these are public ones\n"
)
_NO_DOMAIN = "."


class Resolver(Value):
    """What is asked in place of the host's: each list replaces the host's own, () keeps it.

    search  the domain "." stands for none
    """

    servers: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


def alone(asked: Resolver) -> str:
    """For a container without a network: what was asked and no more."""
    return _text(asked.servers, asked.search, asked.options)


def shared(host: str, asked: Resolver) -> str:
    """For a container in the host's network; `host` is the text of the host's file."""
    if asked == Resolver():
        return host
    servers, search, options = _read(host)
    return _text(asked.servers or servers, asked.search or search, asked.options or options)


def isolated(host: str, upstream: str, asked: Resolver, forwarder: str) -> str:
    """For a container in a network of its own, which has IPv4 only and not the host's loopback.

    upstream   the file of the servers that a resolver on the host's loopback asks, "" if there is none
    forwarder  an address in the container's network that asks that resolver; "" if there is none
    """
    servers, search, options = _read(host)
    search, options = asked.search or search, asked.options or options
    if asked.servers:
        return _text(asked.servers, search, options)
    reachable = tuple(_reachable(servers, forwarder)) or tuple(_reachable(_read(upstream)[0], ""))
    if not reachable:
        return _TOLD + _text(PUBLIC, search, options)
    return _text(reachable, search, options)


def _reachable(servers: tuple[str, ...], forwarder: str) -> Iterator[str]:
    told = False
    for server in servers:
        local = server.startswith("127.") or server == "::1"
        if local and forwarder and not told:
            told = True
            yield forwarder
        elif not local and ":" not in server:
            yield server


def _read(text: str) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Servers, search domains and options; of several search lines the last counts."""
    servers: list[str] = []
    search: list[str] = []
    options: list[str] = []
    for line in text.split("\n"):
        words = line.split()
        if not words or words[0].startswith(("#", ";")):
            continue
        if words[0] == "nameserver":
            servers += words[1:2]
        elif words[0] in ("search", "domain"):
            search = words[1:]
        elif words[0] == "options":
            options += words[1:]
    return tuple(servers), tuple(search), tuple(options)


def _text(servers: tuple[str, ...], search: tuple[str, ...], options: tuple[str, ...]) -> str:
    lines = [f"nameserver {server}\n" for server in servers]
    domains = () if _NO_DOMAIN in search else search
    if domains:
        lines.append(f"search {' '.join(domains)}\n")
    if options:
        lines.append(f"options {' '.join(options)}\n")
    return "".join(lines)
