"""The log of a container, in the format of Docker's json-file driver: one JSON object a line, rotated.

{"log": text, "stream": "stdout" or "stderr", "time": RFC 3339}. A text without a line's end goes on in the
next object of its stream. What is not UTF-8 is U+FFFD for each byte, as there.
"""

from __future__ import annotations

import os
import time
from _json import encode_basestring  # what json.dumps calls, without the rest of json: a megabyte

NAME = "container.log"
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
_NANO = 1_000_000_000


def log_directory(container_directory: str) -> str:
    """Where the log files of a container lie."""
    return f"{container_directory}/log"


class JsonLog:
    """The writer. It is the only one: a container has one monitor."""

    def __init__(self, directory: str, max_bytes: int = 0, max_files: int = 1) -> None:
        """max_bytes: of a file, 0 for no bound; max_files: with the one that is written."""
        self._directory = directory
        self._max_bytes = max_bytes
        self._max_files = max_files
        self._fd = -1
        self._bytes = 0

    def open(self) -> None:
        """Makes the file before there is anything to write; that it fails is no matter, as for `write`."""
        try:
            if self._fd < 0:
                self._open()
        except OSError:
            pass

    def write(self, stream: str, lines: list[bytes]) -> None:
        """Appends lines. On a full or failing disk they are lost, and the container goes on."""
        moment = time.time_ns()
        try:
            for line in lines:
                self._append(encode_line(stream, line, moment))
        except OSError:
            self.close()  # opened afresh the next time: the directory may be gone, or the disk mended

    def close(self) -> None:
        """Lets go of the file. Idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _append(self, record: bytes) -> None:
        if self._fd < 0:
            self._open()
        full = self._max_bytes
        if full and self._bytes and self._bytes + len(record) > full:
            self._rotate()
        written = os.write(self._fd, record)
        if written < len(record):  # a disk that is just full: half a line helps nobody
            os.ftruncate(self._fd, self._bytes)
        else:
            self._bytes += written

    def _open(self) -> None:
        try:
            os.mkdir(self._directory, 0o700)
        except FileExistsError:
            pass
        self._fd = os.open(f"{self._directory}/{NAME}", _FLAGS, 0o600)
        self._bytes = os.fstat(self._fd).st_size

    def _rotate(self) -> None:
        """Names move on by one, and the oldest is no more; of a single file the content goes."""
        path = f"{self._directory}/{NAME}"
        last = self._max_files - 1
        if not last:
            os.ftruncate(self._fd, 0)
            self._bytes = 0
            return
        self.close()
        for number in range(last - 1, 0, -1):
            _rename(f"{path}.{number}", f"{path}.{number + 1}")
        _rename(path, f"{path}.1")
        self._open()


def encode_line(stream: str, line: bytes, moment: int) -> bytes:
    """One record; `moment` in nanoseconds since the epoch."""
    try:
        text = line.decode()
    except UnicodeDecodeError:
        text = _replaced(line)
    seconds, rest = divmod(moment, _NANO)
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{rest:09d}Z"
    return f'{{"log":{encode_basestring(text)},"stream":"{stream}","time":"{stamp}"}}\n'.encode()


def _replaced(line: bytes) -> str:
    """As Go does it: a replacement character for every byte that is no part of a character."""
    text = line.decode("utf-8", "surrogateescape")
    return "".join("\ufffd" if "\udc80" <= character <= "\udcff" else character for character in text)


def _rename(source: str, target: str) -> None:
    try:
        os.rename(source, target)
    except FileNotFoundError:
        pass
