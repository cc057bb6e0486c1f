"""The library in a process that lives long: threads, forks, signals, deaths of others, closes."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.caller import Caller
from tests.library import Library


@pytest.fixture
def library(caller: Caller, busybox_tar: Path) -> Library:
    caller.cowl("import", str(busybox_tar), "busybox")
    return Library(caller)


def test_closing_the_engine_ends_what_it_started(library: Library) -> None:
    library.check("""
with cowl.Engine(ROOT) as engine:
    gone_box = engine.start(B, ["sleep", "600"])
    kept = engine.start(B, ["sleep", "600"], remove=False, name="kept")
    pids = [box.process().process.pid for box in (gone_box, kept)]
assert all(map(gone, pids))
assert [box.state for box in (gone_box, kept)] == ["exited", "exited"]
assert kept.wait() == 137
with cowl.Engine(ROOT) as engine:
    assert [(box.name, box.exit_code) for box in engine.containers(all=True)] == [("kept", 137)]
""")


def test_a_forked_child_closes_only_what_is_its_own(library: Library) -> None:
    library.check("""
threading.Thread(target=lambda: time.sleep(0.1)).start()  # so that there is a launcher
engine = cowl.Engine(ROOT)
box = engine.start(B, ["sleep", "600"])
child = os.fork()
if child == 0:
    engine.close()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
assert box.exec(["echo", "here"]).stdout == b"here\\n"
lingering = os.fork()
if lingering == 0:
    time.sleep(600)  # with copies of all descriptors
try:
    refused(cowl.RunTimeout, lambda: box.exec(["sleep", "600"], timeout=0.2))
    box.__exit__(None, None, None)
    engine.close()
finally:
    os.kill(lingering, 9)
    os.waitpid(lingering, 0)
""")


def test_threads_that_use_a_new_engine_at_once_share_one_store(library: Library) -> None:
    library.check("""
for _ in range(5):
    before = descriptors()
    with cowl.Engine(ROOT) as engine:
        barrier = threading.Barrier(8)
        def first():
            barrier.wait()
            engine.containers(all=True)
        threads = [threading.Thread(target=first) for _ in range(8)]
        [thread.start() for thread in threads]; [thread.join() for thread in threads]
    assert descriptors() == before
""")


def test_threads_that_wait_for_one_container_all_learn_its_code(library: Library) -> None:
    library.check("""
with cowl.Engine(ROOT) as engine:
    for remove in (True, False):
        box = engine.start(B, ["sh", "-c", "sleep 0.3; exit 5"], remove=remove)
        codes = []
        threads = [threading.Thread(target=lambda: codes.append(box.wait())) for _ in range(8)]
        [thread.start() for thread in threads]; [thread.join() for thread in threads]
        assert codes == [5] * 8, codes
""")


def test_a_dead_owners_containers_are_not_shown_as_running(library: Library) -> None:
    library.check("""
code = '''
import cowl, os, time
engine = cowl.Engine(os.environ["COWL_ROOT"])
stays = engine.start("busybox", ["sleep", "600"], name="stays", remove=False)
goes = engine.start("busybox", ["sleep", "600"], name="goes")
print("ready", flush=True)
time.sleep(600)
'''
owner = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
with cowl.Engine(ROOT) as engine:
    assert owner.stdout.readline() == b"ready\\n"
    assert {box.name for box in engine.containers()} == {"stays", "goes"}
    box = engine.container("stays")
    owner.kill(); owner.wait()
    until(lambda: not engine.containers())
    (left,) = engine.containers(all=True)
    assert (left.name, left.state, left.exit_code) == ("stays", "exited", 137)
    assert box.refresh().state == "exited" and box.wait() == 137
""")


def test_waiting_for_another_engines_container(library: Library) -> None:
    library.check("""
with cowl.Engine(ROOT) as mine, cowl.Engine(ROOT) as other:
    for name, remove in (("kept", False), ("gone", True)):
        box = mine.start(B, ["sh", "-c", "sleep 0.3; exit 5"], name=name, remove=remove)
        seen = other.container(name)
        threading.Thread(target=box.wait).start()
        if remove:
            refused(cowl.NotFound, lambda: seen.wait(60))  # nobody knows its code, which is not 0
        else:
            assert seen.wait(60) == 5
    late = refused(cowl.RunTimeout, lambda: mine.start(B, ["sleep", "600"]).wait(0.1))
    assert "still runs" in str(late)
    box = mine.start(B, ["true"], remove=False)
    until(lambda: box.refresh().state == "exited")  # nobody waited
    assert other.container(box.id).state == "exited"
""")


def test_removing_what_another_engine_waits_for(library: Library) -> None:
    library.check("""
