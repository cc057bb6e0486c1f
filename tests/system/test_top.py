"""`cowl top` and `cowl rename`: containers looked at from outside."""

from __future__ import annotations

from tests.caller import Caller
from tests.interop.oci_tools import needs

BASE = "busybox"
WITHOUT_PROGRAMS = """
import sys, cowl
box = cowl.Engine(config=cowl.Config(sys.argv[1], path="/nonexistent")).container("box")
print(len(box.top().processes), "rows, then: ", end="")
try:
    box.top(["-ef"])
except cowl.Unavailable as error:
    print(error.hint)
"""


def table(text: str) -> list[list[str]]:
    titles, *rows = text.splitlines()
    columns = titles.split()
    return [columns, *(row.split(None, len(columns) - 1) for row in rows)]


def test_top_without_ps(based: Caller) -> None:
    """Docker's columns, by the account file of the container; no program of anybody is asked."""
    script = "echo 'nobody:x:65534:65534::/:' >> /etc/passwd; sleep 1001 & exec sleep 1002"
    based.cowl("run", "-d", "--name", "box", BASE, "sh", "-c", script)
    based.cowl("exec", "box", "sh", "-c", "until grep -q nobody /etc/passwd; do :; done")
    done = based.python(WITHOUT_PROGRAMS, str(based.store))
    assert done.stdout == b"2 rows, then: install the package procps, or leave the options out\n", done.stderr
    titles, *rows = table(based.text("top", "box"))
    assert titles == ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]
    assert sorted(row[-1] for row in rows) == ["sleep 1001", "sleep 1002"]
    assert {row[0] for row in rows} == {"root"}
    assert {row[5] for row in rows} == {"?"}
    first = next(row for row in rows if row[-1] == "sleep 1002")
    assert based.text("inspect", "--format", "{{.State.Pid}}", "box") == first[1]
    assert next(row for row in rows if row[-1] == "sleep 1001")[2] == first[1]
    based.cowl("kill", "box")
    based.cowl("wait", "box")
    done = based.cowl("top", "box", status=1)
    assert b"is not running" in done.stderr


@needs("ps")
def test_top_with_options_of_ps(based: Caller) -> None:
    """The host's ps, on the host; the image's own ps is never executed."""
    script = "printf '#!/bin/sh\\ntouch /was-here' > /bin/ps; exec sleep 1003"
    based.cowl("run", "-d", "--name", "box", BASE, "sh", "-c", script)
    pid = based.text("inspect", "--format", "{{.State.Pid}}", "box")
    based.cowl("exec", "box", "sh", "-c", "until grep -q sleep /proc/1/cmdline; do :; done")
    assert table(based.text("top", "box", "-o", "pid,comm")) == [["PID", "COMMAND"], [pid, "sleep"]]
    titles, *rows = table(based.text("top", "box", "aux"))
    assert titles[:3] == ["USER", "PID", "%CPU"]
    assert [(row[1], row[-1]) for row in rows] == [(pid, "sleep 1003")]
    done = based.cowl("top", "box", "-o", "comm", status=1)
    assert b"Couldn't find PID field" in done.stderr
    done = based.cowl("top", "box", "--no-such-option", status=1)
    assert b"ps:" in done.stderr
    assert "was-here" not in based.text("diff", "box")


def test_rename(based: Caller) -> None:
    based.cowl("run", "-d", "--name", "box", BASE, "sleep", "1000")
    based.cowl("create", "--name", "other", BASE, "true")
    based.cowl("rename", "box", "crate")
    assert based.text("ps", "--format", "{{.Names}}") == "crate"
    based.cowl("exec", "crate", "true")
    assert b"No such container: box" in based.cowl("rename", "box", "x1", status=1).stderr
    assert b"already in use" in based.cowl("rename", "crate", "other", status=1).stderr
    assert b"same name" in based.cowl("rename", "crate", "crate", status=1).stderr
    assert b"Invalid container name (-x)" in based.cowl("rename", "--", "crate", "-x", status=1).stderr
    assert b"may be empty" in based.cowl("rename", "crate", "", status=1).stderr
    assert sorted(based.text("ps", "-a", "--format", "{{.Names}}").split()) == ["crate", "other"]
