"""Sources of COPY: globs, and what is said of a source that is not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from cowl.build.context import Context
from cowl.build.copy_task import copy_task
from cowl.build.named_contexts import NamedContexts
from cowl.build.sources import SourceNotFound, clean, find_sources
from cowl.build.state import from_scratch
from cowl.build.task import Ground
from cowl.dockerfile import nodes
from cowl.dockerfile.ignore import parse_ignore
from cowl.dockerfile.parser import parse
from cowl.events import Event, Warned
from cowl.oci.platform import Platform

HOST = Platform.host()


def node_of(line: str) -> tuple[nodes.Dockerfile, nodes.Copy]:
    file = parse(f"FROM scratch\n{line}\n")
    node = file.stages[0].instructions[0]
    assert isinstance(node, nodes.Copy)
    return file, node


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("a.txt", "b.txt", "c.md", "d/a.txt", "d/e/a.txt", "f[1].txt", ".hidden"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "link").symlink_to("d")
    return tmp_path


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("a.txt", [("a.txt", "a.txt")]),
        ("./a.txt", [("a.txt", "a.txt")]),
        ("/a.txt", [("a.txt", "a.txt")]),
        ("../../a.txt", [("a.txt", "a.txt")]),
        ("d/../a.txt", [("a.txt", "a.txt")]),
        (".", [("", "")]),
        ("d", [("d", "d")]),
        ("link", [("link", "d")]),
        ("link/a.txt", [("a.txt", "d/a.txt")]),
        ("*.txt", [("a.txt", "a.txt"), ("b.txt", "b.txt"), ("f[1].txt", "f[1].txt")]),
        ("[ab].txt", [("a.txt", "a.txt"), ("b.txt", "b.txt")]),
        ("?.*", [("a.txt", "a.txt"), ("b.txt", "b.txt"), ("c.md", "c.md")]),
        ("*/a.txt", [("a.txt", "d/a.txt")]),
        ("*/*/a.txt", [("a.txt", "d/e/a.txt")]),
        ("d/*", [("a.txt", "d/a.txt"), ("e", "d/e")]),
        ("link/*.txt", [("a.txt", "d/a.txt")]),
        ("f[[]1].txt", [("f[1].txt", "f[1].txt")]),
        ("no*such", []),
        ("c.md a.txt", [("c.md", "c.md"), ("a.txt", "a.txt")]),
    ],
)
def test_what_words_name(root: Path, words: str, found: list[tuple[str, str]]) -> None:
    _, node = node_of(f"COPY {words} /dest/")
    with Context(str(root)) as context:
        assert [(source.name, source.entry.path) for source in find_sources(context, node)] == found


def test_clean() -> None:
    assert [clean(word) for word in ("", ".", "/", "a/", "../a", "a/../../b")] == ["", "", "", "a", "a", "b"]


def task(root: Path, line: str, ignore: str = "") -> tuple[list[Event], nodes.Instruction]:
    """What `copy_task` emits, and the node that it decided for."""
    file, node = node_of(line)
    events: list[Event] = []
    with Context(str(root)) as context:
        context.ignore = parse_ignore(ignore) if ignore else None
        ground = Ground(file, context, {}, HOST, None, "host", events.append, NamedContexts(()))
        found = copy_task(from_scratch(HOST), node, ground, context)
    return events, found.node


@pytest.mark.parametrize(
    ("line", "ignore", "said", "hint"),
    [
        ("COPY a.txr /x", "", '"a.txr": not found in the build context', "Did you mean a.txt?"),
        ("COPY d/b.txt /x", "", "not found", "Did you mean d/a.txt?"),
        ("COPY q/b.txt /x", "", "not found", "There is no folder q there either."),
        ("COPY a.txt /x", "*.md\n*.txt", "but .dockerignore:2 (*.txt) excludes it", "!a.txt"),
        ("COPY d/a.txt /x", "d", "but .dockerignore:1 (d) excludes it", "!d/a.txt"),
        ("COPY completely-different /x", "", "not found", "The folder . has: "),
    ],
)
def test_a_missing_source_is_explained(root: Path, line: str, ignore: str, said: str, hint: str) -> None:
    with pytest.raises(SourceNotFound) as caught:
        task(root, line, ignore)
    error = caught.value
    assert said in error.message
    assert hint in error.hint
    assert error.message.startswith("Dockerfile:2:6: ")
    assert error.message.splitlines()[-1].strip("| ").startswith("^")
    assert (error.line, error.column) == (2, 6)


def test_a_comment_is_rescued_only_when_docker_would_fail(root: Path) -> None:
    events, node = task(root, "COPY ./a.txt ./ # a comment")
    assert isinstance(node, nodes.Copy)
    assert (node.sources, node.dest) == (("./a.txt",), "./")
    (event,) = events
    assert isinstance(event, Warned)
    assert "Docker" in event.message
    assert "Dockerfile:2:17" in event.message
    for name in ("#", "a"):
        (root / name).write_text(name)
    events, node = task(root, "COPY ./a.txt # a /comment/")
    assert not events
    assert isinstance(node, nodes.Copy)
    assert node.sources == ("./a.txt", "#", "a")


def test_a_missing_source_before_a_comment_is_still_missing(root: Path) -> None:
    with pytest.raises(SourceNotFound, match="nothing"):
        task(root, "COPY nothing ./ # a comment")
