"""A keeper forked before its job is known: it gets ready while its starter finds out what the job is.

A container start in a fresh process is mostly imports. Half of them are needed only by the keeper,
and there is more than one processor. In a warm process it is the fork itself that nobody waits for.
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

    def __init__(self, control: int) -> None:
        """Takes over the channel to it."""
        self._control = control

    def submit(self, job: dict[str, Any], stdio: Stdio, reply: int) -> None:
        """Hands its job over; it is a keeper from then on. Raises Unavailable if it has died."""
        try:
            hand_over(self._control, job, stdio, reply)
        finally:
            self.close()

    def close(self) -> None:
        """Lets go of it. Idempotent."""
        if self._control >= 0:
            os.close(self._control)
            self._control = -1


def fork_standby() -> tuple[Standby, int]:
    """One of this process, which must have one thread, and its pid. Raises OSError."""
    control, theirs = channel.pair()
    owner = os.pidfd_open(os.getpid())
    pid = os.fork()
    if pid == 0:
        os.close(control)
        stand_by(theirs, owner)
    os.close(theirs)
    os.close(owner)
    return Standby(control), pid


def load() -> None:
    """All that a keeper and its child need for an ordinary container: they should find nothing left to load.

    A module that only some containers need is loaded by their keepers.
    """
    import cowl.runtime.cgroup
    import cowl.runtime.child
    import cowl.runtime.filters
    import cowl.runtime.keeper
    import cowl.runtime.making
    import cowl.runtime.process_limits
    import cowl.runtime.relay
    import cowl.runtime.stream_owner
    from cowl.linux.cgroups import V1, version

    if version() == V1:
        import cowl.linux.cgroup_v1
    else:
        import cowl.linux.cgroup_v2  # noqa: F401


def stand_by(control: int, owner: int) -> NoReturn:
    """What it does, in a process of its own.

    owner  a pidfd of the process that the container must not outlive
    """
    try:
        gc.disable()  # a collection would touch, and so copy, all that is shared with the starter
        credentials.default_signals()  # Ctrl-C ends it without a word
        load()  # this is what it was forked for
        data, fds = channel.receive(control)
        os.close(control)
        if data:
            carry_out(fds, owner)
    finally:
        os._exit(0)
