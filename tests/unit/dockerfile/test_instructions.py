"""Each instruction: the text of one line and the fields that come of it."""

from __future__ import annotations

from typing import Any

import pytest

from cowl.dockerfile import nodes
from cowl.dockerfile.diagnostics import DockerfileError
from cowl.dockerfile.parser import parse, parse_fragment


def _one(text: str) -> nodes.Instruction:
    file = parse(f"FROM x\n{text}\n")
    assert len(file.stages[0].instructions) == 1
    return file.stages[0].instructions[0]


def _pairs(node: Any) -> list[tuple[str, str]]:
    return [(str(pair.key), str(pair.value)) for pair in node.pairs]


ACCEPTED: list[tuple[str, type, dict[str, Any]]] = [
    ("ARG A", nodes.Arg, {"arguments": (nodes.ArgDeclaration(nodes.Word("A")),)}),
    ("RUN echo hi", nodes.Run, {"command": "echo hi"}),
    ('RUN ["echo", "hi"]', nodes.Run, {"command": ("echo", "hi")}),
    ('RUN [ "echo", "a\\nb" ]  ', nodes.Run, {"command": ("echo", "a\nb")}),
    ("RUN [ -f /x ] && true", nodes.Run, {"command": "[ -f /x ] && true"}),
    ('RUN [ "$A" = b ] || exit', nodes.Run, {"command": '[ "$A" = b ] || exit'}),
    ("run echo # no comment", nodes.Run, {"command": "echo # no comment"}),
    ("Run\techo\ttabs", nodes.Run, {"command": "echo\ttabs"}),
    ("RUN --network=none true", nodes.Run, {"network": "none", "command": "true"}),
    ("RUN --security=insecure true", nodes.Run, {"security": "insecure"}),
    ("RUN --device=vendor.com/x=y true", nodes.Run, {"devices": ("vendor.com/x=y",)}),
    ("RUN -- --x", nodes.Run, {"command": "--x"}),
    ("CMD echo hi", nodes.Cmd, {"command": "echo hi"}),
    ('CMD ["a"]', nodes.Cmd, {"command": ("a",)}),
    ("CMD []", nodes.Cmd, {"command": ()}),
    ("CMD", nodes.Cmd, {"command": ""}),
    ("RUN", nodes.Run, {"command": ""}),
    ("ENTRYPOINT", nodes.Entrypoint, {"command": ()}),
    ('CMD ["a",]', nodes.Cmd, {"command": '["a",]'}),
    ('ENTRYPOINT ["a", "b"]', nodes.Entrypoint, {"command": ("a", "b")}),
    ("ENTRYPOINT []", nodes.Entrypoint, {"command": ()}),
    ("ENTRYPOINT a b", nodes.Entrypoint, {"command": "a b"}),
    ("MAINTAINER A B <a@b>", nodes.Maintainer, {"name": "A B <a@b>"}),
    ("EXPOSE 80 443/tcp 53/udp $P", nodes.Expose, {"ports": ("80", "443/tcp", "53/udp", "$P")}),
    ("ADD a b /c/", nodes.Add, {"sources": ("a", "b"), "dest": "/c/", "unpack": None, "keep_git_dir": None}),
    ("ADD --unpack a /c", nodes.Add, {"unpack": True}),
    ("ADD --unpack=FALSE --keep-git-dir=true a /c", nodes.Add, {"unpack": False, "keep_git_dir": True}),
    ("ADD --checksum=sha256:00 http://x/y /c", nodes.Add, {"checksum": "sha256:00"}),
    ("COPY a /b", nodes.Copy, {"sources": ("a",), "dest": "/b", "json": False, "from_": "", "link": False}),
    ('COPY ["a b", "c"]', nodes.Copy, {"sources": ("a b",), "dest": "c", "json": True}),
    ("COPY --from=build --chown=1:2 --chmod=u+x --link a b", nodes.Copy, {"from_": "build", "link": True}),
    ("COPY --chown='a b' --chmod=\"7\"5\\5 a b", nodes.Copy, {"chown": "a b", "chmod": "755"}),
    ("COPY --parents --exclude=*.a --exclude=b a b", nodes.Copy, {"parents": True, "exclude": ("*.a", "b")}),
    ("COPY [ab].txt /", nodes.Copy, {"sources": ("[ab].txt",), "dest": "/"}),
    ("COPY a\\ b c", nodes.Copy, {"sources": ("a\\", "b"), "dest": "c"}),
    ("VOLUME /a /b", nodes.Volume, {"paths": ("/a", "/b")}),
    ('VOLUME ["/a b", "/c"]', nodes.Volume, {"paths": ("/a b", "/c")}),
    ("USER app:staff", nodes.User, {"user": "app:staff"}),
    ("WORKDIR /a b", nodes.Workdir, {"path": "/a b"}),
    ("STOPSIGNAL 9", nodes.StopSignal, {"signal": "9"}),
    ('SHELL ["/bin/bash", "-c"]', nodes.Shell, {"command": ("/bin/bash", "-c")}),
    ("HEALTHCHECK NONE", nodes.Healthcheck, {"command": None}),
    ("HEALTHCHECK cmd curl  x", nodes.Healthcheck, {"command": "curl  x", "interval_ns": 0}),
    ('HEALTHCHECK CMD ["curl"]', nodes.Healthcheck, {"command": ("curl",)}),
    (
        "HEALTHCHECK --interval=1m30s --timeout=500ms --start-period=1.5h"
        " --start-interval=2s --retries=3 CMD x",
        nodes.Healthcheck,
        {
            "interval_ns": 90 * 10**9,
            "timeout_ns": 5 * 10**8,
            "start_period_ns": 5400 * 10**9,
            "start_interval_ns": 2 * 10**9,
            "retries": 3,
        },
    ),
]


