"""A hostile payload in a real container, as root's and as an ordinary user's: it gets nowhere."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.caller import ORDINARY_ID, Caller
from tests.mount_table import mount_table

from cowl.linux.credentials import mask
from cowl.linux.override_stat import XATTR, OverrideStat
from cowl.runtime.options import CAPABILITIES

HERE = Path(__file__).parent / "isolation"
DRIVER = (HERE / "driver.py").read_text()
EPERM, EACCES, ENOSYS = 1, 13, 38


class Box:
    """A root file system of busybox, and containers on it, each with an upper of its name."""

    def __init__(self, caller: Caller, tar: Path) -> None:
        self.caller = caller
        self.place = caller.home / "box"
        self.rootfs = self.place / "rootfs"
        self.rootfs.mkdir(parents=True)
        for name in ("proc", "sys", "dev"):
            (self.place / "mountpoints" / name).mkdir(parents=True)
        subprocess.run(["tar", "-xf", str(tar), "-C", str(self.rootfs)], check=True)
        self.settle()

    def settle(self) -> None:
        """Gives everything to the caller, as the store would hold it."""
        if self.caller.name != "root":
            self.caller.give(self.place)

    def add(self, name: str, source: Path | str, mode: int = 0o755) -> None:
        """A file in the image: a copy of a path, or a text."""
        target = self.rootfs / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        if isinstance(source, Path):
            shutil.copy(source, target)
        else:
            target.write_text(source)
        target.chmod(mode)
        self.settle()

    def argv(
        self,
        *args: str,
        name: str = "box",
        uid: int = 0,
        network: str = "none",
        binds: tuple[tuple[str, str], ...] = (),
        terminal: bool = False,
        execs: tuple[tuple[str, ...], ...] = (),
    ) -> list[str]:
        job = {
            "place": str(self.place),
            "name": name,
            "args": args,
            "uid": uid,
            "network": network,
            "binds": binds,
            "terminal": terminal,
            "execs": execs,
        }
        return self.caller.python_argv(DRIVER, json.dumps(job))

    def run(self, *args: str, **options: object) -> list[str]:
        """The lines that a container (or what is executed in it) writes to either stream."""
        done = subprocess.run(
            self.argv(*args, **options),  # type: ignore[arg-type]
            env=self.caller.env,
            cwd=self.caller.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=120,
            check=False,
        )
        text = done.stdout.decode(errors="replace").replace("\r", "")
        assert "Traceback" not in text, text
        return text.splitlines()

    def sh(self, script: str, **options: object) -> list[str]:
        return self.run("sh", "-c", script, **options)

    def spawn(self, *args: str, **options: object) -> subprocess.Popen[bytes]:
        """A container that goes on; ended by its pid when the test ends."""
        return subprocess.Popen(
            self.argv(*args, **options),  # type: ignore[arg-type]
            env=self.caller.env,
            cwd=self.caller.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )


@pytest.fixture
def box(caller: Caller, busybox_tar: Path) -> Box:
    return Box(caller, busybox_tar)


def compiled(source: str, target: Path, *flags: str) -> Path:
    if not shutil.which("gcc"):
        pytest.skip("needs gcc to build the attacks")
    command = ["gcc", "-O1", "-static", *flags, "-o", str(target), str(HERE / source)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    if built.returncode != 0:
        pytest.skip(f"gcc can't link statically here: {built.stderr[-200:]}")
    return target


@pytest.fixture(scope="session")
def attacks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled("attacks.c", tmp_path_factory.mktemp("attacks") / "attacks")


@pytest.fixture(scope="session")
def loader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    flags = ("-nostdlib", "-nostartfiles", "-fno-stack-protector")
    return compiled("loader.c", tmp_path_factory.mktemp("loader") / "loader", *flags)


@pytest.fixture
def armed(box: Box, attacks: Path) -> Box:
    box.add("attacks", attacks)
    return box


def table(lines: list[str]) -> dict[str, int]:
    return {name: int(value) for name, value in (line.split() for line in lines)}


# Rights (threats 30, 33, 34)


@pytest.mark.parametrize("way", ["run", "exec"])
@pytest.mark.parametrize("uid", [0, 1000])
def test_capabilities_no_new_privs_and_filter(box: Box, uid: int, way: str) -> None:
    script = ("sh", "-c", "grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status")
    lines = box.run(*script, uid=uid) if way == "run" else box.run("sleep", "60", uid=uid, execs=(script,))
    status = dict(line.split(":\t") for line in lines)
    default = mask(CAPABILITIES)
    assert int(status["CapInh"], 16) == 0
    assert int(status["CapAmb"], 16) == 0
    assert int(status["CapBnd"], 16) == default
    assert int(status["CapEff"], 16) == (default if uid == 0 else 0)
    assert int(status["CapPrm"], 16) == (default if uid == 0 else 0)
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")


@pytest.mark.parametrize("way", ["run", "exec"])
@pytest.mark.parametrize("uid", [0, 1000])
def test_refused_system_calls(armed: Box, uid: int, way: str) -> None:
    attack = ("/attacks", "calls")
    lines = (
        armed.run(*attack, uid=uid) if way == "run" else armed.run("sleep", "60", uid=uid, execs=(attack,))
    )
    answers = table(lines)
    assert len(answers) >= 48
    missing = {"clone3", "unknown", "x32_getpid", "x32_unshare"}
    for name, error in answers.items():
        expected = {0} if name == "getpid" else {ENOSYS} if name in missing else {EPERM}
        if name.startswith("mknod") and uid != 0:
            expected.add(EACCES)  # the directory is not this user's
        assert error in expected, (name, error)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="int 0x80 is of x86")
def test_a_32_bit_call_kills(armed: Box) -> None:
    assert armed.run("/attacks", "int80") == [f"signal {int(signal.SIGSYS)}"]


def test_a_terminal_is_fresh_and_takes_no_input_from_inside(armed: Box) -> None:
    answers = table(armed.run("/attacks", "calls", terminal=True))
    for name in ("tiocsti", "tiocsti_high", "tioclinux", "tioclinux_high"):
        assert answers[name] == EPERM
    assert armed.sh("tty; ls /dev/pts", terminal=True) == ["/dev/pts/0", "0", "ptmx"] or armed.sh(
        "tty", terminal=True
    ) == ["/dev/pts/0"]


def test_set_id_programs_give_nothing(box: Box) -> None:
    script = "cp /bin/busybox /busybox-s; chmod 4755 /busybox-s; ls -ln /busybox-s | cut -c1-10"
    assert box.sh(script) == ["-rwsr-xr-x"]
    assert box.run("/busybox-s", "id", "-u", uid=1000) == ["1000"]


# Kernel interfaces (threats 32, 35)


@pytest.mark.parametrize("network", ["none", "host"])
def test_the_kernel_s_files_can_not_be_written(box: Box, network: str) -> None:
    targets = [
        "/proc/sys/kernel/core_pattern",
        "/proc/sys/kernel/modprobe",
        "/proc/sys/kernel/hostname",
        "/proc/sys/vm/drop_caches",
        "/proc/sys/net/ipv4/ip_forward",
        "/proc/sysrq-trigger",
        "/proc/irq/default_smp_affinity",
        "/proc/bus/pci/devices",
        "/sys/kernel/uevent_helper",
        "/sys/kernel/mm/transparent_hugepage/enabled",
        "/sys/fs/cgroup/cgroup.procs",
        "/sys/fs/cgroup/release_agent",
        "/sys/fs/cgroup/notify_on_release",
    ]
    script = f"for name in {' '.join(targets)}; do (echo 1 > $name) 2>/dev/null && echo $name; done; true"
    assert box.sh(script, network=network) == []
    # Nothing at all of /sys can be opened for writing.
    script = "find /sys -type f | while read name; do (: >> $name) 2>/dev/null && echo $name; done; true"
    assert box.sh(script, network=network) == []


@pytest.mark.parametrize("network", ["none", "host"])
def test_masked_paths_are_empty_and_unwritable(box: Box, network: str) -> None:
    from cowl.runtime.spec import MASKED_PATHS

    paths = (*MASKED_PATHS, "/sys/devices/system/cpu/cpu0/thermal_throttle")
    script = f"""
        for path in {" ".join(paths)}; do
            test -e $path || continue
            if test -d $path; then ls -A $path; (: > $path/x) 2>/dev/null && echo made $path
            else cat $path; fi
        done; true
    """
    assert box.sh(script, network=network) == []


def test_only_the_known_devices_are_there(box: Box) -> None:
    found = set(box.sh("find /dev -type b -o -type c -o -type p -o -type s"))
    known = {f"/dev/{name}" for name in ("null", "zero", "full", "random", "urandom", "tty", "pts/ptmx")}
    assert found == known


def test_no_mount_is_shared_with_the_host(box: Box) -> None:
    before = mount_table()
    running = box.spawn("sh", "-c", "cat /proc/self/mountinfo; echo end; sleep 60")
    try:
        assert running.stdout is not None
        inside = []
        while (line := running.stdout.readline().decode()) and line != "end\n":
            inside.append(line)
        assert inside
        during = mount_table()
        keeper = mount_table(str(running.pid))
    finally:
        running.kill()
        running.wait()
    assert before == during == keeper == mount_table()
    assert not any("shared:" in line or "master:" in line for line in inside)
    assert not any(str(box.place) in line for line in inside)


# Files and processes of others (threats 26, 27, 31)


@pytest.mark.parametrize("way", ["run", "exec"])
def test_only_three_descriptors(armed: Box, way: str) -> None:
    attack = ("/attacks", "descriptors")
    lines = armed.run(*attack) if way == "run" else armed.run("sleep", "60", execs=(attack,))
    assert lines == ["descriptors 0"]


def test_the_way_out_of_a_chroot_ends_at_the_root(armed: Box) -> None:
    canary = armed.caller.home / "canary"
    canary.write_text("host")
    assert table(armed.run("/attacks", "chroot", str(canary))) == {"own": 0, "host": 2}


@pytest.mark.parametrize("uid", [0, 1000])
def test_a_process_that_enters_can_not_be_reached(armed: Box, uid: int) -> None:
    """What exec puts into a container is the host's Python for a moment: a watcher finds it closed."""
    lines = armed.run("/attacks", "watch", "3000", uid=uid, execs=(("/bin/true",),) * 15)
    assert "seen" in lines
    for line in lines:
        what, _, value = line.partition(" ")
        if what == "link":
            assert value.split(" ", 1)[1] in ("/", "/bin/busybox"), lines
        elif what in ("memory", "traced"):
            assert value in ("/bin/busybox", "gone"), lines
        else:
            assert line in ("seen", "writable /bin/busybox", "writable /"), lines


