"""Tars for the tests, entry by entry; users to unpack them as; trees as comparable values."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import stat
import tarfile
from collections.abc import Callable, Iterable
from typing import Any

from cowl.errors import CowlError

ORDINARY_ID = 64321
T0 = 1_000_000_000


def entry(
    name: str, data: bytes = b"", *, kind: bytes = tarfile.REGTYPE, link: str = "", **fields: Any
) -> tuple[tarfile.TarInfo, bytes]:
    """One entry; `fields` are those of TarInfo."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size, info.mtime = kind, link, len(data), T0
    info.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
    for key, value in fields.items():
        setattr(info, key, value)
    return info, data


def folder(name: str, **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    return entry(name, kind=tarfile.DIRTYPE, **fields)


def symlink(name: str, target: str, **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    return entry(name, kind=tarfile.SYMTYPE, link=target, **fields)


def hardlink(name: str, target: str, **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    return entry(name, kind=tarfile.LNKTYPE, link=target, **fields)


def tar(*entries: tuple[tarfile.TarInfo, bytes], kind: int = tarfile.PAX_FORMAT) -> bytes:
    """The tar of these entries."""
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w", format=kind, errors="surrogateescape") as archive:
        for info, data in entries:
            archive.addfile(info, io.BytesIO(data))
    return sink.getvalue()


def as_ordinary(work: Callable[[], Any]) -> Any:
    """What `work` gives, or raises, in a process of an ordinary user; without forking if we are one."""
    if os.geteuid() != 0:
        return work()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setresgid(ORDINARY_ID, ORDINARY_ID, ORDINARY_ID)
            os.setresuid(ORDINARY_ID, ORDINARY_ID, ORDINARY_ID)
            try:
                answer = (True, work())
            except BaseException as error:  # noqa: BLE001
                answer = (False, (type(error), str(error)))
            with open(writer, "wb") as sink:
                pickle.dump(answer, sink)
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader, "rb") as source:
        raw = source.read()
    os.waitpid(child, 0)
    good, value = pickle.loads(raw)
    if good:
        return value
    kind, message = value
    failure = kind.__new__(kind)
    (CowlError if issubclass(kind, CowlError) else Exception).__init__(failure, message)
    raise failure


def as_user(user: str, work: Callable[[], Any]) -> Any:
    """Runs as "root" (the tests' own user) or as "ordinary"."""
    return work() if user == "root" else as_ordinary(work)


def snapshot(top: str, *, identity: bool = False) -> dict[str, tuple[Any, ...]]:
    """Every node of a tree: kind, mode, owner, links, time, content or target, xattrs."""
    found = {}
    for directory, names, files in os.walk(top):
        for name in [".", *names, *files] if directory == top else [*names, *files]:
            path = os.path.join(directory, name)
            status = os.lstat(path)
            content: Any = ""
            if stat.S_ISREG(status.st_mode):
                with open(path, "rb") as source:
                    content = hashlib.sha256(source.read()).hexdigest()
            elif stat.S_ISLNK(status.st_mode):
                content = os.readlink(path)
            elif stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode):
                content = status.st_rdev
            links = status.st_nlink if not stat.S_ISDIR(status.st_mode) else 0
            found[os.path.normpath(os.path.relpath(path, top))] = (
                oct(status.st_mode),
                status.st_uid,
                status.st_gid,
                links,
                status.st_mtime_ns,
                content,
                tuple(_xattrs(path)),
                status.st_ino if identity else 0,
            )
    return found


def _xattrs(path: str) -> Iterable[tuple[str, bytes]]:
    for name in sorted(os.listxattr(path, follow_symlinks=False)):
        yield name, os.getxattr(path, name, follow_symlinks=False)
