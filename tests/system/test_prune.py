"""rm, rmi, prunes and gc as whole processes: what they show, ask, print and free."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.caller import Caller

BASE = "busybox"


@pytest.fixture
def based(caller: Caller, busybox_tar: Path) -> Caller:
    caller.cowl("import", str(busybox_tar), BASE)
    context = caller.home / "context"
    context.mkdir()
    (context / "Dockerfile").write_text(f"FROM {BASE}\nRUN head -c 100000 /dev/zero > /x\n")
    caller.give(context)
    caller.cowl("build", "-q", "-t", "app", "--label", "team=a", str(context))
    caller.cowl(
        "run", "--name", "box", "--label", "team=b", "app", "sh", "-c", "head -c 50000 /dev/zero > /w"
    )
    return caller


def walk(caller: Caller) -> int:
    """Bytes on disk of all content, each inode once, by a walk that knows nothing of cowl."""
    os.sync()
    places = [str(caller.store / name) for name in ("layers", "containers", "caches", "volumes", "trash")]
    done = subprocess.run(["du", "-s", "-c", "-B1", *places], capture_output=True, text=True, check=True)
    return int(done.stdout.splitlines()[-1].split()[0])


def plan(caller: Caller, *words: str, status: int = 0) -> Any:
    """What --dry-run says, as JSON; it changes nothing."""
    before = walk(caller)
    found = json.loads(caller.cowl(*words, "--dry-run", "--json", status=status).stdout)
    assert walk(caller) == before
    return found


def freed(caller: Caller, *words: str) -> Any:
    """The receipt as JSON, which a plan foretold and a walk confirms."""
    said, before = plan(caller, *words), walk(caller)
    receipt = json.loads(caller.text(*words, "--json"))
    assert receipt["freed_bytes"] == said["frees_bytes"] == before - walk(caller)
    assert sum(each["bytes"] for each in receipt["freed"]) == receipt["freed_bytes"]
    return receipt


def test_what_is_foretold_is_what_is_freed(based: Caller) -> None:
    said = plan(based, "rmi", "app", status=1)
    assert said["objects"] == [] and "must force" in said["refused"][0]
    assert said["stays"][0]["needed_by"] == ["container box"]
    shown = based.cowl("rmi", "--dry-run", "app", status=1).stdout
    assert b"may not go: container box\n" in shown, "the full reason follows, on standard error"
    (container,) = freed(based, "rm", "box")["removed"]
    assert container["kind"] == "container"
    assert freed(based, "rmi", "app")["untagged"] == ["app:latest"]
    assert [each["kind"] for each in freed(based, "builder", "prune", "-f")["removed"]] == ["step"]
    freed(based, "rmi", BASE)
    assert os.listdir(based.store / "layers") == []
    assert based.text("system", "check") == "0 problems"


def test_a_prune_shows_its_plan_and_asks(based: Caller) -> None:
    for words in (("container", "prune"), ("system", "prune", "-a"), ("gc", "--older", "0s")):
        done = based.cowl(*words, stdin=b"n\n")
        said = done.stderr.decode()
        assert done.stdout == b"" and said.endswith("Are you sure you want to continue? [y/N] ")
        assert re.search(r"^container +box +[0-9a-f]{12} +[0-9.]+kB$", said, re.MULTILINE)
        assert re.search(r"^Frees [0-9.]+[kM]B \([0-9]+ bytes\) on disk\.$", said, re.MULTILINE)
    said = based.cowl("system", "prune", "-a", stdin=b"").stderr.decode()
    assert "  - all stopped containers\n  - all networks not used by at least one container\n" in said
    assert "  - all images without" in said
    assert said.endswith("[y/N] \n"), "no answer: what comes next is on a line of its own"
    identity = based.text("ps", "-aq", "--no-trunc")
    done = based.cowl("container", "prune", stdin=b"y\n")
    title, shown, _, total = done.stdout.decode().splitlines()
    assert (title, shown) == ("Deleted Containers:", identity)
    assert re.fullmatch(r"Total reclaimed space: [0-9.]+kB", total)
    done = based.cowl("container", "prune")
    assert (done.stdout, done.stderr) == (b"Total reclaimed space: 0B\n", b""), "nothing to ask about"


def test_prunes_follow_docker_s_flags(based: Caller) -> None:
    assert plan(based, "image", "prune")["objects"] == []
    assert plan(based, "container", "prune", "--filter", "label!=team=b")["objects"] == []
    assert (
        len(plan(based, "container", "prune", "--filter", "label=team", "--filter", "until=0s")["objects"])
        == 1
    )
    assert plan(based, "container", "prune", "--filter", "until=24h")["objects"] == []
    assert [each["names"] for each in plan(based, "image", "prune", "-a")["objects"]] == [[f"{BASE}:latest"]]
    assert plan(based, "builder", "prune")["objects"] == [], "an image has the layer"
    assert len(plan(based, "builder", "prune", "-a")["objects"]) == 1
    assert plan(based, "builder", "prune", "-a", "--reserved-space", "1GB")["objects"] == []
    based.cowl("volume", "create", "named")
    assert plan(based, "volume", "prune")["objects"] == []
    freed(based, "volume", "prune", "-af")
    refused = based.cowl("container", "prune", "--filter", "dangling=true", status=1).stderr.decode()
    assert "there is no such filter here" in refused and "until, label, label!" in refused
    assert (
        b"does not go together with volumes"
        in based.cowl("system", "prune", "--volumes", "--filter", "until=1h", status=1).stderr
    )
    out = based.text("system", "prune", "-af").splitlines()
    assert out[0] == "Deleted Containers:" and "Deleted Images:" in out and "untagged: app:latest" in out
    assert os.listdir(based.store / "layers") == []


def test_gc(based: Caller) -> None:
    assert b"say how much may stay" in based.cowl("gc", "-f", status=1).stderr
    assert b"invalid age 'old': it is no span of time" in based.cowl("gc", "--older", "old", status=1).stderr
    assert b"invalid size '10 apples'" in based.cowl("gc", "--keep", "10 apples", status=1).stderr
    assert plan(based, "gc", "--keep", "1TB")["objects"] == []
    said = plan(based, "gc", "--keep", "0", "--protect", f"{BASE}*", "--protect", "box")
    assert [each["kind"] for each in said["objects"]] == [], "the container keeps its image and its step"
    receipt = freed(based, "gc", "--older", "0s", "--protect", f"{BASE}*", "-f")
    assert {each["kind"] for each in receipt["removed"]} == {"container", "image", "step"}
    assert based.text("images", "-q").count("\n") == 0
    assert based.text("system", "check") == "0 problems"


def test_what_was_agreed_to_is_done_as_shown_or_not_at_all(based: Caller) -> None:
    argv = based.argv("image", "prune", "-a")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    based.cowl("tag", BASE, "other")
    with subprocess.Popen(argv, env=based.env, cwd=based.home, **pipes) as process:  # type: ignore[call-overload]
        try:
            shown = b""
            while not shown.endswith(b"[y/N] "):
                shown += os.read(process.stderr.fileno(), 4096)
            based.cowl("rmi", "other")
            out, said = process.communicate(b"y\n", timeout=60)
        finally:
            process.kill()
    assert (process.returncode, out) == (1, b"")
    assert b"the store changed since the plan was made: image busybox:latest has other names" in said
    assert b"plan again" in said and b"Nothing was removed." in said
    assert "busybox" in based.text("images")


def test_a_running_container_goes_by_force_alone(based: Caller) -> None:
    argv = based.argv("run", "--rm", "--name", "live", BASE, "sleep", "100")
    with subprocess.Popen(argv, env=based.env, cwd=based.home, stdin=subprocess.DEVNULL) as process:
        try:
            while "live" not in based.text("ps", "--format", "{{.Names}}"):
                assert process.poll() is None
            assert plan(based, "container", "prune")["objects"][0]["names"] == ["box"]
            said = plan(based, "rm", "live", status=1)
            assert "stop the container before removing or force remove" in said["refused"][0]
            said = plan(based, "rm", "-f", "live")
            assert [each["names"] for each in said["objects"]] == [["live"]] and said["exact"] is False
            assert based.text("rm", "-f", "live", "nope") == "live"
            process.wait(timeout=30)
        finally:
            process.kill()
    assert based.text("ps", "-aq").count("\n") == 0
    assert based.text("system", "check") == "0 problems"
