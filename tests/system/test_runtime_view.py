"""What the first process of a container finds: ids, namespaces, mounts, devices, streams, its end."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from tests.boxes import Boxes
from tests.caller import Caller
from tests.mount_table import mount_table


@pytest.fixture
def boxes(caller: Caller, busybox_tar: Path) -> Boxes:
    return Boxes(caller, busybox_tar)


def test_pid_1_is_the_payload(boxes: Boxes) -> None:
    assert boxes.text("echo $$; cat /proc/1/comm; true").split() == ["1", "sh"]


def test_it_leads_its_session_and_sees_no_other_process(boxes: Boxes) -> None:
    pids = boxes.text("echo /proc/[0-9]*").split()
    assert pids == ["/proc/1"]
    assert boxes.text("cut -d' ' -f5,6 /proc/self/stat").split()[1] == "1"


def test_hostname(boxes: Boxes) -> None:
    assert boxes.text("hostname", hostname="a-box").strip() == "a-box"
    assert socket.gethostname() != "a-box"


def test_network_none_has_a_loopback_that_is_up(boxes: Boxes) -> None:
    lines = boxes.text("ls /sys/class/net; ip -o addr").splitlines()
    assert lines[0] == "lo"
    assert len(lines) > 1 and all(" lo " in line for line in lines[1:])
    assert "127.0.0.1/8" in lines[1]


def test_network_host_is_the_host_s(boxes: Boxes) -> None:
    here = os.readlink("/proc/self/ns/net")
    assert boxes.text("readlink /proc/self/ns/net", network="host").strip() == here
    assert boxes.text("readlink /proc/self/ns/net").strip() != here
    assert boxes.run("sh", "-c", "> /sys/kernel/x", network="host").returncode != 0
    assert boxes.text("ls -A /sys/fs/cgroup", network="host") == boxes.text("ls -A /sys/fs/cgroup")


def test_only_the_container_s_mounts_are_there(boxes: Boxes) -> None:
    before = mount_table()
    lines = boxes.text("cat /proc/mounts").splitlines()
    kinds = {line.split()[1]: line.split()[2] for line in lines}
    assert lines[0].split()[:3] == ["overlay", "/", "overlay"]
    assert sum(line.split()[1] == "/" for line in lines) == 1
    assert (kinds["/proc"], kinds["/dev"], kinds["/dev/pts"]) == ("proc", "tmpfs", "devpts")
    assert (kinds["/dev/shm"], kinds["/dev/mqueue"], kinds["/sys"]) == ("tmpfs", "mqueue", "sysfs")
    assert not any(str(boxes.home) in line for line in lines)
    assert mount_table() == before


def test_no_mount_reaches_the_host_while_it_runs(boxes: Boxes) -> None:
    done = boxes.script(
        """
