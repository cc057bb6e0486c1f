"""The options of run about isolation, from the command line to what a container's process finds."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from tests.caller import Caller

from cowl.linux.credentials import CAPABILITIES as EVERY
from cowl.linux.credentials import mask
from cowl.runtime.options import CAPABILITIES as DEFAULT

BASE = "busybox"
RIGHTS = "grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status"


@pytest.fixture
def based(caller: Caller, busybox_tar: Path) -> Caller:
    caller.cowl("import", str(busybox_tar), BASE)
    return caller


@pytest.fixture
def rooted(root_caller: Caller, busybox_tar: Path) -> Caller:
    root_caller.cowl("import", str(busybox_tar), BASE)
    return root_caller


def sh(caller: Caller, script: str, *flags: str) -> list[str]:
    return caller.text("run", "--rm", *flags, BASE, "sh", "-c", script).splitlines()


def rights(lines: list[str]) -> dict[str, int]:
    return {name: int(value, 16) for name, value in (line.split(":\t") for line in lines)}


def namespace(kind: str) -> str:
    return os.readlink(f"/proc/self/ns/{kind}")


def test_capabilities_are_added_and_dropped(based: Caller) -> None:
    default = {*DEFAULT}
    for flags, held in (
        (("--cap-add", "net_raw", "--cap-drop", "CAP_CHOWN"), default - {"CAP_CHOWN"} | {"CAP_NET_RAW"}),
        (("--cap-drop", "all", "--cap-add", "kill"), {"CAP_KILL"}),
    ):
        found = rights(sh(based, RIGHTS, *flags))
        assert found["CapEff"] == found["CapPrm"] == found["CapBnd"] == mask(tuple(held)), flags
        assert found["CapInh"] == found["CapAmb"] == 0
    done = based.cowl("run", "--rm", "--cap-add", "nope", BASE, "true", status=125)
    assert b"invalid CapAdd: unknown capability: 'nope'" in done.stderr


def test_what_is_kept_is_what_exec_has(based: Caller) -> None:
    """Stored with the container and held to by every process in it; shown by inspect."""
    code = """
import cowl, os, sys
with cowl.Engine(os.environ["COWL_ROOT"]) as engine:
    options = {"cap_drop": ["all"], "security_opt": ["seccomp=" + sys.argv[1]], "name": "kept"}
    with engine.start("busybox", ["sleep", "60"], remove=False, **options) as box:
        print(box.exec(["sh", "-c", "grep CapBnd /proc/self/status; mkdir /x 2>&1"]).stdout.decode())