def test_containers_see_nothing_of_each_other(box: Box) -> None:
    marker = f"marker{os.urandom(4).hex()}"
    other = box.spawn(
        "sh", "-c", f"echo {marker} > /{marker}; echo ready; exec sleep 6{os.getpid()}", name="other"
    )
    try:
        assert other.stdout is not None and other.stdout.readline() == b"ready\n"
        assert (box.place / "other/upper" / marker).exists()
        script = f"ls -d /{marker}; cat /proc/[0-9]*/cmdline | tr '\\0' ' '; find / -name {marker}; hostname"
        lines = box.sh(script)
        assert not [line for line in lines if f"sleep 6{os.getpid()}" in line], lines
        assert f"/{marker}" not in lines
        assert "box" in lines
        assert box.sh("kill -9 -1; ls -d /proc/[0-9]* | wc -l")[-1] in ("2", "3", "4")
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_the_host_s_processes_can_not_be_signalled_or_seen(box: Box) -> None:
    assert box.sh("ls -d /proc/[0-9]* | wc -l; readlink /proc/1/exe") == ["3", "/bin/busybox"]
    assert box.sh(f"kill -0 {os.getpid()} 2>/dev/null && echo seen; true") == []


def test_network_none_has_only_a_loopback(box: Box) -> None:
    assert box.sh("ls /sys/class/net; cat /proc/net/unix | tail -n +2 | wc -l") == ["lo", "0"]


