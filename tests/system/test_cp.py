"""cp both ways, as root and as an ordinary user, in created, running and stopped containers."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
import time
from pathlib import Path

import pytest
from tests.caller import Caller

PRELUDE = """
import io, os, sys, tarfile, cowl
HOME = os.getcwd()
def make(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(text)
def refused(reason, call, *words, **options):
    try:
        call(*words, **options)
    except cowl.CowlError as error:
        assert reason in f"{type(error).__name__}: {error.message}", error.message
    else:
        raise AssertionError(f"nothing refused: {reason}")
def owner(box, path):
    with tarfile.open(fileobj=io.BytesIO(tar_of(box, path))) as tar:
        first = tar.getmembers()[0]
        return first.uid, first.gid, first.mode
def tar_of(box, path, **options):
    out = io.BytesIO()
    box.copy_out(path, out, **options)
    return out.getvalue()
def names(box, path):
    with tarfile.open(fileobj=io.BytesIO(tar_of(box, path))) as tar:
        return sorted(tar.getnames())
"""

TABLE = (
    PRELUDE
    + """
make("src/file", "file"); make("src/in", "no directory"); make("src/d/in/deep", "deep")
os.symlink("in", "src/d/link"); os.symlink("d", "src/dirlink"); os.symlink("file", "src/filelink")
def table(box):
    box.copy_in("src/file", "/new")
    assert box.read_file("/new") == b"file"
    box.copy_in("src/file", "/tmp")
    box.copy_in("src/file", "/tmp/")
    assert box.read_file("tmp/file") == b"file"
    box.copy_in("src/d", "/made")
    box.copy_in("src/d", "/tmp")
    box.copy_in("src/d/.", "/tmp")
    assert box.read_file("/made/in/deep") == box.read_file("/tmp/d/in/deep") == box.read_file("/tmp/in/deep")
    box.copy_in("src/dirlink", "/tmp")          # a link is copied as one
    box.copy_in("src/dirlink", "/tmp/followed", follow_links=True)
    box.copy_in("src/dirlink/", "/tmp/slash")
    assert box.read_file("/tmp/followed/in/deep") == box.read_file("/tmp/slash/in/deep") == b"deep"
    assert names(box, "/tmp/dirlink") == ["dirlink"]
    assert names(box, "/tmp/dirlink/") == ["dirlink", "dirlink/in", "dirlink/in/deep", "dirlink/link"]
    refused("NoSuchFile: lstat", box.copy_in, "src/no", "/tmp")
    refused("no such directory", box.copy_in, "src/file", "/no/")
    refused("cannot copy directory", box.copy_in, "src/d", "/new")
    refused("Could not find the file /no/where in container", box.copy_in, "src/file", "/no/where/x")
    refused("extraction point is not a directory", box.copy_in, "src/file", "/new/x")
    refused("cannot overwrite directory", box.copy_in, "src/in", "/made")
    refused("Could not find the file /no in container", box.copy_out, "/no", "out")
    refused("Could not find the file /etc/passwd/ in container", box.copy_out, "/etc/passwd/", "out")
    box.copy_out("/new", "out")
    box.copy_out("/made", "dir")                # new
    box.copy_out("/made", "dir")                # into
    box.copy_out("/made/.", "dir")              # over
    assert open("out").read() == "file"
    assert os.path.exists("dir/made/in/deep") and os.path.exists("dir/in/deep")
    box.copy_out("/tmp/dirlink", "linked")
    assert os.readlink("linked") == "d"
    box.copy_out("/tmp/dirlink", "followed", follow_links=True)
    assert open("followed/in/deep").read() == "deep"
    refused("cannot copy directory", box.copy_out, "/made", "out")
    refused("no such directory", box.copy_out, "/new", "nowhere/")
    refused('invalid output path: directory "', box.copy_out, "/new", "no/where")
    refused("must be a directory or a regular file: got a device", box.copy_out, "/new", "/dev/null")
    box.copy_out("/tmp/../etc/.", "all")
    assert os.path.exists("all/passwd")
    box.copy_in("src/filelink", "/tmp/x", follow_links=True)
    assert owner(box, "/tmp/x") == (0, 0, os.stat("src/file").st_mode & 0o777)
    for name in ("out", "linked"):
        os.unlink(name)
    for name in ("dir", "followed", "all"):
        import shutil; shutil.rmtree(name)
    return names(box, "/tmp")
with cowl.Engine() as engine:
    box = engine.create("busybox", ["sh", "-c", "[ -e /new ] && sleep 1000"])
    first = table(box)
    made = engine.create("busybox", ["sleep", "1000"]).start()
    assert table(made) == first
    assert made.exec(["cat", "/made/in/deep", "/tmp/in/deep"], check=True).stdout == b"deepdeep"
    ended = engine.create("busybox", ["true"]).start()
    ended.wait()
    assert table(ended) == first
    box.start()
    assert box.exec(["cat", "/new"], check=True).stdout == b"file"
    for each in (box, made, ended):
        each.remove(force=True)
"""
)


def test_docker_s_table(based: Caller) -> None:
    done = based.python(TABLE)
    assert done.returncode == 0, done.stderr.decode()
    assert "check" not in based.text("system", "check")


WHOLE = (
    PRELUDE
    + """
make("src/plain", "x"); os.chmod("src/plain", 0o4751)
os.link("src/plain", "src/twin"); os.mkfifo("src/fifo"); os.utime("src/plain", ns=(7, 1_000_000_009))
os.setxattr("src/plain", "user.note", b"kept")
with open("src/sparse", "wb") as file:
    file.truncate(1 << 42 if sys.argv[1] == "root" else 1 << 40)
make("src/" + "n" * 250, "long")
script = "stat -c '%a %u %g %h %Y' /src/plain; stat -c '%F %s %b' /src/sparse /src/fifo; ls /src | wc -l"
with cowl.Engine() as engine, engine.start("busybox", ["sleep", "1000"]) as box:
    box.copy_in("src", "/")
    told = box.exec(["sh", "-c", script], check=True).stdout.decode().split("\\n")
    set_id = "4751" if sys.argv[1] == "root" else "751"
    assert told[0] == f"{set_id} 0 0 2 1", told
    assert told[1].startswith("regular file ") and int(told[1].split()[-1]) < 64 and told[3] == "5", told
    box.copy_in("src/plain", "/kept", archive=True)
    assert owner(box, "/kept") == (os.getuid(), os.getgid(), 0o4751)
    box.exec(["chown", "1000:2000", "/src/plain"], check=True)
    assert owner(box, "/src/plain")[:2] == (1000, 2000)
    box.copy_out("/src", "back")
    status = os.stat("back/plain")
    found = (status.st_uid, status.st_nlink, status.st_mtime_ns)
    assert found == (os.getuid(), 2, 1_000_000_009), (found, os.listdir("back"))
    assert status.st_mode & 0o7777 == 0o751 and os.getxattr("back/plain", "user.note") == b"kept"
    assert os.stat("back/sparse").st_size == os.stat("src/sparse").st_size
    assert os.stat("back/sparse").st_blocks < 64 and open("back/" + "n" * 250).read() == "long"
    if sys.argv[1] == "root":
        box.copy_out("/src/plain", "owned", archive=True)
        assert (os.stat("owned").st_uid, os.stat("owned").st_gid) == (1000, 2000)
        assert os.stat("owned").st_mode & 0o7777 in (0o751, 0o4751)
    box.write_file("/src/new", b"one")
    assert owner(box, "/src/new") == (0, 0, 0o644)
    box.write_file("/src/new", b"two", mode=0o600, owner="node:extra")
    assert owner(box, "/src/new") == (1000, 2000, 0o600) and box.read_file("/src/new") == b"two"
    box.write_file("/src/new", b"three")
    assert owner(box, "/src/new") == (1000, 2000, 0o600)
    inode = box.exec(["stat", "-c", "%i", "/etc/hosts"], check=True).stdout
    box.write_file("/etc/hosts", b"127.0.0.1 me\\n")      # mounted: written in place
    assert box.exec(["cat", "/etc/hosts"], check=True).stdout == b"127.0.0.1 me\\n"
    assert box.exec(["stat", "-c", "%i", "/etc/hosts"], check=True).stdout == inode
    refused("FileTooBig", box.read_file, "/src/sparse", limit=1 << 20)
    refused("/dev/null is no file", box.read_file, "/dev/null")
    refused("/src/fifo is no file", box.read_file, "/src/fifo")
    refused("NoSuchFile", box.read_file, "/no")
    refused("the data is text", box.write_file, "/x", "text")
"""
)


def test_files_keep_what_they_are(based: Caller) -> None:
    done = based.python(WHOLE, based.name)
    assert done.returncode == 0, done.stderr.decode()


def test_the_command_line(based: Caller) -> None:
    (based.home / "x").write_text("x")
    (based.home / "odd:name").write_text("odd")
    based.give(based.home)
    based.cowl("create", "--name", "box", "-v", "vol:/vol", "--read-only", "busybox", "true")
    based.cowl("run", "--name", "other", "busybox", "true")
    assert based.cowl("cp", "x", "box:/vol").stderr == b""
    done = based.cowl("cp", "-q=false", "./odd:name", "box:vol/new")
    assert (
        done.stderr.startswith(b"Successfully copied 3B (transferred ") and b" to box:/vol/new" in done.stderr
    )
    for words, why in (
        (("x", "box:/etc"), b"container rootfs is marked read-only"),
        (("box:/etc", "other:/"), b"copying between containers is not supported"),
        (("x", "y"), b"must specify at least one container source"),
        (("", "box:/"), b"source can not be empty"),
        (("-", "box:/vol/x"), b'destination "box:/vol/x" must be a directory'),
        (("x", "nobody:/"), b"No such container: nobody"),
    ):
        assert why in based.cowl("cp", *words, status=1).stderr
    based.cowl("create", "--name", "barred", "-v", "vol:/vol:ro", "busybox", "true")
    done = based.cowl("cp", "x", "barred:/vol", status=1)
    assert b"mounted volume is marked read-only" in done.stderr
    packed = based.cowl("container", "cp", "box:/vol/.", "-").stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        assert sorted(tar.getnames()) == [".", "./new", "./x"]
    squeezed = subprocess.run(["gzip", "-c"], input=packed, capture_output=True, check=True).stdout
    based.cowl("cp", "-", "other:/tmp", stdin=squeezed)
    assert based.text("diff", "other") == "C /tmp\nA /tmp/new\nA /tmp/x"
    done = based.cowl("cp", "-", "other:/tmp", stdin=b"no tar at all" * 100, status=1)
    assert b"invalid tar: " in done.stderr
    based.cowl("cp", "other:/bin/busybox", "program")
    assert (based.home / "program").read_bytes() == Path("/bin/busybox").read_bytes()
    (based.home / "shut").mkdir()
    (based.home / "shut" / "file").write_text("x")
    based.give(based.home / "shut")
    (based.home / "shut" / "file").chmod(0)
    done = based.cowl("cp", "shut", "other:/tmp", status=0 if based.name == "root" else 1)
    assert based.name == "root" or done.stderr.endswith(b"shut (file): Permission denied\n")


LEDGER = """
import cowl, os
with cowl.Engine() as engine:
    box = engine.create("busybox", ["true"], binds=["vol:/vol"]).start()
    box.wait()
    before = box.refresh().size()[0]
    box.write_file("/tmp/a", bytes(100_000))
    box.write_file("/vol/b", bytes(50_000))
    assert box.refresh().size()[0] == before + 100_000
    assert engine.volume("vol").size() == 50_000
    usage = engine.usage()
    print(box.id)
"""


@pytest.mark.parametrize("verified", ["check"])
def test_figures_hold_after_a_copy(based: Caller, verified: str) -> None:
    done = based.python(LEDGER)
    assert done.returncode == 0, done.stderr.decode()
    assert based.text("system", verified) == "0 problems"
    row = based.text("ps", "-as", "--format", "{{.Size}}")
    assert row.startswith("100kB")


def test_a_copy_that_is_killed_leaves_nothing_behind(based: Caller) -> None:
    """Its process among the files ends with it, and the container can be started."""
    based.cowl("create", "--name", "box", "busybox", "true")
    reader, writer = os.pipe()
    with subprocess.Popen(based.argv("cp", "-", "box:/tmp"), env=based.env, stdin=reader) as copy:
        os.close(reader)
        info = tarfile.TarInfo("half")
        info.size = 1 << 22
        os.write(writer, info.tobuf())
        for _ in range(32):
            os.write(writer, bytes(1 << 16))  # more than pipes hold: it is being written
        copy.kill()
        assert copy.wait(30) == -9
    os.close(writer)
    deadline = time.monotonic() + 30
    while based.cowl("start", "-a", "box", status=None).returncode and time.monotonic() < deadline:
        pass  # until its process among the files has seen that it is alone
    assert based.text("ps", "-aq", "-f", "exited=0") != ""
    assert based.text("system", "check") == "0 problems"
