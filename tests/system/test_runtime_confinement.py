"""What a container's process may not do or see, and what its image can't trick the runtime into."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.boxes import Boxes
from tests.caller import Caller
from tests.mount_table import mount_table

from cowl.runtime.spec import MASKED_PATHS, READONLY_PATHS

DEFAULT_CAPABILITIES = 0x00000000800405FB  # Docker's fourteen without MKNOD, NET_RAW, AUDIT_WRITE


@pytest.fixture
def boxes(caller: Caller, busybox_tar: Path) -> Boxes:
    return Boxes(caller, busybox_tar)


LOOK = "if [ -d $p ]; then ls -A $p; ( > $p/x ) 2>/dev/null && echo $p; elif [ -e $p ]; then cat $p; fi"


def _status(text: str) -> dict[str, str]:
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


@pytest.mark.parametrize("user", [0, 1000])
def test_capabilities(boxes: Boxes, user: int) -> None:
    status = _status(boxes.text("cat /proc/self/status", user=[user, user]))
    held = 0 if user else DEFAULT_CAPABILITIES
    assert int(status["CapInh"], 16) == int(status["CapAmb"], 16) == 0
    assert int(status["CapPrm"], 16) == int(status["CapEff"], 16) == held
    assert int(status["CapBnd"], 16) == DEFAULT_CAPABILITIES
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")


def test_descriptors_are_0_1_2_in_run_and_exec(boxes: Boxes) -> None:
    for network in ("none", "host"):
        assert _descriptors(boxes.text("echo /proc/self/fd/*", network=network)) == {"0", "1", "2"}
    done = boxes.script(
        """
held = os.open("/etc/passwd", os.O_RDONLY); os.set_inheritable(held, True)
box = start(["sleep", "60"])
inner = enter(box, ["sh", "-c", "echo /proc/self/fd/*; grep -E '^(Cap|NoNew|Seccomp:)' /proc/self/status"])
assert inner.wait().code == 0
inner.close(); box.close()
"""
    )
    lines = done.stdout.decode().splitlines()
    assert _descriptors(lines[0]) == {"0", "1", "2"}
    status = _status("\n".join(lines[1:]))
    assert int(status["CapInh"], 16) == int(status["CapAmb"], 16) == 0
    assert int(status["CapBnd"], 16) == int(status["CapEff"], 16) == DEFAULT_CAPABILITIES
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")


def _descriptors(listed: str) -> set[str]:
    """Without the one of the directory being listed."""
    return {path.rpartition("/")[2] for path in listed.split()} - {"3"}


def test_masked_paths_are_empty_and_unwritable(boxes: Boxes) -> None:
    script = f"for p in {' '.join(MASKED_PATHS)}; do {LOOK}; done; true"
    assert boxes.text(script) == ""
    assert boxes.text(script, network="host") == ""


def test_read_only_paths(boxes: Boxes) -> None:
    for path in READONLY_PATHS:
        if Path(path).exists():
            options = boxes.text(f"grep ' {path} ' /proc/mounts").split()[3]
            assert options.startswith("ro,")
    for path in ("/proc/sys/kernel/hostname", "/proc/sysrq-trigger", "/sys/power/state"):
        done = boxes.run("sh", "-c", f"echo x > {path}")
        assert done.returncode != 0, path


def test_no_release_agent_can_be_written(boxes: Boxes) -> None:
    assert boxes.text("find /sys/fs/cgroup -name release_agent -writable 2>/dev/null; true") == ""


def test_limits(boxes: Boxes) -> None:
    soft, core = boxes.text("ulimit -Sn; ulimit -c").split()
    assert (soft, core) == ("1024", "0")


@pytest.mark.parametrize("name", ["proc", "sys", "dev"])
def test_a_system_directory_as_symlink_is_refused(boxes: Boxes, name: str) -> None:
    (boxes.base / name).rmdir()
    (boxes.base / "trap").mkdir()
    os.symlink("trap", boxes.base / name)
    boxes.own(boxes.base / "trap")
    done = boxes.run("true")
    assert done.returncode == 126 and done.stderr.startswith(b"MountTargetRefused"), done.stderr
    assert list((boxes.base / "trap").iterdir()) == []


def test_a_system_directory_as_symlink_to_the_host_is_refused(boxes: Boxes) -> None:
    before = mount_table()
    (boxes.base / "proc").rmdir()
    os.symlink("/", boxes.base / "proc")
    assert boxes.run("true").stderr.startswith(b"MountTargetRefused")
    assert mount_table() == before


def test_links_inside_dev_of_the_image_redirect_nothing(boxes: Boxes) -> None:
    os.symlink("/etc/passwd", boxes.base / "dev/null")
    os.symlink("/etc", boxes.base / "dev/pts")
    os.symlink("/etc", boxes.base / "dev/shm")
    words = boxes.text("stat -c %t:%T /dev/null; cat /proc/keys; stat -f -c %T /dev/shm; wc -l < /etc/passwd")
    assert words.split() == ["1:3", "tmpfs", "2"]


@pytest.mark.parametrize(
    "cwd", ["/proc/self/fd/7", "/proc/self/cwd", "/proc/1/root/tmp", "/link", "/proc/self/fd/../cwd"]
)
def test_a_working_directory_through_a_magic_link_is_refused(boxes: Boxes, cwd: str) -> None:
    os.symlink("/proc/self/fd/7", boxes.base / "link")
    done = boxes.run("pwd", cwd=cwd)
    assert done.returncode == 126 and done.stderr.startswith(b"WorkingDirectoryRefused"), done
    assert done.stdout == b""


def test_every_descriptor_as_working_directory_of_exec_is_refused(boxes: Boxes) -> None:
    boxes.script(
        """
