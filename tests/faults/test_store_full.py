"""A store on a full disk: typed errors, nothing half-made, and it can still delete."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount a small file system")

# What is mounted at $1, inside a mount namespace of its own that ends with the process.
_MOUNTS = {
    "tmpfs": 'mount -t tmpfs -o size=64m none "$1"',
    "ext4": 'truncate -s 64M "$1.img" && mkfs.ext4 -q -m 0 "$1.img" && mount -o loop "$1.img" "$1"',
}


@needs_root
@pytest.mark.root
@pytest.mark.parametrize("kind", ["tmpfs", "ext4"])
@pytest.mark.parametrize("story", ["layer", "rows", "deletion", "opening", "plans", "snapshots", "volumes"])
def test_on_a_full_disk(tmp_path: Path, kind: str, story: str) -> None:
    mount = tmp_path / "small"
    mount.mkdir()
    shell = f'{_MOUNTS[kind]} && exec "$2" -m tests.faults.full_store "$3" "$1"'
    done = subprocess.run(
        ["unshare", "-m", "--propagation", "private", "sh", "-ec", shell, "sh", mount, sys.executable, story],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stdout + done.stderr
