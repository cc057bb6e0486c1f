"""Contexts: what is seen of a directory, and that no link leads out of it (threats 20)."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from cowl.build.context import (
    Context,
    LinkLeavesContext,
    NoContext,
    NoDockerfile,
    read_dockerfile,
    read_ignore,
    shown_name,
)
from cowl.build.tree import content_of
from cowl.dockerfile.ignore import parse_ignore
from cowl.errors import Invalid


def files(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)


def walked(root: Path, path: str = "", ignore: str = "") -> list[str]:
    with Context(str(root)) as context:
        context.ignore = parse_ignore(ignore) if ignore else None
        top = context.find(path)
        assert top is not None
        return [entry.path for entry in context.walk(top.path)]


def digest(root: Path, path: str = "", ignore: str = "") -> str:
    with Context(str(root)) as context:
        context.ignore = parse_ignore(ignore) if ignore else None
        top = context.find(path)
        assert top is not None
        return content_of(context, top).digest


def test_a_walk_is_sorted_and_parents_come_first(tmp_path: Path) -> None:
    files(tmp_path, "b/z", "b/a", "a", "b.txt", "b/d/e")
    assert walked(tmp_path) == ["", "a", "b", "b/a", "b/d", "b/d/e", "b/z", "b.txt"]


@pytest.mark.parametrize(
    ("ignore", "left"),
    [
        ("b", ["", "a"]),
        ("*", [""]),
        ("b/a", ["", "a", "b", "b/d", "b/d/e"]),
        ("b\n!b/d/e", ["", "a", "b", "b/d", "b/d/e"]),
        ("**/e", ["", "a", "b", "b/a", "b/d"]),
        ("*\n!b/d", ["", "b", "b/d", "b/d/e"]),
        ("b\n!b/nothing", ["", "a"]),
    ],
)
def test_dockerignore_hides(tmp_path: Path, ignore: str, left: list[str]) -> None:
    files(tmp_path, "a", "b/a", "b/d/e")
    assert sorted(walked(tmp_path, ignore=ignore)) == left


def test_hidden_files_are_not_found_but_known(tmp_path: Path) -> None:
    files(tmp_path, "a", "b/c")
    with Context(str(tmp_path)) as context:
        context.ignore = parse_ignore("b\na")
        assert context.find("a") is None
        assert context.find("b") is None
        assert context.names("") == []
        assert context.exists_hidden("b/c")
        assert not context.exists_hidden("nothing")


def test_links_are_followed_inside_the_context_only(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    root = tmp_path / "context"
    files(tmp_path, "canary/secret")
    files(root, "real/file", "etc/passwd")
    (root / "link").symlink_to("real/file")
    (root / "out").symlink_to(canary / "secret")
    (root / "up").symlink_to("../canary/secret")
    (root / "passwd").symlink_to("/etc/passwd")
    (root / "loop").symlink_to("loop")
    (root / "dir").symlink_to("real")
    with Context(str(root)) as context:
        found = context.find("link")
        assert found is not None
        assert (found.path, found.kind) == ("real/file", "file")
        for name in ("out", "up", "loop"):
            assert context.find(name) is None
        inside = context.find("passwd")
        assert inside is not None
        assert inside.path == "etc/passwd"
        below = context.find("dir/file")
        assert below is not None
        assert below.path == "real/file"
        kinds = {entry.path: (entry.kind, entry.target) for entry in context.walk("")}
        assert kinds["up"] == ("symlink", "../canary/secret")


def test_the_digest_tells_content_mode_and_names_but_no_times(tmp_path: Path) -> None:
    files(tmp_path, "a/x", "a/y")
    before = digest(tmp_path, "a")
    os.utime(tmp_path / "a" / "x", (1, 1))
    assert digest(tmp_path, "a") == before
    (tmp_path / "a").chmod(0o700)
    assert digest(tmp_path, "a") == before  # a directory is copied for its contents
    os.rename(tmp_path / "a", tmp_path / "b")
    assert digest(tmp_path, "b") == before
    mode = (tmp_path / "b" / "x").stat().st_mode
    changes: list[Callable[[], object]] = [
        lambda: (tmp_path / "b" / "x").chmod(0o755),
        lambda: (tmp_path / "b" / "x").write_text("X"),
        lambda: os.rename(tmp_path / "b" / "x", tmp_path / "b" / "z"),
        lambda: (tmp_path / "b" / "new").symlink_to("a"),
        lambda: (tmp_path / "b" / "empty").mkdir(),
        lambda: (tmp_path / "b" / "y").unlink(),
    ]
    assert mode & 0o777 != 0o755
    seen = {before}
    for change in changes:
        change()
        seen.add(digest(tmp_path, "b"))
    assert len(seen) == len(changes) + 1


def test_a_changed_file_with_its_old_time_is_seen(tmp_path: Path) -> None:
    files(tmp_path, "a")
    status = (tmp_path / "a").stat()
    before = digest(tmp_path, "a")
    (tmp_path / "a").write_text("b")
    os.utime(tmp_path / "a", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert digest(tmp_path, "a") != before


def test_a_fifo_neither_hangs_nor_is_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    assert walked(tmp_path) == ["", "fifo"]
    digest(tmp_path)
    with Context(str(tmp_path)) as context, pytest.raises(Invalid, match="not a regular file"):
        read_dockerfile(context, "fifo")


def test_names_need_not_be_utf8(tmp_path: Path) -> None:
    with open(os.fsencode(tmp_path) + b"/\xff", "w"):
        pass
    assert walked(tmp_path) == ["", os.fsdecode(b"\xff")]
    digest(tmp_path)


def test_the_dockerfile_and_its_ignore_file(tmp_path: Path) -> None:
    files(tmp_path, "Dockerfile", "sub/My.Dockerfile", ".dockerignore")
    with Context(str(tmp_path)) as context:
        assert read_dockerfile(context, "") == b"Dockerfile"
        assert read_dockerfile(context, "sub/My.Dockerfile") == b"sub/My.Dockerfile"
        assert shown_name(context, "sub/My.Dockerfile") == "sub/My.Dockerfile"
        assert read_ignore(context, "") == (".dockerignore", b".dockerignore")
        files(tmp_path, "sub/My.Dockerfile.dockerignore")
        assert read_ignore(context, "sub/My.Dockerfile") == (
            "sub/My.Dockerfile.dockerignore",
            b"sub/My.Dockerfile.dockerignore",
        )


def test_a_dockerfile_outside_the_context(tmp_path: Path) -> None:
    files(tmp_path, "other/Dockerfile", "context/x")
    with Context(str(tmp_path / "context")) as context:
        outside = str(tmp_path / "other" / "Dockerfile")
        assert read_dockerfile(context, outside) == b"other/Dockerfile"
        assert shown_name(context, outside) == outside


@pytest.mark.parametrize("name", ["Dockerfile", ".dockerignore", "Dockerfile.dockerignore"])
@pytest.mark.parametrize("target", ["/etc/shadow", "../canary", "/proc/self/environ"])
def test_a_dockerfile_that_links_out_is_not_read(tmp_path: Path, name: str, target: str) -> None:
    files(tmp_path, "canary", "context/x")
    (tmp_path / "context" / name).symlink_to(target)
    with Context(str(tmp_path / "context")) as context, pytest.raises(LinkLeavesContext, match=name):
        read_ignore(context, "") if name.endswith("ignore") else read_dockerfile(context, "")


def test_a_dockerfile_that_links_inside_is_read(tmp_path: Path) -> None:
    files(tmp_path, "docker/real")
    (tmp_path / "Dockerfile").symlink_to("docker/real")
    with Context(str(tmp_path)) as context:
        assert read_dockerfile(context, "") == b"docker/real"


def test_what_is_missing_is_told(tmp_path: Path) -> None:
    with Context(str(tmp_path)) as context:
        with pytest.raises(NoDockerfile, match="Dockerfile: no such file"):
            read_dockerfile(context, "")
        assert read_ignore(context, "") is None
    with pytest.raises(NoContext, match="nowhere"):
        Context(str(tmp_path / "nowhere"))