@pytest.mark.parametrize(("text", "kind", "fields"), ACCEPTED, ids=[case[0] for case in ACCEPTED])
def test_fields(text: str, kind: type, fields: dict[str, Any]) -> None:
    node = _one(text)
    assert type(node) is kind
    assert {name: getattr(node, name) for name in fields} == fields
    assert node.raw == text.strip()
    assert node.source == nodes.SourceRange("Dockerfile", 2, 2, 1)


PAIRS = [
    ("A=1", [("A", "1")]),
    ("A=1 B=2", [("A", "1"), ("B", "2")]),
    ("A= B=", [("A", ""), ("B", "")]),
    ("A=b=c", [("A", "b=c")]),
    ("A=\"x y\" B='p q'", [("A", '"x y"'), ("B", "'p q'")]),
    ("A=x\\ y B=1", [("A", "x\\ y"), ("B", "1")]),
    ('A="a\\"b" B=1', [("A", '"a\\"b"'), ("B", "1")]),
    ("A='a\"b' B=1", [("A", "'a\"b'"), ("B", "1")]),
    ('A="never closed B=1', [("A", '"never closed B=1')]),
    ("A b c", [("A", "b c")]),
    ("A  b=c  d", [("A", "b=c  d")]),
    ("A # x", [("A", "# x")]),
    ("A \\\n  B", [("A", "B")]),
    ("A=1 \\\n # gone\n B=2", [("A", "1"), ("B", "2")]),
]


@pytest.mark.parametrize("keyword", ["ENV", "LABEL"])
@pytest.mark.parametrize(("text", "pairs"), PAIRS)
def test_pairs(keyword: str, text: str, pairs: list[tuple[str, str]]) -> None:
    node = _one(f"{keyword} {text}")
    assert isinstance(node, nodes.Env | nodes.Label)
    assert _pairs(node) == pairs
    assert node.pairs[0].legacy == (text.startswith("A ") or "A  " in text)


def test_pairs_with_a_backquote_for_escape() -> None:
    file = parse("# escape=`\nFROM x\nENV A=x` y B=C:\\dir `\n C=1\n")
    assert _pairs(file.stages[0].instructions[0]) == [("A", "x` y"), ("B", "C:\\dir"), ("C", "1")]


def test_arguments() -> None:
    node = _one('ARG A=1 B C="x y" D=')
    assert isinstance(node, nodes.Arg)
    assert [(each.name, each.default) for each in node.arguments] == [
        ("A", "1"),
        ("B", None),
        ("C", '"x y"'),
        ("D", ""),
    ]


FROMS = [
    ("FROM a", ("a", "", "")),
    ("FROM a AS b", ("a", "b", "")),
    ("from a as Build-1.x_y", ("a", "build-1.x_y", "")),
    ("FROM --platform=linux/arm64 a:1@sha256:00 AS b", ("a:1@sha256:00", "b", "linux/arm64")),
    ("FROM $IMAGE", ("$IMAGE", "", "")),
]


@pytest.mark.parametrize(("text", "fields"), FROMS)
def test_from(text: str, fields: tuple[str, str, str]) -> None:
    base = parse(text).stages[0].base
    assert (base.image, base.alias, base.platform) == fields


def test_mounts() -> None:
    node = _one("""RUN --mount=type=cache,target=/x,RO --mount=type=secret,id=a,'"source=b,c"' make""")
    assert isinstance(node, nodes.Run)
    cache, secret = node.mounts
    assert cache.options == (("type", "cache"), ("target", "/x"), ("ro", "true"))
    assert cache.kind == "cache" and cache.option("dst", "target") == "/x"
    assert secret.options == (("type", "secret"), ("id", "a"), ("source", "b,c"))
    assert node.command == "make"


