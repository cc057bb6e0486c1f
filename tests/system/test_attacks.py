"""Attacks from inside containers that a user starts, and what shows that each attack can succeed at all."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.boxes import Boxes
from tests.caller import Caller
from tests.mount_table import mount_table
from tests.system.test_isolation import compiled, interpreter_of, table

from cowl.linux.credentials import mask
from cowl.runtime.options import CAPABILITIES as DEFAULT

BASE = "armed"
EPERM = 1


@pytest.fixture(scope="session")
def attacks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled("attacks.c", tmp_path_factory.mktemp("attacks") / "attacks")


@pytest.fixture(scope="session")
def loader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    flags = ("-nostdlib", "-nostartfiles", "-fno-stack-protector")
    return compiled("loader.c", tmp_path_factory.mktemp("loader") / "loader", *flags)


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("library") / "library.so"
    source = Path(__file__).parent / "isolation/library.c"
    if not shutil.which("gcc"):
        pytest.skip("needs gcc to build the library")
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", str(path), str(source)], check=True)
    return path


@pytest.fixture(scope="session")
def armed_tar(busybox_tar: Path, attacks: Path, library: Path, shared_dir: Path) -> Path:
    """busybox with the attacks, which are root's and have the set-user-ID bit, and the library."""
    path = Path(shutil.copy(busybox_tar, shared_dir / "armed.tar"))
    with tarfile.open(path, "a") as tar:
        for name, source, mode in (("attacks", attacks, 0o4755), ("library.so", library, 0o644)):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = source.stat().st_size, mode
            tar.addfile(entry, io.BytesIO(source.read_bytes()))
    return path


@pytest.fixture
def armed(caller: Caller, armed_tar: Path) -> Caller:
    caller.cowl("import", str(armed_tar), BASE)
    return caller


@pytest.fixture
def rooted(root_caller: Caller, armed_tar: Path) -> Caller:
    root_caller.cowl("import", str(armed_tar), BASE)
    return root_caller


def lines(caller: Caller, command: list[str], *flags: str) -> list[str]:
    return caller.text("run", "--rm", *flags, BASE, *command).splitlines()


def option(word: str) -> tuple[str, str]:
    return "--security-opt", word


# Rights


def test_a_set_user_id_program_gives_nothing(armed: Caller) -> None:
    attack = ["/attacks", "ids"]
    assert lines(armed, attack, "-u", "1000") == ["1000 1000"]
    if armed.name == "root":  # the attack works where new privileges are asked for
        assert lines(armed, attack, "-u", "1000", *option("no-new-privileges=false")) == ["1000 0"]


def test_the_filter_is_what_refuses(armed: Caller) -> None:
    refused = table(lines(armed, ["/attacks", "calls"]))
    without = table(lines(armed, ["/attacks", "calls"], *option("seccomp=unconfined"), "--cap-add", "ALL"))
    attacked = ("socket_alg", "socket_vsock", "unshare_user", "mount")
    found = {name: (refused[name], without[name]) for name in refused if name in attacked}
    assert len(found) >= 3, [*refused]
    assert all(pair[0] == EPERM for pair in found.values()), found
    assert any(pair[1] != EPERM for pair in found.values()), found


LOOK = """
    for path in /proc/kcore /proc/keys /proc/timer_list /proc/interrupts /sys/firmware /proc/scsi; do
        if [ -d $path ]; then ls -A $path; elif [ -e $path ]; then head -c 1 $path | wc -c | grep -v 0; fi
    done
    for path in /proc/sys/kernel/core_pattern /proc/sysrq-trigger /proc/sys/kernel/modprobe /proc/irq/x; do
        (: >> $path) 2>/dev/null && echo $path
    done; true
"""


@pytest.mark.parametrize("user", ["0", "1000"])
def test_the_kernel_s_paths(armed: Caller, user: str) -> None:
    for flags in ((), ("--userns", "host") if armed.name == "root" else ("--ipc", "host")):
        assert lines(armed, ["sh", "-c", LOOK], "-u", user, *flags) == []
    if user == "0":
        assert lines(armed, ["sh", "-c", LOOK], *option("systempaths=unconfined")) != []


def test_control_groups_can_not_be_written(armed: Caller) -> None:
    """release_agent among them, also where the host's hierarchies are to be seen."""
    script = "find /sys/fs/cgroup -name release_agent | head -n 1; "
    script += "find /sys/fs/cgroup -type f | while read name; do (: >> $name) 2>/dev/null && echo $name; done"
    for flags in ((), ("--cgroupns", "host"), ("--cgroupns", "host", "--cap-add", "SYS_ADMIN")):
        found = lines(armed, ["sh", "-c", f"{script}; true"], *flags)
        assert [line for line in found if not line.endswith("release_agent")] == [], flags
        mounted = lines(
            armed, ["sh", "-c", "mkdir /c; mount -t cgroup -o memory x /c 2>/dev/null && ls /c; true"], *flags
        )
        assert mounted == [], flags


