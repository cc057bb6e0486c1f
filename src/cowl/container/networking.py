"""What a caller asks of a container's networks, ports and names, and what it comes to. Pure."""

from __future__ import annotations

from cowl.container.ports import InvalidPort, Publication, exposed, is_ipv4, parse_expose, published
from cowl.container.words import InvalidOptions, as_words, check_text
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cowl.oci.image_config import ContainerConfig

DEFAULT, NONE, HOST, BRIDGE = "default", "none", "host", "bridge"
PASTA, SLIRP = "pasta", "slirp4netns"
USER_MODE = (PASTA, SLIRP)
CONTAINER = "container:"
HOST_GATEWAY = "host-gateway"
_NAME_BYTES = 255
_FIELDS = ("name", "alias", "ip")


class Attachment(Value):
    """One network that a container is in, as asked: its name, further names there, an address there."""

    network: str
    aliases: tuple[str, ...] = ()
    ip: str = ""


class Networking(Value):
    """As the caller wrote it.

    networks       words of --network where there is more to say than one name; the first is the main one
    publish        words of -p; publish_all: every exposed port, each on a free port of the host
    expose         words of --expose
    dns, dns_search, dns_options  for /etc/resolv.conf; the search domain "." is none
    add_host       (name, address) for /etc/hosts; the address "host-gateway" is the host's
    network_alias  further names in own networks; ip: the address in the main one
    domainname     of the host name
    """

    networks: tuple[str, ...] = ()
    publish: tuple[str, ...] = ()
    publish_all: bool = False
    expose: tuple[str, ...] = ()
    dns: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    dns_options: tuple[str, ...] = ()
    add_host: tuple[tuple[str, str], ...] = ()
    network_alias: tuple[str, ...] = ()
    ip: str = ""
    domainname: str = ""

    @property
    def publishes(self) -> bool:
        """Whether ports of the host are asked for."""
        return bool(self.publish) or self.publish_all

    def publications(self, exposed_ports: Sequence[str]) -> tuple[Publication, ...]:
        """What is to be published; `exposed_ports` are "80/tcp" words, of the image's EXPOSE too."""
        asked = published(self.publish)
        if not self.publish_all:
            return asked
        named = {f"{each.port}/{each.protocol}" for each in asked}
        more = tuple(
            Publication(int(number), protocol)
            for number, _, protocol in (port.partition("/") for port in exposed_ports)
            if f"{number}/{protocol}" not in named
        )
        return asked + more


def make_networking(
    *,
    networks: Sequence[str] = (),
    publish: Sequence[str | int] = (),
    expose: Sequence[str | int] = (),
    dns: Sequence[str] = (),
    dns_search: Sequence[str] = (),
    dns_options: Sequence[str] = (),
    add_host: Mapping[str, str] | Sequence[str] = (),
    network_alias: Sequence[str] = (),
    ip: str = "",
    ip6: str = "",
    mac_address: str = "",
    domainname: str = "",
    publish_all: bool = False,
) -> Networking:
    """The keywords of `Engine.start` as a value. Raises InvalidOptions for what no container can have."""
    if ip6:
        raise InvalidOptions("--ip6 is not available: cowl's networks have no IPv6")
    if mac_address:
        raise InvalidOptions("--mac-address is not available: the kernel chooses the address")
    return Networking(
        networks=as_words("networks", networks),
        publish=tuple(map(str, as_words("publish", publish))),  # type: ignore[arg-type]
        publish_all=publish_all,
        expose=tuple(map(str, as_words("expose", expose))),  # type: ignore[arg-type]
        dns=as_words("dns", dns),
        dns_search=as_words("dns_search", dns_search),
        dns_options=as_words("dns_options", dns_options),
        add_host=_hosts(add_host),
        network_alias=as_words("network_alias", network_alias),
        ip=ip,
        domainname=domainname,
    )


def main_network(network: str, asked: Networking | None) -> str:
    """The network that a caller means, "" where none was named: of a default the caller's rung decides."""
    if network and asked is not None and asked.networks:
        raise InvalidOptions("network and networks say the same", hint="give one of them")
    words = asked.networks if asked is not None else ()
    return parse_network(words[0]).network if words else network


def attachments(network: str, asked: Networking | None) -> tuple[Attachment, ...]:
    """The networks that a container is in, its main one, `network` of its settings, first."""
    if asked is None:
        return (Attachment(network),)
    first, *more = [parse_network(word) for word in asked.networks] or [Attachment(network)]
    aliases = (*asked.network_alias, *first.aliases)
    return (Attachment(network, aliases, asked.ip or first.ip), *more)


def parse_network(word: str) -> Attachment:
    """A word of --network: a name, or "name=NETWORK,alias=NAME,ip=ADDRESS". Raises InvalidOptions."""
    if "=" not in word:
        return Attachment(word)
    fields: dict[str, list[str]] = {}
    for field in word.split(","):
        key, equals, value = field.partition("=")
        if not equals or key not in _FIELDS:
            raise InvalidOptions(
                f"invalid field {field!r} in --network {word}", hint=f"it knows {', '.join(_FIELDS)}"
            )
        fields.setdefault(key, []).append(value)
    if len(fields.get("name", ())) != 1:
        raise InvalidOptions(f"--network {word}: no network is named", hint="write name=NETWORK,alias=NAME")
    return Attachment(fields["name"][0], tuple(fields.get("alias", ())), fields.get("ip", [""])[-1])


