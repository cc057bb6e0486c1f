"""Packing: the same tree gives the same bytes, and unpacking them gives the tree."""

from __future__ import annotations

import io
import os
import socket
import tarfile
from pathlib import Path

import pytest
from tests.unit.layer.tars import as_user, entry, folder, hardlink, snapshot, symlink, tar

from cowl.layer.measure import measure
from cowl.layer.ownership import RecordedOwners, for_euid
from cowl.layer.pack import ReservedName, pack
from cowl.layer.recipe import assemble
from cowl.layer.unpack import unpack
from cowl.layer.whiteout import make_whiteout


def packed(tree: Path, *, clamp: int | None = None, clean: bool = True) -> bytes:
    parts: list[bytes] = []
    done = pack(str(tree), parts.append, owners=for_euid(os.geteuid()), mtime_clamp=clamp, clean=clean)
    data = b"".join(parts)
    assert done.diff_id == done.diff_id.of(data)
    assert done.tar_bytes == len(data)
    return data


def names(data: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(data), errors="surrogateescape") as archive:
        return [member.name for member in archive]


@pytest.fixture
def tree(place: Path) -> Path:
    """A bit of everything."""
    diff = place / "diff"
    (diff / "d/sub").mkdir(parents=True)
    (diff / "d/f").write_bytes(b"x" * 1000)
    (diff / "d-e").write_bytes(b"sorts before d/ as a string, after d as a name")
    os.link(diff / "d/f", diff / "d/sub/hard")
    os.symlink("f", diff / "d/link")
    os.link(diff / "d/link", diff / "d/link2", follow_symlinks=False)
    os.mkfifo(diff / "d/pipe")
    (diff / ("n" * 200)).write_bytes(b"long")
    (diff / "deep").mkdir()
    (diff / "deep" / ("p" * 80)).mkdir()
    (diff / "deep" / ("p" * 80) / ("q" * 80)).write_bytes(b"split")
    (diff / os.fsdecode(b"caf\xe9")).write_bytes(b"latin")
    os.symlink("t" * 150, diff / "longlink")
    make_whiteout(str(diff / "gone"))
    os.setxattr(diff / "d", "user.overlay.opaque", b"y")
    os.setxattr(diff / "d/f", "user.z", b"last\n\0")
    os.setxattr(diff / "d/f", "user.a", b"")
    os.utime(diff / "d/f", ns=(1, 1_234_567_890_123_456_789))
    os.utime(diff / "d-e", ns=(1, -1_500_000_000))
    os.utime(diff / "d", (50, 50))
    if os.geteuid() == 0:
        os.chown(diff / "d-e", 5_000_000, 4_000_000_000)
        os.chmod(diff / "d-e", 0o6755)
        os.chown(diff / "d/link", 7, 8, follow_symlinks=False)
    return diff


def test_order(tree: Path) -> None:
    assert names(packed(tree)) == [
        ".wh.gone",
        "caf\udce9",
        "d",
        "d/.wh..wh..opq",
        "d/f",
        "d/link",
        "d/link2",
        "d/pipe",
        "d/sub",
        "d/sub/hard",
        "d-e",
        "deep",
        "deep/" + "p" * 80,
        "deep/" + "p" * 80 + "/" + "q" * 80,
        "longlink",
        "n" * 200,
    ]


def test_a_tree_survives_the_journey(tree: Path, place: Path) -> None:
    again = place / "again"
    again.mkdir()
    data = packed(tree)
    done = unpack(io.BytesIO(data), str(again), owners=for_euid(os.geteuid()))
    assert not done.needs_parent
    before, after = snapshot(str(tree)), snapshot(str(again))
    for found in (before, after):
        found.pop(".")
        found["gone"] = found["gone"][:1]
    assert after == before
    assert packed(again) == data


def test_the_same_tree_gives_the_same_bytes(tree: Path, place: Path) -> None:
    data = packed(tree)
    copy = place / "copy"
    os.system(f"cp -a {tree} {copy}")
    assert packed(copy) == data


def test_plain_entries_need_no_extension(place: Path) -> None:
    (place / "diff").mkdir()
    (place / "diff/f").write_bytes(b"x")
    os.utime(place / "diff/f", (5, 5))
    assert len(packed(place / "diff")) == 512 + 512 + 1024
    os.utime(place / "diff/f", ns=(5, 5))
    assert len(packed(place / "diff")) == 512 + 512 + 1024 + 1024
    assert len(packed(place / "diff", clamp=0)) == 512 + 512 + 1024


