"""Several processes at once on one store: nobody loses what it needs, and nothing is left over.

Whoever loses a race is told so (NotFound, Conflict) and nothing else; whoever was told that something is
there can use it; at the end directories equal rows, and every byte has its owner.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from tests.caller import Caller
from tests.interop.oci_tools import needs, real_registry, tar_of, write_oci_layout
from tests.unit.store.making import leftovers
from tests.walker import look

from cowl.config import Config
from cowl.engine import Engine
from cowl.store import Store

BASE = "node:14.16.1-alpine3.13"
# A process that works on the store of $COWL_ROOT: what it may be told in a race counts for nothing.
WORKER = """
import cowl, os, sys, time
engine = cowl.Engine(os.environ["COWL_ROOT"])
freed = lost = 0
def again(work):
    global lost
    try:
        return work()
    except (cowl.NotFound, cowl.Conflict, cowl.Unavailable) as why:
        assert not isinstance(why, cowl.Unavailable) or "is not in the store" in str(why), why
        lost += 1
        return None
def everything():
    found = engine.usage()
    return engine.plan_removal(
        images=[image.id for image in found.images if "keep" not in str(image.references)],
        containers=[box.id for box in found.containers if box.state == "exited"],
        steps=[step.key for step in found.cache],
        force=True,
    )
{work}
engine.close()
print(freed, lost)
"""
PRUNE = """
while not os.path.exists("stop"):
    again(lambda: engine.plan_prune("containers", "images", "volumes", "build-cache").apply())
    again(lambda: engine.plan_gc(protect=["keep*", "node*"]).apply())
    again(lambda: everything().apply())
"""


class Race:
    """Processes of one caller that run at the same time."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self._running: list[subprocess.Popen[bytes]] = []

    def cowl(self, *words: str) -> subprocess.Popen[bytes]:
        """Starts `cowl WORDS`; its standard input is a pipe."""
        return self._start(self.caller.argv(*words), {})

    def worker(self, work: str, **env: str) -> subprocess.Popen[bytes]:
        """Starts Python code; it prints "FREED LOST" when it is done."""
        return self._start(self.caller.python_argv(WORKER.replace("{work}", work)), env)

    def _start(self, argv: list[str], env: Mapping[str, str]) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            argv,
            env={**self.caller.env, **env},
            cwd=self.caller.home,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._running.append(process)
        return process

    def end(self, process: subprocess.Popen[bytes], *, may_lose: bool = False) -> str:
        """What it printed; the test fails when it did, but for a clear word if it `may_lose`."""
        out, complaint = process.communicate(timeout=120)
        self._running.remove(process)
        said = complaint.decode(errors="replace")
        assert "Traceback" not in said, said
        lost = "No such" in said or "conflict" in said.lower() or "the store changed" in said
        assert process.returncode == 0 or (may_lose and lost), f"{process.args!r}: {said}"
        return out.decode()

    def while_pruning(self, work: Callable[[], None]) -> None:
        """Does `work` while two processes remove all that they may."""
        stop = self.caller.home / "stop"
        pruning = [self.worker(PRUNE), self.worker(PRUNE)]
        try:
            work()
        finally:
            stop.touch()
        for process in pruning:
            self.end(process)
        stop.unlink()

    def close(self) -> None:
        for process in self._running:
            process.kill()
            process.communicate()


@pytest.fixture
def race(root_caller: Caller, busybox_tar: Path) -> Iterator[Race]:
    """A store with a base image called keep as well; afterwards all is as it must be."""
    root_caller.cowl("import", str(busybox_tar), BASE)
    root_caller.cowl("tag", BASE, "keep")
    found = Race(root_caller)
    try:
        yield found
        check(root_caller.store)
    finally:
        found.close()


def check(root: Path) -> None:
    """Nothing is wrong, nothing is left over, and every byte has its owner."""
    with Store.open(Config(root=str(root))) as store:
        assert store.check() == []
    assert leftovers(root) == {}
    with Engine(root) as engine:
        for _ in range(3):  # the kernel may write the database back between the two
            owners, seen = dict(engine.usage().owners), look(root).owners
            if owners == seen:
                break
        assert owners == seen


def context(caller: Caller, name: str, text: str) -> str:
    path = caller.home / name
    path.mkdir()
    (path / "Dockerfile").write_text(text)
    return str(caller.give(path))


def test_what_several_prunes_free_is_counted_once(race: Race) -> None:
    """Four processes remove the same things at once: their receipts add up to what the disk got back."""
    caller = race.caller
    lines = "".join(f"RUN head -c {number}0000 /dev/zero > /{number}\n" for number in range(1, 6))
    caller.cowl("build", "-q", "-t", "one", context(caller, "one", f"FROM {BASE}\n{lines}"))
    caller.cowl("build", "-q", "-t", "two", context(caller, "two", f"FROM one\n{lines}"))
    for name in ("one", "two"):
        caller.cowl("run", "--name", name, name, "sh", "-c", "head -c 30000 /dev/zero > /tmp/x")
    before = look(caller.store).content
    work = """
while not os.path.exists("go"):
    time.sleep(0.001)
for _ in range(4):
    receipt = again(lambda: everything().apply())
    freed += receipt.freed_bytes if receipt else 0
    freed += again(lambda: engine.prune_build_cache()) or 0
"""
    racing = [race.worker(work) for _ in range(4)]
    (caller.home / "go").touch()
    freed = sum(int(race.end(process).split()[0]) for process in racing)
    assert freed == before - look(caller.store).content
    assert freed > 10 * 30_000
    assert caller.text("images", "--format", "{{.Repository}}:{{.Tag}}").split() == ["keep:latest", BASE]
    assert caller.text("ps", "-aq") == ""


