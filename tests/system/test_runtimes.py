"""The same stories on every runtime: our own, crun and runc.

Covered: start, exec, streams, terminal, exit codes, user, mounts, read-only, network none and host,
signals, kill, detached, restart, the death of the starter, and what the system call filter refuses. Any
other system test can be tried on them too: `COWL_RUNTIME=crun pytest tests/system/test_containers.py`.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.caller import Caller

ADMIN = "/usr/sbin:/sbin"
NONE = ("--network", "none")  # other tests have the networks


@pytest.fixture(params=["embedded", "crun", "runc"])
def on(request: pytest.FixtureRequest, based: Caller) -> Iterator[Caller]:
    """A caller whose containers are that runtime's, and who leaves nothing of them.

    The embedded one as root alone: whatever else there is tries it as both.
    """
    name = str(request.param)
    if name == "embedded" and based.name != "root":
        pytest.skip("every other system test is that one's")
    if name != "embedded" and not shutil.which(name, path=f"{os.environ['PATH']}:{ADMIN}"):
        pytest.skip(f"needs Debian's package {name}")
    based.env["COWL_RUNTIME"] = name
    yield based
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    assert not [line for line in mounts if str(based.home) in line or " /mnt/root " in line]


def has_ids(on: Caller) -> bool:
    """Whether containers have more ids than one."""
    return on.name == "root"


def eventually(check: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not check():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_streams_exit_codes_and_what_it_sees(on: Caller) -> None:
    script = "cat; echo err >&2; echo $$; hostname; ls /sys/class/net; ulimit -n; exit 42"
    words = ["--hostname", "box", "busybox"]
    done = on.cowl("run", *NONE, "--rm", "-i", *words, "sh", "-c", script, stdin=b"in\n", status=42)
    assert done.stdout.split() == [b"in", b"1", b"box", b"lo", b"1024"]
    assert done.stderr == b"err\n"
    assert b"/no/such" in on.cowl("run", *NONE, "--rm", "busybox", "/no/such", status=127).stderr
    assert b"/etc/passwd" in on.cowl("run", *NONE, "--rm", "busybox", "/etc/passwd", status=126).stderr
    shown = on.text("run", "--network", "host", "--rm", "busybox", "readlink", "/proc/self/ns/net")
    assert shown == os.readlink("/proc/self/ns/net")
    assert on.text("ps", "-aq") == ""


def test_users_mounts_and_a_read_only_root(on: Caller) -> None:
    shared = on.home / "shared"
    shared.mkdir()
    (shared / "file").write_text("from the host")
    on.give(shared)
    script = "cat /mnt/file; echo back > /mnt/new; touch /vol/x && touch /no"
    on.cowl(
        "run",
        *NONE,
        "--rm",
        "--read-only",
        "-v",
        f"{shared}:/mnt",
        "-v",
        "/vol",
        "busybox",
        "sh",
        "-c",
        script,
        status=1,
    )
    assert (shared / "new").read_text() == "back\n"
    assert (shared / "new").stat().st_uid == shared.stat().st_uid
    on.cowl("run", *NONE, "--rm", "-v", f"{shared}:/mnt:ro", "busybox", "touch", "/mnt/no", status=1)
    if has_ids(on):
        who = on.text(
            "run",
            *NONE,
            "--rm",
            "-u",
            "node",
            "busybox",
            "sh",
            "-c",
            "id -u; id -G; touch /tmp/x; stat -c %u /tmp/x",
        )
        assert who.split() == ["1000", "1000", "2000", "1000"]
    elif on.env["COWL_RUNTIME"] == "runc":
        done = on.cowl("run", *NONE, "--rm", "-u", "node", "busybox", "true", status=125)
        assert b"--runtime crun" in done.stderr
    else:
        assert on.text("run", *NONE, "--rm", "-u", "node", "busybox", "id", "-u") == "1000"


def test_detached_exec_signals_stop_and_restart(on: Caller) -> None:
    script = "trap 'echo told; exit 7' TERM; echo up; while true; do sleep 0.05; done"
    on.cowl("run", *NONE, "-d", "--name", "box", "busybox", "sh", "-c", script)
    eventually(lambda: "up" in on.text("logs", "box"))
    attrs = json.loads(on.text("inspect", "box"))[0]
    assert attrs["HostConfig"]["Runtime"] == on.env["COWL_RUNTIME"]
    done = on.cowl(
        "exec",
        "-i",
        "-e",
        "A=b",
        "-w",
        "/tmp",
        "box",
        "sh",
        "-c",
        "cat; echo $A; pwd; exit 5",
        stdin=b"x\n",
        status=5,
    )
    assert done.stdout == b"x\nb\n/tmp\n"
    on.cowl("exec", "box", "/no/such", status=127)
    assert on.text("stop", "-t", "30", "box") == "box"
    assert on.text("wait", "box") == "7"
    on.cowl("start", "box")
    eventually(lambda: on.text("logs", "box").count("up") == 2)
    on.cowl("restart", "-t", "30", "box")
    on.cowl("kill", "box")
    assert on.text("wait", "box") == "137"
    assert not (on.store / "containers" / attrs["Id"] / "runtime").exists()
    on.cowl(
        "run",
        *NONE,
        "-d",
        "--name",
        "again",
        "--restart",
        "on-failure:2",
        "busybox",
        "sh",
        "-c",
        "echo run; exit 3",
    )
    eventually(
        lambda: on.text("ps", "-a", "--filter", "name=again", "--format", "{{.Status}}").startswith(
            "Exited (3)"
        )
    )
    assert on.text("logs", "again").split() == ["run"] * 3


TERMINAL = """
import cowl, os
with cowl.Engine() as engine:
    with engine.start("busybox", ["sh", "-c", "tty; stty size; read line; echo got $line"], tty=True) as box:
        os.write(box.console, b"word\\n")
        said = b""
        try:
            while chunk := os.read(box.console, 4096):
                said += chunk
        except OSError:
            pass
        assert b"/dev/pts/0" in said or b"/dev/console" in said, said
        assert b"got word" in said, said
        assert box.wait() == 0
    with engine.start("busybox", ["sleep", "60"]) as box:
        inner = box.exec_with(["sh", "-c", "test -t 0 && test -t 1 && echo both"], (0, 1, 2), tty=True)
        assert b"both" in os.read(inner.console, 4096)
        assert inner.wait().code == 0
        inner.close()