# Links in the image where the kernel's file systems belong (threat 28)


@pytest.mark.parametrize("name", ["proc", "sys", "dev"])
def test_a_link_as_a_mount_target_is_refused(box: Box, name: str) -> None:
    canary = box.caller.home / "canary"
    canary.mkdir()
    (box.rootfs / name).symlink_to(f"../../../..{canary}")
    box.settle()
    before = mount_table()
    done = subprocess.run(
        box.argv("true"), env=box.caller.env, capture_output=True, cwd=box.caller.home, check=False
    )
    assert done.returncode != 0
    assert b"MountTargetRefused" in done.stderr or b"not a directory in the image" in done.stderr
    assert mount_table() == before
    assert list(canary.iterdir()) == []


# The host's executable (threat 27)


@pytest.fixture
def own_python(ordinary_caller: Caller) -> Iterator[tuple[Caller, Path]]:
    """An ordinary user whose Python is a file of their own, as pyenv, conda or uv install it."""
    system = Path("/usr/bin/python3").resolve()
    if not system.exists():
        pytest.skip("needs a system Python that every user may run")
    python = ordinary_caller.home / "python"
    shutil.copy(system, python)
    python.chmod(0o755)
    if os.geteuid() == 0:
        os.chown(python, ORDINARY_ID, ORDINARY_ID)
    env = {**ordinary_caller.env, "PYTHONHOME": "/usr"}
    if "PYTHONPATH" not in env:
        env["PYTHONPATH"] = str(Path(sys.modules["cowl"].__file__ or "").parent.parent)
    prefix = ordinary_caller._prefix
    caller = Caller("ordinary", ordinary_caller.home, prefix, [str(python), "-s"], env)
    probe = caller.python("import cowl.runtime.embedded")
    if probe.returncode != 0:
        pytest.skip(f"a copied Python does not start here: {probe.stderr[-200:]!r}")
    yield caller, python


