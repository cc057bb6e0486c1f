"""The plan: which stages are needed, on what they stand, what is refused before anything runs."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from cowl.build.entitlements import check_entitlements
from cowl.build.plan import BuildPlan, UnknownTarget, make_plan
from cowl.dockerfile.diagnostics import DockerfileError
from cowl.dockerfile.parser import parse
from cowl.oci.platform import Platform

AMD64, ARM = Platform("linux", "amd64"), Platform("linux", "arm", "v7")


def plan(
    text: str, given: Mapping[str, str] | None = None, target: str = "", network: str = "host"
) -> BuildPlan:
    file = parse(text)
    return make_plan(file, given or {}, target=target, platform=ARM, host=AMD64, network=network)


def test_the_seed() -> None:
    text = "FROM node:14\nWORKDIR /app\nLABEL a=b\nENV C=d\nCOPY x ./\nRUN y\n"
    found = plan(text)
    (stage,) = found.stages
    assert (stage.image, stage.base_stage, stage.number, found.steps) == ("node:14", -1, 1, 4)
    assert [(step.node.keyword, step.number) for step in stage.steps] == [
        ("WORKDIR", 2),
        ("LABEL", 0),
        ("ENV", 0),
        ("COPY", 3),
        ("RUN", 4),
    ]


STAGES = """\
ARG TAG=1
FROM base:$TAG AS Build
RUN make
FROM other AS unused
RUN nothing
FROM build AS test
RUN test
FROM scratch AS final
COPY --from=build /a /a
COPY --from=0 /b /b
"""


def test_stages_that_nobody_needs_are_left_out() -> None:
    found = plan(STAGES)
    assert [(stage.index, stage.image, stage.base_stage) for stage in found.stages] == [
        (0, "base:1", -1),
        (3, "", -1),
    ]
    assert [stage.number for stage in found.stages] == [1, 3]
    assert found.stages[1].sources == (("build", 0), ("0", 0))
    assert found.steps == 5


@pytest.mark.parametrize(
    ("target", "indexes"), [("test", [0, 2]), ("TEST", [0, 2]), ("1", [1]), ("Final", [0, 3])]
)
def test_targets(target: str, indexes: list[int]) -> None:
    assert [stage.index for stage in plan(STAGES, target=target).stages] == indexes


def test_an_unknown_target_suggests_the_right_one() -> None:
    with pytest.raises(UnknownTarget, match="tset") as caught:
        plan(STAGES, target="tset")
    assert caught.value.hint == "Did you mean test?"


@pytest.mark.parametrize(
    ("text", "given", "image"),
    [
        ("ARG A=x\nFROM $A", {}, "x"),
        ("ARG A=x\nFROM $A", {"A": "y"}, "y"),
        ("ARG A=x\nARG B=${A}:2\nFROM $B", {}, "x:2"),
        ("FROM x-$TARGETARCH", {}, "x-arm"),
        ("FROM x-$BUILDARCH$TARGETVARIANT", {}, "x-amd64v7"),
        ("FROM x-$TARGETOS", {"TARGETOS": "plan9"}, "x-plan9"),
    ],
)
def test_arguments_before_from(text: str, given: dict[str, str], image: str) -> None:
    assert plan(text, given).stages[0].image == image


def test_unused_arguments_are_told() -> None:
    given = {
        "A": "1",
        "B": "2",
        "HTTP_PROXY": "p",
        "https_proxy": "p",
        "TARGETOS": "linux",
        "BUILDKIT_X": "1",
    }
    assert plan("FROM x\nARG A", given).unused == ("B",)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("RUN --device=vendor.com/class=name make", "no devices of the host"),
        ("COPY http://example.org/x /x", "fetches no URL"),
        ("COPY git@github.com:a/b.git /x", "fetches no URL"),
    ],
)
def test_what_is_not_there_yet_is_refused_with_its_place(line: str, said: str) -> None:
    with pytest.raises(DockerfileError) as caught:
        plan(f"FROM x\nRUN fine\n{line}\n")
    assert said in caught.value.message
    assert (caught.value.path, caught.value.line) == ("Dockerfile", 3)


def test_a_run_may_not_take_more_than_the_caller_gives() -> None:
    assert plan("FROM x\nRUN --network=none a").steps == 2
    for flag, network, allow in (
        ("network=host", "none", "network.host"),
        ("security=insecure", "host", "security.insecure"),
    ):
        file = parse(f"FROM x\nRUN --{flag} a\n")
        (node,) = file.stages[0].instructions
        check_entitlements(file, node, network, (allow,))
        with pytest.raises(DockerfileError, match=f"--{flag} is not allowed") as caught:
            check_entitlements(file, node, network, ())
        assert caught.value.line == 2 and f"--allow {allow}" in caught.value.hint
    check_entitlements(file, node.replace(network="host", security="sandbox"), "host", ())


def test_what_is_refused_in_a_stage_that_nobody_needs_is_no_matter() -> None:
    assert plan("FROM a AS x\nRUN --mount=type=ssh b\nFROM c\n").steps == 1
