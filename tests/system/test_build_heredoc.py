"""Heredocs of RUN, COPY and ADD: what runs, what is written, what history says of it."""

from __future__ import annotations

import pytest
from tests.building import Builder, as_fixture

from cowl.dockerfile.diagnostics import DockerfileError

builder = as_fixture()


def test_a_heredoc_alone_is_the_command(builder: Builder) -> None:
    text = "FROM base\nARG A=b\nRUN <<EOF\necho one $A > /x\necho two >> /x\nEOF\n"
    built = builder.build(text)
    assert built.text("/x") == "one b\ntwo\n"
    assert built.told[1] == "RUN |1 A=b /bin/sh -c echo one $A > /x\necho two >> /x\n # buildkit"
    assert builder.build(text).misses == []
    assert builder.build(text.replace("two", "three")).misses == [2]


def test_a_shebang_makes_it_a_script_that_no_layer_sees(builder: Builder) -> None:
    text = "FROM base\nRUN <<-'it'\n\t#!/bin/busybox ash\n"
    text += "\techo $0 $(stat -c %a $0) > /x; ! touch ${0%/*}/y\n\tit\n"
    built = builder.build(text)
    assert built.text("/x") == "/dev/pipes/it 755\n"
    assert built.told == ["RUN /bin/sh -c /dev/pipes/it # buildkit"]
    assert built.layers[1] == (len("/dev/pipes/it 755\n"), 1)
    assert built.view.lookup("/dev/pipes") is None
    changed = builder.build(text.replace("echo", "echo now"))
    assert changed.misses == [2]  # the script is a part of the step
    assert changed.text("/x").startswith("now")


def test_a_command_with_heredocs_is_the_shells(builder: Builder) -> None:
    built = builder.build(
        "FROM base\nENV A=1\nRUN cat <<ONE > /x && cat <<'TWO' >> /x && cat <<-THREE >> /x\n"
        "a $A\nONE\nb $A\nTWO\n\tc\n\tTHREE\n"
    )
    assert built.text("/x") == "a 1\nb $A\nc\n"
    assert built.told[1].startswith("RUN /bin/sh -c cat <<ONE > /x && cat <<'TWO'")
    assert "\na $A\nONE\nb $A\nTWO\n\tc\nTHREE # buildkit" in built.told[1]


def test_the_shell_instruction_holds_for_heredocs(builder: Builder) -> None:
    built = builder.build(
        'FROM base\nSHELL ["/bin/busybox", "ash", "-ec"]\nRUN <<EOF\nfalse || echo a > /x\nEOF\n'
    )
    assert built.text("/x") == "a\n"


@pytest.mark.parametrize("keyword", ["COPY", "ADD"])
def test_inline_files(builder: Builder, keyword: str) -> None:
    builder.file("c", "c")
    text = f"FROM base\nENV N=node\n{keyword} <<a.conf c <<-'b.conf' /etc/app/\n"
    text += "for $N\n\nend\na.conf\n\tkeep $N\n\tb.conf\n"
    built = builder.build(text)
    assert built.text("/etc/app/a.conf") == "for node\n\nend\n"
    assert built.text("/etc/app/b.conf") == "keep $N\n"
    assert built.text("/etc/app/c") == "c"
    assert built.owner("/etc/app/a.conf") == (0, 0, 0o644)
    assert built.told[1] == f"{keyword} c <<a.conf <<b.conf /etc/app/ # buildkit"
    assert builder.build(text).misses == []
    assert builder.build(text.replace("end", "END")).misses == [2]
    assert builder.build(text.replace("N=node", "N=other")).misses == [2]


def test_an_inline_file_with_a_name_an_owner_and_a_mode(builder: Builder) -> None:
    built = builder.build(
        "FROM base\nCOPY --chown=node --chmod=750 <<EOF /run.sh\n#!/bin/sh\nEOF\nCOPY <<E /empty\nE\n"
    )
    assert built.owner("/run.sh") == (1000, 1000, 0o750)
    assert built.text("/run.sh") == "#!/bin/sh\n"
    assert built.text("/empty") == ""


@pytest.mark.parametrize(
    ("text", "said", "line"),
    [
        ("RUN <<EOF\necho", '"EOF" never ends', 2),
        ("COPY <<a <<b /x/\na", '"b" never ends', 2),
        ("COPY <<d/e /x/\nd/e", 'a heredoc can\'t be called "d/e"', 2),
        ("COPY a <<EOF\nEOF", "can't be the destination", 2),
        ("RUN <<a/b\n#!/bin/sh\na/b", "a script can't be called", 2),
        ("COPY <<EOF /x\na\n${A\nEOF", "unknown modifier", 4),
    ],
)
def test_heredocs_that_make_no_sense(builder: Builder, text: str, said: str, line: int) -> None:
    with pytest.raises(DockerfileError) as caught:
        builder.build(f"FROM base\n{text}\n")
    assert said in caught.value.message
    assert caught.value.line == line
