"""COPY with --link, --exclude, --parents and symbolic --chmod: what goes where, and what the cache knows."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.building import Builder, Built, as_fixture
from tests.caller import Caller

from cowl.build.sources import SourceNotFound
from cowl.dockerfile.diagnostics import DockerfileError

builder = as_fixture()


def tree(root: Builder) -> None:
    root.file("a.txt", "a")
    root.file("b.md", "b")
    root.file("run.sh", "#!/bin/sh\n", 0o755)
    root.file("d/x.txt", "x", 0o640)
    root.file("d/e/y.txt", "y")
    root.file("d/e/z.md", "z")
    root.file("d/f/w.txt", "w")
    (root.context / "d" / "e").chmod(0o750)


def below(built: Built, path: str) -> list[str]:
    """All paths below a directory of the image, relative to it."""
    found = []
    pending = [built.node(path)]
    while pending:
        for child in built.view.children(pending.pop()):
            found.append(child.path[len(path) + 1 :])
            pending += [child] if child.is_directory else []
    return sorted(found)


@pytest.mark.parametrize(
    ("flags", "sources", "found"),
    [
        ("--exclude=*.md", ".", "a.txt d d/e d/e/y.txt d/e/z.md d/f d/f/w.txt d/x.txt run.sh"),
        ("--exclude=**/*.md", ".", "a.txt d d/e d/e/y.txt d/f d/f/w.txt d/x.txt run.sh"),
        ("--exclude=d --exclude=*.sh", ".", "a.txt b.md"),
        ("--exclude=d --exclude=!d/e", ".", "a.txt b.md d d/e d/e/y.txt d/e/z.md run.sh"),
        ("--exclude=*.md", "a.txt b.md d", "a.txt e e/y.txt e/z.md f f/w.txt x.txt"),
        ("--exclude=*.txt", "*", "b.md e e/y.txt e/z.md f f/w.txt run.sh"),
        ("--exclude=e --exclude=f", "d", "x.txt"),
        ("--parents", "d/e/y.txt a.txt", "a.txt d d/e d/e/y.txt"),
        ("--parents", "d/e", "d d/e d/e/y.txt d/e/z.md"),
        ("--parents", "d/./e/y.txt", "e e/y.txt"),
        ("--parents", "./d/./e", "e e/y.txt e/z.md"),
        ("--parents", "**/*.txt", "a.txt d d/e d/e/y.txt d/f d/f/w.txt d/x.txt"),
        ("--parents", "d/*/*.txt", "d d/e d/e/y.txt d/f d/f/w.txt"),
        ("--parents", "d/./**/*.md", "e e/z.md"),
        ("--parents", "d/no*such", ""),
        ("--parents --exclude=**/*.md", "d/e", "d d/e d/e/y.txt"),
    ],
)
def test_what_is_chosen(builder: Builder, flags: str, sources: str, found: str) -> None:
    tree(builder)
    assert below(builder.build(f"FROM base\nCOPY {flags} {sources} /new/\n"), "/new") == found.split()


def test_parents_look_as_they_do_in_the_source(builder: Builder) -> None:
    tree(builder)
    os.utime(builder.context / "d" / "e", ns=(1, 1_400_000_000_000_000_000))
    built = builder.build("FROM base\nCOPY --parents --chown=7:8 d/e/y.txt /new/\n")
    assert built.owner("/new/d/e") == (7, 8, 0o750)
    assert built.node("/new/d/e").status.st_mtime_ns == 1_400_000_000_000_000_000
    assert built.told == ["COPY --parents --chown=7:8 d/e/y.txt /new/ # buildkit"]


def test_what_is_excluded_is_no_part_of_the_step(builder: Builder) -> None:
    tree(builder)
    text = "FROM base\nCOPY --exclude=**/*.md . /new/\n"
    builder.build(text)
    builder.file("d/e/z.md", "other")
    assert builder.build(text).misses == []
    builder.file("d/e/y.txt", "other")
    assert builder.build(text).misses == [2]


def test_parents_are_part_of_the_step(builder: Builder) -> None:
    tree(builder)
    builder.build("FROM base\nCOPY d/e/y.txt /new/\n")
    assert builder.build("FROM base\nCOPY --parents d/e/y.txt /new/\n").misses == [2]


def test_parents_of_a_stage(builder: Builder) -> None:
    tree(builder)
    built = builder.build(
        "FROM base AS one\nCOPY . /src\nFROM scratch\n"
        "COPY --parents --from=one /src/./d/*/*.txt /bin/sh /o/\n"
    )
    assert below(built, "/o") == ["bin", "bin/sh", "d", "d/e", "d/e/y.txt", "d/f", "d/f/w.txt"]
    assert built.node("/o/bin/sh").kind == "symlink"


@pytest.mark.parametrize("words", ["--parents d/nope", "--parents d/./nope", "--parents a.txt/x", "nope"])
def test_a_source_by_name_must_be_there(builder: Builder, words: str) -> None:
    tree(builder)
    with pytest.raises(SourceNotFound):
        builder.build(f"FROM base\nCOPY {words} /new/\n")


@pytest.mark.parametrize(
    ("chmod", "file", "script", "folder"),
    [
        ("u=rwX,go=rX", 0o644, 0o755, 0o755),
        ("go-rwx", 0o600, 0o700, 0o700),
        ("a+x", 0o751, 0o755, 0o751),
        ("0600", 0o600, 0o600, 0o600),
        ("$M", 0o444, 0o444, 0o444),
    ],
)
def test_chmod(builder: Builder, chmod: str, file: int, script: int, folder: int) -> None:
    tree(builder)
    built = builder.build(f"FROM base\nARG M=a=r\nCOPY --chmod={chmod} d run.sh /new/\n")
    assert oct(built.owner("/new/x.txt")[2]) == oct(file)
    assert oct(built.owner("/new/run.sh")[2]) == oct(script)
    assert oct(built.owner("/new/e")[2]) == oct(folder)


def test_chmod_and_chown_are_part_of_the_step(builder: Builder) -> None:
    tree(builder)
    builder.build("FROM base\nCOPY --chmod=u=rwX,go=rX d /new/\n")
    assert builder.build("FROM base\nCOPY --chmod=u=rwX,go= d /new/\n").misses == [2]
    text = "FROM base\nARG O=node\nCOPY --chown=$O:extra a.txt /new/\n"
    assert builder.build(text).owner("/new/a.txt") == (1000, 2000, 0o644)
    assert builder.build(text, args={"O": "5"}).owner("/new/a.txt") == (5, 2000, 0o644)


@pytest.mark.parametrize("chmod", ["999", "10000", "u=q", "rwx", "''"])
def test_a_chmod_that_is_none(builder: Builder, chmod: str) -> None:
    tree(builder)
    if chmod == "''":
        assert builder.build("FROM base\nCOPY --chmod='' run.sh /x\n").owner("/x") == (0, 0, 0o755)
        return
    with pytest.raises(DockerfileError, match="nor a symbolic mode") as caught:
        builder.build(f"FROM base\nCOPY --chmod={chmod} a.txt /x\n")
    assert (caught.value.line, caught.value.column) == (2, 14)


def test_a_link_layer_stands_on_any_base(builder: Builder) -> None:
    tree(builder)
    one = builder.build("FROM base\nCOPY --link d /root/new/\n")
    assert one.told == ["COPY d /root/new/ # buildkit"]
    other = builder.build("FROM base\nRUN echo changed > /y\nCOPY --link d /root/new/\n")
    assert other.misses == [2]
    assert other.record.layers[-1] == one.record.layers[-1]
    assert other.text("/root/new/e/y.txt") == "y"
    assert other.text("/y") == "changed\n"
    assert other.owner("/root/new/e") == (0, 0, 0o750)
    assert other.owner("/root") == (0, 0, 0o755)  # its parents are made anew, as BuildKit's MergeOp has it
    assert builder.build("FROM base\nCOPY d /root/new/\n").misses == [2]


def test_a_link_layer_follows_no_link_below(builder: Builder) -> None:
    tree(builder)
    text = "FROM base\nRUN mkdir /real && ln -s real /to\nCOPY {} a.txt /to/\n"
    assert builder.build(text.format("")).text("/real/a.txt") == "a"
    linked = builder.build(text.format("--link"))
    assert linked.node("/to").is_directory
    assert linked.view.lookup("/real/a.txt") is None
    assert linked.text("/to/a.txt") == "a"


def test_link_knows_no_accounts_and_yields_to_chmod(builder: Builder) -> None:
    tree(builder)
    with pytest.raises(DockerfileError, match="no user 'node'") as caught:
        builder.build("FROM base\nCOPY --link --chown=node a.txt /x\n")
    assert "--link" in caught.value.hint
    assert builder.build("FROM base\nCOPY --link --chown=5:6 a.txt /x\n").owner("/x") == (5, 6, 0o644)
    built = builder.build("FROM base\nCOPY --link --chmod=600 a.txt /root/\n")
    assert built.owner("/root") == (0, 0, 0o700)


def test_run_on_a_link_layer(builder: Builder) -> None:
    tree(builder)
    built = builder.build("FROM base\nCOPY --link d /etc/\nRUN cat /etc/passwd /etc/e/y.txt > /z\n")
    assert built.text("/z").startswith("root:")
    assert built.text("/z").endswith("y")


def test_a_pattern_without_a_match_is_told(builder: Builder) -> None:
    tree(builder)
    built = builder.build("FROM base\nCOPY a.txt no*such d/[ /new/\n")
    assert [warning.split("\n")[0].partition("Dockerfile")[2] for warning in built.warnings] == [
        ':2:12: "no*such" matches nothing in the build context',
        ':2:20: "d/[" matches nothing in the build context',
    ]


def test_a_link_out_of_the_context_is_told(builder: Builder) -> None:
    (builder.context / "link").symlink_to("../../etc/passwd")
    with pytest.raises(SourceNotFound) as caught:
        builder.build("FROM base\nCOPY link /\n")
    assert '"../../etc/passwd"' in caught.value.hint


STORY = """\
FROM scratch AS made
COPY --link --chown=5:6 d /d
COPY --parents --exclude=**/*.md d/./e a.txt /p/
FROM base
COPY --from=made --chmod=u=rwX,go=rX . /x/
COPY <<one <<'two' /
1
one
2
two
RUN <<EOF
#!/bin/sh
cat /one /two > /x/all
EOF
"""


def test_for_every_user(caller: Caller, busybox_tar: Path) -> None:
    context = caller.home / "context"
    (context / "d" / "e").mkdir(parents=True)
    for name in ("a.txt", "d/e/y.txt", "d/e/z.md"):
        (context / name).write_text(name)
    (context / "Dockerfile").write_text(STORY)
    caller.give(caller.home)
    caller.cowl("import", str(busybox_tar), "base")
    caller.cowl("build", "-t", "story", str(context))
    script = "cat /x/all; find /x -type f | sort; ls /dev/pipes"
    done = caller.cowl("run", "--rm", "story", "sh", "-c", script, status=1)
    found = "1 2 /x/all /x/d/e/y.txt /x/d/e/z.md /x/p/a.txt /x/p/e/y.txt"
    assert done.stdout.decode().split() == found.split()
    again = caller.cowl("build", "-t", "story", str(context))
    assert again.stderr.count(b"CACHED") == 5
