"""The library under load, beside other machinery of its program, and when that program is ended."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.caller import Caller
from tests.library import Library


@pytest.fixture
def library(caller: Caller, busybox_tar: Path) -> Library:
    caller.cowl("import", str(busybox_tar), "busybox")
    return Library(caller)


# What owners do when they are killed: each says "ready" once its container's process runs.
OWNERS = """
CODE = '''
import cowl, os, sys, threading, time
engine = cowl.Engine(os.environ["COWL_ROOT"])
def ready():
    print("ready", flush=True)
def told(box, path="/told"):
    while not os.path.exists(box.record.upper + path):
        time.sleep(0.01)
def run(*names):
    for name in names:
        words = ("busybox", ["sleep", "600"])
        threading.Thread(target=engine.run, args=words, kwargs={"name": name}, daemon=True).start()
    while not set(names) <= {box.name for box in engine.containers()}:
        time.sleep(0.01)
how = sys.argv[1]
if how == "run":
    run("alone")
elif how == "start":
    box = engine.start("busybox", ["sleep", "600"])
elif how == "kept":
    box = engine.start("busybox", ["sleep", "600"], remove=False)
elif how == "exec":
    box = engine.start("busybox", ["sleep", "600"])
    script = "touch /told; trap '' TERM HUP INT; sleep 600 & setsid sleep 600 & wait"
    threading.Thread(target=box.exec, args=(["sh", "-c", script],), daemon=True).start()
    told(box)
elif how == "forks":
    with engine.start("busybox", ["sleep", "600"], remove=False) as first:
        pass
    forks = first.fork(3)
    [fork.start() for fork in forks]
elif how == "threads":
    run("one", "two", "three")
elif how == "forked":
    box = engine.start("busybox", ["sleep", "600"])
    if os.fork() == 0:
        mine = engine.start("busybox", ["sleep", "600"])
        ready()
        os.kill(os.getppid(), 9)
        os.kill(os.getpid(), 9)
    time.sleep(600)
elif how == "exit":
    box = engine.start("busybox", ["sleep", "600"])
    ready()
    sys.exit(3)
elif how == "launcher":
    engine.run("busybox", ["true"])
    box = engine.start("busybox", ["sleep", "600"])
    launchers = [launcher._pid for launcher in engine._running_runtime()._launchers.values()]
    assert launchers
    ready()
    [os.kill(pid, 9) for pid in (*launchers, os.getpid())]
ready()
time.sleep(600)
'''

def end(how):
    owner = subprocess.Popen([sys.executable, "-c", CODE, how], stdout=subprocess.PIPE)
    assert owner.stdout.readline() == b"ready\\n", how
    return owner
"""


def test_what_is_killed_takes_its_containers_along(library: Library) -> None:
    library.check(
        OWNERS
        + """
before = mounts()
ways = ["run", "start", "kept", "exec", "forks", "threads"]
owners = [end(how) for how in ways]
with cowl.Engine(ROOT) as engine:
    pids = [box.record.process.pid for box in engine.containers()]
    members = [pid for pid in os.listdir("/proc") if pid.isdigit() and same_namespace(pid, pids)]
    [owner.kill() for owner in owners]
    assert len(pids) == 1 + 1 + 1 + 1 + 3 + 3, pids
    assert len(members) > len(pids)  # those of the exec
    until(lambda: all(map(gone, members)))
[owner.wait() for owner in owners]
with cowl.Engine(ROOT) as engine:
    states = [(box.state, box.exit_code) for box in engine.containers(all=True)]
    assert states == [("exited", 137)] * 5, states
    for box in engine.containers(all=True):
        box.remove()
assert (left(), mounts()) == ([], before), left()
"""
    )


def test_it_dies_with_launcher_and_owner_and_at_the_interpreters_end(library: Library) -> None:
    library.check(
        OWNERS
        + """
owners = {how: end(how) for how in ("launcher", "forked", "exit")}
assert owners["exit"].wait() == 3
assert [owners[how].wait() for how in ("launcher", "forked")] == [-9, -9]
with cowl.Engine(ROOT) as engine:
    until(lambda: engine.containers() == [])
