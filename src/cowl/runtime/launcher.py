"""A single-threaded process that forks keepers for a threaded one: that may neither fork nor unshare safely.

Started once by posix_spawn, as `python -I -S`; it ends when its owner closes it or dies.
"""

from __future__ import annotations

import gc
import os
import time

from cowl.errors import Unavailable
from cowl.linux import channel, credentials
from cowl.linux.process import bury
from cowl.runtime.handover import carry_out, hand_over
from cowl.runtime.interpreter_start import CHANNEL, start_interpreter
from cowl.runtime.standby import Standby, load, stand_by

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cowl.runtime.stdio import Stdio

_STANDBY = b"K"  # a request with one descriptor: the channel where the job will come
_STEP_SECONDS, _PATIENCE = 0.001, 500  # how long the end of keepers is waited for
_CODE = "import sys; sys.path.append(sys.argv[1]); from cowl.runtime.launcher import serve; serve()"


class Launcher:
    """The owner's side. Its requests are single messages, so any thread may submit."""

    def __init__(self, *, sealed: bool) -> None:
        """Starts it, from a sealed copy of Python if the containers' root may write the original.

        Raises Unavailable.
        """
        ours, theirs = channel.pair()
        try:
            self._pid = start_interpreter(_CODE, theirs, sealed=sealed)
        except BaseException:
            os.close(ours)
            raise
        finally:
            os.close(theirs)
        self._control = ours
        self._owner = os.getpid()

    def submit(self, job: dict[str, Any], stdio: Stdio, reply: int) -> None:
        """Hands a job over; the answers come on the other end of `reply`."""
        hand_over(self._control, job, stdio, reply)

    def standby(self) -> Standby:
        """Has it fork a keeper whose job follows. Raises Unavailable if it has died."""
        ours, theirs = channel.pair()
        try:
            channel.send(self._control, _STANDBY, (theirs,))
        except BrokenPipeError:
            os.close(ours)
            raise Unavailable("the process that starts containers has died") from None
        finally:
            os.close(theirs)
        return Standby(ours)

    def close(self) -> None:
        """Ends it; the containers end with their own handles. A forked child only lets go of its copy."""
        mine = self._owner == os.getpid()
        if mine:
            channel.hang_up(self._control)
        os.close(self._control)
        if mine:
            bury(self._pid, None)


def serve() -> None:
    """The launcher itself: forks a keeper for every request, until nobody can ask any more."""
    import cowl.runtime.owners  # noqa: F401

    load()  # once, for all keepers
    gc.disable()  # a collection in a keeper would touch, and so copy, all that it shares with us
    os.setsid()
    credentials.rename("cowl-launcher")
    credentials.ignore_children()
    owner = os.pidfd_open(os.getppid())
    while True:
        data, fds = channel.receive(CHANNEL)
        if not data:
            _outlive_keepers()
            os._exit(0)
        if os.fork() == 0:
            credentials.heed_children()
            if data == _STANDBY:
                stand_by(fds[0], owner)
            carry_out(fds, owner)
        for fd in fds:
            os.close(fd)


def _outlive_keepers() -> None:
    """Who closes the engine finds everything gone; what lives on is not waited for long."""
    for _ in range(_PATIENCE):
        try:
            os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        time.sleep(_STEP_SECONDS)
