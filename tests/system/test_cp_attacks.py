"""cp against a container that fights it: links that change, FIFOs, devices, names that lead out.

Of other engines: CVE-2018-15664 (a link swapped between look and copy), 2019-10152, 2019-14271. What a
library of the image could do is in test_attacks.
"""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest
from tests.caller import Caller

SWAP = """
mkdir -p /real; echo inside > /real/secret; echo ready > /ready
while [ ! -e /stop ]; do
    for target in $1 ../../../../../..$1 /proc/self/root$1 /proc/1/root$1 /proc/1/cwd; do
        ln -sfn $target /link; mv -T /link /x 2>/dev/null || { rm -rf /x; mv -T /link /x; }
        rm -f /x; mkdir /x; echo inside > /x/secret; mkfifo /x/new 2>/dev/null; rm -rf /x
    done
done
"""

RACE = """
import io, os, sys, cowl
canary, rounds = sys.argv[1], int(sys.argv[2])
os.makedirs("src/deep", exist_ok=True)
for name in ("src/new", "src/deep/new"):
    open(name, "w").write("from the host")
outcomes = set()
def attempt(call, *words, **options):
    try:
        call(*words, **options)
        outcomes.add("done")
    except (cowl.CowlError, OSError) as error:
        assert isinstance(error, cowl.CowlError), repr(error)
        assert "internal" not in error.message and "Error:" not in error.message, error.message
        outcomes.add("refused")
with cowl.Engine() as engine:
    with engine.start("busybox", ["sh", "-c", sys.argv[3], "sh", canary]) as box:
        while b"ready" not in box.exec(["cat", "/ready"]).stdout:
            pass
        for number in range(rounds):
            attempt(box.copy_in, "src/new", "/x")
            attempt(box.copy_in, "src/new", "/x/")
            attempt(box.copy_in, "src/.", "/x")
            attempt(box.copy_in, "src/deep", "/x/deep/er")
            attempt(box.write_file, "/x/new", b"from the host")
            out = io.BytesIO()
            attempt(box.copy_out, "/x/", out)
            attempt(box.copy_out, "/x/secret", out, follow_links=True)
            attempt(box.copy_out, "/x", out, follow_links=True)
            assert b"tweet" not in out.getvalue()
            attempt(box.copy_out, "/x", f"out/{number}", follow_links=True)
            try:
                assert b"tweet" not in box.read_file("/x/secret")
            except cowl.CowlError:
                pass
        box.write_file("/stop", b"")
    assert outcomes == {"done", "refused"}, outcomes
"""


def whole(path: Path) -> list[tuple[str, int, int, int, bytes]]:
    """What must not change of a tree."""
    found = []
    for folder, _, names in os.walk(path):
        for name in (".", *names):
            status = os.lstat(f"{folder}/{name}")
            data = Path(folder, name).read_bytes() if name != "." else b""
            found.append((name, status.st_ino, status.st_mode, status.st_nlink, data))
    return sorted(found)


def test_a_swapper_gains_nothing(based: Caller) -> None:
    canary = based.home / "canary"
    canary.mkdir()
    (canary / "secret").write_text("tweet")
    (based.home / "out").mkdir()
    based.give(based.home)
    before = whole(canary)
    done = based.python(RACE, str(canary), "8", SWAP)
    assert done.returncode == 0, done.stderr.decode()
    assert whole(canary) == before and str(based.home) not in Path("/proc/self/mountinfo").read_text()
    for folder, _, names in os.walk(based.home / "out"):
        for name in names:
            place = Path(folder, name)
            assert place.is_symlink() or not place.is_file() or b"tweet" not in place.read_bytes()


