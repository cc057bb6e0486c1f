"""Process 1 becomes an init, and the payload its child: see `init_program`."""

from __future__ import annotations

import os

from cowl.linux import namespaces
from cowl.linux.syscalls import call

_SET_MASK = 2  # SIG_SETMASK
_ALL, _NONE = b"\xff" * 8, bytes(8)


def fork_payload(program: int, *, terminal: bool) -> None:
    """Returns in the child only, which is a process group of its own, the terminal's if there is one.

    Not before process 1 has executed `program`: so while there is a payload nothing of the interpreter,
    and of the host that it knows, is in process 1. Raises OSError, in process 1.
    """
    reader, writer = os.pipe()
    call("rt_sigprocmask", _SET_MASK, _ALL, None, 8)  # inherited: a signal that comes now is not lost
    pid, pidfd = namespaces.clone()
    if pid:
        os.close(reader)
        os.close(pidfd)
        os.execve(program, [b"cowl-init", b"%d" % pid], {})
    os.close(writer)
    os.close(program)
    os.read(reader, 1)  # its end: the other one was executed, and closed on that
    os.close(reader)
    os.setpgid(0, 0)
    if terminal:
        os.tcsetpgrp(0, os.getpid())  # from the background, which SIGTTOU would stop
    call("rt_sigprocmask", _SET_MASK, _NONE, None, 8)