# Names, numbers and environments


ACCOUNTS = """
import cowl, os, sys
ATTACKS = {
    "a pipe": "mkfifo passwd",
    "a directory": "mkdir passwd",
    "a huge one": "truncate -s 200M passwd",
    "an endless one": "ln -s /dev/zero passwd",
    "the host's": "ln -s ../../../../../../etc/passwd passwd",
    "a magic link": "ln -s /proc/1/fd/0 passwd",
    "an id that wraps to 0": "echo evil:x:4294967296:4294967296::/:/bin/sh > passwd",
    "an id below 0": "echo evil:x:-1:-1::/:/bin/sh > passwd",
    "a huge line": "(printf evil:x:0; head -c 5000000 /dev/zero | tr '\\\\0' 0; echo ::/:/bin/sh) > passwd",
}
with cowl.Engine(os.environ["COWL_ROOT"]) as engine:
    for name, script in ATTACKS.items():
        with engine.start("armed", ["sleep", "600"]) as box:
            done = box.exec(["sh", "-c", f"cd /etc; rm -rf passwd; {script}"])
            assert done.returncode == 0, (name, done.stderr)
            for user in ("evil", "0:evil"):
                try:
                    found = box.exec(["id", "-u"], user=user, timeout=20)
                except cowl.CowlError as error:
                    continue
                raise AssertionError((name, user, found))
    with engine.start("armed", ["sleep", "600"]) as box:
        for number in ("4294967296", "-1", "2147483648", "99999999999999999999", "0x0"):
            try:
                box.exec(["id"], user=number)
            except cowl.CowlError:
                continue
            raise AssertionError(number)
    for user in ("4294967296", "4294967295", "0:4294967296"):
        try:
            engine.run("armed", ["id"], user=user)
        except cowl.CowlError:
            continue
        raise AssertionError(user)
"""


def test_account_files_that_a_container_makes(armed: Caller) -> None:
    """They are read while the container may change them: no hang, bounded memory, never another's id."""
    done = armed.python(ACCOUNTS)
    assert done.returncode == 0, done.stderr.decode()


def test_the_host_s_environment_is_nowhere_inside(armed: Caller) -> None:
    code = """
import cowl, os
look = ["sh", "-c", "env; cat /proc/[0-9]*/environ; cat /proc/self/environ"]
with cowl.Engine(os.environ["COWL_ROOT"]) as engine:
    with engine.start("armed", ["sleep", "600"], cap_add=["SYS_PTRACE"]) as box:
        for user in ("0", "1000"):
            try:
                print(box.exec(look, user=user).stdout)
            except cowl.Denied:
                assert user == "1000" and os.geteuid() != 0
    print(engine.run("armed", look).stdout)
"""
    armed.env["COWL_LEAK"] = marker = f"leak{os.urandom(4).hex()}"
    done = armed.python(code)
    assert done.returncode == 0, done.stderr.decode()
    assert b"PATH=" in done.stdout
    assert marker.encode() not in done.stdout and b"COWL_" not in done.stdout


def test_a_detached_container_has_no_more_than_others(armed: Caller) -> None:
    """What its monitor starts, and starts again: no descriptors, rights or variables of anybody's."""
    marker = f"leak{os.urandom(4).hex()}"
    script = (
        "/attacks descriptors; cat /proc/[0-9]*/environ | tr '\\0' '\\n'; grep -E '^(Cap|NoNew|Seccomp:)' "
    )
    words = ("run", "-d", "--name", "box", BASE, "sh", "-c", f"{script} /proc/self/status")
    armed.cowl(*words, env={"COWL_LEAK": marker})
    armed.cowl("wait", "box")
    armed.cowl("restart", "box", env={"COWL_LEAK": marker})
    armed.cowl("wait", "box")
    logged = armed.text("logs", "box").splitlines()
    assert logged.count("descriptors 0") == 2 and not [line for line in logged if marker in line]
    assert logged.count("CapInh:\t0000000000000000") == logged.count("CapAmb:\t0000000000000000") == 2
    assert logged.count(f"CapEff:\t{mask(DEFAULT):016x}") == logged.count("NoNewPrivs:\t1") == 2
    assert logged.count("Seccomp:\t2") == 2
    armed.cowl("rm", "box")


