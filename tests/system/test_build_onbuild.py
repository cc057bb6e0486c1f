"""ONBUILD: triggers of images and of stages, their order, their errors."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.building import Builder, as_fixture

from cowl.build.run_step import RunFailed
from cowl.dockerfile.diagnostics import DockerfileError
from cowl.errors import CowlError
from cowl.events import StepStarted

builder = as_fixture()


def test_triggers_of_an_image_come_first_and_only_once(builder: Builder) -> None:
    builder.file("a", "a")
    base = builder.build(
        "FROM base\nONBUILD WORKDIR /w\nONBUILD COPY a .\nONBUILD RUN echo $X > x\nONBUILD ENV X=1\n",
        tags=("trigger",),
    )
    assert base.config.config.onbuild == ("WORKDIR /w", "COPY a .", "RUN echo $X > x", "ENV X=1")
    assert base.told == []
    built = builder.build("FROM trigger\nRUN echo $X > y\n", tags=("child",))
    assert built.told == [
        "WORKDIR /w",
        "COPY a . # buildkit",
        "RUN /bin/sh -c echo $X > x # buildkit",
        "ENV X=1",
        "RUN /bin/sh -c echo $X > y # buildkit",
    ]
    assert (built.text("/w/a"), built.text("/w/x"), built.text("/w/y")) == ("a", "\n", "1\n")
    assert built.config.config.onbuild == ()
    numbers = [event.number for event in built.events if isinstance(event, StepStarted)]
    assert sorted(numbers) == [1, 2, 3, 4, 5]
    again = builder.build("FROM trigger\nRUN echo $X > y\n")
    assert again.misses == []
    assert again.record.id == built.record.id
    assert builder.build("FROM child\n").told[-1:] == built.told[-1:]


def test_triggers_of_a_stage(builder: Builder) -> None:
    built = builder.build(
        "FROM base AS one\nONBUILD RUN echo 1 >> /x\nRUN echo 0 >> /x\n"
        "FROM one AS two\nRUN echo 2 >> /x\nFROM two\nRUN echo 3 >> /x\n"
    )
    assert built.text("/x") == "0\n1\n2\n3\n"
    assert built.config.config.onbuild == ()


def test_a_trigger_copies_from_a_stage_an_image_and_a_heredoc(builder: Builder) -> None:
    builder.build("FROM base\nRUN echo o > /o\n", tags=("other",))
    built = builder.build(
        "FROM base AS made\nRUN echo m > /m\n"
        "FROM scratch AS parent\nONBUILD COPY --from=made /m /\nONBUILD COPY --from=other /o /\n"
        "ONBUILD COPY <<EOF /h\nhello\nEOF\n"
        "FROM parent\n"
    )
    assert (built.text("/m"), built.text("/o"), built.text("/h")) == ("m\n", "o\n", "hello\n")


def test_a_trigger_of_an_image_copies_from_a_stage(builder: Builder, busybox_tar: Path) -> None:
    builder.add_base(busybox_tar, "trigger", onbuild=("COPY --from=made /m /n", "COPY --from=0 /m /o"))
    made = "FROM base AS made\nRUN echo m > /m\n"
    built = builder.build(f"{made}FROM trigger\nCOPY --from=made /m /\n")
    assert built.text("/n") == built.text("/o") == "m\n"
    with pytest.raises(DockerfileError, match="stage made is not built") as caught:
        builder.build(f"{made}FROM trigger\n")
    assert caught.value.path == "ONBUILD of image trigger"


@pytest.mark.parametrize(
    ("trigger", "said"),
    [
        ("COPPY a b", 'unknown instruction: "COPPY"'.replace('"', "")),
        ("COPY a", "COPY needs a destination"),
        ("FROM x", "FROM can't stand here"),
        ("ONBUILD RUN x", "ONBUILD can't stand here"),
        ("", "must be one instruction, not 0"),
        ("RUN a\nRUN b", "must be one instruction, not 2"),
        ("COPY ${x:y} /", "unknown modifier"),
        ("COPY <<EOF /x", "never ends"),
        ("COPY nope /x", "not found in the build context"),
    ],
)
def test_triggers_that_make_no_sense_say_whose_they_are(
    builder: Builder, busybox_tar: Path, trigger: str, said: str
) -> None:
    builder.add_base(busybox_tar, "trigger", onbuild=(trigger,))
    with pytest.raises(CowlError, match="ONBUILD of image trigger:1") as caught:
        builder.build("FROM trigger\n")
    assert said in str(caught.value)


def test_a_trigger_that_fails(builder: Builder, busybox_tar: Path) -> None:
    builder.add_base(busybox_tar, "trigger", onbuild=("RUN exit 3",))
    with pytest.raises(RunFailed) as caught:
        builder.build("FROM trigger\n")
    assert (caught.value.path, caught.value.exit_code) == ("ONBUILD of image trigger", 3)
