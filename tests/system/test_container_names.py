"""Names in a container: its own, its domain's, hosts and name servers that were asked for."""

from __future__ import annotations

from tests.caller import Caller


def test_what_was_asked_is_in_the_files(based: Caller) -> None:
    flags = "--hostname box --domainname example.org --add-host db:10.1.1.1 --dns 10.0.0.9 --dns-search lan"
    files = "/proc/sys/kernel/domainname /etc/resolv.conf"
    script = f"hostname; cat {files}; tail -n 1 /etc/hosts; head -n 1 /etc/hosts"
    for network, own in (
        ("none", "127.0.0.1\tbox.example.org box"),
        ("host", "127.0.0.1\tbox.example.org box"),
    ):
        words = [*flags.split(), "--dns-option", "ndots:3", "--net", network]
        lines = based.text("run", "--rm", *words, "busybox", "sh", "-c", script).splitlines()
        assert lines[:4] == ["box", "example.org", "nameserver 10.0.0.9", "search lan"]
        assert "options ndots:3" in lines
        assert lines[-2:] == [own, "10.1.1.1\tdb"]


def test_what_no_line_can_hold_is_refused(based: Caller) -> None:
    done = based.cowl("run", "--dns", "10.0.0.9\nnameserver 1.1.1.1", "busybox", "true", status=125)
    assert b"is not an ip address" in done.stderr
