"""Any text is a Dockerfile or a DockerfileError: no other exception, no hang."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from cowl.dockerfile import nodes
from cowl.dockerfile.diagnostics import DockerfileError
from cowl.dockerfile.parser import parse
from cowl.dockerfile.rescue import comment_rescue
from cowl.dockerfile.scope import expand_node

_KEYWORDS = (
    *("FROM", "ARG", "RUN", "CMD", "LABEL", "MAINTAINER", "EXPOSE", "ENV", "ADD", "COPY", "ENTRYPOINT"),
    *(
        "VOLUME",
        "USER",
        "WORKDIR",
        "ONBUILD",
        "STOPSIGNAL",
        "HEALTHCHECK",
        "SHELL",
        "RUNN",
        "#",
        "# escape=`",
    ),
)
_PIECES = (
    *(
        " ",
        "  ",
        "\t",
        "\n",
        "\n",
        "\r\n",
        "\\\n",
        "`\n",
        "\\",
        "`",
        "'",
        '"',
        "=",
        "#",
        "<<EOF",
        "<<-E",
        "EOF\n",
    ),
    *(
        "[",
        "]",
        '["a", "b"]',
        "[1]",
        ",",
        "$A",
        "${A}",
        "${A:-",
        "}",
        "--",
        "--from=",
        "--mount=type=cache,",
        "--link",
    ),
    *(
        "a",
        "b/c",
        "A=1",
        "CMD",
        "NONE",
        "AS",
        "--interval=1s",
        "\x00",
        "\udcff",
        "\xa0",
        "é",
        "\x85",
        "\ufeff",
    ),
)
_LINES = st.lists(
    st.tuples(st.sampled_from(_KEYWORDS), st.lists(st.sampled_from(_PIECES), max_size=8)).map(
        lambda line: f"{line[0]} {''.join(line[1])}"
    ),
    max_size=6,
).map("\n".join)


def _check(text: str | bytes) -> None:
    try:
        file = parse(text)
    except DockerfileError as error:
        assert error.line >= 1 and error.column >= 1
        error.message.encode()
        return
    lines = file.text.split("\n")
    for warning in file.warnings:
        warning.message.encode()
    for node in file.instructions:
        source = node.source
        assert 1 <= source.first_line <= source.last_line <= len(lines)
        assert lines[source.first_line - 1][source.column - 1 :].upper().startswith(node.keyword)
        if isinstance(node, nodes.Copy | nodes.Add):
            comment_rescue(file, node)
        try:
            expand_node(file, node, {"A": "x y"})
        except DockerfileError as error:
            error.message.encode()


@given(st.text())
def test_any_text(text: str) -> None:
    _check(text)


@given(st.binary())
def test_any_bytes(text: bytes) -> None:
    _check(text)


@settings(max_examples=400)
@given(_LINES)
def test_almost_dockerfiles(lines: str) -> None:
    _check(f"FROM a\n{lines}")
    _check(lines)


@given(st.text(alphabet='[]{}",\\ab0 ', max_size=30))
def test_almost_json(text: str) -> None:
    for keyword in ("RUN", "COPY a", "COPY", "SHELL", "VOLUME", "HEALTHCHECK CMD"):
        _check(f"FROM a\n{keyword} [{text}")


def test_deep_json() -> None:
    _check("FROM a\nRUN " + "[" * 200_000)
    _check("FROM a\nRUN [" + "1" * 10_000 + "]")


def test_many_heredoc_marks_take_no_time() -> None:
    _check("FROM a\n" + "RUN echo $((1 << 2))\n" * 20_000)
    _check("FROM a\nRUN " + "<<E " * 20_000 + "\n" + "E\n" * 20_000)
