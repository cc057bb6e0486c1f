"""Owners, real and on record: one contract."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.unit.layer.tars import as_user

from cowl.layer.ownership import RealOwners, RecordedOwners, apply_path, for_euid

XATTR = "user.containers.override_stat"


@pytest.mark.parametrize(
    ("uid", "gid", "mode"),
    [(0, 0, 0o644), (1000, 2000, 0o000), (5, 0, 0o4755), (0, 7, 0o200), (0, 0, 0o1777)],
)
@pytest.mark.parametrize("directory", [False, True])
def test_what_is_applied_is_read(
    place: Path, user: str, uid: int, gid: int, mode: int, directory: bool
) -> None:
    path = str(place / "node")

    def work() -> list[tuple[int, int, int]]:
        owners = for_euid(os.geteuid())
        if directory:
            os.mkdir(path)
        else:
            open(path, "wb").close()
        seen = []
        for owner in ((3, 4, 0o111), (uid, gid, mode), (uid, gid, mode)):
            apply_path(owners, path, *owner)
            seen.append(owners.read(path, os.lstat(path)))
            fd = os.open(path, os.O_RDONLY)
            assert owners.read(fd, os.fstat(fd)) == seen[-1]
            os.close(fd)
        return seen

    assert as_user(user, work) == [(3, 4, 0o111), (uid, gid, mode), (uid, gid, mode)]


def test_an_ordinary_user_can_always_read(place: Path) -> None:
    def work() -> bytes:
        (place / "f").write_bytes(b"x")
        apply_path(RecordedOwners(), str(place / "f"), 1, 1, 0)
        return (place / "f").read_bytes() + os.getxattr(place / "f", XATTR)

    assert as_user("ordinary", work) == b"x1:1:00"


def test_links_and_fifos_take_no_record(place: Path, user: str) -> None:
    def work() -> list[tuple[int, int, int]]:
        os.symlink("nowhere", place / "l")
        os.mkfifo(place / "p")
        owners = for_euid(os.geteuid())
        found = []
        for name in ("l", "p"):
            apply_path(owners, str(place / name), 7, 8, 0o640)
            found.append(owners.read(str(place / name), os.lstat(place / name)))
        return found

    owner = (7, 8) if user == "root" else (0, 0)
    assert as_user(user, work) == [(*owner, 0o777), (*owner, 0o640)]


@pytest.mark.parametrize("value", [b"", b"x", b"0:0", b"1:2:0644:" + b"x" * 500, b"-1:0:0644"])
def test_a_false_record_counts_as_none(place: Path, value: bytes) -> None:
    (place / "f").touch(0o600)
    os.setxattr(place / "f", XATTR, value)
    assert RecordedOwners().read(str(place / "f"), os.lstat(place / "f")) == (0, 0, 0o600)
    assert RealOwners().read(str(place / "f"), os.lstat(place / "f")) == (os.geteuid(), os.getegid(), 0o600)
