"""The command's side of a detached start: an interpreter for the monitor, and what it is told."""

from __future__ import annotations

import json
import os

from cowl.errors import Unavailable
from cowl.linux import channel
from cowl.runtime.failures import decode
from cowl.runtime.interpreter_start import start_interpreter
from cowl.runtime.sealing import needs_sealing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.config import Config

# Forked once more before anything is imported: the monitor is a child of nobody who might wait for his.
_CODE = (
    "import os, sys; os.fork() and os._exit(0); sys.path.append(sys.argv[1]);"
    " from cowl.container.monitor import serve; serve()"
)


class MonitorLost(Unavailable):
    """The monitor died before it had started the container."""

    def __init__(self) -> None:
        super().__init__(
            "the container's monitor died before the container was started",
            hint="is the machine out of memory?",
        )


class MonitorStart:
    """A monitor without a container yet: it loads what it needs while the command makes one.

    It ends when this is closed or the command dies before `begin`.
    """

    def __init__(self, *, mapped: bool = True) -> None:
        """Starts its interpreter, with nothing of ours in it. Raises Unavailable.

        mapped  the container has a user namespace of its own; else it runs from a sealed copy of Python
        """
        self._control, theirs = channel.pair()
        try:
            sealed = needs_sealing(mapped=mapped)
            self._pid = start_interpreter(_CODE, theirs, sealed=sealed, clean=True)
        except BaseException:
            os.close(self._control)
            raise
        finally:
            os.close(theirs)

    def begin(
        self, config: Config, identity: str, *, attached: tuple[int, ...] = (), size: tuple[int, ...] = ()
    ) -> None:
        """Has it take the container and start it; returns once the command in there was executed.

        attached  their ends of the sockets of those who see what it prints from the first byte on
        size      rows and columns of the window that its terminal has, if it has one
        Raises what starting it raised (its class, or the kind above it); MonitorLost.
        """
        job = {"root": config.root, "runtime": config.runtime, "id": identity, "size": size}
        try:
            channel.send(self._control, json.dumps(job).encode(), attached)
            data, _ = channel.receive(self._control)
        except BrokenPipeError:
            data = b""
        if not data:
            raise MonitorLost
        if data[:1] == b"F":
            raise decode(data[1:])

    def close(self) -> None:
        """Lets go of it: one that has begun goes on. Idempotent."""
        if self._control < 0:
            return
        os.close(self._control)
        self._control = -1
        try:
            os.waitpid(self._pid, 0)  # the one that forked the monitor, and ended at once
        except ChildProcessError:
            pass  # the program that we are in ignores SIGCHLD, or waits for whatever comes
