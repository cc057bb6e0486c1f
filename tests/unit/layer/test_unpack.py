"""Layers as they should be: what a tar says is what stands in the tree."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest
from tests.unit.layer.tars import T0, as_user, entry, folder, hardlink, symlink, tar

from cowl.layer.ownership import RecordedOwners, for_euid
from cowl.layer.unpack import Unpacked, unpack
from cowl.layer.view import MergedView
from cowl.layer.whiteout import OPAQUE_XATTR, is_whiteout, make_whiteout

RECORD = "user.containers.override_stat"


def put(
    place: Path, data: bytes, below: MergedView | None = None, name: str = "diff"
) -> tuple[Path, Unpacked]:
    """Unpacks as the tests' user."""
    diff = place / name
    diff.mkdir()
    return diff, unpack(io.BytesIO(data), str(diff), owners=for_euid(os.geteuid()), below=below)


def test_the_whole_stream_is_hashed(place: Path) -> None:
    data = tar(entry("f", b"x")) + b"whatever follows" + bytes(5_000_000)
    _, done = put(place, data)
    assert done == Unpacked("sha256:" + hashlib.sha256(data).hexdigest(), len(data), False)  # type: ignore[arg-type]


@pytest.mark.parametrize("data", [b"", bytes(512), bytes(1024), bytes(10240)])
def test_empty_layers(place: Path, data: bytes) -> None:
    diff, done = put(place, data)
    assert os.listdir(diff) == []
    assert done.diff_id.hex == hashlib.sha256(data).hexdigest()


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="real owners need root")
def test_metadata_as_root(place: Path) -> None:
    info, data = entry("d/suid", b"#!", mode=0o6755, uid=1000, gid=2000)
    info.pax_headers = {"mtime": "1234567890.123456789", "SCHILY.xattr.user.k": "v"}
    diff, _ = put(
        place,
        tar(
            folder("./", mode=0o711, uid=7, gid=8, mtime=77),
            folder("d", mode=0o3700, uid=5, gid=6, mtime=99),
            (info, data),
            symlink("d/l", "suid", uid=3, gid=4, mtime=55),
            entry("d/p", kind=tarfile.FIFOTYPE, mode=0o640, uid=1, gid=2, mtime=44),
            hardlink("d/h", "d/suid"),
        ),
    )
    root, d, suid, link, pipe = (os.lstat(diff / name) for name in (".", "d", "d/suid", "d/l", "d/p"))
    assert (root.st_mode & 0o7777, root.st_uid, root.st_gid, root.st_mtime) == (0o711, 7, 8, 77)
    assert (d.st_mode & 0o7777, d.st_uid, d.st_gid, d.st_mtime) == (0o3700, 5, 6, 99)
    assert (suid.st_mode & 0o7777, suid.st_uid, suid.st_gid, suid.st_nlink) == (0o6755, 1000, 2000, 2)
    assert suid.st_mtime_ns == 1234567890_123456789
    assert os.getxattr(diff / "d/suid", "user.k") == b"v"
    assert (link.st_uid, link.st_gid, link.st_mtime) == (3, 4, 55)
    assert stat.S_ISFIFO(pipe.st_mode)
    assert (pipe.st_mode & 0o7777, pipe.st_uid, pipe.st_gid, pipe.st_mtime) == (0o640, 1, 2, 44)


def test_metadata_on_record(place: Path) -> None:
    data = tar(
        folder("d", mode=0o500, uid=5, gid=6),
        entry("d/secret", b"x", mode=0o000, uid=1000, gid=1000),
        entry("d/readonly", b"x", mode=0o444, pax_headers={"SCHILY.xattr.user.k": "v"}),
        entry("d/plain", b"x", mode=0o644),
        entry("d/suid", b"x", mode=0o4711, uid=9),
    )

    def work() -> dict[str, tuple[int, tuple[int, int, int], tuple[str, ...]]]:
        os.mkdir(place / "diff")
        owners = RecordedOwners()
        unpack(io.BytesIO(data), str(place / "diff"), owners=owners)
        found = {}
        for name in ("d", "d/secret", "d/readonly", "d/plain", "d/suid"):
            path = str(place / "diff" / name)
            status = os.lstat(path)
            xattrs = tuple(sorted(os.listxattr(path)))
            found[name] = (status.st_mode & 0o7777, owners.read(path, status), xattrs)
        return found

    assert as_user("ordinary", work) == {
        "d": (0o700, (5, 6, 0o500), (RECORD,)),
        "d/secret": (0o400, (1000, 1000, 0), (RECORD,)),
        "d/readonly": (0o444, (0, 0, 0o444), ("user.k",)),
        "d/plain": (0o644, (0, 0, 0o644), ()),
        "d/suid": (0o4711, (9, 0, 0o4711), (RECORD,)),
    }


def test_times_of_directories_survive_whatever_comes_later(place: Path) -> None:
    diff, _ = put(
        place,
        tar(
            folder("a", mtime=11),
            folder("b", mtime=22),
            entry("a/1"),
            entry("b/1"),
            folder("a/c", mtime=33),
            entry("b/2"),
            entry("a/c/1"),
            hardlink("b/3", "a/1"),
            entry("a/.wh.gone"),
        ),
    )
    assert [os.stat(diff / name).st_mtime for name in ("a", "b", "a/c")] == [11, 22, 33]


