"""Which subnet a network gets."""

from __future__ import annotations

import pytest

from cowl.container.networks.pools import PoolsExhausted, choose
from cowl.linux.ipv4 import Subnet


def subnets(*words: str) -> list[Subnet]:
    return [Subnet.parse(word) for word in words]


def test_the_first_of_dockers_pools_that_is_free() -> None:
    assert str(choose([])) == "172.17.0.0/16"
    assert str(choose(subnets("172.17.0.1/32", "172.18.128.0/20"))) == "172.19.0.0/16"
    assert str(choose(subnets("172.16.0.0/12", "192.168.0.0/24"))) == "192.168.16.0/20"


def test_a_host_that_uses_them_all_is_told() -> None:
    with pytest.raises(PoolsExhausted, match="non-overlapping"):
        choose(subnets("172.16.0.0/12", "192.168.0.0/16"))
