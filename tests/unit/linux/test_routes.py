"""What is read of /proc/net."""

from __future__ import annotations

from cowl.linux.routes import parse_default, parse_trie, subnets

TRIE = """Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     |-- 128.0.0.0
        /1 universe UNICAST
     +-- 10.8.0.0/24 2 0 2
        |-- 10.8.0.0
           /24 link UNICAST
        |-- 10.8.0.1
           /32 host LOCAL
"""
ROUTES = """Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
wlan0\t00000000\t0102A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0
eth0\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t0\t0\t0
eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
"""


def test_subnets_and_addresses_count_and_ways_to_everywhere_do_not() -> None:
    assert [str(found) for found in parse_trie(TRIE)] == ["10.8.0.0/24", "10.8.0.1/32"]


def test_the_default_route_is_the_one_of_the_lowest_metric() -> None:
    assert parse_default(ROUTES) == "eth0"
    assert parse_default(ROUTES.split("\n")[0]) == ""


def test_this_machines_loopback_is_among_them() -> None:
    assert "127.0.0.0/8" in [str(found) for found in subnets()]
