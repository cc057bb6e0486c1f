"""The command lines of the programs that carry packets, and what they say when they fail."""

from __future__ import annotations

from cowl.container.networks.porter import _last_words
from cowl.container.networks.user_mode import pasta, slirp4netns
from cowl.store.network_record import PublishedPort

PORTS = (
    PublishedPort("tcp", "0.0.0.0", 8080, "id", 80),
    PublishedPort("tcp", "127.0.0.1", 5432, "id", 5432),
    PublishedPort("udp", "0.0.0.0", 53, "id", 5353),
)


def _values(argv: list[str], flag: str) -> list[str]:
    return [argv[number + 1] for number, word in enumerate(argv) if word == flag]


def test_pasta_carries_what_was_asked_and_neither_loopback() -> None:
    argv = pasta("/usr/bin/pasta", 7, PORTS, routed=True)
    assert _values(argv, "--tcp-ports") == ["0.0.0.0/8080:80", "127.0.0.1/5432:5432"]
    assert _values(argv, "--udp-ports") == ["0.0.0.0/53:5353"]
    assert _values(argv, "--tcp-ns") == _values(argv, "--udp-ns") == ["none"]
    assert "--no-map-gw" in argv and "--ipv4-only" in argv and "--interface" not in argv
    bare = pasta("/usr/bin/pasta", 7, (), routed=False)
    assert _values(bare, "--tcp-ports") == _values(bare, "--udp-ports") == ["none"]
    assert _values(bare, "--interface") == ["lo"] and bare[-1] == "7"


def test_slirp4netns_reaches_no_loopback() -> None:
    argv = slirp4netns("/usr/bin/slirp4netns", 7)
    assert "--disable-host-loopback" in argv and "--disable-dns" in argv and argv[-2:] == ["7", "eth0"]


def test_the_last_words_of_a_program() -> None:
    said = b"Failed to send 54 bytes to syslog\n1795628732.0714: Couldn't install signal handlers\n"
    assert _last_words(said) == "Couldn't install signal handlers"
    assert _last_words(b"first: one\nlast: two\n\n") == "last: two"
    assert _last_words(b"") == ""