"""


def test_terminals(on: Caller) -> None:
    done = on.python(TERMINAL)
    assert done.returncode == 0, done.stderr.decode()


STREAMS = """
import cowl, os
with open("in", "w") as file:
    file.write("word")
files = os.open("in", os.O_RDONLY), os.open("out", os.O_RDWR | os.O_CREAT)
os.mkfifo("fifo")
fifo = os.open("fifo", os.O_RDWR)
if os.geteuid() == 0:
    os.mknod("null", 0o20666, os.makedev(1, 3))
null = os.open("null" if os.geteuid() == 0 else "/dev/null", os.O_RDWR)
with cowl.Engine() as engine:
    command = ["sh", "-c", "cat; echo err >&2"]
    with engine.start("busybox", command, stdin=files[0], stdout=files[1], stderr=fifo) as box:
        assert box.wait() == 0
    with engine.start("busybox", ["cat"], stdin=null, stdout=null, stderr=null) as box:
        assert box.wait() == 0
assert os.pread(files[1], 100, 0) == b"word"
assert os.read(fifo, 100) == b"err\\n"
for fd in (*files, fifo, *([null] if os.geteuid() == 0 else ())):
    assert os.fstat(fd).st_uid == os.geteuid(), fd
"""


def test_what_it_is_given_stays_whose_it_is(on: Caller) -> None:
    """crun and runc give their standard streams to the container's user: none of them is the host's."""
    done = on.python(STREAMS)
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.parametrize("detach", [False, True])
def test_a_container_ends_with_its_starter_or_monitor(on: Caller, detach: bool) -> None:
    command = ("run", *NONE, "--name", "box", "busybox", "sleep", "600")
    if detach:
        on.cowl(command[0], "-d", *command[1:])
        victim = int(on.text("inspect", "--format", "{{.State.Pid}}", "box"))
        killed = int(Path(f"/proc/{victim}/stat").read_text().rpartition(")")[2].split()[1])
    else:
        starter = subprocess.Popen(on.argv(*command), env=on.env, stdin=subprocess.DEVNULL)
        eventually(lambda: on.text("ps", "-q") != "")
        victim = int(on.text("inspect", "--format", "{{.State.Pid}}", "box"))
        killed = starter.pid
    os.kill(killed, signal.SIGKILL)
    eventually(lambda: not _runs(victim))
    if not detach:
        starter.wait()
    eventually(lambda: on.text("ps", "-a", "--format", "{{.Status}}").startswith("Exited (137)"))
    on.cowl("start", "box")
    on.cowl("rm", "-f", "box")


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


ATTACK = r"""
#include <errno.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
int main(void) {
  char c = 'x';
  long calls[] = {
    syscall(SYS_ioctl, 0, 0x5412UL, &c) ? errno : 0,
    syscall(SYS_ioctl, 0, 0x100005412UL, &c) ? errno : 0,
    syscall(SYS_ioctl, 0, 0x541CUL, &c) ? errno : 0,
    syscall(SYS_socket, 38UL, 5, 0) < 0 ? errno : 0,
    syscall(SYS_socket, 0x100000026UL, 5, 0) < 0 ? errno : 0,
    syscall(SYS_socket, 40UL, 1, 0) < 0 ? errno : 0,
    syscall(SYS_unshare, 0x10000000) ? errno : 0,
    syscall(SYS_socket, 2, 1, 0) < 0 ? errno : 0,
    syscall(SYS_ioctl, 0, 0x5413UL, &c) ? errno : 0,
  };
  for (unsigned i = 0; i < sizeof calls / sizeof *calls; i++) printf("%ld ", calls[i]);
}
"""


def test_what_the_filter_refuses(on: Caller, tmp_path: Path) -> None:
    source, program = tmp_path / "attack.c", on.home / "attack"
    source.write_text(ATTACK)
    if not shutil.which("gcc"):
        pytest.skip("needs gcc")
    subprocess.run(["gcc", "-static", "-o", str(program), str(source)], check=True)
    program.chmod(0o755)
    *refused, socket, size = on.text(
        "run", *NONE, "--rm", "-v", f"{program}:/attack:ro", "busybox", "/attack"
    ).split()
    assert refused == ["1"] * 7
    assert socket == "0"
    assert size == "25"  # ENOTTY: the call itself goes through


def test_a_runtime_that_is_not_there(based: Caller) -> None:
    done = based.cowl("run", *NONE, "--rm", "--runtime", "/no/such/crun", "busybox", "true", status=125)
    assert b"install the package crun" in done.stderr
    done = based.cowl("create", "--runtime", "youki", "busybox", "true", status=1)
    assert b"unknown or invalid runtime name: youki" in done.stderr
    assert based.text("ps", "-aq") == ""
    assert based.text("--runtime", "embedded", "run", *NONE, "--rm", "busybox", "echo", "ok") == "ok"
