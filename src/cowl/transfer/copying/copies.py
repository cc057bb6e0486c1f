"""`docker cp`, both ways: which rules say what is meant, and who reads and writes it."""

from __future__ import annotations

from cowl.transfer.copying import host, rules
from cowl.transfer.copying.failures import CannotCopy, NoSuchFile
from cowl.transfer.copying.rules import Place
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

    from cowl.transfer.copying.session import Pipe, Session

_CHUNK = 1 << 20


class Copied(Value):
    """What a copy was: the bytes of its files, and those that were moved for that, headers included.

    path  where it went, as it was understood
    """

    content_bytes: int
    transferred_bytes: int
    path: str


def copy_in(session: Session, source: str, path: str, *, archive: bool, follow: bool) -> Copied:
    """A file or directory of the host, at an absolute path, to `path` of the container.

    Raises NoSuchFile, CannotCopy, InTheWay, ReadOnlyPlace, DeviceRefused, Denied, Unavailable.
    """
    target = _container_target(session, path)
    place = host.source_place(source, follow=follow)
    directory, name = rules.arrange(place, target)
    content, moved = host.content_bytes(place), 0

    def fill(pipe: Pipe) -> None:
        nonlocal moved
        try:
            host.write_tar(place, name, pipe)
        finally:
            moved = pipe.count

    session.put(rules.plain(directory), fill, archive=archive)
    return Copied(content, moved, target.path)


def extract_in(session: Session, stream: BinaryIO, path: str, *, archive: bool = True) -> Copied:
    """A tar, perhaps compressed, made into files in the directory `path`. Owners are those that it says."""
    from cowl.layer.compression import open_decompressed

    target = _container_target(session, path)
    if not target.directory:
        raise CannotCopy(f'destination "{session.container}:{path}" must be a directory')
    plain, moved = open_decompressed(stream), 0

    def fill(pipe: Pipe) -> None:
        nonlocal moved
        try:
            while data := plain.read(_CHUNK):
                pipe.write(data)
        finally:
            moved = pipe.count

    session.put(target.path, fill, archive=archive)
    return Copied(moved, moved, target.path)


def _container_target(session: Session, path: str) -> Place:
    """A link at the end is followed. What can't be looked at may yet be made."""
    wanted = rules.plain(path)
    try:
        found = session.stat(wanted)
        if found.is_link:
            wanted = found.link
            found = session.stat(wanted)
    except NoSuchFile:
        return Place(wanted, False)
    if (why := host.refused_target(found.mode)) is not None:
        told = f'destination "{session.container}:{path}" must be a directory or a regular file'
        raise CannotCopy(f"{told}: {why}")
    return Place(wanted, True, found.is_directory)


def copy_out(session: Session, path: str, dest: str, *, archive: bool, follow: bool) -> Copied:
    """What is at `path` of the container to an absolute path of the host. Raises as `copy_in`."""
    target = host.target_place(dest)
    place, size = _container_source(session, path, follow=follow)
    directory, name = rules.arrange(place, target)
    moved = 0

    def take(pipe: Pipe) -> None:
        nonlocal moved
        try:
            host.land_tar(pipe, directory, archive=archive)
        finally:
            moved = pipe.count

    content = session.get(place.path, name, take)
    return Copied(content if place.directory else size, moved, dest)


def extract_out(session: Session, path: str, stream: BinaryIO, *, follow: bool) -> Copied:
    """The tar of what is at `path` to a binary stream. Raises as `copy_in`, and what the stream raises."""
    place, _ = _container_source(session, path, follow=follow)
    moved = 0

    def take(pipe: Pipe) -> None:
        nonlocal moved
        while data := pipe.read():
            stream.write(data)
        moved = pipe.count

    content = session.get(place.path, rules.source_name(place), take)
    return Copied(content, moved, "-")


def _container_source(session: Session, path: str, *, follow: bool) -> tuple[Place, int]:
    wanted, name = rules.plain(path), ""
    found = session.stat(wanted)
    if follow and found.is_link:
        wanted, name = rules.rename(wanted, found.link)
        found = session.stat(wanted)
    return Place(wanted, True, found.is_directory, name), found.size if found.is_file else 0


def read_file(session: Session, path: str, limit: int) -> bytes:
    """The bytes of a file of the container; links lead to it. Raises NoSuchFile, FileTooBig, CannotCopy."""
    parts: list[bytes] = []

    def take(pipe: Pipe) -> None:
        while data := pipe.read():
            parts.append(data)

    session.read(rules.plain(path), limit, take)
    return b"".join(parts)


def write_file(
    session: Session, path: str, data: bytes, *, mode: int | None, owner: tuple[int, int] | None
) -> None:
    """Makes `data` the file at `path`, at once. Raises as `copy_in`."""
    if rules.asserts_directory(path):
        raise CannotCopy(f"{path} names a directory")
    session.write(rules.plain(path), lambda pipe: pipe.write(data), mode=mode, owner=owner)