def test_a_working_directory_of_an_image_that_leads_out(caller: Caller, busybox_tar: Path) -> None:
    for place in ("/proc/self/fd/3", "/proc/self/fd/8", "/proc/1/root"):
        caller.cowl("import", "--change", f"WORKDIR {place}", str(busybox_tar), BASE)
        done = caller.cowl("run", "--rm", BASE, "pwd", status=125)
        assert b"can't enter the working directory" in done.stderr and done.stdout == b""


# Code of the image's in a process of the host's


def test_nothing_loads_a_library_of_the_image(armed: Caller, library: Path) -> None:
    """NSS modules, the dynamic loader's files, locales, Python's own: a container fills in all of them."""
    mark = armed.home / "mark"
    loads = {"LD_PRELOAD": str(library), "EVIL_MARK": str(mark), "PATH": "/usr/bin:/bin"}
    subprocess.run(["true"], env=loads, check=True)
    assert mark.exists()  # it can
    code = """
import cowl, os, sys
version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
plant = f'''
    mkdir -p /lib/x86_64-linux-gnu /lib64 /usr/lib/{version}/encodings /usr/lib/{version}/lib-dynload
    for name in files compat dns myhostname systemd; do
        for place in /lib /lib64 /lib/x86_64-linux-gnu /usr/lib; do
            cp /library.so $place/libnss_$name.so.2
        done
    done
    for name in libc.so.6 libm.so.6 libgcc_s.so.1 libpthread.so.0; do
        cp /library.so /lib/x86_64-linux-gnu/$name
    done
    echo /library.so > /etc/ld.so.preload
    echo 'passwd: evil files systemd' > /etc/nsswitch.conf
    for name in __init__ aliases idna ascii latin_1 utf_8; do
        echo 'open("/loaded", "w")' > /usr/lib/{version}/encodings/$name.py
    done
    for name in pwd grp traceback codecs json socket; do
        echo 'open("/loaded", "w")' > /usr/lib/{version}/$name.py
    done
'''
with cowl.Engine(os.environ["COWL_ROOT"]) as engine:
    with engine.start("armed", ["sleep", "600"]) as box:
        done = box.exec(["sh", "-c", plant])
        assert done.returncode == 0, done.stderr
        for command, options in (
            (["true"], {}),
            (["true"], {"user": "node"}),
            (["true"], {"user": "nobody-here"}),
            (["true"], {"user": "12345:node"}),
            (["no-such-program"], {}),
            (["/etc/passwd"], {}),
            (["true"], {"workdir": "/etc/passwd"}),
            (["t\\u00e9\\udcff"], {"env": {"LANG": "de_DE.ISO-8859-1"}}),
        ):
            try:
                box.exec(command, **options)
            except cowl.CowlError:
                pass
        engine.export(box.id, os.devnull)
        box.diff()
        box.write_file("/copied", b"x", owner="node")
        box.copy_in(sys.executable, "/copied\\u00e9\\udcff")
        assert box.read_file("/copied") == b"x"
        box.copy_out("/usr/lib", "lib")
        for path in ("/no/such", "/proc/self/exe", "/dev/tty"):
            try:
                box.read_file(path)
            except cowl.CowlError:
                pass
        assert box.exec(["ls", "/loaded"]).returncode == 1
"""
    done = armed.python(code)
    assert done.returncode == 0, done.stderr.decode()
    assert not Path("/loaded").exists()


# The host's executable


@pytest.fixture
def copied(root_caller: Caller, busybox_tar: Path) -> Iterator[tuple[Boxes, Path]]:
    """root, whose Python is a copy that may be lost."""
    system = Path("/usr/bin/python3").resolve()
    if not system.exists():
        pytest.skip("needs a system Python")
    python = root_caller.home / "python"
    shutil.copy(system, python)
    code = str(Path(sys.modules["cowl"].__file__ or "").parent.parent)
    env = {**root_caller.env, "PYTHONHOME": "/usr", "PYTHONPATH": code, "PYTHONDONTWRITEBYTECODE": "1"}
    caller = Caller("root", root_caller.home, [], [str(python), "-s"], env)
    probe = caller.python("import cowl.runtime.embedded")
    if probe.returncode != 0:
        pytest.skip(f"a copied Python does not start here: {probe.stderr[-200:]!r}")
    yield Boxes(caller, busybox_tar), python


