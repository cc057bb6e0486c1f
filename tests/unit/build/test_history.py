"""The texts of history, as Go would format them."""

from __future__ import annotations

import pytest

from cowl.build.history import go_duration, go_quoted, go_rune, run_text, transfer_text


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0s"),
        (1, "1ns"),
        (1_500, "1.5µs"),
        (2_000_000, "2ms"),
        (1_000_000_000, "1s"),
        (1_050_000_000, "1.05s"),
        (60_000_000_000, "1m0s"),
        (3_600_000_000_000, "1h0m0s"),
        (3_661_500_000_000, "1h1m1.5s"),
    ],
)
def test_durations(nanoseconds: int, text: str) -> None:
    assert go_duration(nanoseconds) == text


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("a", '"a"'),
        ('say "x"\\', '"say \\"x\\"\\\\"'),
        ("a\tb\n", '"a\\tb\\n"'),
        ("\x01", '"\\x01"'),
        ("é日", '"é日"'),
        ("\u200b", '"\\u200b"'),
    ],
)
def test_quotes(text: str, quoted: str) -> None:
    assert go_quoted(text) == quoted


@pytest.mark.parametrize(
    ("number", "quoted"),
    [
        (0, r"'\x00'"),
        (3, r"'\x03'"),
        (10, r"'\n'"),
        (34, "'\"'"),
        (39, r"'\''"),
        (65, "'A'"),
        (92, r"'\\'"),
        (0xD800, "'\ufffd'"),
        (2**31 - 1, "'\ufffd'"),
    ],
)
def test_numbers_as_characters(number: int, quoted: str) -> None:
    assert go_rune(number) == quoted


def test_run_tells_the_arguments_in_scope() -> None:
    assert run_text(("/bin/sh", "-c", "a"), (), {}) == "RUN /bin/sh -c a # buildkit"
    assert run_text(("a",), (("X", "1"), ("Y", "")), {"X": "env"}) == "RUN |2 X=env Y= a # buildkit"


def test_copy_tells_its_flags() -> None:
    assert transfer_text("COPY", "", "", ("./hello.txt",), "./") == "COPY ./hello.txt ./ # buildkit"
    assert transfer_text("ADD", "a:b", "755", ("x", "y"), "/z/") == (
        "ADD --chown=a:b --chmod=755 x y /z/ # buildkit"
    )
