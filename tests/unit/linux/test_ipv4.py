"""IPv4 numbers, with Python's ipaddress as the oracle."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowl.linux import ipv4
from cowl.linux.ipv4 import Subnet

ADDRESSES = st.integers(0, 2**32 - 1)
PREFIXES = st.integers(0, 32)


@given(ADDRESSES)
def test_text_and_number_are_each_others_inverse(address: int) -> None:
    assert ipv4.text(address) == str(IPv4Address(address))
    assert ipv4.number(ipv4.text(address)) == address


@given(ADDRESSES, PREFIXES, ADDRESSES, PREFIXES)
def test_subnets_are_as_ipaddress_has_them(first: int, long: int, second: int, short: int) -> None:
    ours, others = Subnet.around(first, long), IPv4Network((first, long), strict=False)
    assert str(ours) == str(others)
    assert (ours.base, ours.last) == (int(others[0]), int(others[-1]))
    assert ours.has(second) == (IPv4Address(second) in others)
    other = IPv4Network((second, short), strict=False)
    assert ours.overlaps(Subnet.parse(str(other))) == others.overlaps(other)


@pytest.mark.parametrize("words", ["10.0.0.0", "10.0.0/8", "10.0.0.0/33", "10.0.0.0/-1", "::/0", "a/8", ""])
def test_what_is_no_subnet_is_refused(words: str) -> None:
    with pytest.raises(ValueError, match="is not"):
        Subnet.parse(words)
