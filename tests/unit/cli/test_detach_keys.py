"""The grammar of --detach-keys, and the sequence found however it is cut."""

from __future__ import annotations

import pytest

from cowl.cli.detach_keys import DetachKeys, InvalidDetachKeys, parse_keys


def test_docker_s_grammar() -> None:
    assert parse_keys("ctrl-p,ctrl-q") == b"\x10\x11"
    assert parse_keys("a,A,1,%,DEL") == b"aA1%\x7f"
    assert parse_keys("ctrl-@,ctrl-a,ctrl-z,ctrl-[,ctrl-\\,ctrl-],ctrl-^,ctrl-_") == bytes(
        (0, 1, 26, 27, 28, 29, 30, 31)
    )


@pytest.mark.parametrize("text", ("ctrl-", "ctrl-A", "ctrl-1", "", "a,", "ab", "é", "del", "ctrl-aa"))
def test_what_is_no_key(text: str) -> None:
    with pytest.raises(InvalidDetachKeys, match="invalid detach keys"):
        parse_keys(text)


@pytest.mark.parametrize("keys", (b"\x10\x11", b"aab", b"x"))
@pytest.mark.parametrize("typed", (b"", b"\x10\x10\x11", b"aaab", b"aaac\x10y", b"abaabx", b"\x10\x10"))
def test_found_however_it_is_cut(keys: bytes, typed: bytes) -> None:
    """All that comes before the sequence is passed on, nothing after it."""
    for size in range(1, len(typed) + 1):
        finder = DetachKeys(keys)
        passed, left = b"", False
        for at in range(0, len(typed), size):
            more, left = finder.feed(typed[at : at + size])
            passed += more
            if left:
                break
        before, found, _ = typed.partition(keys)
        assert left is bool(found)
        held = typed[len(passed) :]
        assert passed == before if left else keys.startswith(held) and typed.startswith(passed)
