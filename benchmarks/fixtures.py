"""What the workloads work on: a small base image and the seed's build context."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile

SEED = os.path.join(os.path.dirname(__file__), "..", "examples", "seed")


def busybox() -> str:
    """The path of Debian's static busybox."""
    for path in ("/bin/busybox", "/usr/bin/busybox"):
        if os.path.exists(path):
            return path
    raise SystemExit("benchmarks need Debian's package busybox-static")


def base_tar(path: str) -> str:
    """A root file system of busybox and its links, as a tar at `path`."""
    applets = subprocess.run([busybox(), "--list"], capture_output=True, text=True, check=True).stdout.split()
    with tarfile.open(path, "w") as tar:
        for name, mode in (("bin", 0o755), ("etc", 0o755), ("root", 0o700), ("tmp", 0o1777)):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, mode
            tar.addfile(entry)
        for name, text in (("passwd", "root:x:0:0:root:/root:/bin/sh\n"), ("group", "root:x:0:\n")):
            entry = tarfile.TarInfo(f"etc/{name}")
            entry.size, entry.mode = len(text), 0o644
            tar.addfile(entry, io.BytesIO(text.encode()))
        with open(busybox(), "rb") as program:
            entry = tarfile.TarInfo("bin/busybox")
            entry.size, entry.mode = os.fstat(program.fileno()).st_size, 0o755
            tar.addfile(entry, program)
        for applet in applets:
            if applet != "busybox":
                entry = tarfile.TarInfo(f"bin/{applet}")
                entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
                tar.addfile(entry)
    return path


def stages_context(path: str, base: str) -> str:
    """Two stages that sleep a second each and need nothing of each other, and one that copies from both."""
    os.makedirs(path, exist_ok=True)
    with open(os.path.join(path, "Dockerfile"), "w") as out:
        for name in ("one", "two"):
            out.write(f"FROM {base} AS {name}\nRUN sleep 1; echo {name} > /{name}\n")
        out.write("FROM scratch\nCOPY --from=one /one /\nCOPY --from=two /two /\n")
    return path


def large_context(path: str, base: str) -> str:
    """2,000 files of 1 to 8 kB in 40 directories, copied in one step behind a small one."""
    for number in range(2000):
        folder = os.path.join(path, "files", f"d{number % 40}")
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, f"f{number}"), "wb") as out:
            out.write(b"%d\n" % number * (200 + number % 1400))
    with open(os.path.join(path, "Dockerfile"), "w") as out:
        out.write(f"FROM {base}\nWORKDIR /app\nCOPY files files\n")
    return path


def seed_context(path: str, verbatim: bool) -> str:
    """A copy of the seed's context at `path`; for engines that refuse its inline comment, without it."""
    os.makedirs(path, exist_ok=True)
    with (
        open(os.path.join(SEED, "Dockerfile")) as source,
        open(os.path.join(path, "Dockerfile"), "w") as copy,
    ):
        text = source.read()
        copy.write(text if verbatim else text.replace(" # echo test > hello.txt", ""))
    with open(os.path.join(SEED, "hello.txt")) as source, open(os.path.join(path, "hello.txt"), "w") as copy:
        copy.write(source.read())
    return path
