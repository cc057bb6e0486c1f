"""Reading ahead: one thread receives and hashes while another inflates and writes."""

from __future__ import annotations

import io
import queue
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    class Source(Protocol):
        """What can be read."""

        def read(self, size: int, /) -> bytes:
            """At most `size` bytes, b"" at the end."""
            ...


CHUNK_BYTES = 1 << 19
DEPTH = 8
_POLL_SECONDS = 0.2


class ReadAhead(io.BufferedIOBase):
    """The bytes of `source`, at most CHUNK_BYTES * DEPTH of them held. What its read raises, ours raises.

    `check` is called before each read and may raise to give up. A context manager; leaving it ends the
    thread, after the read of `source` that is under way.
    """

    def __init__(self, source: Source, check: Callable[[], object] = bool) -> None:
        super().__init__()
        self._source = source
        self._check = check
        self._chunks: queue.Queue[bytes | BaseException] = queue.Queue(DEPTH)
        self._stopped = threading.Event()
        self._rest = memoryview(b"")
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="cowl-read-ahead")
        self._thread.start()

    def readable(self) -> bool:
        """True."""
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        """At most `size` bytes, at least one before the end; all for None or -1."""
        if size is None or size < 0:
            return b"".join(iter(lambda: self.read(CHUNK_BYTES), b""))
        self._check()
        if not self._rest and not self._ended:
            self._next()
        piece = bytes(self._rest[:size])
        self._rest = self._rest[size:]
        return piece

    def read1(self, size: int = -1, /) -> bytes:
        """The same as `read`."""
        return self.read(CHUNK_BYTES if size < 0 else size)

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]
        """Read into `buffer`; 0 is the end."""
        piece = self.read(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        """End the thread."""
        self._stopped.set()
        self._thread.join()
        super().close()

    def _next(self) -> None:
        item = self._chunks.get()
        if isinstance(item, BaseException):
            self._ended = True
            raise item
        self._ended = not item
        self._rest = memoryview(item)

    def _run(self) -> None:
        item: bytes | BaseException = b"-"
        while item and not isinstance(item, BaseException):
            try:
                item = self._source.read(CHUNK_BYTES)
            except BaseException as problem:  # noqa: BLE001 - the reader raises it
                item = problem
            if not self._put(item):
                return

    def _put(self, item: bytes | BaseException) -> bool:
        """Queue `item`; False if nobody will read it any more."""
        while not self._stopped.is_set():
            try:
                self._chunks.put(item, timeout=_POLL_SECONDS)
            except queue.Full:
                continue
            return True
        return False
