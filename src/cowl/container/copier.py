"""Who copies files into containers and out of them: the room of transfers. For type checking only."""

from __future__ import annotations

from typing import BinaryIO, Protocol


class Copied(Protocol):
    """What a copy was."""

    @property
    def content_bytes(self) -> int:
        """The bytes of its files."""

    @property
    def transferred_bytes(self) -> int:
        """Those that were moved for that, headers included."""

    @property
    def path(self) -> str:
        """Where it went, as it was understood."""


class Copying(Protocol):
    """One copy, on an open channel to the program among the container's files."""

    def copy_in(self, source: str, path: str, *, archive: bool, follow: bool) -> Copied:
        """A file or directory of the host at an absolute path."""

    def extract_in(self, stream: BinaryIO, path: str) -> Copied:
        """A tar made into files."""

    def copy_out(self, path: str, dest: str, *, archive: bool, follow: bool) -> Copied:
        """To an absolute path of the host."""

    def extract_out(self, path: str, stream: BinaryIO, *, follow: bool) -> Copied:
        """As a tar."""

    def read_file(self, path: str, limit: int) -> bytes:
        """The bytes of a file."""

    def write_file(self, path: str, data: bytes, *, mode: int | None, owner: tuple[int, int] | None) -> None:
        """A whole file."""


class Copier(Protocol):
    """Makes copies. `program` is what runs among the files: "module:function"."""

    @property
    def program(self) -> str:
        """See Runtime.visit."""

    def begin(self, end: int, container: str, *, mapped: bool) -> Copying:
        """A copy on our end of the channel; `container` is the name for messages."""
