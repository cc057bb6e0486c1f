"""exec in the background and with more rights, and containers that may run for so long only."""

from __future__ import annotations

import json
import os

import pytest
from tests.caller import Caller
from tests.system.test_detached import BASE, state, until


def test_exec_detached(based: Caller) -> None:
    """It outlives its command, and ends with the container; its terminal never fills."""
    based.cowl("run", "-d", "--name", "box", "-e", "A=1", BASE, "sleep", "1000")
    file = based.home / "variables"
    file.write_text("B=2\n")
    script = "seq 100000; echo $A$B$C $PWD > /done; exec sleep 1001"
    words = ("-e", "C=3", "--env-file", str(file), "-w", "/bin", "box", "sh", "-c", script)
    for options in (("-d",), ("-d", "-t")):
        assert based.cowl("exec", *options, *words).stdout == b""
        until(lambda: based.text("exec", "box", "sh", "-c", "cat /done || true") == "123 /bin")
        based.cowl("exec", "box", "rm", "/done")
    until(lambda: based.text("top", "box").count("sleep 1001") == 2)
    pids = [line.split()[1] for line in based.text("top", "box").splitlines() if "sleep 1001" in line]
    done = based.python("import cowl; cowl.Engine().container('box').exec_detached(['touch', '/api'])")
    assert done.returncode == 0, done.stderr
    until(lambda: "/api" in based.text("exec", "box", "sh", "-c", "echo /ap*"))
    based.cowl("exec", "-d", "box", "nothing-like-it", status=127)
    based.cowl("exec", "-d", "box", "/", status=126)
    based.cowl("kill", "box")
    until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids))


def test_exec_privileged(based: Caller) -> None:
    """All capabilities of its user namespace; the container's filter and no_new_privs stay."""
    based.cowl("run", "-d", "--name", "box", BASE, "sleep", "1000")
    show = ("grep", "-E", "CapEff|CapInh|CapAmb|NoNewPrivs|Seccomp:", "/proc/self/status")
    facts = dict(line.split(":\t") for line in based.text("exec", "box", *show).splitlines())
    more = dict(line.split(":\t") for line in based.text("exec", "--privileged", "box", *show).splitlines())
    assert int(facts["CapEff"], 16).bit_count() == 11
    assert int(more["CapEff"], 16).bit_count() > 35
    assert {**more, "CapEff": ""} == {**facts, "CapEff": ""}
    based.cowl("exec", "--privileged", "box", "mount", "-t", "tmpfs", "x", "/bin", status=None)
    assert "x /bin" not in based.text("exec", "box", "cat", "/proc/mounts")


@pytest.mark.parametrize("words", [(), ("-d",)])
def test_timeout(based: Caller, words: tuple[str, ...]) -> None:
    """podman's: killed after so many seconds, whoever looks after it."""
    based.cowl("run", "--name", "box", "--timeout", "1", *words, BASE, "sleep", "1000", status=None)
    until(lambda: state(based, "box")["Running"] is False)
    assert state(based, "box")["ExitCode"] == 137
    assert json.loads(based.text("inspect", "box"))[0]["Config"]["Timeout"] == 1


def test_timeout_in_the_library(based: Caller) -> None:
    code = (
        "import cowl\n"
        "with cowl.Engine() as engine, engine.start('busybox', ['sleep', '1000'], timeout=0.2) as box:\n"
        "    print(box.wait(60))\n"
    )
    done = based.python(code)
    assert done.stdout == b"137\n", done.stderr
    done = based.cowl("run", "--timeout", "-1", BASE, "true", status=125)
    assert b"cowl: invalid timeout -1\n" in done.stderr
