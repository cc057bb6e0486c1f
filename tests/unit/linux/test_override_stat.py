"""The record's format: containers/storage's, merged and read without surprises."""

from __future__ import annotations

import pytest

from cowl.linux.override_stat import BadOverrideStat, OverrideStat


@pytest.mark.parametrize(
    ("value", "record"),
    [
        (b"0:0:0755", OverrideStat(0, 0, 0o755)),
        (b"1000:50:0100644:file", OverrideStat(1000, 50, 0o644, "file")),
        (b"1:2:04755:dir", OverrideStat(1, 2, 0o4755, "dir")),
        (b"4294967294:0:644", OverrideStat(4294967294, 0, 0o644)),
        (b"0:0:0666:char-1-3", OverrideStat(0, 0, 0o666, "char-1-3")),
    ],
)
def test_reads_what_others_write(value: bytes, record: OverrideStat) -> None:
    assert OverrideStat.parse(value) == record
    assert OverrideStat.parse(record.format()) == record


def test_writes_octal_with_a_zero() -> None:
    assert OverrideStat(1000, 1000, 0o4755).format() == b"1000:1000:04755"
    assert OverrideStat(0, 0, 0).format() == b"0:0:00"


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"0:0",
        b"0:0:9",
        b"-1:0:0644",
        b"4294967295:0:0644",
        b"0:0:0644:door",
        b"0:0:0644\n",
        b" 0:0:0644",
        b"0" * 500,
        "٣:0:0644".encode(),
    ],
)
def test_refuses_anything_else(value: bytes) -> None:
    with pytest.raises(BadOverrideStat):
        OverrideStat.parse(value)


def test_a_chmod_since_wins() -> None:
    record = OverrideStat(5, 5, 0o040)
    assert record.mode_now(0o440, directory=False) == 0o040
    assert record.mode_now(0o644, directory=False) == 0o644
    assert record.mode_now(0o740, directory=True) == 0o040
    assert record.mode_now(0o440, directory=True) == 0o440
