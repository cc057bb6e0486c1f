"""The size of a terminal's window: ioctl_tty(2)."""

from __future__ import annotations

from cowl.linux.syscalls import call

_SET_SIZE = 0x5414  # TIOCSWINSZ


def set_size(fd: int, rows: int, columns: int) -> None:
    """Sets it, in characters; if it is another one the foreground processes get SIGWINCH. Raises OSError."""
    words = (rows & 0xFFFF, columns & 0xFFFF, 0, 0)
    call("ioctl", fd, _SET_SIZE, b"".join(word.to_bytes(2, "little") for word in words))
