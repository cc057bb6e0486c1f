"""Destinations: where one file of an export goes. A path gets it whole or not at all."""

from __future__ import annotations

import os
from stat import S_ISDIR, S_ISREG

from cowl.errors import Invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

    from cowl.outputs import Destination as Place

_BUFFER = 1 << 20


class NotAFile(Invalid):
    """The destination of a file is a directory, or missing. Field: dest."""

    def __init__(self, dest: str, why: str, hint: str) -> None:
        super().__init__(why, hint=hint)
        self.dest = dest


def check_destination(dest: Place) -> None:
    """Raises NotAFile for a path where no file can be put, before anything is built."""
    if not isinstance(dest, str):
        return
    if not dest:
        raise NotAFile(dest, "the output has no destination", "give it one: dest=FILE")
    if os.path.isdir(dest):
        raise NotAFile(dest, f"{dest} is a directory", "this output is one file: name it")
    parent = os.path.dirname(dest) or "."
    if not os.path.isdir(parent):
        raise NotAFile(dest, f"{dest}: there is no directory {parent}", "make it, or name another place")


class Destination:
    """An open destination: `write` takes bytes. A `with` block; only its good end puts the file there.

    A stream, a device or a FIFO gets the bytes as they come.
    """

    def __init__(self, dest: Place) -> None:
        self._dest = dest
        self._part = ""

    def __enter__(self) -> Self:
        if not isinstance(self._dest, str):
            self.write = self._dest.write
            return self
        if _is_special(self._dest):
            self._file = open(self._dest, "wb", buffering=_BUFFER)
        else:
            folder, name = os.path.split(os.path.realpath(self._dest))
            self._part = os.path.join(folder, f".{name[:200]}.{os.urandom(4).hex()}.part")
            self._file = open(self._part, "xb", buffering=_BUFFER)
        self.write = self._file.write
        return self

    def __exit__(self, _kind: object, failure: BaseException | None, _trace: object) -> None:
        if not isinstance(self._dest, str):
            if failure is None:
                self._dest.flush()
            return
        try:
            self._file.close()
            if self._part and failure is None:
                os.rename(self._part, os.path.realpath(self._dest))
                self._part = ""
        finally:
            if self._part:
                os.unlink(self._part)


def _is_special(path: str) -> bool:
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return False
    return not S_ISREG(mode) and not S_ISDIR(mode)