LEADING_OUT = """
import io, os, sys, cowl
script = '''
ln -s /proc/1/root /root-link; ln -s /proc/self/fd/0 /fd; ln -s /proc/self/exe /exe; ln -s / /slash
ln -s ../../../../../../etc /up; ln -s loop /loop; mkfifo /fifo /pipe; mkdir /dir; mkfifo /dir/fifo
echo ready > /ready; sleep 1000
'''
with cowl.Engine() as engine, engine.start("busybox", ["sh", "-c", script]) as box:
    while b"ready" not in box.exec(["cat", "/ready"]).stdout:
        pass
    for path in ("/root-link/etc/passwd", "/fd", "/exe", "/loop", "/proc/1/root/etc/passwd", "/proc/1/cwd/x",
                 "/proc/self/exe", "/slash/root-link/etc/passwd", "/fifo", "/dev/tty", "/dev/zero", "/"):
        for call in (box.read_file, lambda path: box.write_file(path, b"x")):
            try:
                call(path)
            except cowl.CowlError as error:
                assert "Error" not in error.message
            else:
                raise AssertionError(path)
    assert box.read_file("/up/passwd") == box.read_file("/etc/passwd")     # the container's own
    assert b"node" in box.read_file("/slash/../../../etc/passwd")
    box.copy_out("/dir", "dir")
    assert os.listdir("dir") == ["fifo"]
    box.copy_out("/fifo", "fifo")
    open("x", "w").write("x")
    for path in ("/fifo", "/dev/zero"):
        try:
            box.copy_in("x", path)
        except cowl.Invalid as error:
            assert "must be a directory or a regular file: got a" in error.message, error.message
        else:
            raise AssertionError(path)
    box.copy_in("dir/.", "/dir")
    try:
        box.copy_out("/dev/null", "null")
        assert os.getuid() == 0 and os.stat("null").st_rdev == os.makedev(1, 3)
    except cowl.Denied as error:
        assert os.getuid() and "null is a device node" in error.message
    try:
        box.copy_in("/dev/null", "/made")
    except cowl.Denied as error:
        assert "made is a device node" in error.message
    else:
        raise AssertionError("a device")
"""


def test_links_of_the_kernel_fifos_and_devices(based: Caller) -> None:
    done = based.python(LEADING_OUT)
    assert done.returncode == 0, done.stderr.decode()


def tar_with(*entries: tuple[str, bytes, str]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, kind, link in entries:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, link
            tar.addfile(info, io.BytesIO())
    return out.getvalue()


@pytest.mark.parametrize("state", ["running", "at rest"])
def test_tars_that_would_leave_the_directory(based: Caller, state: str) -> None:
    """Names may not; links of the tar lead about in the container, as with Docker, and no farther."""
    canary = based.home / "canary"
    canary.mkdir()
    (canary / "secret").write_text("tweet")
    based.give(canary)
    before = whole(canary)
    based.cowl("create", "--name", "box", "busybox", "sleep", "1000")
    if state == "running":
        based.cowl("start", "box")
    file, link, hard = tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE
    for entries, why in (
        ([("../x", file, "")], b"leads out of the directory"),
        ([("a/../../x", file, "")], b"leads out of the directory"),
        ([("h", hard, "../../etc/passwd")], b"leads out of the directory"),
        ([("h", hard, "no/such")], b"No such file or directory"),
        ([("m", link, "/proc/1/root"), ("m/etc/x", file, "")], b""),
        ([("d", tarfile.CHRTYPE, "")], b"d is a device node"),
    ):
        done = based.cowl("cp", "-", "box:/tmp", stdin=tar_with(*entries), status=1)
        assert why in done.stderr, done.stderr
    good = [("/abs", file, ""), ("c", link, str(canary)), ("up", link, "../../.."), ("up/new", file, "")]
    based.cowl("cp", "-", "box:/tmp", stdin=tar_with(*good))
    done = based.cowl("cp", "-", "box:/tmp", stdin=tar_with(("c/secret", file, "")), status=1)
    assert b"No such file or directory" in done.stderr and whole(canary) == before
    changed = based.text("diff", "box").split("\n")
    assert {"A /new", "A /tmp/abs", "A /tmp/c"} <= set(changed)
    assert not [line for line in changed if ".cowl-" in line]