"""
    profile = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [refuse("mkdir", "mkdirat")]}
    done = based.python(code, json.dumps(profile))
    assert done.returncode == 0, done.stderr
    bounding, refused = done.stdout.decode().split("\n")[:2]
    assert bounding == f"CapBnd:\t{0:016x}"
    assert refused.endswith("Too many links")
    shown = json.loads(based.text("inspect", "kept"))[0]["HostConfig"]
    assert shown["CapDrop"] == ["all"] and shown["SecurityOpt"] == [f"seccomp={json.dumps(profile)}"]


def refuse(*names: str) -> dict[str, object]:
    return {"names": names, "action": "SCMP_ACT_ERRNO", "errnoRet": 31}  # EMLINK: nothing else says it


@pytest.mark.parametrize("user", ["0", "1000"])
def test_a_seccomp_profile_of_a_file(based: Caller, user: str) -> None:
    file = based.home / "profile.json"
    file.write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [refuse("mkdir", "mkdirat")]}))
    script = "mkdir /tmp/x 2>&1; grep Seccomp: /proc/self/status"
    for more in ((), ("--security-opt", "no-new-privileges=false")):
        lines = sh(based, script, "-u", user, "--security-opt", "seccomp=profile.json", *more)
        assert lines == ["mkdir: can't create directory '/tmp/x': Too many links", "Seccomp:\t2"]
    file.write_text('{"defaultAction": "SCMP_ACT_NOPE"}')
    said = based.cowl("run", "--security-opt", "seccomp=profile.json", BASE, "true", status=125).stderr
    assert b"the seccomp profile is invalid" in said and based.text("ps", "-aq") == ""


def test_a_profile_that_podman_ships(based: Caller) -> None:
    """Of the package golang-github-containers-common; also as it was before close_range was known."""
    shipped = Path("/usr/share/containers/seccomp.json")
    if not shipped.exists():
        pytest.skip(f"needs {shipped}")
    profile = json.loads(shipped.read_text())
    script = "grep Seccomp: /proc/self/status; hostname x 2>/dev/null || echo refused"
    for without in ((), ("close_range", "dup3", "execveat", "openat2")):
        for rule in profile["syscalls"]:
            rule["names"] = [name for name in rule["names"] if name not in without]
        (based.home / "shipped.json").write_text(json.dumps(profile))
        for more in ((), ("--security-opt", "no-new-privileges=false")):
            lines = sh(based, script, "--security-opt", "seccomp=shipped.json", *more)
            assert lines == ["Seccomp:\t2", "refused"]


def test_no_new_privileges_can_be_left_out(based: Caller) -> None:
    for user in ("0", "1000"):
        found = rights(sh(based, RIGHTS, "-u", user, "--security-opt", "no-new-privileges=false"))
        held = mask(DEFAULT) if user == "0" else 0
        assert (found["NoNewPrivs"], found["CapEff"], found["CapPrm"]) == (0, held, held)
        assert found["Seccomp"] == 2 and found["CapAmb"] == found["CapInh"] == 0


def test_without_filter_and_masks(based: Caller) -> None:
    options = ("--security-opt", "seccomp=unconfined", "--security-opt", "systempaths=unconfined")
    filtered, masked = sh(
        based, "grep Seccomp: /proc/self/status; grep -c ' /proc/[a-z]' /proc/mounts; true", *options
    )
    # With one id the calls that change owners are still supervised, by a filter that lets all others pass.
    assert (filtered, masked) == ("Seccomp:\t0" if based.name == "root" else "Seccomp:\t2", "0")


def test_sysctls_are_the_container_s_own(based: Caller) -> None:
    names = ("net.ipv4.ip_default_ttl", "kernel.shmmax", "fs.mqueue.msg_max")
    files = [Path("/proc/sys", name.replace(".", "/")) for name in names]
    before = [file.read_text() for file in files]
    flags = [word for name in names for word in ("--sysctl", f"{name}=77")]
    assert sh(based, f"cat {' '.join(map(str, files))}", *flags) == ["77"] * 3
    assert [file.read_text() for file in files] == before
    for word in ("kernel.core_pattern=|/x", "a=1+kernel.core_pattern=", "net/../kernel/core_pattern=x"):
        said = based.cowl("run", "--sysctl", word, BASE, "true", status=125).stderr
        assert b"is not allowed" in said, said
    said = based.cowl("run", "--sysctl", "net.ipv4.nope=1", BASE, "true", status=125).stderr
    assert b"net.ipv4.nope" in said and b"No such file" in said


def test_namespaces_of_the_host(based: Caller) -> None:
    script = "for kind in ipc uts cgroup; do readlink /proc/self/ns/$kind; done; hostname"
    own = sh(based, script)
    flags = ("--ipc", "host", "--uts", "host", "--cgroupns", "host")
    shared = sh(based, script, *flags)
    assert shared[:3] == [namespace(kind) for kind in ("ipc", "uts", "cgroup")]
    assert shared[3] == os.uname().nodename
    assert not {*shared} & {*own}
    # And no more is given with them than that.
    assert sh(based, "echo x > /proc/sys/kernel/hostname; true", *flags) == []
    script = "find /sys/fs/cgroup -type f | while read name; do (: >> $name) 2>/dev/null && echo $name; done"
    assert sh(based, f"{script}; true", *flags) == []
    assert os.uname().nodename == shared[3]


def test_shared_memory(based: Caller) -> None:
    assert sh(based, "test -e /dev/shm || echo none", "--ipc", "none") == ["none"]
    name = f"cowl-test-{os.getpid()}-{based.name}"
    try:
        sh(based, f"echo hello > /dev/shm/{name}", "--ipc", "host")
        assert Path("/dev/shm", name).read_text() == "hello\n"
        owner = Path("/dev/shm", name).stat().st_uid
        assert owner == (1 << 30 if based.name == "root" else based.home.stat().st_uid)
    finally:
        Path("/dev/shm", name).unlink(missing_ok=True)


def test_groups_are_added(based: Caller) -> None:
    flags = ("--group-add", "extra", "--group-add", "777", "-u", "node")
    if based.name == "root":
        assert {*sh(based, "id -G", *flags)[0].split()} == {"1000", "2000", "777"}
        said = based.cowl("run", "--group-add", "nobodys", BASE, "true", status=125).stderr
        assert b"unable to find group nobodys" in said
        for number in ("4294967296", "-1", "2147483648"):
            said = based.cowl("run", "--rm", "--group-add", number, BASE, "true", status=125).stderr
            assert f"invalid group '{number}': ids are in the range".encode() in said
        said = based.cowl("run", "--rm", "--group-add", "2147483647", BASE, "true", status=125).stderr
        assert b"one of its groups 2147483647 does not exist in this container's user namespace" in said
    else:
        said = based.cowl("run", *flags, BASE, "id", status=125).stderr
        assert b"--group-add extra needs a range of subordinate ids" in said


def test_privileged_gives_what_the_caller_has_and_says_so(based: Caller) -> None:
    script = f"{RIGHTS}; mkdir /m; mount -t tmpfs none /m && echo mounted; cat /proc/self/uid_map; ls /dev"
    done = based.cowl("run", "--rm", "--privileged", BASE, "sh", "-c", script)
    lines = done.stdout.decode().splitlines()
    found = rights(lines[:7])
    here = rights([line for line in Path("/proc/self/status").read_text().splitlines() if "Cap" in line])
    assert found["CapEff"] == (here["CapEff"] if based.name == "root" else mask(EVERY))
    assert found["NoNewPrivs"] == 0 and "mounted" in lines
    assert b"WARNING: --privileged gives up the system call filter" in done.stderr
    assert (b"the container's root is the host's root" in done.stderr) == (based.name == "root")
    identity = lines[lines.index("mounted") + 1].split()
    assert identity == ["0", "0", "4294967295"] or based.name != "root"
    assert {path.name for path in Path("/dev").iterdir() if path.is_block_device()} <= {*lines}
    assert b"WARNING" not in based.cowl("run", "--rm", "--network", "none", BASE, "true").stderr


def test_the_host_s_users_are_for_root_alone(based: Caller) -> None:
    if based.name != "root":
        said = based.cowl("run", "--userns", "host", BASE, "true", status=125).stderr
        assert b"--userns host needs root" in said and based.text("ps", "-aq") == ""
        return
    script = f"{RIGHTS}; cut -c1-40 /proc/self/uid_map; touch /owned; chown 5:6 /owned; stat -c %u:%g /owned"
    done = based.cowl("run", "--rm", "--userns", "host", BASE, "sh", "-c", script)
    found = rights(done.stdout.decode().splitlines()[:7])
    assert found["CapEff"] == mask(DEFAULT) and (found["NoNewPrivs"], found["Seccomp"]) == (1, 2)
    assert done.stdout.decode().splitlines()[-1] == "5:6"
    assert b"WARNING: --userns host gives up the user namespace" in done.stderr


def test_no_node_opens_a_device_of_the_host(rooted: Caller) -> None:
    """Root of the host with CAP_MKNOD makes nodes where it can write, and opens none of them."""
    script = """
        for place in / /tmp /dev /dev/shm /root; do
            mknod $place/node c 1 5 && { head -c 1 $place/node > $place/read 2>/dev/null && echo $place; }
        done; true
    """
    assert sh(rooted, script, "--userns", "host", "--cap-add", "MKNOD") == []
    assert "/" in sh(rooted, script, "--privileged")  # the test can fail


def test_files_of_variables_and_labels(based: Caller) -> None:
    """Docker's format: a line each, taken as it is; only \\n ends one."""
    (based.home / "env").write_bytes(b'\xef\xbb\xbfA= x \r\n# B=1\n  C="q"\nD=a\x0cb\nHOME\nNOPE\n')
    (based.home / "labels").write_text("one=1\nbare\ntwo=a b\n")
    words = based.text(
        "run", "--name", "box", "--env-file", "env", "--label-file", "labels", "-l", "two=2", BASE, "env"
    )
    assert {"A= x", 'C="q"', "D=a\x0cb"} <= {line.rstrip() for line in words.split("\n")}
    assert "NOPE" not in words and f"HOME={based.home}" in words
    assert json.loads(based.text("inspect", "box"))[0]["Config"]["Labels"] == {"one": "1", "two": "2"}
    (based.home / "labels").write_text("a b=1\n")
    said = based.cowl("run", "--label-file", "labels", BASE, "true", status=125).stderr
    assert b"labels:1: variable 'a b' contains white space" in said
