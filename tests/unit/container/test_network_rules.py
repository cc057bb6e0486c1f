"""The nftables table of a store, as text; that the kernel takes it is shown by the system tests."""

from __future__ import annotations

from cowl.container.networks.rules import Ground, Lead, remove_table, whole_table

OPEN = Ground("cowl-a", "172.18.0.0/16", internal=False)
SHUT = Ground("cowl-b", "172.19.0.0/16", internal=True)


def chain(script: str, name: str) -> list[str]:
    body = script.partition(f"chain {name} {{\n")[2].partition("\n}")[0]
    return body.split("\n")


def test_a_table_replaces_the_one_before_in_one_script() -> None:
    script = whole_table("cowl_x", [OPEN], [])
    assert script.startswith(remove_table("cowl_x") + "table ip cowl_x {")


def test_only_networks_with_an_outside_get_the_hosts_address() -> None:
    leaving = chain(whole_table("t", [OPEN, SHUT], []), "leaving")
    assert 'ip saddr 172.18.0.0/16 oifname != "cowl-a" masquerade' in leaving
    assert not any("172.19" in rule and "!=" in rule for rule in leaving)


def test_what_passes_is_dropped_unless_it_was_asked_for_or_published() -> None:
    passing = chain(whole_table("t", [OPEN, SHUT], []), "passing")
    into = 'iifname != "cowl-a" oifname "cowl-a"'
    assert passing.index(f"{into} ct status dnat accept") < passing.index(f"{into} drop")
    assert 'iifname "cowl-a" oifname != "cowl-a" oifname "cowl*" drop' in passing
    assert 'iifname "cowl-b" oifname != "cowl-b" drop' in passing
    assert not any("cowl-b" in rule and "accept" in rule for rule in passing)


def test_from_an_internal_network_the_host_answers_and_is_not_asked() -> None:
    to_host = chain(whole_table("t", [OPEN, SHUT], []), "to_host")
    assert to_host[1:] == [
        'iifname "cowl-b" ct state established,related accept',
        'iifname "cowl-b" drop',
    ]


def test_ports_of_one_address_and_of_all_are_led_apart() -> None:
    leads = [
        Lead("tcp", "0.0.0.0", 8080, "172.18.0.2", 80),
        Lead("udp", "127.0.0.1", 5353, "172.18.0.3", 53),
    ]
    script = whole_table("t", [OPEN], leads)
    assert "elements = { tcp . 8080 : 172.18.0.2 . 80 }" in script
    assert "elements = { udp . 127.0.0.1 . 5353 : 172.18.0.3 . 53 }" in script
