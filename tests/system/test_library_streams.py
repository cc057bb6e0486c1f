"""Streams and exit codes from Python, in the words of subprocess."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.caller import Caller
from tests.library import Library


@pytest.fixture
def library(caller: Caller, busybox_tar: Path) -> Library:
    caller.cowl("import", str(busybox_tar), "busybox")
    return Library(caller)


def test_run_and_exec_speak_as_subprocess_does(library: Library) -> None:
    library.check("""
BOTH = ["sh", "-c", "cat; echo out; echo err >&2; echo out; exit 3"]
with cowl.Engine(ROOT) as engine, engine.start(B, ["sleep", "600"]) as box:
    ways = [lambda *a, **k: engine.run(B, *a, **k), box.exec]
    for way in ways:
        done = way(BOTH, input="ü\\r\\n", text=True)
        assert (done.stdout, done.stderr, done.returncode) == ("ü\\nout\\nout\\n", "err\\n", 3), done
        assert way(BOTH, stderr=cowl.STDOUT).stdout == b"out\\nerr\\nout\\n"
        assert way(BOTH, stdout=cowl.DEVNULL, text=True).stdout == ""
        read, write = os.pipe()
        assert way(BOTH, stdout=write, stderr=cowl.STDOUT).stdout == b""
        os.close(write)
        assert os.read(read, 99) == b"out\\nerr\\nout\\n" and os.read(read, 99) == b""
        os.close(read)
        script = "printf '\\\\303\\\\274\\\\303'; sleep 600 & sleep 600"
        late = refused(cowl.RunTimeout, lambda: way(["sh", "-c", script], text=True, timeout=1))
        assert late.stdout == "ü" and late.stderr == "", late.stdout
        failed = refused(cowl.RunFailed, lambda: way(BOTH, check=True, text=True))
        assert failed.done.stderr == "err\\n" and "err" in str(failed)
        refused(cowl.Invalid, lambda: way(BOTH, input="text"))
    assert engine.containers() == [engine.container(box.id)] or len(engine.containers()) == 1
""")


def test_start_is_like_popen(library: Library) -> None:
    library.check("""
with cowl.Engine(ROOT) as engine:
    engine.run(B, ["true"])
    engine.run(B, ["true"])
    before = descriptors()
    script = "while read line; do echo got $line; echo err >&2; done; exit 4"
    with engine.start(B, ["sh", "-c", script], stdin=cowl.PIPE, stdout=cowl.PIPE, stderr=cowl.STDOUT) as box:
        assert box.poll() is None and box.returncode is None and box.stderr is None
        for word in (b"one", b"two"):
            box.stdin.write(word + b"\\n")
            box.stdin.flush()
            assert box.stdout.readline() == b"got " + word + b"\\n"
            assert box.stdout.readline() == b"err\\n"
        box.stdin.close()
        assert box.wait() == 4 and box.returncode == 4 and box.poll() == 4
        assert box.stdout.read() == b""
    assert box.stdout.closed
    again = engine.create(B, ["sh", "-c", "cat; exit 5"])
    for word in (b"first", b"second"):
        with again.start(stdin=cowl.PIPE, stdout=cowl.PIPE):
            again.stdin.write(word)
            again.stdin.close()
            assert again.stdout.read() == word and again.wait() == 5
    refused(cowl.Invalid, lambda: engine.start(B, ["true"], stdin=cowl.PIPE, detach=True))
    refused(cowl.CommandNotFound, lambda: engine.start(B, ["nope"], stdin=cowl.PIPE, stdout=cowl.PIPE))
    again.remove()
    assert descriptors() == before
""")


def test_lines_of_an_exec_as_they_come(library: Library) -> None:
    library.check("""
with cowl.Engine(ROOT) as engine, engine.start(B, ["sleep", "600"]) as box:
    box.exec(["true"])
    box.exec(["mkfifo", "/go"])
    before = descriptors()
    lines = box.exec_lines(["sh", "-c", "echo one; read word </go; echo $word >&2; exit 3"])
    assert next(lines) == "one"
    box.exec(["sh", "-c", "echo two >/go"])
    assert next(lines) == "two"
    assert refused(cowl.RunFailed, lambda: next(lines)).done.returncode == 3
    assert list(box.exec_lines(["sh", "-c", "printf a; exit 3"], check=False)) == ["a"]
    endless = box.exec_lines(["sh", "-c", "while echo again; do :; done"])
    assert next(endless) == "again"
    endless.close()
    assert b"again" not in box.exec(["ps"]).stdout and descriptors() == before
""")