until(lambda: left() == [])
"""
    )


def test_an_interrupt_takes_the_container_away(library: Library) -> None:
    library.check("""
def interrupt(*_):
    raise KeyboardInterrupt
signal.signal(signal.SIGALRM, interrupt)
with cowl.Engine(ROOT) as engine:
    for _ in range(3):
        engine.run(B, ["true"])
    before = descriptors()
    with engine.start(B, ["sleep", "600"]) as box:
        for words in (["sleep", "600"], ["sh", "-c", "echo; exec sleep 600"]):
            signal.setitimer(signal.ITIMER_REAL, 0.5)
            refused(KeyboardInterrupt, lambda: engine.run(B, words))
            signal.setitimer(signal.ITIMER_REAL, 0.5)
            refused(KeyboardInterrupt, lambda: box.exec(words))
            assert box.exec(["true"]).returncode == 0
    assert engine.containers(all=True) == []
    assert descriptors() == before, (descriptors(), before)
    for number in range(24):  # wherever it comes, while a container is made
        signal.setitimer(signal.ITIMER_REAL, 0.0005 * number + 0.0001)
        refused(KeyboardInterrupt, lambda: engine.run(B, ["sleep", "600"]))
assert left() == []
""")


def test_many_at_once_leave_nothing(library: Library) -> None:
    library.check("""
import concurrent.futures
before = mounts(), descriptors()
with cowl.Engine(ROOT) as engine, concurrent.futures.ThreadPoolExecutor(40) as pool:
    barrier = threading.Barrier(40)
    def start(number):
        barrier.wait()
        return engine.start(B, ["sleep", "600"], env={"NUMBER": str(number)})
    boxes = list(pool.map(start, range(40)))
    pids = [box.process().process.pid for box in boxes]
    groups = {line.rpartition(":")[2].strip() for pid in pids for line in open(f"/proc/{pid}/cgroup")}
    said = pool.map(lambda box: box.exec(["sh", "-c", "echo $NUMBER; hostname"]).stdout.decode(), boxes)
    assert list(said) == [f"{number}\\n{box.id[:12]}\\n" for number, box in enumerate(boxes)]
    assert len(engine.containers()) == 40
    list(pool.map(lambda box: box.__exit__(None, None, None), boxes))
    assert engine.containers(all=True) == []
assert all(map(gone, pids))
assert left() == [] and (mounts(), descriptors()) == before
ours = [group for group in groups if any(box.id in group for box in boxes)]
assert not [group for group in ours for top in os.listdir("/sys/fs/cgroup") if
            os.path.exists(f"/sys/fs/cgroup/{top}{group}") or os.path.exists(f"/sys/fs/cgroup{group}")]
assert subprocess.run(["ps", "-o", "pid=", "--ppid", str(os.getpid())], capture_output=True).stdout.count(
    b"\\n") == 1  # ps itself: no launcher, no keeper
""")


def test_processes_that_start_at_once_leave_nothing(library: Library) -> None:
    library.check("""
import multiprocessing
WORKER = '''
import cowl, os, sys
with cowl.Engine(os.environ["COWL_ROOT"]) as engine:
    sys.stdin.readline()
    for number in range(4):
        assert engine.run("busybox", ["echo", str(number)]).stdout == b"%d\\\\n" % number
'''
workers = [subprocess.Popen([sys.executable, "-c", WORKER], stdin=subprocess.PIPE) for _ in range(6)]
for worker in workers:
    worker.stdin.write(b"\\n"); worker.stdin.close()
assert [worker.wait() for worker in workers] == [0] * 6
assert left() == []
""")


def test_asyncio_needs_no_more_than_to_thread(library: Library) -> None:
    library.check("""
import asyncio, concurrent.futures
async def one(engine, number):
    done = await asyncio.to_thread(engine.run, B, ["sh", "-c", f"cat; echo {number} >&2; exit {number}"],
                                   input=b"in")
    return done.returncode, done.stdout, done.stderr
async def late(engine):
    try:
        await asyncio.to_thread(engine.run, B, ["sh", "-c", "echo soon; sleep 600"], timeout=0.3)
    except cowl.RunTimeout as error:
        return error.stdout
