"""The rescue of a comment at the end of COPY and ADD: what is cut, and what never is."""

from __future__ import annotations

import pytest

from cowl.dockerfile import nodes
from cowl.dockerfile.parser import parse
from cowl.dockerfile.rescue import Rescue, comment_rescue
from cowl.dockerfile.scope import expand_node


def _rescued(text: str) -> Rescue | None:
    file = parse(f"FROM x\n{text}\n")
    node = expand_node(file, file.stages[0].instructions[0], {"HASH": "#"}).node
    assert isinstance(node, nodes.Copy | nodes.Add)
    return comment_rescue(file, node)


CUT = [
    ("COPY ./hello.txt ./ # echo test > hello.txt", ("./hello.txt",), "./"),
    ("COPY a b c/ #", ("a", "b"), "c/"),
    ("ADD --chown=1 a b # c # d", ("a",), "b"),
    ("COPY a b \\\n  # a real comment line\n  # c", None, ""),
    ("COPY a b \\\n  \\\n c # d", ("a", "b"), "c"),
]


@pytest.mark.parametrize(("text", "sources", "dest"), CUT)
def test_cut_at_the_word(text: str, sources: tuple[str, ...] | None, dest: str) -> None:
    rescue = _rescued(text)
    if sources is None:
        assert rescue is None
        return
    assert rescue is not None
    assert (rescue.node.sources, rescue.node.dest) == (sources, dest)
    assert "#" not in rescue.node.raw and rescue.node.raw.endswith(dest)
    assert rescue.warning.excerpt.splitlines()[1].endswith("| " + " " * (rescue.warning.column - 1) + "^")


@pytest.mark.parametrize(
    "text",
    ["COPY a b", "COPY # b", "COPY a # b", 'COPY ["a", "b", "#", "c"]', "COPY a b $HASH c", "COPY a b #c d"],
)
def test_kept_as_docker_reads_it(text: str) -> None:
    rescue = _rescued(text)
    assert rescue is None
