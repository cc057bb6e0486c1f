"""export: a container's file system as a tar, which import makes the same file system of."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest
from tests.caller import Caller

BASE = "base:1"
CHANGES = """
echo new > /etc/new; chmod 600 /etc/new; chown 1000:1000 /etc/new
echo other > /etc/passwd; rm /bin/vi; mkdir /closed; echo in > /closed/file; chmod 000 /closed
ln /etc/new /etc/hard; ln -s new /etc/soft; mkfifo /etc/fifo; chmod 000 /etc/fifo
rm -r /root; mkdir /root; echo a > /root/a; touch -d @1000000000 /root/a
"""


def members(tar: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(tar)) as found:
        return {member.name: member for member in found}


def content(tar: bytes, name: str) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(tar)) as found:
        file = found.extractfile(name)
        assert file is not None
        return file.read()


@pytest.fixture
def based(caller: Caller, busybox_tar: Path) -> Caller:
    caller.cowl("import", str(busybox_tar), BASE)
    return caller


def test_what_shows_of_a_stopped_container(based: Caller) -> None:
    based.cowl("run", "--name", "box", "-v", f"{based.home}:/mounted", BASE, "sh", "-c", CHANGES)
    upper = next(based.store.glob("containers/*/upper"))
    mode = (upper / "closed").stat().st_mode
    tar = based.cowl("export", "box").stdout
    found = members(tar)
    assert content(tar, "etc/passwd") == b"other\n"
    assert content(tar, "closed/file") == b"in\n"
    assert found["closed"].mode == 0
    assert (upper / "closed").stat().st_mode == mode  # and it is as closed as before
    assert "bin/vi" not in found
    assert (found["etc/new"].uid, found["etc/new"].gid, found["etc/new"].mode) == (1000, 1000, 0o600)
    assert found["etc/new"].islnk() != found["etc/hard"].islnk()
    assert found["etc/soft"].linkname == "new"
    assert found["etc/fifo"].isfifo()
    assert [name for name in found if name.startswith("root")] == ["root", "root/a"]
    assert found["root/a"].mtime == 1_000_000_000
    assert not [name for name in found if name.startswith(("mounted/", "proc/", ".wh."))]


def test_there_and_back_again(based: Caller) -> None:
    based.cowl("run", "--name", "box", BASE, "sh", "-c", CHANGES)
    first = based.cowl("export", "box").stdout
    based.cowl("import", "-c", "CMD true", "-", "copy", stdin=first)
    based.cowl("run", "--name", "second", "copy")
    out = based.home / "second.tar"
    assert based.cowl("export", "-o", str(out), "second").stdout == b""
    assert out.read_bytes() == first
    assert [path.name for path in based.home.glob("*.part")] == []


def test_a_running_container(based: Caller) -> None:
    script = "head -c 3000000 /dev/zero > /big; echo up > /up; while :; do echo x > /tmp/$RANDOM; done"
    command = based.argv("run", "--rm", "--name", "box", BASE, "sh", "-c", script)
    box = subprocess.Popen(command, env=based.env, stdin=subprocess.DEVNULL)
    try:
        while not list(based.store.glob("containers/*/upper/up")):
            assert box.poll() is None
        found = members(based.cowl("export", "box").stdout)
        assert found["big"].size == 3_000_000
        assert found["up"].size == 3
        assert based.text("ps", "--format", "{{.Names}}") == "box"
    finally:
        based.cowl("rm", "-f", "box")
        box.wait()


def test_what_is_refused(based: Caller) -> None:
    based.cowl("run", "--name", "box", BASE, "true")
    assert b"No such container: nobody" in based.cowl("export", "nobody", status=1).stderr
    nowhere = based.cowl("export", "-o", "/no/where/x.tar", "box", status=1)
    assert b"there is no directory /no/where" in nowhere.stderr
    assert b"is a directory" in based.cowl("export", "-o", str(based.home), "box", status=1).stderr
    master, terminal = os.openpty()
    try:
        done = subprocess.run(
            based.argv("export", "box"),
            env=based.env,
            stdin=subprocess.DEVNULL,
            stdout=terminal,
            stderr=subprocess.PIPE,
            check=False,
        )
    finally:
        os.close(terminal)
        os.close(master)
    assert done.returncode == 1
    assert b"refusing to save to a terminal" in done.stderr