def test_root_of_the_host_in_a_container_gets_a_sealed_copy(
    copied: tuple[Boxes, Path], attacks: Path, loader: Path
) -> None:
    """--userns host: without a user namespace only the copy keeps the container from Python's executable."""
    boxes, python = copied
    digest = hashlib.sha256(python.read_bytes()).digest()
    for name, source in (("attacks", attacks), (interpreter_of(python).lstrip("/"), loader)):
        (boxes.base / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, boxes.base / name)
    (boxes.base / "evil").write_text("#!/proc/self/exe\n")
    (boxes.base / "evil").chmod(0o755)
    done = boxes.script(
        """
box = start(["sleep", "60"], shared=("user",))
process = ProcessOptions(args=("/evil",), env=ENV)
inner = runtime.exec(box.process, process_spec(process), Stdio(0, 1, 2), mapped=False)
inner.wait(); inner.close(); box.close()
"""
    )
    direct = boxes.run("/evil", shared=["user"])
    for found in (done.stdout.decode(), direct.stdout.decode()):
        assert "program /memfd:cowl-python (deleted)" in found, found
        assert "overwritten" not in found.replace("overwritten -1", ""), found
    assert hashlib.sha256(python.read_bytes()).digest() == digest


def test_a_monitor_of_such_a_container_is_a_sealed_copy_too(rooted: Caller) -> None:
    """Its first process is a child of the monitor, so it is the monitor's executable that it could reach."""

    def monitors() -> str:
        pid = json.loads(rooted.text("inspect", "box"))[0]["State"]["Pid"]
        parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]
        return os.readlink(f"/proc/{parent}/exe")

    for flags, sealed in ((("--userns", "host"), True), (("--privileged",), True), ((), False)):
        rooted.cowl("run", "-d", "--name", "box", *flags, BASE, "sleep", "600")
        try:
            assert ("/memfd:cowl-python" in monitors()) == sealed, flags
            rooted.cowl("restart", "-t", "0", "box")
            assert ("/memfd:cowl-python" in monitors()) == sealed, flags
            assert rooted.text("exec", "box", "id", "-u") == "0"
        finally:
            rooted.cowl("rm", "-f", "box")


# Ends


REUSE = """
import json, os, subprocess, sys, time
argv = json.loads(sys.argv[1])

def cowl(*words):
    return subprocess.run([*argv, *words], capture_output=True, text=True)

subprocess.Popen([*argv, "run", "--name", "victim", "armed", "sleep", "600"], stdout=subprocess.DEVNULL)
for _ in range(200):
    shown = cowl("inspect", "victim")
    state = json.loads(shown.stdout)[0]["State"] if shown.returncode == 0 else {}
    if state.get("Running"):
        break
    time.sleep(0.05)
victim = state["Pid"]
others = [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) not in (1, os.getpid())]
for pid in others:
    try:
        os.kill(pid, 9)
    except ProcessLookupError:
        pass
while os.path.exists(f"/proc/{victim}"):
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        pass
    time.sleep(0.01)
for _ in range(100):
    with open("/proc/sys/kernel/ns_last_pid", "w") as file:
        file.write(str(victim - 1))
    stranger = subprocess.Popen(["sleep", "600"])
    if stranger.pid == victim:
        break
    stranger.kill(); stranger.wait()
assert stranger.pid == victim
code = "import cowl, os; cowl.Engine(os.environ['COWL_ROOT']).container('victim').kill()"
subprocess.run([*argv[: argv.index("-c")], "-c", code], capture_output=True)
assert cowl("exec", "victim", "true").returncode != 0
assert cowl("ps", "-q").stdout == ""
assert cowl("rm", "-f", "victim").returncode == 0
time.sleep(0.1)
assert stranger.poll() is None
print("alive")
"""


def test_the_next_bearer_of_a_pid_is_left_alone(rooted: Caller) -> None:
    """In a pid namespace of its own, where a number can be had again: killed, entered, removed; never it."""
    if not shutil.which("unshare"):
        pytest.skip("needs unshare of util-linux")
    words = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", sys.executable, "-c", REUSE]
    argv = json.dumps(rooted.argv())
    done = subprocess.run([*words, argv], env=rooted.env, capture_output=True, timeout=120, check=False)
    assert done.stdout == b"alive\n", done.stderr.decode()


def test_no_crash_leaves_a_mount(armed: Caller) -> None:
    """kill -9 of the command at any moment of a start: the host's table never changes, nothing stays."""
    before = mount_table()
    for step in range(12):
        bare = ("--userns", "host") if armed.name == "root" and step % 3 == 0 else ()
        words = armed.argv("run", "--rm", "-v", "shared:/v", "--read-only", *bare, BASE, "sleep", "60")
        running = subprocess.Popen(words, env=armed.env, cwd=armed.home, stdin=subprocess.DEVNULL)
        time.sleep(0.015 * step)
        assert mount_table() == before
        running.send_signal(signal.SIGKILL)
        running.wait()
    assert armed.text("ps", "-q") == ""
    assert mount_table() == before
    deadline = time.monotonic() + 20
    while any(armed.text("ps", "-aq")) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert armed.text("ps", "-aq") == ""
