"""What all tests share: who calls (root, an ordinary user), a busybox root file system, the run's header."""

from __future__ import annotations

import contextlib
import io
import os
import platform
import shutil
import signal
import sqlite3
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from tests.caller import ORDINARY_ID, Caller

import cowl

# What a shell starts in the background ignores these, and so would all that the tests start and interrupt.
for number in (signal.SIGINT, signal.SIGQUIT):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)

settings.register_profile("patient", deadline=None)  # a busy machine is no failure
settings.load_profile("patient")

BUSYBOX = next((path for path in ("/bin/busybox", "/usr/bin/busybox") if os.path.exists(path)), "")
TOOLS = ("skopeo", "umoci", "crun", "runc", "docker-registry", "mmdebstrap", "gcc", "tmux")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--faults", choices=("short", "long"), default="short", help="how long the fault tests run"
    )
    parser.addoption(
        "--ecosystems", action="store_true", help="build the examples of examples/ecosystems too"
    )


def pytest_report_header() -> list[str]:
    present = [tool for tool in TOOLS if shutil.which(tool)]
    missing = [tool for tool in TOOLS if tool not in present]
    return [
        f"cowl {cowl.__version__}, Linux {platform.release()}, euid {os.geteuid()}, {os.cpu_count()} cpus",
        f"oracles: {' '.join(present)}" + (f"; missing: {' '.join(missing)}" if missing else ""),
    ]


def _ordinary_python(shared: Path) -> tuple[list[str], dict[str, str]]:
    """An interpreter and a copy of cowl and its libraries that any user may read."""
    code = shared / "code"
    if not code.exists():
        code.mkdir(parents=True)
        shutil.copytree(
            Path(cowl.__file__).parent, code / "cowl", ignore=shutil.ignore_patterns("__pycache__")
        )
        for library in ("isal", "backports", "urllib3", "rich"):
            found = [Path(entry) / library for entry in sys.path if (Path(entry) / library).is_dir()]
            if found:
                shutil.copytree(found[0], code / library)
        subprocess.run(["chmod", "-R", "a+rX", str(shared)], check=True)
    for python in (sys.executable, "/usr/bin/python3"):
        probe = [
            "setpriv",
            f"--reuid={ORDINARY_ID}",
            f"--regid={ORDINARY_ID}",
            "--clear-groups",
            python,
            "-c",
            # also a child that it starts by its name: setpriv itself keeps root's rights up to the exec
            "import subprocess, sys; subprocess.run([sys.executable, '-c', ''], check=True)",
        ]
        if subprocess.run(probe, capture_output=True, check=False).returncode == 0:
            return [python, "-s"], {"PYTHONPATH": str(code), "PYTHONDONTWRITEBYTECODE": "1"}
    pytest.skip("no Python interpreter here that an ordinary user may run")


@pytest.fixture(scope="session")
def shared_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory that every user can reach (pytest's own are private to their maker)."""
    path = Path("/tmp") / f"cowl-tests-{os.getpid()}"
    path.mkdir(mode=0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def root_caller(shared_dir: Path, request: pytest.FixtureRequest) -> Iterator[Caller]:
    """The user who runs the tests, when that is root."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    yield from _caller("root", shared_dir, [], [sys.executable], {})


@pytest.fixture
def ordinary_caller(shared_dir: Path) -> Iterator[Caller]:
    """An ordinary user without subuid ranges."""
    if os.geteuid() != 0:
        yield from _caller("ordinary", shared_dir, [], [sys.executable], {})
        return
    python, env = _ordinary_python(shared_dir)
    prefix = ["setpriv", f"--reuid={ORDINARY_ID}", f"--regid={ORDINARY_ID}", "--clear-groups"]
    yield from _caller("ordinary", shared_dir, prefix, python, env)


@pytest.fixture(params=["root", "ordinary"])
def caller(request: pytest.FixtureRequest) -> Caller:
    """Each test twice: as root and as an ordinary user."""
    found: Caller = request.getfixturevalue(f"{request.param}_caller")
    return found


def _caller(
    name: str, shared: Path, prefix: list[str], python: list[str], env: dict[str, str]
) -> Iterator[Caller]:
    home = shared / f"home-{name}-{os.urandom(4).hex()}"
    home.mkdir()
    if prefix:
        os.chown(home, ORDINARY_ID, ORDINARY_ID)
    found = Caller(name, home, prefix, python, env)
    yield found
    for database in (*home.glob("*/cowl.db"), *home.glob("*/*/*/cowl.db")):
        _clear_networks(database.parent)
    shutil.rmtree(home, ignore_errors=True)


def _clear_networks(root: Path) -> None:
    """Bridges and rules outlive containers and stores, which is one too long here."""
    from cowl.container.networks.ground import bridge_name, table_name
    from cowl.store.network_record import NetworkRecord

    if os.geteuid() != 0 or not (root / "cowl.db").is_file():
        return
    with contextlib.suppress(sqlite3.Error):
        with contextlib.closing(sqlite3.connect(root / "cowl.db")) as database:
            rows = database.execute("SELECT id, name FROM networks").fetchall()
        for identity, name in rows:
            bridge = bridge_name(str(root), NetworkRecord(identity, name, "", ""))
            subprocess.run(["ip", "link", "delete", bridge], capture_output=True, check=False)
        if rows:
            table = ["nft", "delete", "table", "ip", table_name(str(root))]
            subprocess.run(table, capture_output=True, check=False)


def busybox_rootfs_tar(path: Path) -> Path:
    """A root file system of busybox, its links, root and node users, as a tar at `path`."""
    listed = subprocess.run([BUSYBOX, "--list"], capture_output=True, text=True, check=True).stdout.split()
    texts = {
        "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnode:x:1000:1000::/home/node:/bin/sh\n",
        "etc/group": "root:x:0:\nnode:x:1000:\nextra:x:2000:node\n",
    }
    with tarfile.open(path, "w") as tar:
        for name, mode in (("bin", 0o755), ("etc", 0o755), ("root", 0o700), ("tmp", 0o1777)):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode, entry.mtime = tarfile.DIRTYPE, mode, 1_000_000_000
            tar.addfile(entry)
        for name, text in texts.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.mtime = len(text), 0o644, 1_000_000_000
            tar.addfile(entry, io.BytesIO(text.encode()))
        with open(BUSYBOX, "rb") as program:
            entry = tarfile.TarInfo("bin/busybox")
            entry.size, entry.mode = os.fstat(program.fileno()).st_size, 0o755
            tar.addfile(entry, program)
        for applet in listed:
            if applet != "busybox":
                entry = tarfile.TarInfo(f"bin/{applet}")
                entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
                tar.addfile(entry)
    return path


@pytest.fixture(scope="session")
def busybox_tar(shared_dir: Path) -> Path:
    """The tar of `busybox_rootfs_tar`, readable by all users."""
    if not BUSYBOX:
        pytest.skip("needs Debian's package busybox-static")
    path = busybox_rootfs_tar(shared_dir / "busybox.tar")
    path.chmod(0o644)
    return path
