"""What a container's process sees, and what it can't."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.caller import Caller

BASE = "busybox"


@pytest.fixture
def based(caller: Caller, busybox_tar: Path) -> Caller:
    caller.cowl("import", str(busybox_tar), BASE)
    return caller


def test_own_pid_1_hostname_network_and_mounts(based: Caller) -> None:
    script = "echo $$; hostname; ls /sys/class/net; ps -o pid,comm | tail -n +2 | wc -l; stat -c %d /"
    pid, hostname, interface, processes, device = based.text(
        "run", "--rm", "--network", "none", "--hostname", "box", BASE, "sh", "-c", script
    ).splitlines()
    assert (pid, hostname, interface) == ("1", "box", "lo")
    assert int(processes) <= 4
    assert int(device) != Path("/").stat().st_dev


def test_the_default_hostname_is_the_short_id(based: Caller) -> None:
    name = based.text("run", "--name", "box", BASE, "hostname")
    assert name == json.loads(based.text("inspect", "box"))[0]["Id"][:12]


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (["true"], 0),
        (["false"], 1),
        (["sh", "-c", "exit 42"], 42),
        (["sh", "-c", "sh -c 'kill -TERM $$'; exit $?"], 143),  # pid 1 itself ignores what it does not handle
        (["/no/such"], 127),
        (["/etc/passwd"], 126),
    ],
)
def test_exit_codes_are_dockers(based: Caller, command: list[str], status: int) -> None:
    based.cowl("run", "--rm", BASE, *command, status=status)
    assert based.text("ps", "-aq") == ""


def test_flag_errors_exit_125(based: Caller) -> None:
    based.cowl("run", "--no-such-flag", BASE, status=125)
    based.cowl("run", "--network", "nowhere", BASE, "true", status=125)


def test_stdin_is_passed_only_with_i(based: Caller) -> None:
    assert based.cowl("run", "--rm", "-i", BASE, "cat", stdin=b"hello").stdout == b"hello"
    assert based.cowl("run", "--rm", BASE, "cat", stdin=b"hello").stdout == b""


def test_streams_are_kept_apart(based: Caller) -> None:
    done = based.cowl("run", "--rm", "--network", "none", BASE, "sh", "-c", "echo out; echo err >&2")
    assert (done.stdout, done.stderr) == (b"out\n", b"err\n")


def test_user_by_name_number_and_group(based: Caller) -> None:
    assert based.text("run", "--rm", "-u", "node", BASE, "id", "-u") == "1000"
    assert based.text("run", "--rm", "-u", "1234", BASE, "id", "-u") == "1234"
    based.cowl("run", "--rm", "-u", "nobody-here", BASE, "true", status=125)
    based.cowl("run", "--rm", "-u", "4294967296", BASE, "true", status=125)
    based.cowl("run", "--rm", "-u", "-1", BASE, "true", status=125)


def test_environment_of_the_host_never_leaks(based: Caller) -> None:
    words = based.cowl("run", "--rm", BASE, "env", env={"SECRET": "x"}).stdout.decode().splitlines()
    assert {word.partition("=")[0] for word in words} == {"PATH", "HOSTNAME", "HOME"}


def test_binds(based: Caller) -> None:
    shared = based.home / "shared"
    shared.mkdir()
    (shared / "file").write_text("from the host\n")
    based.give(shared)
    assert based.text("run", "--rm", "-v", f"{shared}:/mnt", BASE, "cat", "/mnt/file") == "from the host"
    based.cowl("run", "--rm", "-v", f"{shared}:/mnt", BASE, "sh", "-c", "echo back > /mnt/new")
    assert (shared / "new").read_text() == "back\n"
    assert (shared / "new").stat().st_uid == shared.stat().st_uid
    based.cowl("run", "--rm", "-v", f"{shared}:/mnt:ro", BASE, "touch", "/mnt/no", status=1)
    assert not (shared / "no").exists()


def test_read_only_root(based: Caller) -> None:
    based.cowl("run", "--rm", "--read-only", BASE, "touch", "/x", status=1)


def test_ps_rm_and_conflicts(based: Caller) -> None:
    based.cowl("run", "--name", "one", BASE, "sh", "-c", "exit 3", status=3)
    assert based.text("ps", "-q") == ""
    row = based.text("ps", "-a", "--format", "{{.Names}} {{.Image}} {{.Status}}")
    assert row.startswith("one busybox Exited (3) ")
    done = based.cowl("run", "--name", "one", BASE, "true", status=125)
    assert b"already in use" in done.stderr
    done = based.cowl("rmi", BASE, status=1)
    assert b"conflict" in done.stderr
    assert based.text("rm", "one") == "one"
    based.cowl("rm", "one", status=1)


def test_library_in_a_threaded_process(based: Caller) -> None:
    code = """
import cowl, os, threading
results = []
with cowl.Engine(os.environ["COWL_ROOT"]) as engine:
    def work(n):
        results.append(engine.run("busybox", ["sh", "-c", f"echo {n}; cat; exit {n}"], input=b"in"))
    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    [t.start() for t in threads]; [t.join() for t in threads]
    assert sorted((r.returncode, r.stdout) for r in results) == [(n, b"%d\\nin" % n) for n in range(4)]
    with engine.start("busybox", ["sleep", "60"]) as box:
        assert box.exec(["sh", "-c", "echo hi > /tmp/x; cat /tmp/x"]).stdout == b"hi\\n"
        assert [f"{c.kind} {c.path}" for c in box.diff()] == ["C /tmp", "A /tmp/x"], box.diff()
        try:
            box.exec(["sleep", "30"], timeout=0.3)
        except cowl.RunTimeout:
            pass
        else:
            raise AssertionError("no timeout")
        assert b"sleep 30" not in box.exec(["ps"]).stdout
        assert [c.id for c in engine.containers()] == [box.id]
    assert engine.containers(all=True) == []
    try:
        engine.run("busybox", ["false"], check=True)
    except cowl.RunFailed as error:
        assert error.done.returncode == 1
    try:
        engine.run("busybox", ["sleep", "30"], timeout=0.3)
    except cowl.RunTimeout as error:
        assert error.timeout == 0.3
    assert engine.containers(all=True) == []
"""
    done = based.python(code)
    assert done.returncode == 0, done.stderr.decode()