before = open("/proc/self/mountinfo").read()
box = start(["sleep", "60"], tmpfs=("/scratch",))
assert open("/proc/self/mountinfo").read() == before
box.close()
"""
    )
    assert done.stderr == b""


def test_devices(boxes: Boxes) -> None:
    script = "for d in null zero full random urandom tty; do stat -c '%n %t:%T %a' /dev/$d; done"
    assert boxes.text(script).splitlines() == [
        "/dev/null 1:3 666",
        "/dev/zero 1:5 666",
        "/dev/full 1:7 666",
        "/dev/random 1:8 666",
        "/dev/urandom 1:9 666",
        "/dev/tty 5:0 666",
    ]
    listed = boxes.text("echo /dev/*").split()
    links = ["fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin", "stdout"]
    assert listed == [f"/dev/{name}" for name in sorted([*links, "tty", "urandom", "zero"])]
    assert boxes.text("head -c 4 /dev/zero | wc -c; echo x > /dev/null; readlink /dev/fd").split() == [
        "4",
        "/proc/self/fd",
    ]


def test_shm_is_64_mib(boxes: Boxes) -> None:
    assert boxes.text("df -k /dev/shm | tail -1 | awk '{print $2}'").strip() == "65536"


@pytest.mark.parametrize(("uid", "gid"), [(0, 0), (1000, 1000), (77, 88)])
def test_user_and_group(boxes: Boxes, uid: int, gid: int) -> None:
    assert boxes.text("id -u; id -g", user=[uid, gid]).split() == [str(uid), str(gid)]


def test_supplementary_groups(boxes: Boxes) -> None:
    groups = boxes.text("id -G", user=[1000, 1000, [2000, 5]]).split()
    assert groups == (["1000", "5", "2000"] if boxes.is_root else ["1000"])


def test_root_rung_keeps_the_image_s_owners_on_disk(boxes: Boxes) -> None:
    if not boxes.is_root:
        pytest.skip("one id cannot own for others")
    os.chown(boxes.base / "etc/group", 1234, 4321)
    assert boxes.text("stat -c %u:%g /etc/group; touch /new; chown 5:6 /new").strip() == "1234:4321"
    assert ((boxes.upper / "new").stat().st_uid, (boxes.upper / "new").stat().st_gid) == (5, 6)


def test_single_id_rung_writes_as_the_caller(boxes: Boxes) -> None:
    if boxes.is_root:
        pytest.skip("root has a range of ids")
    boxes.text("touch /new; chown 5:6 /new", user=[0, 0])
    assert (boxes.upper / "new").stat().st_uid == boxes.home.stat().st_uid
    assert os.getxattr(boxes.upper / "new", "user.containers.override_stat").startswith(b"5:6:")


def test_writes_land_in_the_upper_in_overlay_form(boxes: Boxes) -> None:
    boxes.text("echo new > /new; rm /etc/group; rm -r /tmp; mkdir /tmp")
    assert (boxes.upper / "new").read_text() == "new\n"
    whiteout = (boxes.upper / "etc/group").lstat()
    assert (whiteout.st_mode & 0o170000, whiteout.st_rdev) == (0o020000, 0)
    assert os.getxattr(boxes.upper / "tmp", "user.overlay.opaque") == b"y"
    assert not (boxes.base / "new").exists() and (boxes.base / "etc/group").exists()


def test_a_read_only_root(boxes: Boxes) -> None:
    done = boxes.run("sh", "-c", "echo x > /new; echo y > /dev/shm/ok && cat /dev/shm/ok", read_only=True)
    assert done.stdout == b"y\n" and b"Read-only file system" in done.stderr
    assert boxes.run("touch", "/new", upper=False).returncode == 1


def test_tmpfs(boxes: Boxes) -> None:
    assert boxes.text("touch /deep/er/x && stat -f -c %T /deep/er", tmpfs=["/deep/er"]).strip() == "tmpfs"
    assert list((boxes.upper / "deep/er").iterdir()) == []


def test_200_layers(boxes: Boxes) -> None:
    names = [f"layer-{number}" for number in range(200)]
    for name in names:
        (boxes.home / name).mkdir()
        (boxes.home / name / "which").write_text(name)
        (boxes.home / name / name).write_text("")
        boxes.own(boxes.home / name)
    found = boxes.text("cat /which; ls -d /layer-* | wc -l", lowers=[*names, "base"])
    assert found.split() == ["layer-0200"]


def test_streams_pass_through(boxes: Boxes) -> None:
    done = boxes.run("sh", "-c", "cat; echo problem >&2", stdin=b"a\0b\n" * 50000)
    assert done.stdout == b"a\0b\n" * 50000 and done.stderr == b"problem\n"


def test_the_standard_streams_can_be_opened_by_name(boxes: Boxes) -> None:
    for user in ([0, 0], [1000, 1000]):
        assert boxes.text("echo hello > /dev/stdout; echo x 2>/dev/stderr", user=user) == "hello\nx\n"


def test_environment_is_the_container_s_alone(boxes: Boxes) -> None:
    boxes.caller.env["LEAK"] = "secret"
    lines = boxes.text("env", env=["PATH=/bin", "A=b=c", "EMPTY="])
    assert sorted(lines.splitlines()) == [
        "A=b=c",
        "EMPTY=",
        "HOME=/",
        "PATH=/bin",
        "PWD=/",
        "SHLVL=1",
    ]


@pytest.mark.parametrize("code", [0, 1, 42, 255])
def test_exit_codes(boxes: Boxes, code: int) -> None:
    assert boxes.run("sh", "-c", f"exit {code}").returncode == code


def test_signals_end_it_as_128_plus_n(boxes: Boxes) -> None:
    boxes.script(
        """