def interpreter_of(program: Path) -> str:
    """The dynamic loader that an ELF file names."""
    found = re.search(rb"/lib[\w/.-]*/ld-[\w.-]+", program.read_bytes())
    if found is None:
        pytest.skip(f"{program} is linked statically")
    return found[0].decode()


def trap(box: Box, python: Path, attacks: Path, loader: Path) -> None:
    """An image whose program is `#!/proc/self/exe`, with a false loader for it."""
    box.add("attacks", attacks)
    box.add(interpreter_of(python).lstrip("/"), loader)
    box.add("evil", "#!/proc/self/exe\n")


def test_the_host_s_executable_can_not_be_written(
    caller: Caller, busybox_tar: Path, attacks: Path, loader: Path
) -> None:
    done = caller.python("import os; print(os.readlink('/proc/self/exe'))")
    python = Path(done.stdout.decode().strip())
    digest = hashlib.sha256(python.read_bytes()).digest()
    box = Box(caller, busybox_tar)
    trap(box, python, attacks, loader)
    lines = box.run("/evil")
    assert not [line for line in lines if line.startswith("overwritten") and line != "overwritten -1"], lines
    assert hashlib.sha256(python.read_bytes()).digest() == digest


def test_an_own_python_survives_the_end_of_all_of_cowl(
    own_python: tuple[Caller, Path], busybox_tar: Path, attacks: Path, loader: Path
) -> None:
    """While it runs the kernel refuses writers (ETXTBSY, not on Linux 6.11 and 6.12): so kill all at once."""
    caller, python = own_python
    digest = hashlib.sha256(python.read_bytes()).digest()
    box = Box(caller, busybox_tar)
    trap(box, python, attacks, loader)
    for _ in range(40):
        running = box.spawn("/evil")
        assert running.stdout is not None
        began = running.stdout.readline()
        ours = [pid for pid in [running.pid, *descendants(running.pid)] if not is_payload(pid)]
        for pid in ours:
            os.kill(pid, signal.SIGKILL)
        rest = running.stdout.read()
        running.wait()
        running.stdout.close()
        assert began == b"began\n", began + rest
        assert hashlib.sha256(python.read_bytes()).digest() == digest, rest


