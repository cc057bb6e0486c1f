"""The texts of history, as Go would format them."""

from __future__ import annotations

import pytest

from cowl.build.history import go_duration, go_quoted, go_rune, run_text, transfer_text
from cowl.dockerfile import nodes
from cowl.dockerfile.parser import parse


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


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("COPY ./hello.txt ./", "COPY ./hello.txt ./ # buildkit"),
        ("ADD --chmod=755 --chown=a:b x y /z/", "ADD --chown=a:b --chmod=755 x y /z/ # buildkit"),
        ("COPY --parents --chmod=u+x a /z/", "COPY --parents --chmod=u+x a /z/ # buildkit"),
        ("COPY --link --exclude=b a /z/", "COPY a /z/ # buildkit"),
        ("COPY <<x a <<-'y' /z/\nx\ny", "COPY a <<x <<y /z/ # buildkit"),
    ],
)
def test_copy_tells_what_buildkit_tells(line: str, told: str) -> None:
    node = parse(f"FROM x\n{line}\n").stages[0].instructions[0]
    assert isinstance(node, nodes.Transfer)
    assert transfer_text(node) == told