async def stopped(engine):
    box = await asyncio.to_thread(engine.start, B, ["sleep", "600"])
    try:
        await asyncio.wait_for(asyncio.shield(asyncio.to_thread(box.wait)), 0.1)
    except asyncio.TimeoutError:
        return await asyncio.to_thread(box.stop, 0)
async def main(engine):
    asyncio.get_running_loop().set_default_executor(concurrent.futures.ThreadPoolExecutor(25))
    return await asyncio.gather(*(one(engine, number) for number in range(50)),
                                late(engine), late(engine), stopped(engine))
with cowl.Engine(ROOT) as engine:
    *done, first, second, code = asyncio.run(main(engine))
    assert done == [(number, b"in", f"{number}\\n".encode()) for number in range(50)], done
    assert first == second and first in (b"", b"soon\\n") and code == 137
    assert engine.containers(all=True) == []
assert left() == []
""")


def test_after_a_fork_of_the_program_both_go_on(library: Library) -> None:
    library.check("""
engine = cowl.Engine(ROOT)
for _ in range(3):
    engine.run(B, ["true"])  # now there is a launcher, and the database is open
box = engine.start(B, ["sleep", "600"])
children = []
for number in range(3):
    child = os.fork()
    if child == 0:
        status = 1
        try:
            assert engine.run(B, ["echo", "child"]).stdout == b"child\\n"
            with engine.start(B, ["sleep", "600"]) as mine:
                assert mine.exec(["echo", "in"]).stdout == b"in\\n"
            engine.close()
            status = 0
        finally:
            os._exit(status)
    children.append(child)
assert engine.run(B, ["echo", "parent"]).stdout == b"parent\\n"
assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
assert box.exec(["echo", "here"]).stdout == b"here\\n"
engine.close()
assert left() == []
""")


def test_multiprocessing_by_fork_and_by_spawn(library: Library) -> None:
    library.check("""
FILE = os.path.join(os.getcwd(), "pooled.py")
open(FILE, "w").write('''
import multiprocessing, os, sys, cowl
ENGINE = cowl.Engine(os.environ["COWL_ROOT"])
def work(number):
    return ENGINE.run("busybox", ["echo", str(number)]).stdout
if __name__ == "__main__":
    assert work(7) == b"7\\\\n"
    with multiprocessing.get_context(sys.argv[1]).Pool(3) as pool:
        assert pool.map(work, range(9)) == [b"%d\\\\n" % number for number in range(9)]
        pool.close(); pool.join()
''')
for method in ("fork", "spawn"):
    done = subprocess.run([sys.executable, FILE, method], capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
until(lambda: left() == [])
""")


def test_descriptors_and_signals_of_the_program_are_its_own(library: Library) -> None:
    library.check("""
import resource
reaped = []
def bury(*_):
    try:
        while pid := os.waitpid(-1, os.WNOHANG)[0]:
            reaped.append(pid)
    except ChildProcessError:
        pass
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
many = [os.open("/dev/null", os.O_RDONLY) for _ in range(2000)]  # more than select(2) knows
signal.signal(signal.SIGCHLD, bury)
for handler in (bury, signal.SIG_IGN, signal.SIG_DFL):
    signal.signal(signal.SIGCHLD, handler)
    with cowl.Engine(ROOT) as engine:
        for _ in range(3):
            assert engine.run(B, ["sh", "-c", "exit 7"]).returncode == 7
        with engine.start(B, ["sleep", "600"]) as box:
            assert box.exec(["sh", "-c", "ls /proc/self/fd | wc -l"]).stdout == b"4\\n"
[os.close(fd) for fd in many]
for streams in ((0,), (0, 1), (0, 1, 2)):
    child = os.fork()
    if child == 0:
        for fd in streams:
            os.close(fd)
        with cowl.Engine(ROOT) as engine:
            done = [engine.run(B, ["sh", "-c", "cat; echo out; echo err >&2"], input=b"in") for _ in range(3)]
        os._exit([(d.stdout, d.stderr) for d in done] != [(b"inout\\n", b"err\\n")] * 3)
    assert os.waitpid(child, 0)[1] == 0, streams
assert left() == []
""")
