"""A container lives as long as its handle and its starter, and leaves nothing behind."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest
from tests.boxes import Boxes
from tests.caller import Caller


@pytest.fixture
def boxes(caller: Caller, busybox_tar: Path) -> Boxes:
    return Boxes(caller, busybox_tar)


THREADED = """
forever = threading.Event()
threading.Thread(target=forever.wait, daemon=True).start()
"""


def _gone(pid: int, seconds: float = 5) -> bool:
    """Whether the process ends within a time that is long for a loaded machine."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state in "ZX":
            return True
        time.sleep(0.01)
    return False


@pytest.mark.parametrize("prelude", ["", THREADED], ids=["forked", "launched"])
def test_it_dies_with_a_starter_that_is_killed(boxes: Boxes, prelude: str) -> None:
    code = """
box = start(["sh", "-c", "sleep 60 & sleep 60; true"])
print(box.process.pid, flush=True)
box.wait()
"""
    starter = boxes.popen(prelude + code)
    assert starter.stdout is not None
    pid = int(starter.stdout.readline())
    starter.send_signal(signal.SIGKILL)
    starter.wait()
    starter.stdout.close()
    assert _gone(pid)


def test_it_dies_even_when_it_gave_up_its_death_signal(boxes: Boxes) -> None:
    """A change of ids clears the parent death signal: what `su`, gosu and the like do."""
    if not boxes.is_root:
        pytest.skip("one id can't be changed to another")
    starter = boxes.popen(
        """
box = start(["su", "node", "-s", "/bin/sh", "-c", "exec sleep 60"])
time.sleep(0.2)
print(box.process.pid, flush=True)
box.wait()
"""
    )
    assert starter.stdout is not None
    pid = int(starter.stdout.readline())
    starter.kill()
    starter.wait()
    starter.stdout.close()
    assert _gone(pid)


def test_it_dies_with_its_keeper(boxes: Boxes) -> None:
    boxes.script(
        """
from cowl.runtime.stdio import ExitStatus
box = start(["sleep", "60"])
keeper = int(open(f"/proc/{box.process.pid}/stat").read().rpartition(")")[2].split()[1])
assert open(f"/proc/{keeper}/comm").read() == "cowl-keeper\\n"
os.kill(keeper, 9)
assert box.wait(20) == ExitStatus(137, 9)
while box.process.alive():
    time.sleep(0.01)
"""
    )


@pytest.mark.parametrize("prelude", ["", THREADED], ids=["forked", "launched"])
def test_close_kills_and_leaves_nothing(boxes: Boxes, prelude: str) -> None:
    boxes.script(
        prelude
        + """
def mine():
    found = []
    for name in os.listdir("/proc"):
        try:
            words = open(f"/proc/{name}/environ", "rb").read() if name.isdigit() else b""
        except OSError:
            continue
        if f"HOME={HOME}".encode() in words.split(b"\\0"):
            found.append(int(name))
    return found

start(["true"]).close()
before = sorted(os.listdir("/proc/self/fd"))
for _ in range(5):
    box = start(["sh", "-c", "sleep 60 & sleep 60"])
    box.close()
    assert not box.process.alive()
    box = start(["true"]); box.wait(); box.close()
    try:
        start(["nope"])
    except CowlError:
        pass
assert sorted(os.listdir("/proc/self/fd")) == before
runtime.close()
end = time.monotonic() + 20
while mine() != [os.getpid()] and time.monotonic() < end:
    runtime._reap()
    time.sleep(0.01)
assert mine() == [os.getpid()], mine()
"""
    )


def test_wait_with_a_timeout(boxes: Boxes) -> None:
    boxes.script(
        """
from cowl.runtime.stdio import StillRunning
box = start(["sleep", "60"])
for timeout in (0, 0.01):
    try:
        box.wait(timeout)
    except StillRunning:
        continue
    raise AssertionError
assert box.process.alive()
box.signal(9)
assert box.wait(20).code == 137
box.close()
"""
    )


@pytest.mark.parametrize("prelude", ["", THREADED], ids=["forked", "launched"])
def test_exec(boxes: Boxes, prelude: str) -> None:
    done = boxes.script(
        prelude
        + """
from cowl.linux.process import NoSuchProcess
from cowl.runtime.failures import CommandNotFound
box = start(["sh", "-c", "echo state > /tmp/state; hostname inner; exec sleep 60"], hostname="outer")
time.sleep(0.1)
inner = enter(box, ["sh", "-c", "cat /tmp/state; hostname; cat /proc/1/comm; pwd; exit 7"], cwd="/tmp")
assert inner.wait().code == 7
assert inner.process.pid != box.process.pid
inner.close()
try:
    enter(box, ["nope"])
    raise AssertionError
except CommandNotFound:
    pass
assert box.process.alive()
inner = enter(box, ["sleep", "60"]); inner.close()
assert not inner.process.alive() and box.process.alive()
last = enter(box, ["sleep", "60"])
box.signal(9)
assert last.wait(20).code == 137 == box.wait().code
last.close(); box.close()
try:
    enter(box, ["true"])
    raise AssertionError
except NoSuchProcess:
    pass
"""
    )
    assert done.stdout.decode().split() == ["state", "outer", "sleep", "/tmp"]


