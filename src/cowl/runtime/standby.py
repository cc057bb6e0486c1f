"""A keeper forked before its job is known: it imports all that it needs while its starter does the same.

A container start in a fresh process is mostly imports. Half of them are needed only by the keeper,
and there is more than one processor.
"""

from __future__ import annotations

import gc
import os

from cowl.linux import channel, credentials
from cowl.runtime.handover import carry_out, hand_over

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from cowl.runtime.stdio import Stdio


class Standby:
    """The starter's side. For one job; without one it ends when this is closed or its starter dies."""

    def __init__(self) -> None:
        """Forks it. Only in a single-threaded process. Raises OSError."""
        self._control, theirs = channel.pair()
        owner = os.pidfd_open(os.getpid())
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._control)
            _stand_by(theirs, owner)
        os.close(theirs)
        os.close(owner)

    def submit(self, job: dict[str, Any], stdio: Stdio, reply: int) -> None:
        """Hands its job over; it is a keeper from then on."""
        try:
            hand_over(self._control, job, stdio, reply)
        finally:
            self.close()

    def close(self) -> None:
        """Lets go of it. Idempotent."""
        if self._control >= 0:
            os.close(self._control)
            self._control = -1


def _stand_by(control: int, owner: int) -> NoReturn:
    try:
        gc.disable()  # a collection would touch, and so copy, all that is shared with the starter
        credentials.default_signals()  # Ctrl-C ends it without a word
        import cowl.runtime.cgroup
        import cowl.runtime.filters
        import cowl.runtime.keeper  # noqa: F401  # all: this is what it was forked for

        data, fds = channel.receive(control)
        os.close(control)
        if data:
            carry_out(fds, owner)
    finally:
        os._exit(0)
