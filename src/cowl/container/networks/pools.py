"""Which subnet a network gets when nobody asks for one: the first of Docker's that is free. Pure."""

from __future__ import annotations

from cowl.errors import Unavailable
from cowl.linux.ipv4 import Subnet

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Where subnets are taken from, and of which size.
_POOLS = (
    *((Subnet.parse(f"172.{second}.0.0/16"), 16) for second in range(17, 32)),
    (Subnet.parse("192.168.0.0/16"), 20),
)


class PoolsExhausted(Unavailable):
    """There is no private subnet that nobody has."""

    def __init__(self) -> None:
        super().__init__(
            "could not find an available, non-overlapping IPv4 address pool among the defaults to assign to"
            " the network",
            hint="the host's routes cover them all: name a free one with `cowl network create --subnet`",
        )


def choose(taken: Iterable[Subnet]) -> Subnet:
    """The first that overlaps with none. Raises PoolsExhausted."""
    others = list(taken)
    for subnet in _candidates():
        if not any(subnet.overlaps(other) for other in others):
            return subnet
    raise PoolsExhausted


def _candidates() -> Iterator[Subnet]:
    for pool, prefix in _POOLS:
        step = 1 << (32 - prefix)
        for base in range(pool.base, pool.last + 1, step):
            yield Subnet(base, prefix)
