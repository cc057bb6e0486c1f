"""SIGKILL at random moments of build, pull and run: the next command succeeds unaided, nothing is left."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.caller import Caller
from tests.interop.oci_tools import RealRegistry, real_registry, tar_of, write_oci_layout
from tests.mount_table import mount_table

BASE = "busybox"
DOCKERFILE = (
    f"FROM {BASE}\nWORKDIR /app\nCOPY . .\nRUN echo one > one; sleep 0.02\nRUN rm one; echo two > two\n"
)


def host_mounts() -> str:
    return "\n".join(mount_table())


def leftovers(caller: Caller) -> dict[str, list[str]]:
    """What lies in the store's transient directories."""
    return {
        name: sorted(os.listdir(caller.store / name))
        for name in ("staging", "trash", "containers")
        if os.listdir(caller.store / name)
    }


def kill_at_random(caller: Caller, words: list[str], longest: float, dice: random.Random) -> bool:
    """Starts cowl, kills it after a random time; True when it was still running then."""
    process = subprocess.Popen(
        caller.argv(*words),
        env=caller.env,
        cwd=caller.home,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(dice.uniform(0, longest))
    killed = process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    return killed


def seconds_of(caller: Caller, words: list[str]) -> float:
    """How long a command takes here: the span in which to kill it."""
    started = time.monotonic()
    caller.cowl(*words)
    return time.monotonic() - started


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory, busybox_tar: Path) -> Iterator[RealRegistry]:
    """A docker-registry that serves an image of five layers, 10 MB in all."""
    if not (shutil.which("docker-registry") and shutil.which("skopeo")):
        pytest.skip("needs Debian's packages docker-registry and skopeo")
    layout = tmp_path_factory.mktemp("layout")
    layers = [busybox_tar.read_bytes()] + [tar_of({f"file{n}": os.urandom(2 << 20)}) for n in range(4)]
    write_oci_layout(layout, layers, ["linux/amd64"])
    with real_registry(tmp_path_factory.mktemp("registry")) as running:
        running.fill(layout, "pulled:1")
        yield running


@pytest.mark.faults
def test_killed_builds_and_runs_leave_nothing(
    caller: Caller, busybox_tar: Path, registry: RealRegistry, request: pytest.FixtureRequest
) -> None:
    kills = 50 if request.config.getoption("--faults") == "long" else 8
    caller.cowl("import", str(busybox_tar), BASE)
    context = caller.home / "context"
    context.mkdir()
    (context / "Dockerfile").write_text(DOCKERFILE)
    for number in range(50):
        (context / f"file{number}").write_bytes(os.urandom(20_000))
    caller.give(context)
    caller.cowl("build", "-t", "warm", str(context))
    mounts = host_mounts()
    seed = int(time.time())
    dice = random.Random(seed)
    hits = 0
    workloads = [
        ["build", "--no-cache", "-t", "built", str(context)],
        ["run", "--rm", BASE, "sh", "-c", "echo x > /tmp/x; sleep 0.05"],
        ["pull", f"{registry.netloc}/pulled:1"],
        ["import", str(busybox_tar), "imported"],
    ]
    lasts = [seconds_of(caller, words) for words in workloads]
    for number in range(kills):
        words, longest = workloads[number % len(workloads)], lasts[number % len(workloads)]
        if words[0] == "pull":
            caller.cowl("rmi", "-f", words[1], status=None)
        hits += kill_at_random(caller, words, longest, dice)
        done = caller.cowl("run", "--rm", BASE, "echo", "well")
        assert done.stdout == b"well\n", f"seed {seed}, round {number}, {words}"
        assert leftovers(caller) == {}, f"seed {seed}, round {number}, {words}"
        assert caller.text("ps", "-aq") == ""
        assert caller.text("system", "check").endswith("0 problems") or "no problem" in caller.text(
            "system", "check"
        )
        assert host_mounts() == mounts
    print(f"as {caller.name}: {kills} kills, {hits} of them hit a running process; nothing was left over")
    assert hits >= kills // 2, f"only {hits} of {kills} hit a running process"