def test_a_build_keeps_what_it_stands_on(race: Race) -> None:
    caller = race.caller
    lines = "".join(f"RUN echo {number} > /{number} && sleep 0.1\n" for number in range(6))
    where = context(
        caller, "app", f"FROM {BASE} AS one\n{lines}FROM {BASE}\nCOPY --from=one /3 /4 /\n{lines}"
    )

    def build() -> None:
        for number in range(2):
            race.end(race.cowl("build", "-q", "--no-cache", "-t", f"keep:{number}", where))
            assert caller.text("run", "--rm", f"keep:{number}", "cat", "/3", "/5") == "3\n5"

    race.while_pruning(build)
    assert caller.text("run", "--rm", "keep:1", "cat", "/4") == "4"


def test_an_import_keeps_what_it_has_read(race: Race, busybox_tar: Path) -> None:
    data = busybox_tar.read_bytes()

    def slowly() -> None:
        process = race.cowl("import", "-", "keep:slow")
        assert process.stdin is not None
        for start in range(0, len(data), len(data) // 5 + 1):
            process.stdin.write(data[start : start + len(data) // 5 + 1])
            process.stdin.flush()
            race.end(race.cowl("builder", "prune", "-f"))
        race.end(process)

    race.while_pruning(slowly)
    assert race.caller.text("run", "--rm", "keep:slow", "echo", "whole") == "whole"


@needs("docker-registry", "skopeo")
def test_a_pull_keeps_what_it_has_fetched(race: Race, tmp_path: Path) -> None:
    layers = [tar_of({f"opt/{number}": os.urandom(300_000)}, directories=["opt"]) for number in range(8)]
    write_oci_layout(tmp_path / "made", layers, ["linux/amd64"])
    (tmp_path / "registry").mkdir()
    with real_registry(tmp_path / "registry") as registry:
        registry.fill(tmp_path / "made", "app:1")

        def pull() -> None:
            for _ in range(5):
                race.end(race.cowl("pull", "-q", f"{registry.netloc}/app:1"))
                race.end(race.cowl("tag", f"{registry.netloc}/app:1", "keep:pulled"), may_lose=True)
                race.end(race.cowl("rmi", "-f", "keep:pulled"), may_lose=True)

        race.while_pruning(pull)
        race.end(race.cowl("pull", "-q", f"{registry.netloc}/app:1"))
    with Engine(race.caller.store) as engine:
        assert len(engine.image(f"{registry.netloc}/app:1").layers) == 8


def test_a_commit_keeps_what_it_publishes(race: Race) -> None:
    caller = race.caller
    box = race.cowl("run", "-i", "--name", "box", BASE, "sh", "-c", "seq 200000 > /tmp/numbers; echo up; cat")
    assert box.stdout is not None and box.stdout.readline() == b"up\n"

    def commit() -> None:
        for number in range(4):
            race.end(race.cowl("commit", "box", f"keep:{number}"))

    race.while_pruning(commit)
    for number in range(4):
        assert caller.text("run", "--rm", f"keep:{number}", "tail", "-n1", "/tmp/numbers") == "200000"
    assert box.poll() is None, "a running container is nothing to prune"
    assert box.stdin is not None
    box.stdin.close()
    box.stdin = None
    race.end(box)


def test_an_image_goes_before_or_after_a_run_never_during(race: Race, busybox_tar: Path) -> None:
    """A run has all of its image, or is told that there is none."""
    caller = race.caller
    remove = """
for _ in range(15):
    again(lambda: engine.remove_image("target", force=True))
    again(lambda: engine.tag("keep", "target"))
"""
    run = """
for _ in range(12):
    done = again(lambda: engine.run("target", ["sh", "-c", "cat /etc/passwd | wc -l"]))
    assert done is None or (done.returncode, done.stdout) == (0, b"2\\n"), done
"""
    caller.cowl("tag", "keep", "target")
    racing = [race.worker(run), race.worker(run), race.worker(remove), race.worker(remove)]
    told = [race.end(process).split() for process in racing]
    assert all(len(words) == 2 for words in told)
    assert caller.text("ps", "-aq") == ""


def test_forks_against_removal(race: Race) -> None:
    """Forks of a snapshot begin with all of it, or do not begin."""
    caller = race.caller
    caller.cowl("run", "--name", "box", BASE, "sh", "-c", "echo state > /state")
    fork = """
for number in range(15):
    taken = again(lambda: engine.container("box").snapshot())
    boxes = again(lambda: taken and taken.fork(2)) or []
    for box in boxes:
        changed = again(box.diff)
        assert changed is None or [change.path for change in changed] == ["/state"], changed
    for box in boxes:
        again(box.remove)
"""
    remove = """
for _ in range(40):
    for snapshot in engine.snapshots():
        again(lambda: snapshot.remove(force=True))
    again(lambda: engine.prune_build_cache())
"""
    for process in [race.worker(fork), race.worker(fork), race.worker(remove)]:
        race.end(process)
    caller.cowl("commit", "box", "keep:state")
    assert caller.text("run", "--rm", "keep:state", "cat", "/state") == "state"