def test_whiteouts(place: Path) -> None:
    diff, done = put(
        place, tar(folder("d"), entry("d/.wh.gone"), folder("o"), entry("o/.wh..wh..opq"), entry("o/f"))
    )
    assert is_whiteout(os.lstat(diff / "d/gone"))
    assert os.getxattr(diff / "o", OPAQUE_XATTR) == b"y"
    assert (diff / "o/f").exists()
    assert not done.needs_parent


@pytest.mark.parametrize("first", [True, False])
def test_a_whiteout_hides_lower_layers_only(place: Path, first: bool) -> None:
    whiteouts = [entry(".wh.f"), entry(".wh.d"), entry(".wh.l")]
    others = [entry("f", b"x"), folder("d"), entry("d/g", b"y"), symlink("l", "f")]
    diff, _ = put(place, tar(*(whiteouts + others if first else others + whiteouts)))
    assert (diff / "f").read_bytes() == b"x"
    assert os.readlink(diff / "l") == "f"
    assert (diff / "d/g").read_bytes() == b"y"
    assert os.getxattr(diff / "d", OPAQUE_XATTR) == b"y"


def test_an_implied_directory_over_a_whiteout_is_opaque(place: Path) -> None:
    diff, _ = put(place, tar(entry(".wh.d"), entry("d/f", b"x")))
    assert (diff / "d/f").read_bytes() == b"x"
    assert os.getxattr(diff / "d", OPAQUE_XATTR) == b"y"


def test_an_opaque_root_hides_each_name_below(place: Path) -> None:
    base = place / "base"
    (base / "etc").mkdir(parents=True)
    (base / "usr").mkdir()
    (base / "f").touch()
    diff, done = put(
        place, tar(entry(".wh..wh..opq"), folder("usr"), entry("usr/x")), MergedView((str(base),))
    )
    assert MergedView((str(diff), str(base))).list("/") == ("usr",)
    assert done.needs_parent


def test_the_last_entry_of_a_name_wins(place: Path) -> None:
    diff, _ = put(
        place,
        tar(
            entry("a", b"1"),
            entry("a", b"22"),
            folder("b"),
            folder("b/c"),
            entry("b/c/d", b"x"),
            entry("b", b"file"),
            entry("c", b"file"),
            folder("c"),
            entry("c/d", b"y"),
            folder("e", mode=0o700),
            entry("e/f", b"z"),
            folder("e", mode=0o711),
        ),
    )
    assert (diff / "a").read_bytes() == b"22"
    assert (diff / "b").read_bytes() == b"file"
    assert (diff / "c/d").read_bytes() == b"y"
    assert (diff / "e/f").read_bytes() == b"z"
    assert os.stat(diff / "e").st_mode & 0o7777 == 0o711


def test_hard_links(place: Path) -> None:
    diff, done = put(
        place,
        tar(
            entry("a", b"x"), hardlink("b", "/a"), hardlink("b", "./a"), symlink("l", "a"), hardlink("m", "l")
        ),
    )
    assert os.stat(diff / "a").st_nlink == 2
    assert os.lstat(diff / "l").st_ino == os.lstat(diff / "m").st_ino
    assert not done.needs_parent


@pytest.fixture
def base(place: Path) -> Path:
    """A layer below: a directory of its own kind, a link to a directory, a file with metadata."""
    tree = place / "base"
    (tree / "usr/lib").mkdir(parents=True)
    os.symlink("usr/lib", tree / "lib")
    (tree / "tmp").mkdir()
    os.chmod(tree / "tmp", 0o1777)
    os.setxattr(tree / "tmp", "user.k", b"v")
    os.utime(tree / "tmp", (66, 66))
    (tree / "usr/lib/file").write_bytes(b"lower")
    os.chmod(tree / "usr/lib/file", 0o751)
    os.utime(tree / "usr/lib/file", (88, 88))
    (tree / "gone").mkdir()
    os.chmod(tree / "gone", 0o700)
    return tree


def test_implied_directories_are_those_below(place: Path, base: Path) -> None:
    diff, done = put(place, tar(entry("tmp/f", b"x"), entry("new/f", b"x")), MergedView((str(base),)))
    status = os.stat(diff / "tmp")
    assert (status.st_mode & 0o7777, status.st_mtime) == (0o1777, 66)
    assert os.getxattr(diff / "tmp", "user.k") == b"v"
    assert os.stat(diff / "new").st_mode & 0o7777 == 0o755
    assert os.stat(diff / "new").st_mtime == T0
    assert done.needs_parent


def test_implied_directories_without_a_layer_below(place: Path) -> None:
    diff, done = put(place, tar(entry("a/b/f", b"x", mtime=5)))
    assert [
        (os.stat(diff / name).st_mode & 0o7777, os.stat(diff / name).st_mtime) for name in ("a", "a/b")
    ] == [
        (0o755, 5),
        (0o755, 5),
    ]
    assert done.needs_parent


