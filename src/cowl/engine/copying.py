"""Copies of files: the rooms of containers and transfers put together."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

    from cowl.transfer.copying.copies import Copied


class Copier:
    """See cowl.container.copier.Copier."""

    program = "cowl.transfer.copying.inside:serve"

    def begin(self, end: int, container: str, *, mapped: bool) -> Copying:
        """On our end of the channel."""
        return Copying(end, container, mapped=mapped)


class Copying:
    """See cowl.container.copier.Copying."""

    def __init__(self, end: int, container: str, *, mapped: bool) -> None:
        from cowl.transfer.copying.session import Session

        self._session = Session(end, container, recorded=os.geteuid() != 0, mapped=mapped)

    def copy_in(self, source: str, path: str, *, archive: bool, follow: bool) -> Copied:
        """See copies.copy_in."""
        from cowl.transfer.copying.copies import copy_in

        return copy_in(self._session, source, path, archive=archive, follow=follow)

    def extract_in(self, stream: BinaryIO, path: str) -> Copied:
        """See copies.extract_in."""
        from cowl.transfer.copying.copies import extract_in

        return extract_in(self._session, stream, path)

    def copy_out(self, path: str, dest: str, *, archive: bool, follow: bool) -> Copied:
        """See copies.copy_out."""
        from cowl.transfer.copying.copies import copy_out

        return copy_out(self._session, path, dest, archive=archive, follow=follow)

    def extract_out(self, path: str, stream: BinaryIO, *, follow: bool) -> Copied:
        """See copies.extract_out."""
        from cowl.transfer.copying.copies import extract_out

        return extract_out(self._session, path, stream, follow=follow)

    def read_file(self, path: str, limit: int) -> bytes:
        """See copies.read_file."""
        from cowl.transfer.copying.copies import read_file

        return read_file(self._session, path, limit)

    def write_file(self, path: str, data: bytes, *, mode: int | None, owner: tuple[int, int] | None) -> None:
        """See copies.write_file."""
        from cowl.transfer.copying.copies import write_file

        write_file(self._session, path, data, mode=mode, owner=owner)
