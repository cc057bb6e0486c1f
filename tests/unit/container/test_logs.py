"""The log: lines, the file format, rotation, and reading it back while it is written."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowl.container.json_log import JsonLog, encode_line
from cowl.container.log_files import LogFiles
from cowl.container.log_options import LogRotation, parse_log
from cowl.container.logs import parse
from cowl.container.output import LONGEST_LINE, Lines
from cowl.container.words import InvalidOptions


def texts(files: LogFiles) -> list[str]:
    return [json.loads(line)["log"].rstrip("\n") for line in files.lines()]


@given(st.lists(st.binary(max_size=50)))
def test_lines_are_the_bytes_in_order(chunks: list[bytes]) -> None:
    lines = Lines()
    found = [line for chunk in chunks for line in lines.feed(chunk)]
    assert all(line.endswith(b"\n") and line.count(b"\n") == 1 for line in found)
    whole = b"".join(chunks)
    rest = whole.rpartition(b"\n")[2]
    assert b"".join(found + lines.end()) == whole + (b"\n" if rest else b"")


def test_a_long_line_is_kept_in_parts_of_whole_characters() -> None:
    lines = Lines()
    text = ("x" * (LONGEST_LINE - 1) + "\u20ac" + "y" * LONGEST_LINE).encode()
    parts = [*lines.feed(text), *lines.feed(b"end\n")]
    assert b"".join(parts) == text + b"end\n"
    assert [part.endswith(b"\n") for part in parts] == [False] * (len(parts) - 1) + [True]
    assert all(len(part) <= LONGEST_LINE + 1 and part.decode() for part in parts)


def test_the_format_is_dockers() -> None:
    line = encode_line("stderr", b'a "b"\xff\xe2\x82\n', 1_700_000_000_000_000_007)
    assert json.loads(line) == {
        "log": 'a "b"\ufffd\ufffd\ufffd\n',
        "stream": "stderr",
        "time": "2023-11-14T22:13:20.000000007Z",
    }
    entry = parse(line)
    assert entry is not None
    assert (entry.stream, entry.nanoseconds) == ("stderr", 1_700_000_000_000_000_007)
    for year in ("1970-01-01", "2000-02-29", "2024-12-31", "2100-03-01"):
        found = parse(b'{"log":"","stream":"stdout","time":"%sT00:00:00Z"}' % year.encode())
        import datetime

        moment = datetime.datetime.fromisoformat(year + "T00:00:00+00:00")
        assert found is not None
        assert found.nanoseconds == int(moment.timestamp()) * 10**9
    assert parse(b'{"log": "half') is None


def test_rotation_keeps_the_newest_files(tmp_path: Path) -> None:
    log = JsonLog(str(tmp_path / "log"), max_bytes=300, max_files=3)
    for number in range(40):
        log.write("stdout", [b"%d\n" % number])
    names = sorted(os.listdir(tmp_path / "log"))
    assert names == ["container.log", "container.log.1", "container.log.2"]
    assert all((tmp_path / "log" / name).stat().st_size <= 300 for name in names)
    found = texts(LogFiles(str(tmp_path / "log")))
    assert found == [str(number) for number in range(40 - len(found), 40)]
    assert len(found) > 6


def test_a_single_file_begins_anew(tmp_path: Path) -> None:
    log = JsonLog(str(tmp_path), max_bytes=300, max_files=1)
    files = LogFiles(str(tmp_path))
    seen = []
    for number in range(20):
        log.write("stdout", [b"%d\n" % number])
        seen += texts(files)
    assert seen == [str(number) for number in range(20)]
    assert os.listdir(tmp_path) == ["container.log"]


@pytest.mark.parametrize("every", [1, 3, 7])
def test_a_follower_misses_nothing_that_rotation_has_not_dropped(tmp_path: Path, every: int) -> None:
    log = JsonLog(str(tmp_path), max_bytes=200, max_files=5)
    files = LogFiles(str(tmp_path))
    seen = []
    for number in range(60):
        log.write("stdout", [b"%d\n" % number])
        if number % every == 0:
            seen += texts(files)
    assert seen + texts(files) == [str(number) for number in range(60)]
    files.close()


@pytest.mark.parametrize("count", [0, 1, 2, 5, 9, 100])
def test_the_last_lines_over_several_files(tmp_path: Path, count: int) -> None:
    log = JsonLog(str(tmp_path), max_bytes=200, max_files=50)
    for number in range(9):
        log.write("stdout", [b"%d\n" % number])
    files = LogFiles(str(tmp_path))
    files.seek_last(count)
    assert texts(files) == [str(number) for number in range(9)][max(0, 9 - count) :]


def test_a_failing_disk_loses_lines_and_raises_nothing(tmp_path: Path) -> None:
    log = JsonLog(str(tmp_path / "gone" / "log"))
    log.write("stdout", [b"lost\n"])
    (tmp_path / "gone").mkdir()
    log.write("stdout", [b"kept\n"])
    assert texts(LogFiles(str(tmp_path / "gone" / "log"))) == ["kept"]
    if os.path.exists("/dev/full"):
        full = tmp_path / "full"
        full.mkdir()
        log = JsonLog(str(full))
        log.write("stdout", [b"first\n"])
        os.dup2(os.open("/dev/full", os.O_WRONLY), log._fd)
        log.write("stdout", [b"lost\n"])
        log.write("stdout", [b"again\n"])
        assert texts(LogFiles(str(full))) == ["first", "again"]


@pytest.mark.parametrize(
    ("driver", "options", "said"),
    [
        ("syslog", (), "no log driver named 'syslog'"),
        ("json-file", (("compress", "true"),), "unknown log opt 'compress'"),
        ("none", (("max-size", "1m"),), "unknown log opt 'max-size' for none"),
        ("json-file", (("max-size", "many"),), "invalid value for max-size"),
        ("json-file", (("max-size", "0"),), "positive"),
        ("json-file", (("max-file", "0"),), "1 or more"),
    ],
)
def test_log_options_that_are_none(driver: str, options: tuple[tuple[str, str], ...], said: str) -> None:
    with pytest.raises(InvalidOptions, match=said):
        parse_log(driver, options)


def test_log_options_are_in_decimal_units() -> None:
    assert parse_log("json-file", (("max-size", "1.5m"), ("max-file", "3"))) == LogRotation(1_500_000, 3)
    assert parse_log("json-file", (("max-size", "10kB"),)).max_bytes == 10_000
    assert parse_log("none", ()) == LogRotation()
