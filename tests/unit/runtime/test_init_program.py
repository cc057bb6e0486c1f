"""The init's bytes are what its sources assemble to, and a file that the kernel takes."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from cowl.runtime.init_program import NoInit, elf, open_init

SOURCES = Path(__file__).with_name("init_sources")


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_its_sources(machine: str, tmp_path: Path) -> None:
    prefix = "" if os.uname().machine == machine else f"{machine}-linux-gnu-"
    if shutil.which(f"{prefix}as") is None:
        pytest.skip(f"no assembler for {machine} ({prefix}as)")
    made, code = tmp_path / "made.o", tmp_path / "code"
    subprocess.run([f"{prefix}as", str(SOURCES / f"{machine}.s"), "-o", str(made)], check=True)
    subprocess.run([f"{prefix}objcopy", "-O", "binary", "-j", ".text", str(made), str(code)], check=True)
    assert elf(machine)[64 + 2 * 56 :] == code.read_bytes()


def test_the_kernel_takes_it() -> None:
    """Without its child it reaps nobody; what is no number is process 0 to it: it waits for signals."""
    fd = open_init(os.uname().machine)
    with pytest.raises(PermissionError):
        os.write(fd, b"x")
    process = subprocess.Popen(["init", "1"], executable=f"/proc/self/fd/{fd}", pass_fds=(fd,))
    process.kill()
    assert process.wait(timeout=30) == -9
    os.close(fd)
    with pytest.raises(NoInit, match="not available on s390x"):
        elf("s390x")
