"""Pipes to a started container, as files of ours: what Popen calls stdin, stdout and stderr."""

from __future__ import annotations

import os

from cowl.container.talk import DEVNULL, PIPE, STDOUT
from cowl.container.words import InvalidOptions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

    Choice = int | None  # PIPE, STDOUT, DEVNULL or a descriptor; None is DEVNULL


class PipeFiles:
    """Our ends; None where there is no pipe. `stdio` are the container's, until `close_theirs`."""

    def __init__(self, streams: tuple[Choice, Choice, Choice]) -> None:
        """Raises InvalidOptions, OSError."""
        self.stdin: BinaryIO | None = None
        self.stdout: BinaryIO | None = None
        self.stderr: BinaryIO | None = None
        self._theirs: list[int] = []
        try:
            stdin = self._stdin(streams[0])
            self.stdout, stdout = self._output(streams[1], STDOUT)
            self.stderr, stderr = self._output(streams[2], stdout)
        except BaseException:
            self.close_theirs()
            self.close()
            raise
        self.stdio = stdin, stdout, stderr

    def _stdin(self, choice: Choice) -> int:
        if choice != PIPE:
            return self._plain(choice)
        theirs, ours = os.pipe()
        self._theirs.append(theirs)
        self.stdin = os.fdopen(ours, "wb")
        return theirs

    def _output(self, choice: Choice, other: int) -> tuple[BinaryIO | None, int]:
        if choice == STDOUT and other != STDOUT:
            return None, other
        if choice != PIPE:
            return None, self._plain(choice)
        ours, theirs = os.pipe()
        self._theirs.append(theirs)
        return os.fdopen(ours, "rb"), theirs

    def _plain(self, choice: Choice) -> int:
        if choice is None or choice == DEVNULL:
            self._theirs.append(os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC))
            return self._theirs[-1]
        if choice < 0:
            raise InvalidOptions("a stream is PIPE, DEVNULL or a descriptor; only stderr may be STDOUT")
        return choice

    def close_theirs(self) -> None:
        """Once the container holds its ends itself: else end of file is never seen."""
        while self._theirs:
            os.close(self._theirs.pop())

    def close(self) -> None:
        """Closes our ends. What is still unwritten and finds nobody who reads is lost. Idempotent."""
        for file in (self.stdin, self.stdout, self.stderr):
            if file is not None:
                try:
                    file.close()
                except BrokenPipeError:
                    pass