def test_exec_with_a_terminal(boxes: Boxes) -> None:
    boxes.script(
        """
box = start(["sleep", "60"])
options = ProcessOptions(args=("sh", "-c", "tty; test -t 0 && echo yes"), env=ENV, terminal=True)
inner = runtime.exec(box.process, process_spec(options), Stdio())
read = b""
try:
    while data := os.read(inner.console, 4096):
        read += data
except OSError:
    pass
assert inner.wait().code == 0 and b"/dev/pts/0" in read and b"yes" in read, read
inner.close(); box.close()
"""
    )


def test_many_at_once_from_threads(boxes: Boxes) -> None:
    boxes.script(
        """
codes = []
def one(number):
    trees = os.path.join(HOME, f"box-{number}")
    os.makedirs(trees + "/upper"); os.makedirs(trees + "/work")
    stack = RootMount((os.path.join(HOME, "base"),), trees + "/upper", trees + "/work")
    box = start(["sh", "-c", f"echo {number} > /mine; sleep 0.1; exit $(cat /mine)"], root=stack)
    codes.append((number, box.wait().code))
    box.close()
threads = [threading.Thread(target=one, args=(number,)) for number in range(20)]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert sorted(codes) == [(number, number) for number in range(20)], codes
runtime.close()
"""
    )


def test_two_containers_see_nothing_of_each_other(boxes: Boxes) -> None:
    boxes.script(
        """
def stack(name):
    trees = os.path.join(HOME, name)
    os.makedirs(trees + "/upper"); os.makedirs(trees + "/work")
    return RootMount((os.path.join(HOME, "base"),), trees + "/upper", trees + "/work")
one = start(["sh", "-c", "echo 1 > /tmp/mine; exec sleep 60"], root=stack("one"))
time.sleep(0.2)
two = start(["sh", "-c", "test ! -e /tmp/mine && ! ps | grep '[s]leep 60'"], root=stack("two"))
assert two.wait().code == 0
assert not os.path.exists(os.path.join(HOME, "base/tmp/mine"))
one.close(); two.close()
"""
    )


def test_closed_standard_streams_of_the_starter(boxes: Boxes) -> None:
    boxes.script(
        """
out = os.dup(1)
for number in range(3):
    os.close(number)
null = os.open("/dev/null", os.O_RDWR)
box = start(["sh", "-c", "echo fine"], (null, out, null))
assert box.wait().code == 0
box.close()
"""
    )


def test_arguments_of_any_bytes(boxes: Boxes) -> None:
    word = b"\xff\xfe \xe2\x82\xac\n".decode("utf-8", "surrogateescape")
    done = boxes.run("printf", "%s", word)
    assert done.stdout == word.encode("utf-8", "surrogateescape")


def test_a_path_name_with_a_nul_byte_is_an_error(boxes: Boxes) -> None:
    assert boxes.run("echo", "a\0b").returncode == 125


def test_what_a_container_leaves_can_be_removed_by_its_owner(boxes: Boxes) -> None:
    boxes.text("mkdir -p /shut/below; touch /shut/file; chmod 0 /shut/below /shut; rm -r /tmp; mkdir /tmp")
    boxes.script(
        """
from cowl.linux.files import remove_tree
remove_tree("box")
assert not os.path.exists("box")
"""
    )


@pytest.mark.parametrize("prelude", ["", THREADED], ids=["forked", "launched"])
def test_its_starter_has_its_turn_once_the_namespaces_are_there(boxes: Boxes, prelude: str) -> None:
    """Before anything is mounted or executed; what goes wrong there is raised, and nothing is left."""
    done = boxes.script(
        prelude
        + """
def look(pid):
    kinds = ("net", "mnt", "pid_for_children")
    others = [os.readlink(f"/proc/{pid}/ns/{kind}") != os.readlink(f"/proc/self/ns/{kind}") for kind in kinds]
    seen.append([pid, *others, os.readlink(f"/proc/{pid}/exe") == os.readlink("/proc/self/exe")])

def fail(pid):
    seen.append(pid)
    raise LookupError("no network for you")

seen = []
box = runtime.start(bundle(["true"]), Stdio(), on_namespaces=look)
same = seen.pop() == [box.process.pid, True, True, True, True] and box.wait().code == 0
try:
    runtime.start(bundle(["true"]), Stdio(), on_namespaces=fail)
except LookupError as error:
    print(json.dumps([same, str(error), os.path.exists(f"/proc/{seen[0]}")]))
"""
    )
    assert json.loads(done.stdout) == [True, "no network for you", False], done.stderr