def test_an_empty_layer_is_known_everywhere(place: Path) -> None:
    (place / "diff").mkdir()
    done = pack(str(place / "diff"), None, owners=for_euid(os.geteuid()))
    assert done.diff_id == "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"


def test_times_are_clamped(tree: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(packed(tree, clamp=40))) as archive:
        assert max(member.mtime for member in archive) == 40


def test_sockets_are_left_out(place: Path) -> None:
    (place / "diff").mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(place / "diff/socket"))
    assert names(packed(place / "diff")) == []


def test_notes_of_overlayfs_are_removed(place: Path) -> None:
    diff = place / "diff"
    (diff / "d").mkdir(parents=True)
    (diff / "f").write_bytes(b"x")
    for path in (diff, diff / "d", diff / "f"):
        os.setxattr(path, "user.overlay.origin", b"x")
        os.setxattr(path, "user.overlay.impure", b"y")
    os.setxattr(diff / "d", "user.overlay.opaque", b"y")
    os.setxattr(diff / "f", "user.keep", b"x")
    os.chmod(diff / "f", 0o444)
    packed(diff, clean=False)
    assert "user.overlay.origin" in os.listxattr(diff / "f")
    assert names(packed(diff)) == ["d", "d/.wh..wh..opq", "f"]
    assert [os.listxattr(path) for path in (diff, diff / "d", diff / "f")] == [
        [],
        ["user.overlay.opaque"],
        ["user.keep"],
    ]


def test_an_ordinary_user_packs_what_he_closed_to_himself(place: Path) -> None:
    def work() -> tuple[list[str], list[str], object]:
        diff = place / "diff"
        (diff / "d/closed").mkdir(parents=True)
        (diff / "d/closed/f").write_bytes(b"x")
        (diff / "secret").write_bytes(b"y" * 2_000_000)
        os.setxattr(diff / "secret", "user.overlay.origin", b"x")
        os.chmod(diff / "secret", 0)
        os.chmod(diff / "d/closed/f", 0o200)
        os.chmod(diff / "d/closed", 0)
        os.chmod(diff / "d", 0o300)
        before = packed(diff, clean=False)
        modes = [oct(os.stat(diff / name).st_mode & 0o7777) for name in ("d", "secret")]
        assert packed(diff) == before
        modes += [oct(os.stat(diff / name).st_mode & 0o7777) for name in ("d", "secret")]
        assert packed(diff) == before
        measured = measure(str(diff))
        return names(before), modes, (measured.size_bytes, measured.files, measured.directories)

    assert as_user("ordinary", work) == (
        ["d", "d/closed", "d/closed/f", "secret"],
        ["0o300", "0o0", "0o700", "0o400"],
        (2_000_001, 2, 3),
    )


@pytest.mark.parametrize("name", [".wh.x", ".wh..wh..opq"])
def test_a_name_that_means_a_deletion_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / name).write_bytes(b"x")
    with pytest.raises(ReservedName, match=f"'d/{name}' can't be in a layer"):
        packed(tmp_path)


def test_recorded_owners_are_the_images(place: Path) -> None:
    data = tar(
        folder("d", mode=0o500, uid=5, gid=6),
        entry("d/a", b"x", mode=0o000, uid=1000, gid=1000),
        hardlink("d/b", "d/a", mode=0, uid=1000, gid=1000),
        entry("d/c", b"x", mode=0o4755),
        symlink("l", "x", mode=0o777),
    )

    def work() -> bytes:
        (place / "diff").mkdir()
        unpack(io.BytesIO(data), str(place / "diff"), owners=RecordedOwners())
        parts: list[bytes] = []
        pack(str(place / "diff"), parts.append, owners=RecordedOwners())
        return b"".join(parts)

    def shown(raw: bytes) -> list[tuple[object, ...]]:
        with tarfile.open(fileobj=io.BytesIO(raw)) as archive:
            return [(m.name, m.mode, m.uid, m.gid, m.type, m.linkname) for m in archive]

    assert shown(as_user("ordinary", work)) == shown(data)


def test_a_layer_without_a_recipe_is_packed(tree: Path, place: Path) -> None:
    parts: list[bytes] = []
    assemble(str(place), parts.append, for_euid(os.geteuid()))
    assert b"".join(parts) == packed(tree)


def test_very_deep_trees(place: Path) -> None:
    (place / "diff").mkdir()
    fd = os.open(place / "diff", os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("n", dir_fd=fd)
        deeper = os.open("n", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = deeper
    os.close(fd)
    assert len(names(packed(place / "diff"))) == 1500
    assert measure(str(place / "diff")).directories == 1501
