"""Files by name, of an archive or of a directory with images: nothing is unpacked, no link leads out.

An archive is a tar that can be sought in. Links in it are followed among its own names only: old versions
of `docker save` wrote a layer that two images share as a symbolic link.
"""

from __future__ import annotations

import os
import stat

from cowl.errors import Invalid
from cowl.linux.files import open_beneath

TYPE_CHECKING = False
if TYPE_CHECKING:
    import tarfile
    from typing import Any, Protocol, Self

    class ImageFiles(Protocol):
        """What a layout or archive consists of; open while its `with` block lasts."""

        @property
        def name(self) -> str:
            """As the user knows it."""

        def open(self, path: str) -> Part:
            """A regular file. Raises OSError."""

        def __enter__(self) -> Self: ...

        def __exit__(self, *_failure: object) -> None: ...


_MOST_ENTRIES = 200_000
_MOST_HEADER_BYTES = 1 << 20
_MOST_LINKS = 8


class BadArchive(Invalid):
    """An archive of images is malformed, or none. Fields: name, why."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(
            f"can't load {name}: {why}",
            hint="load takes what `docker save` writes, or an OCI layout as a tar or directory;"
            " for the tar of a root file system there is `cowl import`",
        )
        self.name = name
        self.why = why


class Part:
    """A range of a descriptor's bytes. Reads leave the descriptor's position alone; for one thread."""

    def __init__(self, fd: int, start: int, size: int, *, owned: bool = False) -> None:
        """`owned`: closing this closes the descriptor."""
        self.size = size
        self._fd = fd
        self._at = start
        self._end = start + size
        self._owned = owned

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; none at the end."""
        data = os.pread(self._fd, min(size, self._end - self._at), self._at)
        self._at += len(data)
        return data

    def close(self) -> None:
        """Once."""
        if self._owned:
            os.close(self._fd)


def read_file(files: ImageFiles, path: str, limit: int) -> bytes:
    """The first `limit` bytes of a file. Raises OSError."""
    part = files.open(path)
    try:
        chunks = []
        while limit > 0 and (data := part.read(limit)):
            chunks.append(data)
            limit -= len(data)
        return b"".join(chunks)
    finally:
        part.close()


class DirectoryFiles:
    """The files below a directory. Raises FileNotFoundError, NotADirectoryError."""

    def __init__(self, directory: str) -> None:
        self.name = directory
        self._fd = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    def open(self, path: str) -> Part:
        """See ImageFiles."""
        fd = open_beneath(self._fd, path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
        found = os.fstat(fd)
        if stat.S_ISREG(found.st_mode):
            return Part(fd, 0, found.st_size, owned=True)
        os.close(fd)
        raise OSError(0, "it is no regular file")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_failure: object) -> None:
        os.close(self._fd)


class ArchiveFiles:
    """The files of an uncompressed tar; `fd` can be sought in and stays the caller's. Raises BadArchive."""

    def __init__(self, fd: int, name: str) -> None:
        self.name = name
        self._fd = fd
        self._places: dict[str, tuple[int, int]] = {}
        self._links: dict[str, str] = {}
        self._read_index()

    def open(self, path: str) -> Part:
        """See ImageFiles."""
        place = self._places.get(self._resolved(path))
        if place is None:
            raise FileNotFoundError(2, "the archive has no such file")
        return Part(self._fd, *place)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_failure: object) -> None:
        return

    def _resolved(self, path: str) -> str:
        for _ in range(_MOST_LINKS):
            if path not in self._links:
                break
            path = self._links[path]
        return path

    def _read_index(self) -> None:
        """Reads headers alone. What comes twice counts as it came last, as when it is unpacked."""
        import tarfile

        length = os.fstat(self._fd).st_size
        headers: Any = _Headers(self._fd)
        try:
            with tarfile.open(fileobj=headers, mode="r:") as opened:
                tar: Any = opened
                number = 0
                while member := tar.next():
                    number += 1
                    if number > _MOST_ENTRIES:
                        raise BadArchive(self.name, f"it has more than {_MOST_ENTRIES} entries")
                    if member.offset_data + member.size > length:
                        raise BadArchive(self.name, f"it ends in the middle of {member.name[:100]!r}")
                    self._take(member)
                    tar.members.clear()  # else it keeps them all
        except (tarfile.TarError, ValueError, OverflowError, UnicodeError, OSError) as problem:
            raise BadArchive(self.name, f"it is no sound tar: {problem}") from problem

    def _take(self, member: tarfile.TarInfo) -> None:
        name = _normal(member.name)
        self._places.pop(name, None)
        self._links.pop(name, None)
        if member.isreg() and not member.issparse():
            self._places[name] = (member.offset_data, member.size)
        elif member.issym():
            self._links[name] = _normal(os.path.join(os.path.dirname(name), member.linkname))
        elif member.islnk():
            self._links[name] = _normal(member.linkname)


def _normal(name: str) -> str:
    """Names are keys here, no paths of a file system: one that climbs out just meets nothing."""
    return os.path.normpath("/" + name).lstrip("/")


class _Headers:
    """A file for `tarfile`, of which it reads headers: none that is as long as memory."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._at = 0

    def read(self, size: int) -> bytes:
        if size > _MOST_HEADER_BYTES:
            raise ValueError(f"a header of {size} bytes")
        data = os.pread(self._fd, size, self._at)
        self._at += len(data)
        return data

    def seek(self, offset: int) -> int:
        self._at = offset
        return offset

    def tell(self) -> int:
        return self._at
