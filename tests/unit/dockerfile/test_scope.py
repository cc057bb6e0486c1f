"""Which fields take variables, and where an expansion that fails is reported."""

from __future__ import annotations

from typing import Any

import pytest

from cowl.dockerfile import nodes
from cowl.dockerfile.diagnostics import DockerfileError
from cowl.dockerfile.parser import parse
from cowl.dockerfile.scope import EXPANDING, expand_node

ENV = {"V": "val", "P": "80 443", "Q": "a b"}


def _expanded(text: str) -> Any:
    file = parse(f"FROM x\n{text}\n")
    return expand_node(file, file.stages[0].instructions[0], ENV).node


def test_every_field_that_takes_variables() -> None:
    copy = _expanded("COPY --chown=$V --chmod=$V --exclude=$V $V/* '$V' /$V/")
    assert (copy.sources, copy.dest) == (("val/*", "$V"), "/val/")
    assert (copy.chown, copy.chmod, copy.exclude) == ("val", "val", ("$V",))
    assert _expanded("ADD --checksum=$V $V /").checksum == "val"
    env = _expanded('ENV A=$V "B"="$Q $V" C=\'$V\' $V=1')
    assert [(p.key, p.value) for p in env.pairs] == [
        ("A", "val"),
        ("B", "a b val"),
        ("C", "$V"),
        ("val", "1"),
    ]
    assert _expanded("LABEL a $V b").pairs[0].value == "val b"
    assert _expanded("EXPOSE $P 53/$V").ports == ("80", "443", "53/val")
    assert _expanded("USER $V:$V").user == "val:val"
    assert _expanded("VOLUME /$V /b").paths == ("/val", "/b")
    assert _expanded('WORKDIR "/$V"').path == "/val"
    assert _expanded("STOPSIGNAL $V").signal == "val"
    assert _expanded("RUN --mount=type=bind,source=$V,target=/ $V").mounts[0].option("source") == "val"
    argument = _expanded("ARG A=$V B").arguments
    assert (argument[0].default, argument[1].default) == ("val", None)
    file = parse("FROM --platform=$V img:$V AS x")
    base = expand_node(file, file.stages[0].base, ENV).node
    assert isinstance(base, nodes.From) and (base.image, base.platform) == ("img:val", "val")


UNTOUCHED = [
    "RUN echo $V",
    'RUN ["$V"]',
    "CMD $V",
    "ENTRYPOINT $V",
    "HEALTHCHECK CMD $V",
    'SHELL ["$V"]',
    "MAINTAINER $V",
    "ONBUILD ENV A=$V",
]


@pytest.mark.parametrize("text", UNTOUCHED)
def test_what_does_not_expand(text: str) -> None:
    file = parse(f"FROM x\n{text}\n")
    node = file.stages[0].instructions[0]
    assert expand_node(file, node, ENV).node == node
    assert node.keyword not in EXPANDING or node.keyword == "RUN"


def test_heredoc_bodies_of_copy() -> None:
    copy = _expanded("COPY <<A <<'B' /d/\nit's \"$V\" \\$V\nA\n$V\nB")
    assert [each.content for each in copy.heredocs] == ['it\'s "val" $V\n', "$V\n"]


def test_variables_of_one_instruction_are_those_before_it() -> None:
    file = parse("FROM x\nENV V=new W=$V\n")
    found = expand_node(file, file.stages[0].instructions[0], {"V": "old"})
    assert isinstance(found.node, nodes.Env) and found.node.pairs[1].value == "old"
    assert (found.used, found.missing) == (("V",), ())
    assert expand_node(file, file.stages[0].instructions[0], {}).missing == ("V",)


def test_words_keep_their_place() -> None:
    copy = _expanded("COPY $V b")
    assert (copy.sources[0], copy.sources[0].column, copy.sources[0].length) == ("val", 6, 2)


ERRORS = [
    ("WORKDIR /a/${V", 2, 12, "never closed"),
    ('ENV A=1 B="x', 2, 11, "double quote"),
    ("COPY a \\\n  ${NONE:?unset} /", 3, 3, "NONE: unset"),
    ("ENV A=1 ${NONE}=2", 2, 9, "blank"),
    ("COPY <<EOF /x\nfine\n  ${V:-x\nEOF", 4, 3, "never closed"),
]


@pytest.mark.parametrize(("text", "line", "column", "reason"), ERRORS)
def test_errors_have_a_place(text: str, line: int, column: int, reason: str) -> None:
    with pytest.raises(DockerfileError, match=reason) as caught:
        _expanded(text)
    assert (caught.value.line, caught.value.column) == (line, column)
    assert "^" in caught.value.excerpt
