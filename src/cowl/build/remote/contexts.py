"""Contexts that are no directory of this machine: a stream, a git repository, a URL.

An archive is unpacked into the store's staging area by the rules of ADD (`cowl.build.unarchive`); all of
it belongs to root, as the files of a directory do. What is no archive is taken for a Dockerfile.
"""

from __future__ import annotations

import os

from cowl.build.archives import Descriptor, begins_as_archive, open_archive
from cowl.build.context import TEXT_LIMIT
from cowl.errors import Invalid
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

    from cowl.layer.streams import Readable

_HEAD = 512
# The name of a Dockerfile that a URL gave in the context that it then is, as with BuildKit.
_URL_DOCKERFILE = "context"


class EmptyContext(Invalid):
    """A stream or URL gives not one byte. Field: source."""

    def __init__(self, source: str) -> None:
        super().__init__(
            f"{source} is empty",
            hint="it takes a tar of the context, plain or compressed, or a Dockerfile",
        )
        self.source = source


class BadContextArchive(Invalid):
    """Something compressed that holds no tar. Field: source."""

    def __init__(self, source: str) -> None:
        super().__init__(
            f"{source} is compressed, but holds no tar",
            hint="it takes a tar of the context, plain or compressed, or a Dockerfile",
        )
        self.source = source


class Staged(Value):
    """A context that lies in the staging area.

    directory  its files
    shown      what messages call it
    text       the Dockerfile that came instead of an archive, else None
    """

    directory: str
    shown: str
    text: bytes | None = None


def stage_stream(stream: BinaryIO | Readable, directory: str, shown: str) -> Staged:
    """Unpacks the archive that `stream` gives into the empty directory, or reads the Dockerfile.

    Raises EmptyContext, BadContextArchive, BadArchive, Invalid, OSError and what `stream` raises.
    """
    head = b""
    while len(head) < _HEAD and (more := stream.read(_HEAD - len(head))):
        head += more
    if not head:
        raise EmptyContext(shown)
    whole = _Whole(head, stream)
    if not begins_as_archive(head):
        return Staged(directory, shown, read_text(whole, shown))
    _unpack(whole, directory, shown)
    return Staged(directory, shown)


def stage_file(path: str, directory: str, shown: str) -> Staged:
    """The same of a file that was downloaded; a Dockerfile is a file of the context too."""
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        staged = stage_stream(Descriptor(fd), directory, shown)
    finally:
        os.close(fd)
    if staged.text is not None:
        with open(f"{directory}/{_URL_DOCKERFILE}", "xb") as file:
            file.write(staged.text)
        os.chmod(f"{directory}/{_URL_DOCKERFILE}", 0o600)
    return staged


def read_text(stream: BinaryIO | Readable, shown: str) -> bytes:
    """All of a Dockerfile. Raises Invalid for one that is too long."""
    parts, size = [], 0
    while part := stream.read(1 << 20):
        parts.append(part)
        size += len(part)
        if size > TEXT_LIMIT:
            raise Invalid(f"{shown} is neither a tar nor a Dockerfile: it has more than {TEXT_LIMIT} bytes")
    return b"".join(parts)


def _unpack(stream: Readable, directory: str, shown: str) -> None:
    from cowl.build.diff_tree import DiffTree
    from cowl.build.unarchive import unarchive
    from cowl.layer.limits import Limits
    from cowl.layer.view import MergedView

    limits = Limits()
    opened = open_archive(stream, limits)
    if opened is None:
        raise BadContextArchive(shown)
    tree = DiffTree(directory, MergedView([directory]), MergedView([]), _NoOwners())
    unarchive(shown, *opened, tree, "/", limits=limits, layer=False)
    tree.settle()


class _Whole:
    """A stream some of whose bytes were already taken."""

    def __init__(self, head: bytes, stream: BinaryIO | Readable) -> None:
        self._head = head
        self._stream = stream

    def read(self, size: int = -1, /) -> bytes:
        """At most `size` bytes."""
        if self._head:
            data, self._head = self._head[:size], self._head[size:]
            return data
        return self._stream.read(size)


class _NoOwners:
    """A way of ownership (see `cowl.layer.owners`) that has none; whoever builds can read every file."""

    recorded = False

    def apply(self, fd: int, uid: int, gid: int, mode: int, *, directory: bool) -> None:  # noqa: ARG002
        os.fchmod(fd, self._readable(mode, directory))

    def apply_node(self, name: str | bytes, dir_fd: int | None, uid: int, gid: int, mode: int) -> None:  # noqa: ARG002
        os.chmod(name, mode, dir_fd=dir_fd)

    def apply_link(self, name: str | bytes, dir_fd: int | None, uid: int, gid: int) -> None:
        """Nothing."""

    def read(self, where: int | str | bytes, status: os.stat_result) -> tuple[int, int, int]:  # noqa: ARG002
        return 0, 0, status.st_mode & 0o7777

    def _readable(self, mode: int, directory: bool) -> int:
        return mode if os.geteuid() == 0 else mode | (0o700 if directory else 0o400)