with cowl.Engine(ROOT) as mine, cowl.Engine(ROOT) as other:
    box = mine.start(B, ["sleep", "600"], remove=False)
    codes = []
    waiter = threading.Thread(target=lambda: codes.append(box.wait()))
    waiter.start()
    other.remove_container(box.id, force=True)
    waiter.join()
    assert codes == [137]
    assert mine.containers(all=True) == []
""")


def test_signal_handlers_of_the_program_disturb_no_wait(library: Library) -> None:
    library.check("""
hits = []
signal.signal(signal.SIGALRM, lambda *_: hits.append(1))
with cowl.Engine(ROOT) as engine:
    box = engine.start(B, ["sleep", "1"])
    signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
    assert box.wait() == 0
    assert engine.run(B, ["sleep", "0.3"]).returncode == 0
    signal.setitimer(signal.ITIMER_REAL, 0)
assert hits
""")


def test_a_timed_out_exec_ends_with_all_that_descends_from_it(library: Library) -> None:
    library.check("""
with cowl.Engine(ROOT) as engine, engine.start(B, ["sleep", "600"]) as box:
    script = "sleep 61 & setsid sleep 62 & setsid sh -c 'sleep 63 & sleep 64' & sleep 65"
    late = refused(cowl.RunTimeout, lambda: box.exec(["sh", "-c", f"echo early; {script}"], timeout=0.5))
    assert (late.stdout, late.timeout) == (b"early\\n", 0.5)
    listed = box.exec(["ps", "-o", "args"]).stdout.decode().splitlines()
    assert not [line for line in listed if line.startswith("sleep 6") and line != "sleep 600"], listed
    assert box.exec(["true"], timeout=1e10).returncode == 0
""")


def test_a_killed_launcher_is_replaced(library: Library) -> None:
    library.check("""
threading.Thread(target=lambda: time.sleep(5), daemon=True).start()
with cowl.Engine(ROOT) as engine:
    assert engine.run(B, ["true"]).returncode == 0
    launcher = next(iter(engine._running_runtime()._launchers.values()))
    os.kill(launcher._pid, 9)
    os.waitid(os.P_PID, launcher._pid, os.WEXITED | os.WNOWAIT)
    assert engine.run(B, ["true"]).returncode == 0
    assert next(iter(engine._running_runtime()._launchers.values())) is not launcher
    assert engine.run(B, ["true"]).returncode == 0
    assert engine.containers(all=True) == []
""")


def test_failed_starts_leak_no_descriptors_and_no_rows(library: Library) -> None:
    library.check("""
with cowl.Engine(ROOT) as engine:
    for _ in range(3):
        engine.run(B, ["true"])  # the first without a launcher
    before = descriptors()
    missing = {"type": "bind", "source": "/no/such", "target": "/x"}
    for options in ({"user": "nobody-here"}, {"workdir": "/etc/passwd"}, {"mounts": [missing]}):
        refused(cowl.CowlError, lambda: engine.run(B, ["true"], **options))
    refused(cowl.CommandNotFound, lambda: engine.run(B, ["nope"]))
    refused(cowl.RunTimeout, lambda: engine.run(B, ["sleep", "600"], input=bytes(1 << 22), timeout=0.2))
    refused(cowl.RunFailed, lambda: engine.run(B, ["false"], check=True))
    refused(cowl.Invalid, lambda: engine.run(B, ["true"], tty=True))
    removed = engine.store.containers.started
    engine.store.containers.started = lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt())
    refused(KeyboardInterrupt, lambda: engine.run(B, ["sleep", "600"]))
    engine.store.containers.started = removed
    assert descriptors() == before
    assert engine.containers(all=True) == []
""")


def test_network_files_can_be_read_by_every_user(library: Library) -> None:
    library.check("""
os.umask(0o077)
with cowl.Engine(ROOT) as engine:
    files = ["/etc/hosts", "/etc/hostname", "/etc/resolv.conf"]
    done = engine.run(B, ["cat", *files], user="1234", hostname="box")
    assert done.returncode == 0, done
    assert done.stdout.startswith(b"127.0.0.1\\tlocalhost\\n") and done.stdout.endswith(b"box\\nbox\\n")
""")


def test_account_files_that_are_none(library: Library) -> None:
    library.check("""
with cowl.Engine(ROOT) as engine:
    for spoil in ("mkfifo", "mkdir", "ln -s /dev/zero", "ln -s passwd", "head -c 100000000 /dev/zero >"):
        with engine.start(B, ["sleep", "600"]) as box:
            assert box.exec(["sh", "-c", f"rm /etc/passwd; {spoil} /etc/passwd"]).returncode == 0
            try:
                done = box.exec(["id", "-u"], user="node")
            except cowl.CowlError:
                continue
            raise AssertionError(f"{spoil}: {done}")
""")