def check_networking(network: str, asked: Networking, hostname: str) -> None:
    """Raises InvalidOptions for what a container in that network, whoever starts it, can't have."""
    published(asked.publish)
    exposed(asked.expose)
    _check_names(asked)
    every = attachments(network, asked)
    for each in every:
        if each.ip and not is_ipv4(each.ip):
            raise InvalidOptions(f"invalid IPv4 address: {each.ip}")
    _check_mode(network, asked, every, hostname)


def is_own(network: str) -> bool:
    """Whether a word of --network is the name of a network that somebody made."""
    fixed = (DEFAULT, NONE, HOST, BRIDGE, *USER_MODE)
    return bool(network) and network not in fixed and not network.startswith(CONTAINER)


def _check_mode(network: str, asked: Networking, every: tuple[Attachment, ...], hostname: str) -> None:
    if len(every) > 1 and not all(is_own(each.network) or each.network == BRIDGE for each in every):
        raise InvalidOptions(
            "conflicting options: cannot attach both user-defined and non-user-defined network-modes",
            hint="none, host, container: and the networks of ordinary users are a container's only one",
        )
    if len({each.network for each in every}) < len(every):
        raise InvalidOptions("one network is named twice")
    if not is_own(network):
        if every[0].aliases:
            raise InvalidOptions(
                "network-scoped aliases are only supported for user-defined networks",
                hint="make one: cowl network create NAME",
            )
        if every[0].ip:
            raise InvalidOptions("user specified IP address is supported on user defined networks only")
    if network == NONE and asked.publishes:
        raise InvalidOptions(
            "conflicting options: port publishing and --network none", hint="leave out one of them"
        )
    if network.startswith(CONTAINER):
        _check_joined(asked, hostname)


def _check_joined(asked: Networking, hostname: str) -> None:
    """In another's network the names and ports are the other's."""
    refused = (
        ("hostname", hostname or asked.domainname),
        ("dns", asked.dns or asked.dns_search or asked.dns_options),
        ("custom host-to-IP mapping", asked.add_host),
        ("port publishing", asked.publishes),
        ("port exposing", asked.expose),
    )
    for what, given in refused:
        if given:
            raise InvalidOptions(
                f"conflicting options: {what} and the container type network mode",
                hint="give it to the container whose network this one joins",
            )


def _check_names(asked: Networking) -> None:
    """Raises InvalidOptions for words that a line of hosts or resolv.conf can't hold."""
    for address in asked.dns:
        if not _is_address(address):
            raise InvalidOptions(f"--dns: {address} is not an ip address")
    for name, address in asked.add_host:
        _check_name("add_host", name)
        if address != HOST_GATEWAY and not _is_address(address):
            raise InvalidOptions(f'invalid IP address in add-host: "{address}"')
    for word in asked.dns_search:
        _check_name("dns_search", word)
    for word in asked.dns_options:
        _check_name("dns_options", word)
    for attached in (asked.network_alias, *(parse_network(word).aliases for word in asked.networks)):
        for word in attached:
            _check_name("network_alias", word)
    if asked.domainname:
        _check_name("domainname", asked.domainname)


def _check_name(what: str, word: str) -> None:
    check_text(word)
    bad = any(character.isspace() or not character.isprintable() or character == "#" for character in word)
    if not word or bad or len(word.encode()) > _NAME_BYTES:
        raise InvalidOptions(f"{what}: invalid name {word!r}", hint="use letters, digits, '-', '.' and ':'")


def _is_address(text: str) -> bool:
    if is_ipv4(text):
        return True
    from _socket import AF_INET6, inet_pton

    try:
        inet_pton(AF_INET6, text)
    except (OSError, ValueError):
        return False
    return True


def _hosts(given: Mapping[str, str] | Sequence[str]) -> tuple[tuple[str, str], ...]:
    """A mapping, or "name:address" and "name=address" words, as pairs. Raises InvalidOptions."""
    if hasattr(given, "items"):
        return tuple((name, _bare(address)) for name, address in given.items())
    return tuple(_host(word) for word in as_words("add_host", given))


def _host(word: str) -> tuple[str, str]:
    name, found, address = word.partition("=")
    if not found:
        name, found, address = word.partition(":")
    if not (found and name and address):
        raise InvalidOptions(f'bad format for add-host: "{word}"', hint="write db:10.0.0.2 or db=fd00::2")
    return name, _bare(address)


def _bare(address: str) -> str:
    """An IPv6 address may stand in brackets."""
    return address[1:-1] if address.startswith("[") and address.endswith("]") else address


def exposed_ports(config: ContainerConfig, asked: Networking | None) -> tuple[str, ...]:
    """The ports that a container exposes: its image's, those asked for and those published.

    What the image says and is no port is left out: Docker does not run into it either.
    """
    given = () if asked is None else asked.expose
    opened = (
        () if asked is None else tuple(f"{each.port}/{each.protocol}" for each in published(asked.publish))
    )
    return exposed(filter(_is_port, config.exposed_ports), given, opened)


def _is_port(word: str) -> bool:
    try:
        return bool(parse_expose(word))
    except InvalidPort:
        return False
