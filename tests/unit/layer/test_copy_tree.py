"""A copied tree is the same tree: owners, modes, times, links, holes, deletions; or the same blocks."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from tests.unit.layer.tars import as_user, snapshot

from cowl.layer.copy_tree import copy_tree
from cowl.layer.whiteout import make_opaque, make_whiteout
from cowl.linux.override_stat import XATTR

MIB = 1 << 20


def grow(top: Path, *, root: bool) -> Path:
    """A tree with everything that an upper may hold."""
    (top / "deep/er").mkdir(parents=True)
    (top / "deep/er/file").write_bytes(b"text")
    os.link(top / "deep/er/file", top / "twin")
    (top / "empty").touch()
    with open(top / "holes", "wb") as file:
        file.seek(4 * MIB)
        file.write(b"x")
        file.truncate(8 * MIB)
    os.symlink("/nowhere", top / "link")
    os.mkfifo(top / "fifo")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(top / "socket"))
    make_whiteout(str(top / "gone"))
    os.link(top / "gone", top / "gone too")
    make_opaque(str(top / "deep"))
    os.setxattr(top / "deep", "user.overlay.origin", b"another place")
    os.setxattr(top / "deep/er/file", "user.mine", b"kept")
    if root:
        os.chown(top / "twin", 1234, 5678)
        os.chown(top / "link", 1234, 5678, follow_symlinks=False)
        os.setxattr(
            top / "empty", "security.capability", bytes.fromhex("0100000202000000000000000000000000000000")
        )
        os.chmod(top / "empty", 0o4755)
    else:
        os.setxattr(top / "twin", XATTR, b"7:8:0600")
    os.chmod(top / "deep/er", 0o500)
    (top / "closed").write_bytes(b"closed")
    os.chmod(top / "closed", 0)
    for number, (directory, _, files) in enumerate(os.walk(top, topdown=False)):
        for path in (*(os.path.join(directory, name) for name in files), directory):
            os.utime(path, ns=(10**18 + number, 10**18 + 7 * number), follow_symlinks=False)
    os.chmod(top, 0o711)
    return top


def seen(top: Path) -> dict[str, object]:
    """The tree without what speaks of another place; what its owner closed is opened for the look."""
    os.chmod(top / "closed", 0o600)
    found = snapshot(str(top))
    return {name: _without_origin(facts) for name, facts in found.items()}


def _without_origin(facts: tuple[object, ...]) -> tuple[object, ...]:
    xattrs = facts[6]
    assert isinstance(xattrs, tuple)
    return (*facts[:6], tuple(pair for pair in xattrs if pair[0] != "user.overlay.origin"))


def test_the_copy_is_the_tree(place: Path, user: str) -> None:
    def work() -> tuple[object, object, int, list[str], int]:
        source, target = place / "source", place / "target"
        source.mkdir()
        target.mkdir()
        grow(source, root=user == "root")
        copy_tree(str(source), str(target))
        closed = os.stat(target / "closed").st_mode & 0o777
        kept = [name for name in os.listxattr(target / "deep") if name.startswith("user.overlay")]
        return seen(source), seen(target), os.stat(target / "holes").st_blocks * 512, kept, closed

    source, target, holes, kept, closed = as_user(user, work)
    assert target == source
    assert holes < MIB
    assert kept == ["user.overlay.opaque"]
    assert closed == 0


def test_a_file_that_became_something_else_is_left_out(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container that is not paused may swap it for a link while we look: nothing outside is touched."""
    canary = place / "canary"
    canary.write_bytes(b"canary")
    canary.chmod(0)
    source, target = place / "source", place / "target"
    source.mkdir()
    target.mkdir()
    for name in ("link", "fifo", "removed"):
        (source / name).write_bytes(b"x")
    real = os.open

    def swapped(path: object, flags: int, *more: object, **named: object) -> int:
        if flags & os.O_NOFOLLOW and path in ("link", "fifo", "removed"):
            os.unlink(source / str(path))
            if path == "link":
                os.symlink(canary, source / "link")
            elif path == "fifo":
                os.mkfifo(source / "fifo")
        return real(path, flags, *more, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", swapped)
    copy_tree(str(source), str(target))
    monkeypatch.undo()
    assert os.listdir(target) == []
    assert canary.stat().st_mode & 0o777 == 0


CLONED = """
import os, sys
from cowl.layer.copy_tree import copy_tree
os.makedirs("m/source")
os.mkdir("m/target")
with open("m/source/big", "wb") as file:
    file.write(os.urandom(32 << 20))
os.sync()
before = os.statvfs("m").f_bfree * os.statvfs("m").f_frsize
copy_tree("m/source", "m/target")
os.sync()
taken = before - os.statvfs("m").f_bfree * os.statvfs("m").f_frsize
assert open("m/source/big", "rb").read() == open("m/target/big", "rb").read()
print(taken)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount a file system")
@pytest.mark.skipif(shutil.which("mkfs.xfs") is None, reason="needs mkfs.xfs (Debian: xfsprogs)")
def test_blocks_are_shared_where_the_file_system_can(tmp_path: Path) -> None:
    """32 MiB of noise on XFS take no room a second time."""
    mounted = 'truncate -s 320M i && mkfs.xfs -q i && mkdir m && mount -o loop i m && exec "$0" -c "$1"'
    done = subprocess.run(
        ["unshare", "-m", "--propagation", "private", "sh", "-ec", mounted, sys.executable, CLONED],
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    if b"mount:" in done.stderr:
        pytest.skip(f"no XFS to be mounted here: {done.stderr.decode()}")
    assert done.returncode == 0, done.stderr.decode()
    assert int(done.stdout) < MIB