from cowl.runtime.failures import WorkingDirectoryRefused
box = start(["sleep", "60"])
for number in range(65):
    try:
        enter(box, ["pwd"], cwd=f"/proc/self/fd/{number}")
    except WorkingDirectoryRefused:
        continue
    raise AssertionError(number)
box.close()
"""
    )


def test_another_id_is_refused_where_only_one_exists(boxes: Boxes) -> None:
    code = """
from cowl.runtime.failures import UserNotMapped
box = start(["sleep", "60"])
try:
    inner = enter(box, ["id", "-u"], user=(1000, 1000))
    print(inner.wait().code, flush=True)
except UserNotMapped as error:
    print(error.message)
box.close()
"""
    said = boxes.script(code).stdout
    assert said == b"1000\n0\n" if boxes.is_root else said.startswith(b"the user 1000:1000 does not exist")


def test_container_root_is_nobody_on_the_host(boxes: Boxes) -> None:
    secret = boxes.home / "secret"
    secret.write_text("host\n")
    secret.chmod(0o600)
    uid = int(
        boxes.script(
            """
box = start(["sleep", "60"])
print(os.stat(f"/proc/{box.process.pid}").st_uid)
box.close()
"""
        ).stdout
    )
    assert uid == (1 << 30 if boxes.is_root else boxes.home.stat().st_uid)


def test_namespaces_cannot_be_made_or_mounts_changed(boxes: Boxes) -> None:
    for command in ("unshare -U true", "unshare -m true", "mount -t tmpfs none /tmp", "umount /proc/sys"):
        assert boxes.run("sh", "-c", command).returncode != 0, command


def test_device_nodes_cannot_be_made(boxes: Boxes) -> None:
    assert boxes.run("mknod", "/tmp/node", "b", "254", "0").returncode != 0


def test_a_set_uid_program_gives_nothing(boxes: Boxes) -> None:
    (boxes.base / "bin/busybox").chmod(0o4755)
    status = _status(boxes.text("grep -E 'Uid|CapEff' /proc/self/status", user=[1000, 1000]))
    assert status["Uid"].split() == ["1000"] * 4
    assert int(status["CapEff"], 16) == 0


def test_nothing_is_imported_from_the_image(boxes: Boxes) -> None:
    for folder in ("usr/lib/python3.11", "usr/local/lib/python3.11", "encodings", "json"):
        (boxes.base / folder).mkdir(parents=True, exist_ok=True)
        for name in ("encodings", "codecs", "traceback", "pwd", "socket", "__init__"):
            (boxes.base / folder / f"{name}.py").write_text("open('/pwned', 'w').write('x')\n")
    for command in (["true"], ["nope"], ["/etc"]):
        boxes.run(*command, env=["PATH=/bin", "PYTHONPATH=/usr/lib/python3.11"], user=[1000, 1000])
    assert not (boxes.upper / "pwned").exists() and not Path("/pwned").exists()
