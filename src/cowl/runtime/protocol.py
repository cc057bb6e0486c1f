"""What every runtime offers. Imported for type checking only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from cowl.linux.process import ProcessId
from cowl.runtime.in_person import Kept
from cowl.runtime.premises import Premises
from cowl.runtime.spec import Bundle
from cowl.runtime.stdio import ExitStatus, Stdio


class Running(Protocol):
    """A started process, in the hand of who started it. It dies with this handle and with its owner."""

    @property
    def process(self) -> ProcessId:
        """Its identity on the host."""

    @property
    def console(self) -> int:
        """The master end of its terminal, or -1. Closed by `close`."""

    def fileno(self) -> int:
        """A descriptor that becomes readable when it has ended; for poll(2), never to be read."""

    def wait(self, timeout: float | None = None) -> ExitStatus:
        """How it ended; may be asked again. Raises StillRunning after `timeout` seconds."""

    def signal(self, number: int) -> None:
        """Sends a signal; nothing happens when it has ended."""

    def let_go(self) -> None:
        """Of an exec: it is to live as long as its container, with this process or without. Then `close`.

        What it prints on its terminal from now on is lost.
        """

    def close(self) -> None:
        """Lets go of it, and kills it with all that descends from it if it still runs. Idempotent."""


class Runtime(Protocol):
    """Starts containers."""

    def prepare(self) -> None:
        """A hint that a start or exec will follow soon: what it needs is loaded meanwhile."""

    def start(
        self, bundle: Bundle, stdio: Stdio, *, on_namespaces: Callable[[int], None] | None = None
    ) -> Running:
        """Runs a container's first process; returns once it was executed.

        on_namespaces  is called with its pid when its namespaces and id maps are there and nothing else
                       is: what it raises is raised here
        Raises CommandNotFound, CommandNotExecutable and other CowlErrors; then nothing is left running.
        """

    def start_in_person(
        self, bundle: Bundle, stdio: Stdio, *, on_namespaces: Callable[[int], None] | None = None
    ) -> Kept:
        """Runs a container's first process as a child of this process, which has one thread: for a monitor.

        Whatever helped to start it is gone when this returns, and nothing but the child has to be watched:
        it goes on when this process executes another program. Raises as `start`.
        """

    def exec(
        self,
        init: ProcessId,
        process: dict[str, Any],
        stdio: Stdio,
        *,
        profile: dict[str, Any] | None = None,
        mapped: bool = True,
        identity: str = "",
        directory: str = "",
    ) -> Running:
        """Runs one more process (a runtime-spec `process`) in the container whose first is `init`.

        profile  its `linux.seccomp` object; None: the usual one
        mapped   the container has a user namespace of its own
        identity, directory  as they were in its bundle
        Raises as `start`, and NoSuchProcess when the container has ended.
        """

    def visit(self, where: ProcessId | Premises, function: str, stdio: Stdio) -> Running:
        """Calls code of cowl's own, "module:function", among the files of a container.

        where  the first process of a running container, or what one at rest consists of
        Its argument is a descriptor of the container's root; its rights are those of the container's root
        over the container's files. No process of the container sees it, and it can import nothing any more.
        Raises as `exec`.
        """

    def release(self, identity: str, directory: str) -> None:
        """Removes what the runtime keeps of a container that has ended. Idempotent.

        Who started it by `start` need not: that is done when it ends.
        """

    def close(self) -> None:
        """Ends what the runtime keeps for itself. Running processes die. Idempotent."""
