"""Feeding and draining a process's pipes side by side, so that neither end can block the other."""

from __future__ import annotations

import os
import select
import time

from cowl.container.result import RunTimeout
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Clock = Callable[[], float]

CHUNK = 1 << 16
LONGEST_POLL = 86400.0  # seconds: poll(2) counts milliseconds in an int


class Pipes(Value):
    """The two ends of a process's three streams: the child's as `Stdio` wants them, and ours."""

    stdin: tuple[int, int]  # (child reads, we write)
    stdout: tuple[int, int]  # (child writes, we read)
    stderr: tuple[int, int]

    @classmethod
    def make(cls) -> Pipes:
        """Three fresh close-on-exec pipes; the caller closes them with `close_child` and `close`."""
        made: list[int] = []
        try:
            for _ in range(3):
                made += os.pipe()
        except OSError:
            for fd in made:
                os.close(fd)
            raise
        reader, writer, out_reader, out_writer, err_reader, err_writer = made
        return cls((reader, writer), (out_writer, out_reader), (err_writer, err_reader))

    def child(self) -> tuple[int, int, int]:
        """The child's stdin, stdout and stderr."""
        return self.stdin[0], self.stdout[0], self.stderr[0]

    def close_child(self) -> None:
        """Closes the child's ends, once it holds them itself: else end of file is never seen."""
        for fd in self.child():
            os.close(fd)

    def close(self) -> None:
        """Closes our reading ends; `communicate` has closed the writing one."""
        os.close(self.stdout[1])
        os.close(self.stderr[1])

    def close_all(self) -> None:
        """Closes both ends of all, when no process was started."""
        self.close_child()
        self.close()
        os.close(self.stdin[1])


def communicate(pipes: Pipes, data: bytes, deadline: float | None, clock: Clock) -> tuple[bytes, bytes, bool]:
    """Writes `data` to the child, reads its output to the end: (stdout, stderr, in_time).

    Stops at `deadline` (on `clock`'s scale, seconds) with what was read so far and in_time False.
    A child that closes its stdin early is no error, as with subprocess.communicate.
    """
    collected: dict[int, bytearray] = {pipes.stdout[1]: bytearray(), pipes.stderr[1]: bytearray()}
    poller = select.poll()
    for fd in collected:
        poller.register(fd, select.POLLIN)
    feed = _Feed(pipes.stdin[1], data, poller)
    open_fds = set(collected)
    in_time = True
    try:
        while open_fds and in_time:
            left = None if deadline is None else deadline - clock()
            in_time = left is None or left > 0
            for fd, _ in poller.poll(_milliseconds(left)):
                if fd == feed.fd:
                    feed.step()
                elif not _drain(fd, collected[fd]):
                    poller.unregister(fd)
                    open_fds.discard(fd)
    finally:
        feed.close()
    return bytes(collected[pipes.stdout[1]]), bytes(collected[pipes.stderr[1]]), in_time or not open_fds


def converse(args: tuple[str, ...], pipes: Pipes, data: bytes, timeout: float | None) -> tuple[bytes, bytes]:
    """Feeds a started process and drains it to its end: (stdout, stderr).

    Raises RunTimeout at the deadline. The pipes are closed in any case; the caller kills and reaps.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    pipes.close_child()
    try:
        stdout, stderr, in_time = communicate(pipes, data, deadline, time.monotonic)
    finally:
        pipes.close()
    if not in_time:
        raise RunTimeout(args, timeout or 0, stdout, stderr)
    return stdout, stderr


def _milliseconds(left: float | None) -> int | None:
    return None if left is None else int(min(max(left, 0), LONGEST_POLL) * 1000) + (left > 0)


class _Feed:
    """Our writing end: non-blocking, closed as soon as all is written or nobody reads."""

    def __init__(self, fd: int, data: bytes, poller: select.poll) -> None:
        self.fd = fd
        self._left = memoryview(data)
        self._poller: select.poll | None = None
        if not data:
            self.close()
            return
        os.set_blocking(fd, False)
        poller.register(fd, select.POLLOUT)
        self._poller = poller

    def step(self) -> None:
        try:
            self._left = self._left[os.write(self.fd, self._left[:CHUNK]) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._left = self._left[:0]
        if not self._left:
            self.close()

    def close(self) -> None:
        if self.fd < 0:
            return
        if self._poller is not None:
            self._poller.unregister(self.fd)
        os.close(self.fd)
        self.fd = -1


def _drain(fd: int, into: bytearray) -> bool:
    """One read; False at the end of the stream."""
    data = os.read(fd, CHUNK)
    into += data
    return bool(data)
