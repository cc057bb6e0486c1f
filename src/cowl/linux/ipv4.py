"""IPv4 addresses and subnets as numbers, without importing `ipaddress`."""

from __future__ import annotations

from _socket import AF_INET, inet_ntop, inet_pton

from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

BITS = 32


def number(text: str) -> int:
    """ "10.0.0.1" as a number. Raises ValueError for anything but four decimal bytes."""
    try:
        return int.from_bytes(inet_pton(AF_INET, text), "big")
    except OSError:
        raise ValueError(f"{text!r} is not an IPv4 address") from None


def text(address: int) -> str:
    """The inverse of `number`."""
    return inet_ntop(AF_INET, address.to_bytes(4, "big"))


class Subnet(Value):
    """`prefix` bits of `base` in common; the bits below are zero."""

    base: int
    prefix: int

    @classmethod
    def parse(cls, words: str) -> Self:
        """ "10.1.0.0/16"; bits below the prefix are cleared. Raises ValueError."""
        address, slash, prefix = words.partition("/")
        if not (slash and prefix.isdecimal() and prefix.isascii() and int(prefix) <= BITS):
            raise ValueError(f"{words!r} is not a subnet")
        return cls.around(number(address), int(prefix))

    @classmethod
    def around(cls, address: int, prefix: int) -> Self:
        """The subnet of that size that an address is in."""
        return cls(address >> (BITS - prefix) << (BITS - prefix), prefix)

    @property
    def size(self) -> int:
        """How many addresses it has."""
        return 1 << (BITS - self.prefix)

    @property
    def last(self) -> int:
        """Its highest address, which is the broadcast address of a network."""
        return self.base + self.size - 1

    def has(self, address: int) -> bool:
        """Whether an address is in it."""
        return self.base <= address <= self.last

    def overlaps(self, other: Subnet) -> bool:
        """Whether they have an address in common."""
        return self.base <= other.last and other.base <= self.last

    def __str__(self) -> str:
        return f"{text(self.base)}/{self.prefix}"
