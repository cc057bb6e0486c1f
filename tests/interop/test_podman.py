"""podman with cowl-runtime as its OCI runtime, beside podman with runc: the same answers."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

RUNTIMES = ("cowl-runtime", "runc")
# As far as an engine in a container may raise limits.
USUAL = ("--network=none", "--ulimit=nofile=256:512", "--ulimit=nproc=512:1024")


class Podman:
    """podman with a store of its own."""

    def __init__(self, home: Path) -> None:
        program = home / "cowl-runtime"
        program.write_text(f"#!{sys.executable}\nfrom cowl.oci_cli.main import main\nmain()\n")
        program.chmod(0o755)
        config = home / "containers.conf"
        config.write_text(f'[engine.runtimes]\ncowl-runtime = ["{program}"]\n')
        self._env = {**os.environ, "CONTAINERS_CONF": str(config)}
        self._words = ["podman", "--root", f"{home}/root", "--runroot", f"{home}/run"]
        self._words += ["--storage-driver", "vfs", "--cgroup-manager", "cgroupfs"]

    def call(self, runtime: str, *words: str, stdin: bytes = b"") -> tuple[int, bytes]:
        """The exit status and what was printed."""
        done = subprocess.run(
            [*self._words, "--runtime", runtime, *words],
            env=self._env,
            input=stdin,
            capture_output=True,
            check=False,
            timeout=120,
        )
        assert b"Traceback" not in done.stderr, done.stderr.decode()
        assert done.returncode != 125, f"{words}: {done.stderr.decode()}"
        return done.returncode, done.stdout


@pytest.fixture(scope="module")
def podman(busybox_tar: Path) -> Iterator[Podman]:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    if not all(shutil.which(name) for name in ("podman", "runc")):
        pytest.skip("needs Debian's packages podman and runc")
    home = Path(tempfile.mkdtemp(prefix="cowl-podman-", dir="/tmp"))  # podman wants it short
    found = Podman(home)
    status, _ = found.call("runc", "import", str(busybox_tar), "bb")
    assert status == 0
    if found.call("runc", "run", "--rm", *USUAL, "bb", "true")[0] != 0:
        pytest.skip("podman runs no container with runc here")
    yield found
    found.call("runc", "rm", "-f", "-a", "-t", "0")
    found.call("runc", "rmi", "-f", "-a")
    shutil.rmtree(home)
    for path in Path("/sys/fs/cgroup").glob("**/libpod_parent"):
        _remove_empty(path)


def _remove_empty(group: Path) -> None:
    """A cgroup that podman leaves; another's use of it keeps it."""
    for path, _, _ in os.walk(group, topdown=False):
        try:
            os.rmdir(path)
        except OSError:
            return


RUNS = (
    (("-i",), ("sh", "-c", "cat; id; hostname; echo $$; exit 3")),
    (("-u", "1000:1000", "--read-only", "--tmpfs", "/t"), ("sh", "-c", "id; touch /y; touch /t/yes; ls /t")),
    (
        ("--uidmap", "0:100000:65536", "--gidmap", "0:100000:65536"),
        ("sh", "-c", "cat /proc/self/uid_map; id"),
    ),
    (
        ("--cap-add", "NET_ADMIN", "--cap-drop", "CHOWN", "--security-opt", "no-new-privileges"),
        ("grep", "-E", "^(Cap|NoNewPrivs|Seccomp:)", "/proc/self/status"),
    ),
    (("--sysctl", "kernel.msgmax=9000", "--pids-limit", "44"), ("cat", "/proc/sys/kernel/msgmax")),
    (("--privileged",), ("sh", "-c", "grep CapEff /proc/self/status; ls /dev | grep -c .")),
    ((), ("/no/such",)),
    ((), ("/etc/passwd",)),
)


@pytest.mark.parametrize(("options", "command"), RUNS)
def test_runs_are_as_with_runc(podman: Podman, options: tuple[str, ...], command: tuple[str, ...]) -> None:
    words = ("run", "--rm", "--hostname", "box", *USUAL, *options, "bb", *command)
    ours, theirs = (podman.call(runtime, *words, stdin=b"word\n") for runtime in RUNTIMES)
    assert ours == theirs


def test_a_detached_container_is_as_with_runc(podman: Podman) -> None:
    told = []
    for runtime in RUNTIMES:
        podman.call(runtime, "run", "-d", "--name", runtime, *USUAL, "bb", "sleep", "600")
        told.append(
            [
                podman.call(runtime, "exec", runtime, "sh", "-c", "echo inside; exit 4"),
                podman.call(runtime, "exec", "-t", runtime, "tty"),
                podman.call(runtime, "pause", runtime)[0],
                podman.call(runtime, "inspect", "--format", "{{.State.Status}}", runtime),
                podman.call(runtime, "unpause", runtime)[0],
                podman.call(runtime, "kill", runtime)[0],
                podman.call(runtime, "wait", runtime),
                podman.call(runtime, "start", runtime)[0],
                podman.call(runtime, "rm", "-f", "-t", "0", runtime)[0],
            ]
        )
    assert told[0] == told[1]
