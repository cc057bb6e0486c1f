"""A new network: what was asked for, checked, and the rest chosen."""

from __future__ import annotations

from cowl.container.networks import ground, pools
from cowl.container.networks.turn import Turn
from cowl.container.words import InvalidOptions, label_pairs
from cowl.linux.ipv4 import Subnet, number, text
from cowl.linux.routes import subnets
from cowl.store.network_record import NetworkNameInUse, NetworkRecord

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cowl.store.store import Store

FIXED = ("bridge", "host", "none")
_RESERVED = (*FIXED, "default", "pasta", "slirp4netns")
_PREFIXES = range(8, 31)  # of subnets: below there are too few addresses, above none but the host's
_OPTIONS = (ground.MTU_OPTION,)
_MTUS = range(68, 65536)  # RFC 791


def create(
    store: Store,
    name: str,
    *,
    driver: str,
    subnet: str,
    gateway: str,
    ip_range: str,
    internal: bool,
    labels: Mapping[str, str] | Sequence[str],
    options: Mapping[str, str] | Sequence[str],
) -> NetworkRecord:
    """See Engine.create_network."""
    ground.check_root()
    if driver != "bridge":
        raise InvalidOptions(
            f"could not find plugin {driver} in v1 plugin registry: plugin not found",
            hint="cowl's networks are of the driver bridge",
        )
    if name in FIXED:
        raise NetworkNameInUse(name)
    if name in _RESERVED:
        raise InvalidOptions(f"a network can't be called {name}: --network {name} means something else")
    chosen = dict(label_pairs(options))
    _check_options(chosen)
    wanted = _parse(subnet, "subnet") if subnet else None
    if wanted is None and (gateway or ip_range):
        raise InvalidOptions(
            f"no matching subnet for {'gateway' if gateway else 'range'} {gateway or ip_range}"
        )
    with Turn():
        used = wanted or pools.choose(ground.addresses_taken(store))
        if wanted:
            _check_free(store, name, wanted)
        made = store.networks.create(
            NetworkRecord(
                "",
                name,
                str(used),
                _gateway(used, gateway),
                _range(used, ip_range),
                internal=internal,
                labels=label_pairs(labels),
                options=tuple(chosen.items()),
            )
        )
        try:
            ground.make(store, made)
        except BaseException as error:
            store.networks.remove(made)
            if isinstance(error, OSError):
                raise ground.NoBridge(name, error) from error
            raise
    ground.tell_blocks(store, made)
    return made


def _parse(words: str, what: str) -> Subnet:
    try:
        found = Subnet.parse(words)
    except ValueError:
        hint = "there is no IPv6 in cowl's networks" if ":" in words else "write 10.1.0.0/16"
        raise InvalidOptions(f"invalid {what} {words}: it is not an IPv4 subnet", hint=hint) from None
    if what == "subnet" and str(found) != words:
        raise InvalidOptions(f"invalid subnet {words}: it should be {found}")
    if what == "subnet" and found.prefix not in _PREFIXES:
        raise InvalidOptions(f"invalid subnet {words}: its prefix is not 8 to 30 bits long")
    return found


def _check_free(store: Store, name: str, wanted: Subnet) -> None:
    own = [(Subnet.parse(each.subnet), f"network {each.name}") for each in store.networks.list()]
    for other, who in (*own, *((each, f"{each} of the host") for each in subnets())):
        if wanted.overlaps(other):
            raise ground.SubnetTaken(name, str(wanted), who)


def _gateway(subnet: Subnet, asked: str) -> str:
    if not asked:
        return text(subnet.base + 1)
    try:
        address = number(asked)
    except ValueError:
        raise InvalidOptions(f"invalid gateway {asked}: it is not an IPv4 address") from None
    if not subnet.base < address < subnet.last:
        raise InvalidOptions(f"no matching subnet for gateway {asked}", hint=f"the subnet is {subnet}")
    return asked


def _range(subnet: Subnet, asked: str) -> str:
    if not asked:
        return ""
    pool = _parse(asked, "range")
    if not (subnet.has(pool.base) and subnet.has(pool.last)):
        raise InvalidOptions(f"no matching subnet for range {asked}", hint=f"the subnet is {subnet}")
    return str(pool)


def _check_options(options: Mapping[str, str]) -> None:
    for key, value in options.items():
        if key not in _OPTIONS:
            raise InvalidOptions(
                f"unknown option of a bridge network: {key}", hint=f"it knows {', '.join(_OPTIONS)}"
            )
        if not (value.isdecimal() and value.isascii() and int(value) in _MTUS):
            raise InvalidOptions(f"invalid MTU {value!r}", hint="it is a number of bytes, as 1400")
