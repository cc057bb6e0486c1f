"""Bytes or text, and where the streams of a command go."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cowl.container.pipe_files import PipeFiles
from cowl.container.result import RunFailed, RunTimeout
from cowl.container.talk import DEVNULL, PIPE, STDOUT, Talk, make_talk
from cowl.container.words import InvalidOptions


def talk(
    text: bool = False,
    encoding: str | None = None,
    errors: str | None = None,
    out: int = PIPE,
    err: int = PIPE,
) -> Talk:
    return make_talk(text, encoding, errors, out, err)


def test_the_numbers_are_those_of_subprocess() -> None:
    assert (PIPE, STDOUT, DEVNULL) == (subprocess.PIPE, subprocess.STDOUT, subprocess.DEVNULL)


def test_any_word_about_text_means_text() -> None:
    assert [
        bool(each.encoding) for each in (talk(), talk(True), talk(encoding="latin-1"), talk(errors="ignore"))
    ] == [
        False,
        True,
        True,
        True,
    ]


def test_text_goes_in_and_comes_out() -> None:
    assert talk(True).encode("ü") == "ü".encode() and talk(encoding="latin-1").encode("ü") == b"\xfc"
    assert talk(True).decode(b"a\r\nb\rc\n\xc3\xbc") == "a\nb\nc\nü"
    assert talk().encode(None) == b"" == talk(True).encode(None) and talk().decode(b"\r\n") == b"\r\n"
    with pytest.raises(UnicodeDecodeError):
        talk(True).decode(b"\xff")
    assert talk(errors="replace").decode(b"\xff") == "\ufffd"


def test_bytes_and_text_are_not_mixed() -> None:
    with pytest.raises(InvalidOptions, match="the input is text, where bytes belong"):
        talk().encode("text")
    with pytest.raises(InvalidOptions, match="the input is bytes, where text belongs"):
        talk(True).encode(b"bytes")


def test_what_a_timeout_carries_may_end_in_the_middle_of_a_letter() -> None:
    late = talk(True).late(RunTimeout(("sh",), 1, "fü".encode()[:-1], b"\xff"))
    assert (late.stdout, late.stderr) == ("f", "\ufffd")
    assert talk().late(RunTimeout(("sh",), 1, b"a", b"b")).stdout == b"a"


@pytest.mark.parametrize(("out", "err"), [(STDOUT, PIPE), (-4, PIPE), (PIPE, -4)])
def test_no_other_numbers(out: int, err: int) -> None:
    with pytest.raises(InvalidOptions, match="PIPE, DEVNULL or a descriptor"):
        talk(out=out, err=err)


def test_a_failure_tells_the_last_line_of_text_too() -> None:
    for kind in (talk(), talk(True)):
        done = kind.completed(("sh",), 3, (b"", b"no\nreally\n"), "id")
        with pytest.raises(RunFailed, match="'sh' returned non-zero exit status 3: really"):
            done.check_returncode()


def test_pipes_as_files() -> None:
    before = len(os.listdir("/proc/self/fd"))
    files = PipeFiles((PIPE, PIPE, STDOUT))
    stdin, stdout, stderr = files.stdio
    assert stdout == stderr and files.stderr is None
    assert files.stdin is not None and files.stdout is not None
    files.stdin.write(b"in")
    files.stdin.flush()
    assert os.read(stdin, 9) == b"in"
    os.write(stdout, b"one\ntwo\n")
    files.close_theirs()
    assert list(files.stdout) == [b"one\n", b"two\n"]
    files.stdin.write(b"nobody reads this")
    files.close()
    plain = PipeFiles((None, DEVNULL, 7))
    assert plain.stdio[2] == 7 and plain.stdin is plain.stdout is plain.stderr is None
    plain.close_theirs()
    for wrong in ((STDOUT, None, None), (None, STDOUT, None), (None, None, -9)):
        with pytest.raises(InvalidOptions, match="only stderr may be STDOUT"):
            PipeFiles(wrong)
    assert len(os.listdir("/proc/self/fd")) == before


TYPED = """
import cowl
engine = cowl.Engine()
reveal_type(engine.run("x").stdout)
reveal_type(engine.run("x", text=True, input="in").stdout)
reveal_type(engine.run("x", encoding="latin-1").stderr)
box = engine.start("x", stdin=cowl.PIPE)
reveal_type(box.exec(["ls"]).stdout)
reveal_type(box.exec(["ls"], text=True).stdout)
reveal_type(box.poll())
def bare(done: cowl.CompletedRun) -> bytes:
    return done.stdout
engine.run("x", text=True, input=b"in")
"""


def test_type_checkers_know_bytes_from_text(tmp_path: Path) -> None:
    (tmp_path / "typed.py").write_text(TYPED)
    words = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--no-incremental",
        "--follow-imports=silent",
        "typed.py",
    ]
    env = {**os.environ, "MYPYPATH": str(Path(__file__).parents[3] / "src")}
    done = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    shown = [line.partition('Revealed type is "')[2].rstrip('"') for line in done.stdout.splitlines()]
    kinds = [kind.replace("builtins.", "").replace("int | None", "None | int") for kind in shown if kind]
    assert kinds == ["bytes", "str", "str", "bytes", "str", "None | int"], done.stdout + done.stderr
    errors = [line for line in done.stdout.splitlines() if ": error:" in line]
    assert len(errors) == 1 and "No overload variant" in errors[0], done.stdout