def test_names_through_links_below(place: Path, base: Path) -> None:
    view = MergedView((str(base),))
    diff, done = put(place, tar(entry("lib/x", b"1"), entry("lib/y", b"2"), hardlink("z", "lib/x")), view)
    assert sorted(os.listdir(diff / "usr/lib")) == ["x", "y"]
    assert not os.path.lexists(diff / "lib")
    assert os.stat(diff / "z").st_nlink == 2
    assert done.needs_parent


def test_a_directory_here_replaces_a_link_below(place: Path, base: Path) -> None:
    diff, _ = put(place, tar(folder("lib"), entry("lib/sub/x", b"1")), MergedView((str(base),)))
    assert (diff / "lib/sub/x").read_bytes() == b"1"
    assert not (diff / "usr").exists()


def test_hard_links_to_files_below_copy_up(place: Path, base: Path) -> None:
    view = MergedView((str(base),))
    diff, done = put(place, tar(hardlink("mine", "lib/file")), view)
    status = os.stat(diff / "mine")
    assert status.st_ino == os.stat(diff / "usr/lib/file").st_ino
    assert (diff / "mine").read_bytes() == b"lower"
    assert (status.st_mode & 0o7777, status.st_mtime, status.st_nlink) == (0o751, 88, 2)
    assert done.needs_parent
    assert os.stat(base / "usr/lib/file").st_nlink == 1


def test_what_is_hidden_below_implies_nothing(place: Path, base: Path) -> None:
    middle = place / "middle"
    middle.mkdir()
    make_whiteout(str(middle / "gone"))
    diff, _ = put(place, tar(entry("gone/f", b"x")), MergedView((str(middle), str(base))))
    assert os.stat(diff / "gone").st_mode & 0o7777 == 0o755


@pytest.mark.parametrize("kind", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_formats(place: Path, kind: int) -> None:
    long = "/".join(["d" * 60] * (2 if kind == tarfile.USTAR_FORMAT else 5))
    entries = [entry(f"{long}/f", b"x" * 700, mtime=5), entry("caf\udce9", b"y"), symlink("l", "t" * 100)]
    if kind != tarfile.USTAR_FORMAT:
        entries += [
            entry("big", uid=3_000_000, gid=4_000_000_000, mtime=9_000_000_000),
            symlink("m", "t" * 300),
        ]
    diff, _ = put(place, tar(*entries, kind=kind))
    assert (diff / long / "f").read_bytes() == b"x" * 700
    assert (diff / "caf\udce9").read_bytes() == b"y"
    assert os.readlink(diff / "l") == "t" * 100
    if kind != tarfile.USTAR_FORMAT:
        assert os.readlink(diff / "m") == "t" * 300
        assert os.stat(diff / "big").st_mtime == 9_000_000_000
        if os.geteuid() == 0:
            assert os.stat(diff / "big").st_gid == 4_000_000_000


def test_global_headers_mean_nothing(place: Path) -> None:
    sink = io.BytesIO()
    with tarfile.open(
        fileobj=sink,
        mode="w",
        format=tarfile.PAX_FORMAT,
        pax_headers={"comment": "x", "path": "evil", "uid": "7"},
    ) as archive:
        info, data = entry("f", b"x")
        archive.addfile(info, io.BytesIO(data))
    diff, _ = put(place, sink.getvalue())
    assert os.listdir(diff) == ["f"]
    assert os.stat(diff / "f").st_uid == os.geteuid()


@pytest.mark.parametrize(
    "flags",
    [
        ["--format=gnu"],
        ["--format=pax"],
        ["--format=pax", "--sparse-version=0.1"],
        ["--format=pax", "--sparse-version=0.0"],
    ],
)
def test_sparse_files(place: Path, flags: list[str]) -> None:
    source = place / "source"
    source.mkdir()
    with open(source / "holes", "wb") as sink:
        for block in range(0, 60, 2):
            sink.seek(block << 16)
            sink.write(b"%d" % block * 5000)
        sink.truncate(9_000_000)
    with open(source / "hole", "wb") as sink:
        sink.truncate(1 << 20)
    data = subprocess.run(
        ["tar", "-cS", *flags, "-C", str(source), "."], capture_output=True, check=True
    ).stdout
    assert len(data) < 4_000_000
    diff, _ = put(place, data)
    for name in ("holes", "hole"):
        assert (diff / name).read_bytes() == (source / name).read_bytes()
    assert os.stat(diff / "hole").st_blocks == 0


def test_reads_in_small_pieces(place: Path) -> None:
    data = tar(folder("d"), *(entry(f"d/{n}", os.urandom(n * 100)) for n in range(30)))

    class Slow(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(min(size or 7, 7))

    (place / "diff").mkdir()
    done = unpack(Slow(data), str(place / "diff"), owners=for_euid(os.geteuid()))
    assert done.diff_id.hex == hashlib.sha256(data).hexdigest()
    assert len(os.listdir(place / "diff/d")) == 30
