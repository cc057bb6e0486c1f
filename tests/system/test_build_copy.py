"""COPY and ADD of plain files: where things go, whose they are, what is refused. No RUN, no mounts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.building import Builder, as_fixture

from cowl.build.sources import SourceNotFound
from cowl.dockerfile.diagnostics import DockerfileError

builder = as_fixture()


def tree(root: Builder) -> None:
    root.file("a.txt", "a")
    root.file("b.txt", "b", 0o600)
    root.file("run.sh", "#!/bin/sh\n", 0o755)
    root.file("d/x", "x")
    root.file("d/e/y", "y", 0o640)
    (root.context / "d" / "e").chmod(0o711)
    (root.context / "d" / "link").symlink_to("/etc/passwd")


@pytest.mark.parametrize(
    ("line", "path", "text"),
    [
        ("COPY a.txt /", "/a.txt", "a"),
        ("COPY a.txt .", "/a.txt", "a"),
        ("COPY a.txt /z", "/z", "a"),
        ("COPY a.txt /new/", "/new/a.txt", "a"),
        ("COPY a.txt /new/deep/z", "/new/deep/z", "a"),
        ("COPY a.txt /etc", "/etc/a.txt", "a"),
        ("COPY a.txt /etc/passwd", "/etc/passwd", "a"),
        ("COPY a.txt ../../../z", "/z", "a"),
        ("COPY a.txt /../../z", "/z", "a"),
        ("COPY a.txt b.txt /new/", "/new/b.txt", "b"),
        ("COPY *.txt /new/", "/new/b.txt", "b"),
        ("COPY d /new", "/new/x", "x"),
        ("COPY d/ /new/", "/new/e/y", "y"),
        ("COPY d/e d/x /new/", "/new/y", "y"),
        ("COPY . /all", "/all/d/e/y", "y"),
        ("COPY d /etc", "/etc/x", "x"),
        ('COPY ["a.txt", "/with space/"]', "/with space/a.txt", "a"),
        ("ADD a.txt /new/", "/new/a.txt", "a"),
        ("WORKDIR /w\nCOPY a.txt sub/", "/w/sub/a.txt", "a"),
        ("WORKDIR /w\nCOPY a.txt ./", "/w/a.txt", "a"),
        ("ENV D=/e\nCOPY a.txt ${D}/f", "/e/f", "a"),
    ],
)
def test_where_it_goes(builder: Builder, line: str, path: str, text: str) -> None:
    tree(builder)
    assert builder.build(f"FROM base\n{line}\n").text(path) == text


def test_modes_times_and_owners_as_buildkit_has_them(builder: Builder) -> None:
    tree(builder)
    os.utime(builder.context / "a.txt", ns=(1, 1_500_000_000_123_456_789))
    os.utime(builder.context / "d" / "e", ns=(1, 1_400_000_000_000_000_000))
    built = builder.build("FROM base\nCOPY . /new/\n")
    assert built.owner("/new/a.txt") == (0, 0, 0o644)
    assert built.owner("/new/b.txt") == (0, 0, 0o600)
    assert built.owner("/new/run.sh") == (0, 0, 0o755)
    assert built.owner("/new/d/e") == (0, 0, 0o711)
    assert built.owner("/new") == (0, 0, 0o755)
    assert built.node("/new/a.txt").status.st_mtime_ns == 1_500_000_000_123_456_789
    assert built.node("/new/d/e").status.st_mtime_ns == 1_400_000_000_000_000_000
    assert built.node("/new/d/link").target == "/etc/passwd"


def test_directories_below_keep_their_looks(builder: Builder) -> None:
    tree(builder)
    before = builder.build("FROM base\nLABEL a=b\n")
    after = builder.build("FROM base\nCOPY a.txt /root/\nCOPY a.txt /tmp/\nCOPY d /tmp\n")
    for path in ("/root", "/tmp", "/"):
        assert after.owner(path) == before.owner(path)
    assert after.owner("/root") == (0, 0, 0o700)
    assert after.owner("/tmp") == (0, 0, 0o1777)
    assert after.node("/root").status.st_mtime_ns == before.node("/root").status.st_mtime_ns
    assert after.layers[1:] == [(1, 1), (1, 1), (2 + len("/etc/passwd"), 3)]


@pytest.mark.parametrize(
    ("flag", "owner"),
    [
        ("--chown=node", (1000, 1000, 0o644)),
        ("--chown=node:extra", (1000, 2000, 0o644)),
        ("--chown=42", (42, 42, 0o644)),
        ("--chown=42:7", (42, 7, 0o644)),
        ("--chown=0:extra", (0, 2000, 0o644)),
        ("--chmod=4751", (0, 0, 0o4751)),
        ("--chmod=0600 --chown=node", (1000, 1000, 0o600)),
    ],
)
def test_chown_and_chmod(builder: Builder, flag: str, owner: tuple[int, int, int]) -> None:
    tree(builder)
    built = builder.build(f"FROM base\nCOPY {flag} a.txt d /new/sub/\n")
    assert built.owner("/new/sub/a.txt") == owner
    if "chmod" in flag:
        assert built.owner("/new/sub/e")[2] == owner[2]
    assert built.owner("/new")[:2] == owner[:2]  # what COPY makes belongs to the new owner
    assert built.owner("/new")[2] == 0o755
    assert built.told == [f"COPY {_ordered(flag)} a.txt d /new/sub/ # buildkit"]


def _ordered(flag: str) -> str:
    return " ".join(sorted(flag.split(), key=lambda word: "chmod" in word))


def test_hard_links_stay_hard_links_within_one_source(builder: Builder) -> None:
    tree(builder)
    for name in ("h1", "d/h2", "d/e/h3"):
        os.link(builder.context / "a.txt", builder.context / name)
    built = builder.build("FROM base\nCOPY . /all/\nCOPY a.txt h? /two/\nCOPY --chown=5 d /one/\n")
    names = ("/all/a.txt", "/all/h1", "/all/d/h2", "/all/d/e/h3")
    assert len({built.node(name).status.st_ino for name in names}) == 1
    assert built.node("/two/a.txt").status.st_ino != built.node("/two/h1").status.st_ino
    assert all(built.text(name) == "a" for name in (*names, "/two/h1", "/one/h2", "/one/e/h3"))
    assert built.node("/one/h2").status.st_ino == built.node("/one/e/h3").status.st_ino
    assert built.owner("/one/h2") == (5, 5, 0o644)
    assert built.layers[1][0] == len("a" + "b" + "#!/bin/sh\n" + "x" + "y" + "/etc/passwd")
    stage = "FROM base AS one\nCOPY . /all/\nFROM scratch\nCOPY --from=one /all/d /\n"
    copied = builder.build(stage)
    assert copied.node("/h2").status.st_ino == copied.node("/e/h3").status.st_ino


def test_a_hard_link_never_leads_to_what_replaced_it(builder: Builder) -> None:
    for name in ("d1", "d2", "d3", "d4"):
        builder.file(f"{name}/{name}", name)
    os.link(builder.context / "d1" / "d1", builder.context / "d1" / "x")
    builder.file("d2/x", "other")
    os.link(builder.context / "d1" / "d1", builder.context / "d3" / "x")
    os.link(builder.context / "d1" / "d1", builder.context / "d4" / "x")
    (builder.context / "d2" / "d1").symlink_to("nowhere")
    built = builder.build("FROM base\nCOPY d* /g/\n")
    assert built.text("/g/x") == "d1"
    assert built.node("/g/d1").target == "nowhere"
    assert built.text("/g/d2") == "d2"


def test_new_directories_take_after_a_setgid_parent(builder: Builder) -> None:
    tree(builder)
    (builder.context / "s").mkdir()
    (builder.context / "s").chmod(0o2775)
    base = "FROM base\nCOPY --chown=0:2000 s* /\nCOPY --chown=0:2000 . /top/\n"
    built = builder.build(
        base + "COPY a.txt /top/s/new/deep/\nWORKDIR /top/s/work\nCOPY --chown=5:6 d /top/s/other/\n"
    )
    assert built.owner("/top/s/new") == built.owner("/top/s/new/deep") == (0, 2000, 0o2755)
    assert built.owner("/top/s/new/deep/a.txt") == (0, 0, 0o644)
    assert built.owner("/top/s/work") == (0, 2000, 0o2755)
    assert built.owner("/top/s/other") == (5, 6, 0o2755)
    assert built.owner("/top/s/other/e") == (5, 6, 0o711)


def test_links_in_the_image_are_followed_inside_it(builder: Builder, tmp_path: Path) -> None:
    tree(builder)
    canary = tmp_path / "canary"
    canary.mkdir()
    (builder.context / "links").mkdir()
    (builder.context / "links" / "out").symlink_to(canary)
    (builder.context / "links" / "up").symlink_to("../../../../../../etc")
    (builder.context / "links" / "file").symlink_to("new-target")
    text = "FROM base\nCOPY links /l\nCOPY a.txt /l/out/\nCOPY a.txt /l/up/\nCOPY a.txt /l/file\n"
    built = builder.build(text)
    assert list(canary.iterdir()) == []
    assert built.text(f"{canary}/a.txt") == "a"
    assert built.text("/etc/a.txt") == "a"
    assert built.text("/l/new-target") == "a"
    assert built.node("/l/file").kind == "symlink"
    assert not Path("/etc/a.txt").exists()


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("COPY a.txt /etc/passwd/", "/etc/passwd is not a directory"),
        ("COPY a.txt /etc/passwd/x", "/etc/passwd is not a directory"),
        ("COPY d /etc/passwd", "/etc/passwd is not a directory"),
        ("COPY over /", "cannot replace to directory /etc with file"),
        ("COPY under /", "cannot copy to non-directory: /etc/passwd"),
        ("COPY --chown=nobody-here a.txt /x", "no user 'nobody-here'"),
        ("COPY --chown=0:nobody-here a.txt /x", "no group 'nobody-here'"),
        ("COPY --chown=4294967296 a.txt /x", "is no id"),
        ("COPY --chown=-1 a.txt /x", "no user '-1'"),
        ("COPY --chmod=999 a.txt /x", "octal"),
        ('COPY ["a.txt", ""]', "empty"),
    ],
)
def test_what_does_not_fit_is_refused(builder: Builder, lines: str, said: str) -> None:
    tree(builder)
    builder.file("over/etc", "file")
    builder.file("under/etc/passwd/x", "x")
    with pytest.raises(DockerfileError) as caught:
        builder.build(f"FROM base\n{lines}\n")
    assert said in caught.value.message
    assert caught.value.line == 2
    assert builder.leftovers() == []


def test_a_glob_without_a_match_copies_nothing(builder: Builder) -> None:
    built = builder.build("FROM base\nCOPY no*such /new/\n")
    assert built.view.lookup("/new") is None
    assert built.layers[1:] == [(0, 0)]


def test_later_files_replace_earlier_ones(builder: Builder) -> None:
    tree(builder)
    (builder.context / "d" / "x").unlink()
    (builder.context / "d" / "x").symlink_to("y")
    built = builder.build("FROM base\nCOPY a.txt /n/x\nCOPY d b.txt /n/\nCOPY b.txt /n/x\n")
    assert built.node("/n/x").kind == "symlink"  # the last COPY went through it
    assert built.text("/n/y") == "b"


def test_fifos_are_copied_and_sockets_left_out(builder: Builder) -> None:
    import socket

    os.mkfifo(builder.context / "fifo", 0o640)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(builder.context / "socket"))
        built = builder.build("FROM base\nCOPY . /n/\n")
    assert built.node("/n/fifo").kind == "fifo"
    assert built.view.lookup("/n/socket") is None


# cap_net_bind_service in the form of struct vfs_cap_data, revision 2
CAPABILITY = bytes.fromhex("0100000200040000000000000000000000000000")


def test_extended_attributes_are_copied(builder: Builder) -> None:
    tree(builder)
    path = builder.context / "run.sh"
    text = "FROM base AS one\nCOPY --chown=5:6 run.sh /a\nFROM scratch\nCOPY --from=one /a /b\n"
    builder.build(text)
    os.setxattr(path, "user.note", b"read")
    if os.geteuid() == 0:
        os.setxattr(path, "security.capability", CAPABILITY)
    built = builder.build(text)
    assert built.misses == [2, 4]
    host = built.node("/b").host_path
    assert os.getxattr(host, "user.note") == b"read"
    if os.geteuid() == 0:
        assert os.getxattr(host, "security.capability") == CAPABILITY
    assert built.owner("/b") == (5, 6, 0o755)
    assert builder.build(text).misses == []


def test_onto_nothing(builder: Builder) -> None:
    tree(builder)
    built = builder.build("FROM scratch\nCOPY run.sh /init\nCOPY d /d/\n")
    assert built.text("/init") == "#!/bin/sh\n"
    assert len(built.layers) == 2
    assert built.config.config.env == ("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",)


def test_from_another_stage(builder: Builder) -> None:
    tree(builder)
    built = builder.build(
        "FROM base AS one\nCOPY --chown=5:6 d /src/d\nCOPY a.txt /src/\n"
        "FROM base AS never\nRUN exit 1\n"
        "FROM scratch\nCOPY --from=one /src /dst/\nCOPY --from=0 /etc/passwd /bin/sh /x/\n"
    )
    assert built.owner("/dst/d/x") == (5, 6, 0o644)
    assert built.text("/dst/a.txt") == "a"
    assert built.text("/x/passwd").startswith("root:")
    assert built.node("/x/sh").is_file  # a link that is named itself is followed
    assert built.node("/dst/d/link").target == "/etc/passwd"
    assert len(built.layers) == 2
    again = builder.build(
        "FROM base AS one\nCOPY --chown=5:6 d /src/d\nCOPY a.txt /src/\n"
        "FROM scratch\nCOPY --from=one /src /dst/\nCOPY --from=0 /etc/passwd /bin/sh /x/\n"
    )
    assert again.misses == []
    assert again.record.id == built.record.id


def test_a_stage_on_a_stage(builder: Builder) -> None:
    tree(builder)
    built = builder.build(
        "FROM base AS one\nARG X=1\nENV Y=2\nCOPY a.txt /\nFROM one\nENV Z=$X$Y\nCOPY b.txt /\n"
    )
    assert "Z=12" in built.config.config.env
    assert built.told == [
        "ARG X=1",
        "ENV Y=2",
        "COPY a.txt / # buildkit",
        "ENV Z=12",
        "COPY b.txt / # buildkit",
    ]
    assert len(built.layers) == 3


def test_a_file_that_another_stage_lacks(builder: Builder) -> None:
    with pytest.raises(SourceNotFound, match='"/nope": not found in stage one'):
        builder.build("FROM base AS one\nFROM scratch\nCOPY --from=one /nope /x\n")
