"""The graph of stages: what needs what, in which order, and what makes no sense."""

from __future__ import annotations

import pytest

from cowl.build.named_contexts import NamedContexts
from cowl.build.stage_graph import StageGraph, near_stage
from cowl.dockerfile.diagnostics import DockerfileError
from cowl.dockerfile.nodes import Dockerfile
from cowl.dockerfile.parser import parse


def graph(text: str, contexts: tuple[tuple[str, str], ...] = ()) -> tuple[Dockerfile, StageGraph]:
    file = parse(text)
    return file, StageGraph(file, {}, NamedContexts(contexts))


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("FROM x AS a\nFROM a AS b\nFROM b\n", [0, 1, 2]),
        ("FROM x AS a\nFROM y AS b\nFROM z\nCOPY --from=a / /\n", [0, 2]),
        ("FROM x AS a\nCOPY --from=b / /\nFROM y AS b\nFROM a\n", [1, 0, 2]),
        ("FROM x AS a\nCOPY --from=2 / /\nFROM y AS b\nFROM z AS c\nFROM a\nCOPY --from=B / /", [1, 2, 0, 3]),
        ("FROM x AS a\nFROM a AS a\nFROM a\n", [0, 1, 2]),
        ("FROM x AS a\nONBUILD COPY --from=c / /\nFROM y AS c\nFROM a\n", [0, 1, 2]),
        ("FROM a AS a\n", [0]),
    ],
)
def test_the_order_of_what_is_needed(text: str, order: list[int]) -> None:
    file, found = graph(text)
    assert found.order(len(file.stages) - 1) == order


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("FROM x AS a\nCOPY --from=a / /\n", (2, 13), "stage a can't copy from itself"),
        ("FROM x\nCOPY --from=0 / /\n", (2, 13), "stage 0 can't copy from itself"),
        ("FROM x AS a\nCOPY --from=b / /\nFROM y AS b\nCOPY --from=a / /\n", (4, 13), "a -> b -> a"),
        ("FROM x AS a\nCOPY --from=b / /\nFROM a AS b\n", (3, 6), "a -> b -> a"),
        ("FROM x AS a\nCOPY --from=1 / /\n", (2, 13), "there is no stage number 1"),
        ("FROM x\nCOPY --from=99999999999999999999 / /\n", (2, 13), "there is no stage number"),
    ],
)
def test_what_makes_no_sense(text: str, place: tuple[int, int], said: str) -> None:
    with pytest.raises(DockerfileError) as caught:
        graph(text)
    assert said in caught.value.message
    assert (caught.value.line, caught.value.column) == place
    assert caught.value.hint


def test_a_context_takes_the_place_of_a_stage() -> None:
    file, found = graph("FROM x AS a\nCOPY --from=b / /\nFROM y AS b\nFROM a\n", (("A", "."),))
    assert found.replaced(file.stages[0])
    assert found.order(2) == [0, 2]


def test_near_stages() -> None:
    file = parse("FROM x AS build\nFROM y AS later\n")
    assert near_stage(file, "biuld", 2) == "Did you mean the stage build?"
    assert "line 2" in near_stage(file, "later", 1)
    assert near_stage(file, "nginx", 2) == ""


def test_many_stages_take_no_time_that_grows_with_their_square() -> None:
    text = "".join(f"FROM s{i} AS s{i + 1}\nCOPY --from=s{i // 2} / /\n" for i in range(1, 20_000))
    _, found = graph("FROM x AS s1\n" + text)
    assert found.order(19_999)[-1] == 19_999
