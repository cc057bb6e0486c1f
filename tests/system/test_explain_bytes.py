"""Where the bytes of a build went: each line's, what later lines hide of them, and what to write instead."""

from __future__ import annotations

import pytest
from tests.building import Builder, Built, as_fixture
from tests.caller import Caller

from cowl.events import BytesExplained, LineBytes

builder = as_fixture()

BIG = 300_000


def ledger(built: Built) -> BytesExplained:
    (event,) = [event for event in built.events if isinstance(event, BytesExplained)]
    return event


def lines(built: Built) -> dict[int, LineBytes]:
    return {line.line: line for line in ledger(built).lines}


def fixes(built: Built) -> list[tuple[int, str, int, str, int, str]]:
    """(line, kind, other line, cause, bytes, fix) of all waste."""
    return [
        (line.line, waste.kind, waste.line, waste.cause, waste.size_bytes, waste.fix)
        for line in ledger(built).lines
        for waste in line.waste
    ]


@pytest.fixture
def big(builder: Builder) -> Builder:
    builder.file("app/one", "1" * BIG)
    builder.file("app/two", "2" * 1000)
    return builder


def test_the_figures_are_those_of_the_layers(big: Builder) -> None:
    text = "FROM base\nCOPY app /app\nRUN rm /app/one && echo x > /app/two\nWORKDIR /w\n"
    built = big.build(text, explain=True)
    told = ledger(built)
    assert [line.line for line in told.lines] == [0, 2, 3, 4]
    assert [(line.added_bytes, line.added_files) for line in told.lines] == built.layers
    assert lines(built)[2].shadowed_bytes == BIG + 1000
    assert told.added_bytes - told.shadowed_bytes == told.visible_bytes
    assert told.whole
    assert fixes(built) == [
        (2, "shadowed", 3, "removed", BIG, "do not copy it in line 2: .dockerignore or COPY --exclude"),
        (2, "shadowed", 3, "overwritten", 1000, ""),
    ]
    cached = big.build(text, explain=True)
    assert cached.misses == []
    assert ledger(cached) == told


@pytest.mark.parametrize(
    ("line", "cause", "fix"),
    [
        ("chmod -R 755 /app", "chmod", "COPY --chmod=755 in line 2"),
        ("chown -R 7:8 /app", "chown", "COPY --chown=7:8 in line 2"),
        ("touch /app/*", "touch", ""),
    ],
)
def test_what_is_copied_up_for_nothing(big: Builder, line: str, cause: str, fix: str) -> None:
    built = big.build(f"FROM base\nCOPY app /app\nRUN {line}\n")
    assert fixes(built) == [
        (2, "shadowed", 3, cause, BIG + 1000, ""),
        (3, "copied-up", 2, cause, BIG + 1000, fix),
    ]
    assert lines(built)[3].waste[0].files == 2
    assert not ledger(built).whole


def test_other_bytes_of_the_same_length_are_no_copy_up(big: Builder) -> None:
    built = big.build("FROM base\nCOPY app /app\nRUN tr 1 3 < /app/one > /x && mv /x /app/one\n")
    assert fixes(built) == [(2, "shadowed", 3, "overwritten", BIG, "")]


def test_runs_are_to_be_merged(builder: Builder) -> None:
    built = builder.build(
        "FROM base\nRUN head -c 5000 /dev/zero > /a && head -c 7000 /dev/zero > /b\n"
        "RUN rm /a\nRUN chmod 700 /b\n"
    )
    assert fixes(built) == [
        (2, "shadowed", 4, "chmod", 7000, ""),
        (2, "shadowed", 3, "removed", 5000, "merge line 3 into line 2"),
        (4, "copied-up", 2, "chmod", 7000, "merge line 4 into line 2"),
    ]


@pytest.mark.parametrize(
    ("place", "cache"),
    [
        ("/var/cache/apt/archives", "/var/cache/apt"),
        ("/root/.npm/_cacache", "/root/.npm"),
        ("/root/.cache/pip/http", "/root/.cache/pip"),
        ("/home/node/.cache/yarn/v6", "/home/node/.cache/yarn"),
    ],
)
def test_package_caches(builder: Builder, place: str, cache: str) -> None:
    text = f"FROM base\nRUN mkdir -p {place} && echo kept > {place}/file\n"
    fix = f"RUN --mount=type=cache,target={cache} in line 2"
    assert fixes(builder.build(text)) == [(2, "cache", 2, cache, 5, fix)]
    assert fixes(builder.build(f"{text}RUN rm -r {place}\n")) == [(2, "shadowed", 3, "removed", 5, fix)]


def test_the_base_is_looked_at_when_asked(builder: Builder) -> None:
    text = "FROM base\nRUN chmod 700 /bin/busybox\n"
    assert fixes(builder.build(text)) == []
    (shadowed, copied) = fixes(builder.build(text, explain=True))
    assert shadowed[:4] == (0, "shadowed", 2, "chmod")
    assert copied[:4] == (2, "copied-up", 0, "chmod")
    assert copied[4] == shadowed[4] > BIG


def test_a_stage_on_a_stage(big: Builder) -> None:
    text = "FROM base AS one\nCOPY app /app\nFROM one\nRUN rm /app/two\n"
    assert list(lines(big.build(text))) == [2, 4]


def test_a_cached_build_reads_no_layer(big: Builder) -> None:
    text = "FROM base\nCOPY app /app\n"
    big.build(text)
    assert not [event for event in big.build(text).events if isinstance(event, BytesExplained)]


def test_the_command_line_shows_it(caller: Caller) -> None:
    project = caller.home / "bytes"
    project.mkdir()
    (project / "Dockerfile").write_text("FROM scratch\nCOPY a /a\nCOPY --chmod=700 a /a\n")
    (project / "a").write_text("x" * BIG)
    caller.give(project)
    plain = caller.cowl("build", "--progress=plain", str(project)).stderr.decode()
    short = "line 3: 300kB in 1 file of line 2 are stored again: it only changes their mode (/a)"
    assert f"cowl: {short}: COPY --chmod=700 in line 2\n" in plain
    full = caller.cowl("build", "--progress=plain", "--explain", str(project)).stderr.decode()
    assert "     3      300kB         0B  COPY --chmod=700 a /a\n" in full
    assert "       line 2: 300kB in 1 file are stored again by line 3 (/a)\n" in full
    assert "  600kB added, 300kB shadowed: 300kB visible\n" in full