from cowl.runtime.stdio import ExitStatus
box = start(["sleep", "60"]); box.signal(9)
assert box.wait() == ExitStatus(137, 9) == box.wait(), box.wait()
box.close(); box.close(); box.signal(15)
box = start(["sh", "-c", "trap 'exit 3' TERM; echo up >&2; while :; do sleep 0.01; done"])
time.sleep(0.2); box.signal(15)
assert box.wait() == ExitStatus(3)
box.close()
box = start(["sleep", "60"])
inner = enter(box, ["sleep", "60"]); inner.signal(15)
assert inner.wait() == ExitStatus(143, 15), inner.wait()
inner.close(); box.close()
"""
    )


@pytest.mark.parametrize(
    ("args", "code", "error"),
    [
        (["nope"], 127, b"CommandNotFound: exec: 'nope': executable file not found in $PATH"),
        (["/nope"], 127, b"CommandNotFound: exec: '/nope': no such file or directory"),
        ([""], 127, b"CommandNotFound"),
        (["/etc"], 126, b"CommandNotExecutable: exec: '/etc': permission denied"),
        (["/etc/passwd"], 126, b"CommandNotExecutable: exec: '/etc/passwd': permission denied"),
        (["/garbage"], 126, b"CommandNotExecutable: exec: '/garbage': exec format error"),
        (["/orphan"], 127, b"CommandNotFound: exec: '/orphan': no such file or directory"),
    ],
)
def test_what_cannot_be_executed(boxes: Boxes, args: list[str], code: int, error: bytes) -> None:
    for name, text in (("garbage", "\0\1\2"), ("orphan", "#!/bin/none\n")):
        boxes.own(boxes.base / name) if (boxes.base / name).write_text(text) else None
        (boxes.base / name).chmod(0o755)
    done = boxes.run(*args)
    assert done.returncode == code and done.stderr.startswith(error), done.stderr


def test_working_directory_is_made(boxes: Boxes) -> None:
    assert boxes.text("pwd", cwd="/deep/er").strip() == "/deep/er"
    assert boxes.run("true", cwd="/etc/passwd").stderr.startswith(b"WorkingDirectoryRefused")


def test_binds(boxes: Boxes) -> None:
    shared = boxes.home / "shared"
    shared.mkdir()
    (shared / "file").write_text("from the host\n")
    if boxes.is_root:
        os.chown(shared / "file", 1234, 1234)
    boxes.own(shared)
    binds = [[str(shared), "/made/here"], [str(shared / "file"), "/made/file", True]]
    script = "cat /made/file; echo in > /made/here/new; stat -c %u /made/here/file; echo x > /made/file"
    done = boxes.run("sh", "-c", script, binds=binds)
    assert done.stdout.decode().split("\n")[:2] == ["from the host", "1234" if boxes.is_root else "0"]
    assert done.returncode != 0 and b"Read-only" in done.stderr
    assert (shared / "new").read_text() == "in\n"
    assert (shared / "new").stat().st_uid == shared.stat().st_uid


def test_bind_targets_resolve_links_inside_the_root(boxes: Boxes) -> None:
    os.symlink("/../../../elsewhere/file", boxes.base / "link")
    (boxes.home / "file").write_text("bound\n")
    boxes.own(boxes.home / "file")
    assert (
        boxes.text("cat /elsewhere/file /link", binds=[[str(boxes.home / "file"), "/link"]]) == "bound\n" * 2
    )
    assert not Path("/elsewhere").exists()


@pytest.mark.parametrize(
    ("bind", "error"),
    [
        (["/no/such", "/x"], b"BindSourceNotFound: bind source path does not exist: /no/such"),
        (["/tmp", "/proc/x"], b"ProtectedTarget"),
        (["/tmp", "/proc"], b"ProtectedTarget"),
        (["/tmp", "/x/../sys/kernel"], b"ProtectedTarget"),
        (["/tmp", "/to-proc/fs"], b"MountTargetRefused"),
        (["/tmp", "/bin/sh"], b"MountTargetRefused"),
    ],
)
def test_binds_that_are_refused(boxes: Boxes, bind: list[str], error: bytes) -> None:
    os.symlink("proc", boxes.base / "to-proc")
    done = boxes.run("true", binds=[bind])
    assert done.returncode in (125, 126, 127) and done.stderr.startswith(error), done.stderr


def test_a_terminal(boxes: Boxes) -> None:
    done = boxes.script(
        """
box = start(["sh", "-c", "tty; test -t 0 -a -t 1 -a -t 2 && echo all; ls /dev/console; read x; echo got $x"],
            terminal=True)
os.write(box.console, b"hi\\n")
read = b""
try:
    while data := os.read(box.console, 4096):
        read += data
except OSError:
    pass
assert box.wait().code == 0
box.close()
lines = read.decode().split("\\r\\n")
assert {"/dev/pts/0", "all", "/dev/console", "got hi"} <= set(lines), lines
"""
    )
    assert done.stdout == b""


def test_ctrl_c_reaches_the_foreground_of_a_terminal(boxes: Boxes) -> None:
    boxes.script(
        """
box = start(["sh", "-c", "trap 'echo caught; exit 9' INT; echo ready; while :; do sleep 0.01; done"],
            terminal=True)
read = b""
while b"ready" not in read:
    read += os.read(box.console, 4096)
os.write(box.console, b"\\3")
assert box.wait(20).code == 9
box.close()
"""
    )
