"""cowl-runtime as a runtime of others: the operations of the OCI runtime-spec on bundles of any making.

The same calls go to runc beside it where the answers are compared.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.caller import Caller

RUNC = shutil.which("runc", path="/usr/sbin:/usr/bin:/sbin:/bin")
MAIN = "from cowl.oci_cli.main import main; main()"


def eventually(check: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not check():
        assert time.monotonic() < deadline
        time.sleep(0.02)


class Bundle:
    """A bundle of busybox, and a runtime with a root of its own."""

    def __init__(self, caller: Caller, tar: Path, program: list[str]) -> None:
        self.caller = caller
        self.path = caller.home / "bundle"
        self.rootfs = self.path / "rootfs"
        self.states = caller.home / "states"
        self._program = program
        if not self.path.exists():
            self.rootfs.mkdir(parents=True)
            subprocess.run(["tar", "-xf", str(tar), "-C", str(self.rootfs)], check=True)
            caller.give(self.path)
        self.config: dict[str, Any] = {}
        self.reset()

    def reset(self) -> None:
        self.config = example(rootless=self.caller.name != "root")
        self.config["process"]["terminal"] = False
        self.config["root"]["readonly"] = False

    def write(self, *args: str) -> None:
        if args:
            self.config["process"]["args"] = list(args)
        (self.path / "config.json").write_text(json.dumps(self.config))
        self.caller.give(self.path)

    def call(
        self, *words: str, status: int | None = 0, stdin: bytes = b""
    ) -> subprocess.CompletedProcess[bytes]:
        done = subprocess.run(
            [*self._program, "--root", str(self.states), *words],
            env=self.caller.env,
            cwd=self.caller.home,
            input=stdin,
            capture_output=True,
            check=False,
            timeout=60,
        )
        said = f"{words}: {done.returncode}\n{done.stdout!r}\n{done.stderr.decode(errors='replace')}"
        assert status is None or done.returncode == status, said
        assert b"Traceback" not in done.stderr, said
        return done

    def sh(self, script: str, status: int = 0) -> list[str]:
        """The lines of a shell in a container that is made for it."""
        self.write("sh", "-c", script)
        return self.call("run", "-b", str(self.path), "sh", status=status).stdout.decode().splitlines()

    def state(self, identity: str = "box") -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.call("state", identity).stdout)
        return found

    def create(self, *args: str, identity: str = "box") -> int:
        """Makes a container without holding its streams; its pid."""
        self.write(*args)
        argv = [*self._program, "--root", str(self.states), "create", "-b", str(self.path), identity]
        with open(os.devnull, "r+b") as null, open(self.caller.home / "out", "wb") as out:
            subprocess.run(
                argv, env=self.caller.env, stdin=null, stdout=out, stderr=out, check=True, timeout=60
            )
        return int(self.state(identity)["pid"])


def example(*, rootless: bool) -> dict[str, Any]:
    from tests.caller import ORDINARY_ID

    from cowl import OciRuntime

    config = OciRuntime.example(rootless=rootless)
    for name in ("uidMappings", "gidMappings"):
        for mapping in config["linux"].get(name, ()):
            mapping["hostID"] = ORDINARY_ID if os.geteuid() == 0 else mapping["hostID"]
    return config


@pytest.fixture
def bundle(caller: Caller, busybox_tar: Path) -> Iterator[Bundle]:
    made = Bundle(caller, busybox_tar, caller.python_argv(MAIN))
    yield made
    for identity in made.call("list", "-q").stdout.decode().split():
        made.call("delete", "--force", identity)


@pytest.fixture
def root_bundle(root_caller: Caller, busybox_tar: Path) -> Iterator[Bundle]:
    made = Bundle(root_caller, busybox_tar, root_caller.python_argv(MAIN))
    yield made
    for identity in made.call("list", "-q").stdout.decode().split():
        made.call("delete", "--force", identity)


def test_a_life(bundle: Bundle) -> None:
    pid = bundle.create("sh", "-c", "echo up; sleep 60")
    state = bundle.state()
    assert state == {
        "ociVersion": "1.2.0",
        "id": "box",
        "status": "created",
        "pid": pid,
        "bundle": str(bundle.path),
        "annotations": {},
    }
    out = bundle.caller.home / "out"
    assert out.read_bytes() == b""
    assert b"exists already" in bundle.call("create", "-b", str(bundle.path), "box", status=1).stderr
    bundle.call("start", "box")
    eventually(lambda: out.read_bytes() == b"up\n")
    assert bundle.state()["status"] == "running"
    bundle.call("start", "box", status=1)
    bundle.call("delete", "box", status=1)
    assert json.loads(bundle.call("list", "-f", "json").stdout)[0]["id"] == "box"
    assert pid in json.loads(bundle.call("ps", "-f", "json", "box").stdout)
    bundle.call("kill", "box", "KILL")
    eventually(lambda: bundle.state()["status"] == "stopped")
    assert bundle.state()["pid"] == 0
    bundle.call("kill", "box", "TERM", status=1)
    bundle.call("exec", "box", "true", status=1)
    bundle.call("delete", "box")
    assert b"does not exist" in bundle.call("state", "box", status=1).stderr
    bundle.call("delete", "box", status=1)
    bundle.call("delete", "--force", "box")
    bundle.create("sleep", "60", identity="never-started")
    bundle.call("delete", "never-started")
    assert [*bundle.states.iterdir()] == []


def test_run_and_exec(bundle: Bundle) -> None:
    bundle.write("sh", "-c", "cat; pwd; exit 7")
    done = bundle.call("run", "-b", str(bundle.path), "box", status=7, stdin=b"in\n")
    assert done.stdout == b"in\n/\n"
    bundle.write("/no/such")
    assert b"no such file" in bundle.call("run", "-b", str(bundle.path), "box", status=1).stderr
    bundle.create("sleep", "60")
    bundle.call("start", "box")
    done = bundle.call(
        "exec",
        "--cwd",
        "/tmp",
        "-e",
        "A=b",
        "box",
        "sh",
        "-c",
        "pwd; echo $A; cat; exit 5",
        status=5,
        stdin=b"x",
    )
    assert done.stdout == b"/tmp\nb\nx"
    process = bundle.caller.home / "process.json"
    process.write_text(
        json.dumps(
            {
                "args": ["sh", "-c", "echo $PATH $B; ls /proc/self/fd | wc -l"],
                "env": ["PATH=/bin", "B=c"],
                "cwd": "/",
            }
        )
    )
    process.chmod(0o644)
    assert bundle.call("exec", "--process", str(process), "box").stdout == b"/bin c\n4\n"
    assert b"not found in $PATH" in bundle.call("exec", "box", "no-such", status=1).stderr
    bundle.call("kill", "--all", "box", "9")


HOOK = "#!/bin/sh\ncat > {to}; echo {name} >> {order}\n"


def test_hooks(bundle: Bundle) -> None:
    told = bundle.caller.home / "told"
    told.mkdir()
    order = told / "order"
    names = ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"]
    hooks = {}
    for name in names:
        inside = name == "startContainer"
        place = bundle.rootfs if inside else told
        program = place / f"{name}.sh"
        to, where = ("/started", "/dev/null") if inside else (told / name, order)
        program.write_text(HOOK.format(to=to, name=name, order=where))
        program.chmod(0o755)
        path = f"/{name}.sh" if inside else str(program)
        hooks[name] = [{"path": path, "args": [path, "word"], "env": ["PATH=/bin:/usr/bin"], "timeout": 30}]
    bundle.caller.give(told)
    bundle.config["hooks"] = hooks
    bundle.config["annotations"] = {"org.example": "kept"}
    bundle.create("cat", "/started")
    assert order.read_text().split() == names[:3]
    bundle.call("start", "box")
    eventually(lambda: bundle.state()["status"] == "stopped")
    bundle.call("delete", "box")
    assert order.read_text().split() == [name for name in names if name != "startContainer"]
    statuses = {name: json.loads((told / name).read_text()) for name in names if name != "startContainer"}
    assert statuses["prestart"]["status"] == "creating" and statuses["prestart"]["pid"] > 1
    assert statuses["poststart"]["status"] in ("running", "stopped")
    assert statuses["poststop"]["status"] == "stopped"
    assert {state["annotations"]["org.example"] for state in statuses.values()} == {"kept"}
    inside = json.loads((bundle.caller.home / "out").read_text())
    assert (inside["id"], inside["status"]) == ("box", "creating")


@pytest.mark.parametrize(
    ("hook", "reason"), [("exit 3", "failed with status 3"), ("sleep 60", "took longer than 1 s")]
)
def test_a_hook_that_fails_ends_the_creation(bundle: Bundle, hook: str, reason: str) -> None:
    program = bundle.path / "hook.sh"
    program.write_text(f"#!/bin/sh\n{hook}\n")
    program.chmod(0o755)
    bundle.config["hooks"] = {
        "createRuntime": [{"path": str(program), "timeout": 1, "env": ["PATH=/bin:/usr/bin"]}]
    }
    bundle.write("true")
    log = bundle.caller.home / "log"
    done = bundle.call(
        "--log", str(log), "--log-format", "json", "create", "-b", str(bundle.path), "box", status=1
    )
    assert reason in done.stderr.decode()
    assert reason in json.loads(log.read_text().splitlines()[-1])["msg"]
    assert [*bundle.states.iterdir()] == []


def test_the_process_is_as_it_says(root_bundle: Bundle) -> None:
    process = root_bundle.config["process"]
    process["user"] = {"uid": 1000, "gid": 1001, "additionalGids": [5, 6], "umask": 0o027}
    names = ["CAP_CHOWN", "CAP_KILL", "CAP_OF_TOMORROW"]
    sets = ("bounding", "effective", "permitted", "inheritable", "ambient")
    process["capabilities"] = dict.fromkeys(sets, names)
    process["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 77, "hard": 88}]
    process["oomScoreAdj"] = 123
    process["cwd"] = "/made/for/it"
    root_bundle.config["hostname"], root_bundle.config["domainname"] = "named", "domain"
    root_bundle.config["linux"]["sysctl"] = {"kernel.msgmax": "9000"}
    lines = root_bundle.sh(
        "id -u; id -g; id -G; umask; ulimit -n; cat /proc/self/oom_score_adj; pwd; hostname;"
        "cat /proc/sys/kernel/domainname /proc/sys/kernel/msgmax; grep -E '^(Cap|NoNew)' /proc/self/status"
    )
    assert lines[:10] == [
        "1000",
        "1001",
        "1001 5 6",
        "0027",
        "77",
        "123",
        "/made/for/it",
        "named",
        "domain",
        "9000",
    ]
    held = {line.split(":")[0]: line.split()[1] for line in lines[10:]}
    assert {held[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0000000000000021"}
    assert held["NoNewPrivs"] == "1"


def test_mounts_devices_and_paths(bundle: Bundle) -> None:
    shared = bundle.path / "shared"
    shared.mkdir()
    (shared / "file").write_text("word")
    (bundle.rootfs / "full").mkdir()
    (bundle.rootfs / "full" / "kept").write_text("kept")
    bundle.config["root"]["readonly"] = True
    bundle.config["mounts"] += [
        {"destination": "/made/ro", "type": "none", "source": "shared", "options": ["bind", "ro", "nosuid"]},
        {"destination": "/made/rw", "type": "bind", "source": str(shared), "options": ["rbind", "rw"]},
        {
            "destination": "/file",
            "type": "bind",
            "source": str(shared / "file"),
            "options": ["bind", "noexec"],
        },
        {
            "destination": "/small",
            "type": "tmpfs",
            "source": "tmpfs",
            "options": ["size=64k", "mode=700", "noatime"],
        },
        {"destination": "/full", "type": "tmpfs", "source": "tmpfs", "options": ["tmpcopyup"]},
    ]
    linux = bundle.config["linux"]
    linux["maskedPaths"] = ["/proc/interrupts", "/sys/firmware", "/no/such"]
    linux["readonlyPaths"] = ["/proc/sys"]
    linux["devices"] = (
        [{"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229}] if Path("/dev/fuse").exists() else []
    )
    bundle.caller.give(bundle.path)
    lines = bundle.sh(
        "cat /made/ro/file /file; echo; touch /made/ro/x 2>/dev/null || echo ro; touch /made/rw/x && echo rw;"
        "touch /x 2>/dev/null || echo root-ro; cat /full/kept; echo; stat -c %a /small;"
        "grep -c ' /small tmpfs [^ ]*noatime' /proc/mounts; wc -c < /proc/interrupts;"
        "ls -A /sys/firmware | wc -l;"
        "(echo 1 > /proc/sys/kernel/msgmax) 2>/dev/null || echo sys-ro; ls /dev/fuse; readlink /dev/ptmx;"
        "cat /dev/null"
    )
    assert lines[0] == "wordword"
    assert lines[1:8] == ["ro", "rw", "root-ro", "kept", "700", "1", "0"]
    assert lines[8:10] == ["0", "sys-ro"]
    assert lines[-1] == "pts/ptmx"
    assert " /small " not in Path("/proc/self/mountinfo").read_text()


@pytest.mark.parametrize("name", ["proc", "sys"])
def test_a_link_leads_no_mount_astray(bundle: Bundle, name: str) -> None:
    (bundle.rootfs / "elsewhere").mkdir()
    (bundle.rootfs / name).symlink_to("elsewhere")
    bundle.write("true")
    done = bundle.call("run", "-b", str(bundle.path), "box", status=1)
    assert b"is not a directory" in done.stderr
    (bundle.rootfs / name).unlink()
    bundle.config["mounts"].append(
        {"destination": "/proc/self", "type": "bind", "source": "rootfs", "options": ["bind"]}
    )
    bundle.write("true")
    assert b"procfs" in bundle.call("run", "-b", str(bundle.path), "box", status=1).stderr


def test_namespaces_are_joined_by_their_paths(bundle: Bundle) -> None:
    pid = bundle.create("sleep", "60")
    bundle.call("start", "box")
    kinds = {"network": "net", "ipc": "ipc", "uts": "uts", "pid": "pid", "user": "user"}
    for item in bundle.config["linux"]["namespaces"]:
        if item["type"] in kinds:
            item["path"] = f"/proc/{pid}/ns/{kinds[item['type']]}"
    bundle.config["hostname"] = ""
    bundle.config["mounts"] = [mount for mount in bundle.config["mounts"] if mount["type"] != "mqueue"]
    lines = bundle.sh(
        "for n in net ipc uts pid user mnt; do readlink /proc/self/ns/$n; done; ps | grep -c 'sleep 60'"
    )
    names = [os.readlink(f"/proc/{pid}/ns/{kind}") for kind in ("net", "ipc", "uts", "pid", "user", "mnt")]
    if bundle.caller.name == "root":
        assert lines[:4] == names[:4]
    else:
        assert lines[:5] == names[:5]
    assert lines[5] != names[5]
    assert int(lines[6]) >= 1


def test_terminals(bundle: Bundle) -> None:
    bundle.config["process"]["terminal"] = True
    bundle.config["process"]["consoleSize"] = {"height": 33, "width": 99}
    bundle.write("sh", "-c", "tty; stty size; read word; echo got $word")
    path = bundle.caller.home / "console"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        path.chmod(0o777)
        listener.listen(1)
        listener.settimeout(30)
        bundle.call(
            "create",
            "-b",
            str(bundle.path),
            "--console-socket",
            str(path),
            "--pid-file",
            str(bundle.path / "pid"),
            "box",
        )
        assert int((bundle.path / "pid").read_text()) == bundle.state()["pid"]
        connection, _ = listener.accept()
        with connection:
            _, fds, _, _ = socket.recv_fds(connection, 4096, 1)
    bundle.call("start", "box")
    os.write(fds[0], b"word\n")
    said = b""
    try:
        while chunk := os.read(fds[0], 4096):
            said += chunk
    except OSError:
        pass
    os.close(fds[0])
    assert b"/dev/" in said and b"33 99" in said and b"got word" in said
    bundle.call("delete", "--force", "box")
    bundle.reset()
    bundle.create("sleep", "60")
    bundle.call("start", "box")
    assert b"/dev/pts/0" in bundle.call("exec", "-t", "box", "tty").stdout


def test_limits_pause_and_the_end_of_the_cgroup(root_bundle: Bundle) -> None:
    name = f"cowl-test-{os.urandom(4).hex()}"
    root_bundle.config["linux"]["cgroupsPath"] = f"/{name}/box"
    root_bundle.config["linux"]["resources"] = {
        "pids": {"limit": 17},
        "devices": [{"allow": False, "access": "rwm"}],
    }
    root_bundle.config["process"]["capabilities"]["bounding"] += ["CAP_MKNOD"]
    root_bundle.config["process"]["capabilities"]["permitted"] += []
    root_bundle.config["process"]["noNewPrivileges"] = False
    root_bundle.create("sleep", "60")
    found = [
        Path(path)
        for path, _, files in os.walk("/sys/fs/cgroup")
        if path.endswith(f"{name}/box") and "pids.max" in files
    ]
    if not found:
        pytest.skip("no pids controller here")
    try:
        assert found[0].joinpath("pids.max").read_text() == "17\n"
        root_bundle.call("start", "box")
        root_bundle.call("pause", "box")
        assert root_bundle.state()["status"] == "paused"
        root_bundle.call("pause", "box", status=1)
        root_bundle.call("resume", "box")
        assert root_bundle.state()["status"] == "running"
        done = root_bundle.call(
            "exec", "-c", "CAP_MKNOD", "box", "sh", "-c", "mknod /tmp/d b 254 0 && cat /tmp/d", status=1
        )
        assert b"Operation not permitted" in done.stderr
        root_bundle.call("delete", "--force", "box")
        assert not found[0].exists()
    finally:
        for path, _, _ in os.walk("/sys/fs/cgroup", topdown=False):
            if path.endswith(f"/{name}"):
                os.rmdir(path)


def test_answers_as_runc_does(root_caller: Caller, busybox_tar: Path) -> None:
    if not RUNC:
        pytest.skip("needs Debian's package runc")
    ours = Bundle(root_caller, busybox_tar, root_caller.python_argv(MAIN))
    theirs = Bundle(root_caller, busybox_tar, [RUNC])
    assert _answers(ours) == _answers(theirs)


def _answers(bundle: Bundle) -> list[Any]:
    """Exit codes and states along a life."""
    bundle.states = bundle.caller.home / f"states-{len(os.listdir(bundle.caller.home))}"
    told: list[Any] = []

    def tell(*words: str) -> None:
        told.append((words, bundle.call(*words, status=None).returncode))

    def look() -> None:
        state = bundle.state()
        told.append(
            (state["id"], state["status"], bool(state["pid"]), state["bundle"], bool(state["ociVersion"]))
        )

    where = ("-b", str(bundle.path))
    for script in ("exit 0", "exit 9", "kill -9 $$", "sh -c 'kill -15 $$'"):
        bundle.write("sh", "-c", script)
        tell("run", *where, "box")
    bundle.write("/no/such")
    tell("run", *where, "box")
    bundle.create("sleep", "60")
    look()
    tell("create", *where, "box")
    tell("start", "box")
    look()
    for words in (
        ("start", "box"),
        ("delete", "box"),
        ("exec", "box", "sh", "-c", "exit 4"),
        ("kill", "box", "9"),
    ):
        tell(*words)
    eventually(lambda: bool(bundle.state()["status"] == "stopped"))
    look()
    for words in (
        ("kill", "box", "15"),
        ("delete", "box"),
        ("state", "box"),
        ("delete", "box"),
        ("delete", "-f", "box"),
    ):
        tell(*words)
    return told
