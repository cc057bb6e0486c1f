"""ps: which containers it shows, and how they stand."""

from __future__ import annotations

import re

from tests.caller import Caller


def names(caller: Caller, *words: str) -> list[str]:
    """The names of what `ps` shows, the newest first."""
    return caller.text("ps", "--format", "{{.Names}}", *words).split()


def test_filters_on_a_store(based: Caller) -> None:
    based.cowl("create", "--name", "old", "-v", "data:/data", "busybox", "sh")
    based.cowl("commit", "old", "derived")
    based.cowl("run", "--name", "ended", "busybox", "sh", "-c", "exit 3", status=3)
    based.cowl("run", "-d", "--name", "new", "--expose", "80-82", "derived", "sleep", "1000")
    assert names(based) == ["new"]
    assert names(based, "-a") == ["new", "ended", "old"]
    assert names(based, "-n", "2") == ["new", "ended"]
    assert names(based, "-l") == ["new"]
    assert names(based, "-f", "before=new") == ["ended", "old"]
    assert names(based, "-f", "since=old", "-f", "before=new") == ["ended"]
    assert names(based, "-a", "-f", "ancestor=busybox") == ["new", "ended", "old"]
    assert names(based, "-a", "-f", "ancestor=derived") == ["new"]
    assert names(based, "-a", "-f", "ancestor=no-such-image") == []
    assert names(based, "-a", "-f", "volume=data") == ["old"]
    assert names(based, "-f", "exited=3") == ["ended"]
    assert names(based, "-f", "exited=0") == []  # what has not run has not ended
    assert names(based, "-f", "expose=81/tcp") == ["new"]
    assert names(based, "-a", "-f", "status=created", "-f", "status=exited") == ["ended", "old"]
    based.cowl("ps", "-f", "since=nobody", status=1)
    statuses = dict(
        line.split(" ", 1)
        for line in based.text("ps", "-a", "--format", "{{.Names}} {{.Status}}").splitlines()
    )
    assert statuses["old"] == "Created"
    assert re.fullmatch(
        r"Exited \(3\) (Less than a second|\d+ seconds?|About a minute) ago", statuses["ended"]
    )
    assert statuses["new"].startswith("Up ")


def test_between_two_runs(based: Caller) -> None:
    based.cowl("run", "-d", "--name", "box", "--restart", "always", "busybox", "sh", "-c", "exit 3")
    for _ in range(300):
        if names(based, "-f", "status=restarting"):
            break
    else:
        raise AssertionError("it was never seen between two runs")
    based.cowl("rm", "-f", "box")