def descendants(pid: int) -> list[int]:
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    children = [int(word) for word in text.split()]
    return [*children, *(each for child in children for each in descendants(child))]


def is_payload(pid: int) -> bool:
    """Whether it is the attack, which is left to race."""
    return Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"/attacks\0")


# Owners where there is one id


def test_installers_change_owners_as_they_like(ordinary_caller: Caller, busybox_tar: Path) -> None:
    box = Box(ordinary_caller, busybox_tar)
    script = """
        set -e
        mkdir -p /app/lib; echo x > /app/lib/file; ln -s file /app/lib/link
        chown -R 1000:1000 /app
        chown -h node:node /app/lib/link
        chown node /etc/passwd
        tar -cf /tmp/app.tar -C / app
        mkdir /there; cd /there
        printf 'x' > mine; chmod 640 mine
        tar -cf /tmp/root.tar mine
        echo 'someone:x:1234:1234::/:/bin/sh' >> /etc/passwd
        su someone -c 'echo as someone'
        cp mine installed; chown 33:33 installed; chmod 600 installed
        echo done
    """
    assert box.sh(script)[-2:] == ["as someone", "done"]
    upper = box.place / "box/upper"

    def record(name: str) -> OverrideStat:
        return OverrideStat.parse(os.getxattr(upper / name, XATTR))

    assert record("app") == OverrideStat(1000, 1000, 0o755)
    assert record("app/lib/file") == OverrideStat(1000, 1000, 0o644)
    assert record("etc/passwd").uid == 1000
    installed = record("there/installed")
    assert (installed.uid, installed.gid) == (33, 33)
    assert installed.mode_now((upper / "there/installed").stat().st_mode, directory=False) == 0o600


def test_tar_restores_owners(ordinary_caller: Caller, busybox_tar: Path, tmp_path: Path) -> None:
    import tarfile

    path = tmp_path / "owned.tar"
    with tarfile.open(path, "w") as tar:
        for name, uid, mode in (("a", 5, 0o644), ("b", 0, 0o600), ("c", 1000, 0o4755)):
            entry = tarfile.TarInfo(name)
            entry.uid, entry.gid, entry.mode = uid, uid + 1, mode
            tar.addfile(entry)
    box = Box(ordinary_caller, busybox_tar)
    box.add("owned.tar", path, 0o644)
    assert box.sh("mkdir /out && tar -xpf /owned.tar -C /out && echo done") == ["done"]
    out = box.place / "box/upper/out"
    for name, uid, mode in (("a", 5, 0o644), ("b", 0, 0o600), ("c", 1000, 0o4755)):
        record = OverrideStat.parse(os.getxattr(out / name, XATTR))
        assert (record.uid, record.gid) == (uid, uid + 1)
        assert record.mode_now((out / name).stat().st_mode, directory=False) == mode


def test_an_ordinary_process_may_not_give_files_away(ordinary_caller: Caller, busybox_tar: Path) -> None:
    box = Box(ordinary_caller, busybox_tar)
    lines = box.sh("chown 5 /etc/passwd 2>/dev/null || echo refused", uid=1000)
    assert lines == ["refused"]