def test_onbuild_holds_the_inner_instruction_and_the_text() -> None:
    node = _one("onbuild   copy --from=x a \\\n  b")
    assert isinstance(node, nodes.Onbuild)
    inner = node.instruction
    assert isinstance(inner, nodes.Copy)
    assert (inner.sources, inner.dest, inner.from_) == (("a",), "b", "x")
    assert node.trigger == "copy --from=x a   b"
    assert inner.raw == node.trigger and inner.source.column == 11
    assert (inner.dest.line, inner.dest.column) == (3, 3)


def test_onbuild_keeps_what_docker_does_not_look_at() -> None:
    file = parse("FROM x\nONBUILD COPY a \nRUN b\n")
    node = file.stages[0].instructions[0]
    assert isinstance(node, nodes.Onbuild)
    assert (node.instruction, node.trigger) == (None, "COPY a ")
    assert [(warning.line, warning.column) for warning in file.warnings] == [(2, 14)]


def test_heredocs_of_run() -> None:
    text = "RUN cat <<A 3<<-'B' > /f\none\nA\n\ttwo\n\tB\n"
    file = parse(f"FROM x\n{text}RUN true\n")
    node = file.stages[0].instructions[0]
    assert isinstance(node, nodes.Run)
    first, second = node.heredocs
    assert (first.name, first.content, first.expand, first.chomp) == ("A", "one\n", True, False)
    assert (second.name, second.content, second.expand, second.chomp) == ("B", "two\n", False, True)
    assert second.descriptor == 3
    assert node.command == "cat <<A 3<<-'B' > /f"
    assert (node.source.first_line, node.source.last_line) == (2, 6)
    assert (first.source.first_line, second.source.last_line) == (3, 6)


HEREDOC_LINES = [
    ("RUN <<EOF", ["EOF"]),
    ("RUN <<  EOF cat", ["EOF"]),
    ('RUN <<"E O" cat', ["E O"]),
    ("RUN <<$EOF", ["$EOF"]),
    ("RUN cat<<EOF", []),
    ('RUN echo "<<EOF"', []),
    ("RUN cat <<<EOF", []),
    ("RUN echo it's <<EOF", []),
    ("RUN echo $((1 << 2))", []),
    ("RUN echo $((1<<2))", []),
    ('RUN ["cat", "<<EOF"]', []),
    ("CMD cat <<EOF", []),
]


@pytest.mark.parametrize(("line", "names"), HEREDOC_LINES)
def test_what_opens_a_heredoc(line: str, names: list[str]) -> None:
    body = "".join(f"body\n{name}\n" for name in names)
    node = parse(f"FROM x\n{line}\n{body}").stages[0].instructions[-1]
    assert [each.name for each in getattr(node, "heredocs", ())] == names


def test_heredocs_of_copy_are_no_sources() -> None:
    file = parse("FROM x\nCOPY a <<ONE b <<TWO /d/\n1\nONE\n2\r\nTWO\r\n")
    node = file.stages[0].instructions[0]
    assert isinstance(node, nodes.Copy)
    assert (node.sources, node.dest) == (("a", "b"), "/d/")
    assert [(each.name, each.content) for each in node.heredocs] == [("ONE", "1\n"), ("TWO", "2\r\n")]


def test_heredoc_inside_onbuild_goes_into_the_trigger() -> None:
    node = _one("ONBUILD RUN <<EOF\na\nEOF")
    assert isinstance(node, nodes.Onbuild)
    assert node.trigger == "RUN <<EOF\na\nEOF"
    [again] = parse_fragment(node.trigger, "ONBUILD of x")
    assert isinstance(again, nodes.Run) and again.heredocs[0].content == "a\n"


def test_fragments_have_no_from_and_no_onbuild() -> None:
    assert [node.keyword for node in parse_fragment("CMD a\nENV A=1", "--change")] == ["CMD", "ENV"]
    for text in ("FROM x", "ONBUILD RUN x"):
        with pytest.raises(DockerfileError, match="can't stand here"):
            parse_fragment(text, "--change")


def test_words_know_their_place() -> None:
    node = parse('FROM x\n  COPY --chown=1 \\\n  # note\n  "a" \\\n\tb  c\n').stages[0].instructions[0]
    assert isinstance(node, nodes.Copy)
    places = [(word.line, word.column, word.length) for word in (node.chown, *node.sources, node.dest)]
    assert places == [(2, 16, 1), (4, 3, 3), (5, 2, 1), (5, 5, 1)]
    assert (node.source.first_line, node.source.last_line, node.source.column) == (2, 5, 3)


def test_words_of_a_json_array_know_their_place() -> None:
    node = _one('COPY ["a\\tb",  "c"]')
    assert isinstance(node, nodes.Copy)
    assert (node.sources[0].column, node.sources[0].length) == (7, 6)
    assert (node.dest.column, node.dest.length) == (16, 3)
